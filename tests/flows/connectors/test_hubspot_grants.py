"""What an admin, a quota or a bad day does to an account, and what the connector makes of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import httpx
import pytest

from flows.connectors.base import Finding, Page
from flows.connectors.hubspot import HubSpot
from flows.errors import Forbidden, RateLimited
from sandbox.server import Sandbox
from tests.flows.connectors.hubspot_account import OURS


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    with Sandbox(leads=30, seed=9, limits=False) as running:
        yield running


@pytest.fixture
def control(box: Sandbox) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=box.control_url) as client:
        yield client
        client.post("/hubspot/scopes", json={"all": True})
        client.post("/hubspot/token", json={"expired": False})
        client.post("/hubspot/tier", json={"tier": "enterprise"})
        client.post("/hubspot/limits", json={"enabled": False})
        client.request("DELETE", "/hubspot/validation-rules")
        client.request("DELETE", "/hubspot/locks")


@pytest.fixture
def hubspot(box: Sandbox, control: httpx.Client) -> Iterator[HubSpot]:
    env = box.env
    connector = HubSpot(
        base_url=env["BATON_HUBSPOT_BASE_URL"],
        token=env["BATON_HUBSPOT_TOKEN"],
        requests_per_10s=0,
        searches_per_second=0,
    )
    with closing(connector):
        yield connector


def say(control: httpx.Client, path: str, **body: Any) -> None:
    control.post(f"/hubspot/{path}", json=body).raise_for_status()


def pull(box: Sandbox, hubspot: HubSpot, name: str) -> list[Page]:
    stream = next(s for s in HubSpot.streams if s.name == name)
    return list(hubspot.pull(stream, None, box.world.clock.now()))


def unwell(hubspot: HubSpot) -> dict[str, Finding]:
    return {f.check: f for f in hubspot.examine() if f.status != "ok"}


@pytest.mark.parametrize(
    ("scope", "stream", "status"),
    [
        ("crm.objects.owners.read", "owners", "broken"),
        ("crm.objects.companies.read", "companies", "warning"),
        ("crm.objects.deals.read", "deals", "warning"),
        ("forms", "forms", "broken"),
        ("content", "email_events", "warning"),
        ("business-intelligence", "page_events", "warning"),
    ],
)
def test_a_scope_that_is_taken_away_is_named(
    box: Sandbox, control: httpx.Client, hubspot: HubSpot, scope: str, stream: str, status: str
) -> None:
    say(control, "scopes", remove=[scope])
    found = unwell(hubspot)
    assert {check: f.status for check, f in found.items()} == {f"hubspot.stream {stream}": status}
    assert scope in (found[f"hubspot.stream {stream}"].cure or "")
    with pytest.raises(Forbidden):
        pull(box, hubspot, stream)
    assert pull(box, hubspot, "contacts")


def test_a_deal_without_its_companies_is_still_a_deal(
    box: Sandbox, control: httpx.Client, hubspot: HubSpot
) -> None:
    with box.world.lock:
        box.world.hubspot.create("deals", {"dealname": "Acme"})
    box.world.clock.advance(5)
    say(control, "scopes", remove=["crm.objects.companies.read"])
    assert any(page.records for page in pull(box, hubspot, "deals"))


def test_an_expired_token_is_told_from_a_wrong_one(
    control: httpx.Client, hubspot: HubSpot, box: Sandbox
) -> None:
    say(control, "token", expired=True)
    (expired,) = hubspot.examine()
    assert "has expired" in (expired.cure or "")
    with closing(HubSpot(base_url=box.env["BATON_HUBSPOT_BASE_URL"], token="pat-na1-no")) as other:
        (wrong,) = other.examine()
    assert "Copy the token" in (wrong.cure or "")


def test_an_account_that_is_not_enterprise_has_no_page_views_and_all_else(
    box: Sandbox, control: httpx.Client, hubspot: HubSpot
) -> None:
    say(control, "tier", tier="professional")
    found = unwell(hubspot)
    assert set(found) == {"hubspot.stream page_events"}
    assert "Enterprise" in (found["hubspot.stream page_events"].cure or "")


def test_a_version_nobody_offers_is_told_with_one_that_is_there(box: Sandbox) -> None:
    env = box.env
    old = HubSpot(
        base_url=env["BATON_HUBSPOT_BASE_URL"],
        token=env["BATON_HUBSPOT_TOKEN"],
        api_version="2024-03",
    )
    with closing(old):
        found = unwell(old)
    assert set(found) == {"hubspot.api_version"}
    assert "BATON_HUBSPOT_API_VERSION=2026-09" in (found["hubspot.api_version"].cure or "")


def test_properties_that_are_gone_are_missed_found_broken_and_made_again(
    control: httpx.Client, hubspot: HubSpot
) -> None:
    for name in OURS:
        say(control, "properties", action="remove", name=name)
    hubspot.describe()
    assert sorted(hubspot.dropped_fields["contacts"]) == sorted(OURS)
    assert set(unwell(hubspot)) == {f"hubspot.field contact.{name}" for name in OURS}
    made = {change.what: change.status for change in hubspot.set_up()}
    assert made == {
        "hubspot.group contacts.baton": "present",  # an account that was set up once keeps it
        **{f"hubspot.field contact.{name}": "created" for name in OURS},
    }
    # Effects, not requests: a request may still be on its way into the log when it is answered.
    effects = control.get("/effects", params={"system": "hubspot"}).json()["count"]
    assert effects >= len(OURS)
    assert {change.status for change in hubspot.set_up()} == {"present"}
    assert control.get("/effects", params={"system": "hubspot"}).json()["count"] == effects
    assert unwell(hubspot) == {}


def test_a_property_of_another_type_is_left_alone(control: httpx.Client, hubspot: HubSpot) -> None:
    say(control, "properties", action="retype", name="baton_score", type="string")
    refused = [change for change in hubspot.set_up() if change.status == "refused"]
    assert [change.what for change in refused] == ["hubspot.field contact.baton_score"]
    assert set(unwell(hubspot)) == {"hubspot.field contact.baton_score"}
    say(control, "properties", action="retype", name="baton_score", type="number")


def test_a_missing_right_to_make_properties_is_named(
    control: httpx.Client, hubspot: HubSpot
) -> None:
    say(control, "properties", action="remove", name="baton_trigger")
    say(control, "scopes", remove=["crm.schemas.contacts.write"])
    refused = [change for change in hubspot.set_up() if change.status == "refused"]
    assert [change.what for change in refused] == ["hubspot.field contact.baton_trigger"]
    assert "Grant crm.schemas.contacts.write" in refused[0].detail
    say(control, "scopes", all=True)
    assert "created" in {change.status for change in hubspot.set_up()}


def contacts(box: Sandbox, count: int) -> list[str]:
    with box.world.lock:
        store = box.world.hubspot
        taken = len(list(store.records("contacts")))
        return [
            store.create("contacts", {"email": f"w{taken + n}@acme.example"}) for n in range(count)
        ]


def test_a_rule_of_an_admin_costs_the_row_that_breaks_it(
    box: Sandbox, control: httpx.Client, hubspot: HubSpot
) -> None:
    say(control, "validation-rules", property="baton_trigger", message="Too long.", most=10)
    keys = contacts(box, 7)
    rows = [{"id": key, "baton_trigger": "short"} for key in keys]
    rows[3]["baton_trigger"] = "much too long for them"
    receipts = {r.key: r for r in hubspot.push("contact", "id", rows)}
    assert [k for k, r in receipts.items() if r.status != "accepted"] == [keys[3]]
    assert "Too long" in (receipts[keys[3]].reason or "")


def test_a_lock_that_passes_is_waited_out(
    box: Sandbox, control: httpx.Client, hubspot: HubSpot
) -> None:
    (key,) = contacts(box, 1)
    say(control, "locks", object="contacts", id=key, attempts=1)
    (receipt,) = hubspot.push("contact", "id", [{"id": key, "baton_score": 5}])
    assert receipt.status == "accepted"


def test_the_last_calls_of_the_day_belong_to_writing(
    box: Sandbox, control: httpx.Client, hubspot: HubSpot
) -> None:
    (key,) = contacts(box, 1)
    say(control, "limits", per_day=1000, used_today=799)
    hubspot.check()
    assert hubspot.usage is not None
    with pytest.raises(RateLimited):
        pull(box, hubspot, "contacts")
    (receipt,) = hubspot.push("contact", "id", [{"id": key, "baton_score": 5}])
    assert receipt.status == "accepted"
    assert set(unwell(hubspot)) == {"hubspot.daily_calls"}
