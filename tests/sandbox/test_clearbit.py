"""The sandbox's Clearbit: shapes as recorded, truth where there is one, and every refusal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from sandbox.clearbit_facts import MAIL_HOSTS, domain_of
from sandbox.server import Sandbox

NOW = datetime(2026, 3, 18, 15, 30, tzinfo=UTC)


class Api:
    """Both hosts, with a key."""

    def __init__(self, box: Sandbox) -> None:
        env = box.env
        self.hosts = {
            "person": env["BATON_CLEARBIT_PERSON_BASE_URL"],
            "company": env["BATON_CLEARBIT_COMPANY_BASE_URL"],
        }
        self.key = env["BATON_CLEARBIT_KEY"]

    def get(self, host: str, path: str, *, key: str | None = None, **params: str) -> httpx.Response:
        login = (self.key if key is None else key, "")
        return httpx.get(self.hosts[host] + path, params=params, auth=login, timeout=20)

    def combined(self, email: str) -> httpx.Response:
        return self.get("person", "/v2/combined/find", email=email)

    def company(self, domain: str) -> httpx.Response:
        return self.get("company", "/v2/companies/find", domain=domain)


@pytest.fixture(scope="module")
def api(box: Sandbox) -> Api:
    return Api(box)


@pytest.fixture(autouse=True)
def calm(box: Sandbox) -> Iterator[None]:
    yield
    store = box.world.clearbit
    store.scripts.clear()
    store.queued.clear()
    store.per_minute = 600
    store.quota, store.is_revoked, store.always_found, store.limits = None, False, False, False


def people(box: Sandbox) -> list[dict[str, Any]]:
    return [
        one
        for one in box.world.truth.people
        if one["emails"] and not one["golden"] and domain_of(one["emails"][0]) not in MAIL_HOSTS
    ]


def change(control: httpx.Client, **values: Any) -> dict[str, Any]:
    answer = control.post("/clearbit", json=values)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_lookups_end_in_every_way_the_vendor_knows(box: Sandbox, api: Api) -> None:
    answers = [api.combined(one["emails"][0]) for one in people(box)]
    assert set(Counter(answer.status_code for answer in answers)) == {200, 202, 404}
    halves = Counter(
        (bool(body["person"]), bool(body["company"]))
        for body in (answer.json() for answer in answers if answer.status_code == 200)
    )
    assert set(halves) == {(True, True), (True, False), (False, True)}
    assert all(answer.json() == {} for answer in answers if answer.status_code == 202)
    again = api.combined(people(box)[0]["emails"][0])
    assert again.status_code == answers[0].status_code


def test_an_answer_agrees_with_what_the_systems_hold(
    box: Sandbox, api: Api, control: httpx.Client
) -> None:
    change(control, always_found=True)
    checked = 0
    for record in control.get("/records/hubspot/contacts").json()["records"]:
        held = record["properties"]
        golden = box.world.truth.by_email.get(held.get("email") or "", {}).get("golden")
        if golden or not held.get("jobtitle") or domain_of(held["email"]) in MAIL_HOSTS:
            continue
        body = api.combined(held["email"]).json()
        assert body["person"]["employment"]["title"] == held["jobtitle"]
        assert body["person"]["name"]["familyName"] == held.get("lastname")
        assert body["company"]["name"] == held.get("company", body["company"]["name"])
        checked += 1
        if checked == 20:
            break
    assert checked == 20


def test_golden_people_and_their_companies_are_unknown(
    box: Sandbox, api: Api, control: httpx.Client
) -> None:
    change(control, always_found=True)
    for one in box.world.truth.people:
        if one["golden"]:
            assert api.combined(one["emails"][0]).status_code == 404
            assert api.company(domain_of(one["emails"][0])).status_code == 404


def test_a_private_mailbox_has_a_person_and_only_its_provider_for_a_company(
    box: Sandbox, api: Api, control: httpx.Client
) -> None:
    change(control, always_found=True)
    email = next(
        email
        for one in box.world.truth.people
        for email in one["emails"]
        if domain_of(email) in MAIL_HOSTS and one["hubspot_contact_ids"]
    )
    body = api.combined(email).json()
    assert body["person"]["emailProvider"] is True
    assert body["company"] == api.company(domain_of(email)).json()
    # Nobody's company is known by it.
    missing = box.world.truth.by_email[email]["missing"]
    for host in ("gmail.com", domain_of(email)):
        company = api.company(host).json()
        assert (company["domain"], company["emailProvider"]) == (host, True)
        assert company["metrics"]["employeesRange"]
    assert box.world.truth.by_email[email]["missing"] == missing
    firm = next(one["emails"][0] for one in people(box) if one["hubspot_contact_ids"])
    assert api.combined(firm).json()["company"]["emailProvider"] is False


def test_what_was_answered_is_no_longer_missing(api: Api, control: httpx.Client) -> None:
    with Sandbox(leads=120, seed=3, now=NOW, limits=False) as box:
        box.world.clearbit.always_found = True
        one = next(one for one in people(box) if "job_title" in one["missing"])
        body = Api(box).combined(one["emails"][0]).json()
        assert body["person"]["employment"]["title"]
        assert "job_title" not in one["missing"]
        assert "company_name" not in one["missing"]


def test_a_queued_lookup_costs_one_credit_however_often_it_is_asked(
    box: Sandbox, api: Api, control: httpx.Client
) -> None:
    change(control, always_found=True)
    email = people(box)[3]["emails"][0]
    change(control, script={email: [202, 202, 200]})
    before = control.get("/clearbit").json()["credits"]
    assert [api.combined(email).status_code for _ in range(3)] == [202, 202, 200]
    assert control.get("/clearbit").json()["credits"] == before + 1
    assert api.combined(email).status_code == 200
    assert control.get("/clearbit").json()["credits"] == before + 2
    effects = control.get("/effects", params={"system": "clearbit"}).json()["effects"]
    assert [one["lookup"] for one in effects[-2:]] == [email, email]


def test_a_queued_lookup_is_ready_after_a_while(control: httpx.Client) -> None:
    with Sandbox(leads=60, seed=7, now=NOW, limits=False, frozen=True) as box:
        api = Api(box)
        waiting = [
            one["emails"][0]
            for one in people(box)
            if api.combined(one["emails"][0]).status_code == 202
        ]
        assert waiting
        assert api.combined(waiting[0]).status_code == 202
        box.world.clock.advance(box.world.clearbit.queue_seconds)
        assert api.combined(waiting[0]).status_code == 200


@pytest.mark.parametrize(
    ("host", "path", "params", "status", "kind"),
    [
        ("person", "/v2/combined/find", {}, 400, "params_invalid"),
        ("person", "/v2/people/find", {"email": "nobody"}, 422, "email_invalid"),
        ("person", "/v2/people/find", {"email": "nobody@nowhere.example"}, 404, "unknown_record"),
        ("company", "/v2/companies/find", {"domain": "not a domain"}, 422, "domain_invalid"),
        ("company", "/v2/companies/find", {"domain": "nowhere.example"}, 404, "unknown_record"),
        ("person", "/v2/companies/find", {"domain": "nowhere.example"}, 404, "unknown_route"),
        ("company", "/v1/anything", {}, 404, "unknown_route"),
    ],
)
def test_a_refusal_names_its_type(
    api: Api, host: str, path: str, params: dict[str, str], status: int, kind: str
) -> None:
    answer = api.get(host, path, **params)
    assert (answer.status_code, answer.json()["error"]["type"]) == (status, kind)


def test_the_key_is_taken_as_user_or_as_bearer_and_no_other_way(box: Sandbox, api: Api) -> None:
    url = api.hosts["person"] + "/v2/people/find"
    params = {"email": "nobody@nowhere.example"}
    bearer = {"Authorization": f"Bearer {api.key}"}
    assert httpx.get(url, params=params, headers=bearer).status_code == 404
    assert httpx.get(url, params=params).json()["error"]["type"] == "auth_required"
    wrong = httpx.get(url, params=params, auth=("sk_wrong", ""))
    assert (wrong.status_code, wrong.json()["error"]["type"]) == (401, "invalid_api_key")
    assert httpx.get(url, params={**params, "key": api.key}).status_code == 401


def test_a_used_up_plan_a_revoked_key_and_a_script_refuse(
    box: Sandbox, api: Api, control: httpx.Client
) -> None:
    change(control, always_found=True, quota=1)
    first, second = (one["emails"][0] for one in people(box)[5:7])
    assert [api.combined(email).status_code for email in (first, second)] == [200, 402]
    change(control, quota=None, script={second: 403})
    assert api.combined(second).status_code == 403
    change(control, revoked=True)
    assert api.combined(first).status_code == 401
    assert control.post("/clearbit", json={"quotas": 1}).status_code == 400


def test_more_than_the_minute_allows_is_told_by_reset_and_not_by_retry_after(
    box: Sandbox, api: Api, control: httpx.Client
) -> None:
    change(control, limits=True, per_minute=200)
    with httpx.Client(auth=(api.key, ""), timeout=20) as client:
        url = api.hosts["company"] + "/v2/companies/find"
        last = client.get(url, params={"domain": "nowhere.example"})
        while last.status_code != 429:
            assert last.headers["x-ratelimit-limit"] == "200"
            last = client.get(url, params={"domain": "nowhere.example"})
    assert last.json()["error"]["type"] == "rate_limit"
    assert "retry-after" not in last.headers
    assert int(last.headers["x-ratelimit-reset"]) > box.world.clock.now().timestamp()
