"""The sandbox's HubSpot answers the recorded questions in the shape of the recorded answers.

Compared are the calls both sides know: searches, batches, properties and refusals of the CRM
objects. The sandbox has no counterpart for the recorded v1 and v2 calls, because nothing of ours
makes them: contacts/v1 (profiles, createOrUpdate, lists), crm-associations/v1, companies/v2.
There is no recorded 401, 403, 409, 429 of these files; those envelopes are compared with the
vendor's documents.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from sandbox.server import Sandbox
from tests.replay.recordings import Recording, load, needs_recordings, traffic
from tests.replay.shapes import differences, shape_of

pytestmark = needs_recordings

GROUPAROO, HULL = "hubspot-marketo-grouparoo", "hubspot-hull"
COMPANIES = "/crm/v3/objects/COMPANY"
TEN_SECONDS = re.compile(r"x-hubspot-ratelimit-(max|remaining|interval-milliseconds)$", re.I)
DAILY = re.compile(r"x-hubspot-ratelimit-daily(-remaining)?$", re.I)
# The names of the properties are data. So are their values: strings in every recording here,
# null for what is asked for and not set in others (275 of 642), never a number.
PROPERTIES = (".results[].properties",)
# Named by the vendor's OpenAPI of the dated versions, though no recording of 2022 holds them.
SINCE_2022 = ("*.url", "*.requestedAt", "*.paging", "*.numErrors")
MAY_BE_NULL = ".results[].properties.*"
ENVELOPE = {
    "status": str,
    "message": str,
    "correlationId": str,
    "category": str,
    "subCategory": str,
    "policyName": str,
    "errorType": str,
    "context": dict,
    "links": dict,
    "errors": list,
}


def recorded(path: str) -> list[Recording]:
    found = traffic(GROUPAROO, "export-contacts/export-record.json.gz")
    return [recording for recording in found if recording.path == path]


@pytest.fixture(scope="module")
def hubspot(box: Sandbox) -> Iterator[httpx.Client]:
    token = box.env["BATON_HUBSPOT_TOKEN"]
    with httpx.Client(
        base_url=box.env["BATON_HUBSPOT_BASE_URL"], headers={"Authorization": f"Bearer {token}"}
    ) as client:
        yield client


@pytest.fixture(scope="module")
def created(hubspot: httpx.Client) -> httpx.Response:
    """Two companies, made with the very request of the recording."""
    request = recorded(f"{COMPANIES}/batch/create")[0].request
    return hubspot.post(f"{COMPANIES}/batch/create", json=request)


@pytest.fixture(scope="module")
def searched(hubspot: httpx.Client, created: httpx.Response) -> httpx.Response:
    """The recorded search that found both, asked again once the index shows them."""
    search = next(r for r in recorded(f"{COMPANIES}/search") if len(r.body["results"]) == 2)
    deadline = time.monotonic() + 30
    while True:
        response = hubspot.post(f"{COMPANIES}/search", json=search.request)
        found = response.json().get("total", 0) if response.status_code in (200, 429) else 2
        if found == 2 or time.monotonic() > deadline:
            return response
        time.sleep(0.3)


def test_a_search_has_the_recorded_shape(searched: httpx.Response) -> None:
    answers = [r.body for r in recorded(f"{COMPANIES}/search") if r.body["results"]]
    assert searched.status_code == 200
    assert searched.json()["total"] == 2
    assert [
        *differences(
            shape_of(answers, PROPERTIES),
            shape_of([searched.json()], PROPERTIES),
            documented=(*SINCE_2022, MAY_BE_NULL),
        )
    ] == []


def test_a_search_returns_the_recorded_properties_and_no_others(searched: httpx.Response) -> None:
    search = next(r for r in recorded(f"{COMPANIES}/search") if r.body["results"])
    assert search.request["properties"] == ["domain"]
    names = {frozenset(item["properties"]) for item in search.body["results"]}
    assert {frozenset(item["properties"]) for item in searched.json()["results"]} == names


def test_what_is_asked_for_and_not_set_is_null_not_absent(
    hubspot: httpx.Client, searched: httpx.Response
) -> None:
    ids = [item["id"] for item in searched.json()["results"]]
    question = {
        "filterGroups": [
            {"filters": [{"propertyName": "hs_object_id", "operator": "IN", "values": ids}]}
        ],
        "properties": ["domain", "phone"],
        "limit": 10,
    }
    answer = hubspot.post(f"{COMPANIES}/search", json=question).json()
    assert [item["properties"]["phone"] for item in answer["results"]] == [None, None]


def test_a_batch_of_creations_has_the_recorded_shape(created: httpx.Response) -> None:
    recordings = recorded(f"{COMPANIES}/batch/create")
    assert {created.status_code} == {r.status for r in recordings} == {201}
    assert [
        *differences(
            shape_of([r.body for r in recordings], PROPERTIES),
            shape_of([created.json()], PROPERTIES),
            documented=(*SINCE_2022, MAY_BE_NULL),
        )
    ] == []


def test_a_created_company_takes_its_website_from_its_domain_as_recorded(
    created: httpx.Response,
) -> None:
    item = recorded(f"{COMPANIES}/batch/create")[0].body["results"][0]["properties"]
    assert item["website"] == item["domain"]
    for company in created.json()["results"]:
        assert set(item) <= set(company["properties"])
        assert company["properties"]["website"] == company["properties"]["domain"]


def test_an_archived_batch_answers_nothing_with_the_recorded_status(
    hubspot: httpx.Client, searched: httpx.Response
) -> None:
    recording = recorded(f"{COMPANIES}/batch/archive")[0]
    rows = [
        {"id": item["id"]}
        for item in hubspot.post(
            f"{COMPANIES}/batch/create", json={"inputs": [{"properties": {"name": "gone"}}]}
        ).json()["results"]
    ]
    answer = hubspot.post(f"{COMPANIES}/batch/archive", json={"inputs": rows})
    assert (answer.status_code, answer.content) == (recording.status, recording.raw) == (204, b"")
    assert "content-type" not in answer.headers


def test_a_batch_of_updates_has_the_shape_of_the_recorded_batch(
    hubspot: httpx.Client, created: httpx.Response
) -> None:
    inputs = [
        {"id": item["id"], "properties": {"phone": "1"}} for item in created.json()["results"]
    ]
    answer = hubspot.post(f"{COMPANIES}/batch/update", json={"inputs": inputs})
    assert answer.status_code == 200
    assert [
        *differences(
            shape_of([r.body for r in recorded(f"{COMPANIES}/batch/create")], PROPERTIES),
            shape_of([answer.json()], PROPERTIES),
            documented=(*SINCE_2022, MAY_BE_NULL),
        )
    ] == []


def test_search_answers_carry_no_header_of_the_ten_seconds(
    searched: httpx.Response, created: httpx.Response
) -> None:
    assert [name for name in searched.headers if TEN_SECONDS.match(name)] == []
    of_others = {name.lower() for name in created.headers if TEN_SECONDS.match(name)}
    for recording in recorded(f"{COMPANIES}/batch/create"):
        theirs = {name.lower() for name, _ in recording.headers if TEN_SECONDS.match(name)}
        assert of_others == theirs != set()


@pytest.mark.parametrize("which", ["searched", "created"])
def test_every_answer_carries_the_day_and_a_correlation_id_as_recorded(
    which: str, request: pytest.FixtureRequest
) -> None:
    answer: httpx.Response = request.getfixturevalue(which)
    path = f"{COMPANIES}/search" if which == "searched" else f"{COMPANIES}/batch/create"
    recordings = recorded(path)
    # The day's quota is there for a key of the account (half of them), not with OAuth.
    assert any(DAILY.match(name) for r in recordings for name, _ in r.headers)
    assert all(r.header("X-HubSpot-Correlation-Id") for r in recordings)
    assert all(r.header("Content-Type") == "application/json;charset=utf-8" for r in recordings)
    assert len([name for name in answer.headers if DAILY.match(name)]) == 2
    assert answer.headers["X-HubSpot-Correlation-Id"]
    assert answer.headers["Content-Type"] == "application/json;charset=utf-8"


def test_a_refusal_repeats_the_correlation_id_of_its_header(hubspot: httpx.Client) -> None:
    refusals = [
        r
        for r in traffic(GROUPAROO, "export-contacts/export-record.json.gz")
        if r.status >= 400 and r.header("X-HubSpot-Correlation-Id")
    ]
    assert len(refusals) == 61
    for recording in refusals:
        assert recording.body["correlationId"] == recording.header("X-HubSpot-Correlation-Id")
    answer = hubspot.get("/crm/v3/objects/contacts/999999999999")
    assert answer.status_code == 404
    assert answer.json()["correlationId"] == answer.headers["X-HubSpot-Correlation-Id"]


def refusals(hubspot: httpx.Client) -> dict[str, httpx.Response]:
    """One answer of each kind a client must tell apart."""
    contacts = "/crm/v3/objects/contacts"
    someone = hubspot.get(contacts, params={"properties": "email", "limit": 1}).json()["results"][0]
    twin = {"properties": {"email": someone["properties"]["email"]}}
    unknown = {"properties": {"no_such_property": "1"}}
    batch = {"inputs": [{"id": someone["id"], **unknown}]}
    nobody = {"Authorization": "Bearer pat-na1-nobody"}
    return {
        "unknown property": hubspot.patch(f"{contacts}/{someone['id']}", json=unknown),
        "unknown property in a batch": hubspot.post(f"{contacts}/batch/update", json=batch),
        "unknown record": hubspot.get(f"{contacts}/999999999999"),
        "unknown path": hubspot.get("/crm/v3/nothing/here"),
        "twin": hubspot.post(contacts, json=twin),
        "wrong token": hubspot.get(contacts, headers=nobody),
        "wrong page size": hubspot.get(contacts, params={"limit": 101}),
    }


def test_refusals_speak_in_the_vendors_envelope(hubspot: httpx.Client) -> None:
    told = refusals(hubspot)
    assert {name: answer.status_code for name, answer in told.items()} == {
        "unknown property": 400,
        "unknown property in a batch": 400,
        "unknown record": 404,
        "unknown path": 404,
        "twin": 409,
        "wrong token": 401,
        "wrong page size": 400,
    }
    for name, answer in told.items():
        body = answer.json()
        assert body["status"] == "error", name
        assert {"status", "message", "correlationId"} <= set(body) <= set(ENVELOPE), name
        for key, value in body.items():
            assert isinstance(value, ENVELOPE[key]), f"{name}: {key} is {value!r}"


def test_a_refused_property_is_named_as_in_the_recorded_refusals(hubspot: httpx.Client) -> None:
    # The old API says it in validationResults, today's in errors; the words are the same.
    old = load(HULL, "integration__fixtures__post-companies-nonexisting-property.json")
    result = old["validationResults"][0]
    assert result["error"] == "PROPERTY_DOESNT_EXIST"
    for name in ("unknown property", "unknown property in a batch"):
        body = refusals(hubspot)[name].json()
        assert body["category"] == "VALIDATION_ERROR"
        assert body["message"].startswith(old["message"])
        (error,) = body["errors"]
        assert error["code"] == result["error"]
        assert error["message"] == result["message"].replace(result["name"], "no_such_property")


def test_a_refused_twin_names_the_one_that_exists(hubspot: httpx.Client) -> None:
    body = refusals(hubspot)["twin"].json()
    assert body["category"] == "CONFLICT"
    assert re.fullmatch(r"Contact already exists\. Existing ID: \d+", body["message"])


def test_a_refusal_for_speed_has_no_retry_after(hubspot: httpx.Client) -> None:
    question = {"filterGroups": [], "limit": 1}
    for _ in range(30):
        answer = hubspot.post("/crm/v3/objects/contacts/search", json=question)
        if answer.status_code == 429:
            break
    body = answer.json()
    assert answer.status_code == 429
    assert "retry-after" not in answer.headers
    assert set(body) <= set(ENVELOPE)
    assert body["message"] == "You have reached your secondly limit."
    assert body.get("category") == "RATE_LIMITS" or body.get("errorType") == "RATE_LIMIT"
    time.sleep(1.0)  # the second is over before anybody else searches


@pytest.mark.parametrize("kind", ["OPEN", "CLICK"])
def test_email_events_have_the_recorded_shape(hubspot: httpx.Client, kind: str) -> None:
    found = load(HULL, "integration__purplefusion__fixtures__events__hubspot-email-events.json")
    theirs = {**found, "events": [event for event in found["events"] if event["type"] == kind]}
    assert len(theirs["events"]) == 1
    answer = hubspot.get("/email/public/v1/events", params={"eventType": kind, "limit": 1000})
    ours = answer.json()
    assert len(ours["events"]) > 10
    assert not ours["hasMore"]
    # What browser and location hold was emptied in the recording; the group of a campaign is
    # documented.
    free = (".events[].browser", ".events[].location")
    documented = (*(f"{path}.*" for path in free), ".events[].emailCampaignGroupId")
    recorded_shape, our_shape = shape_of([theirs], free), shape_of([ours], free)
    assert [*differences(recorded_shape, our_shape, documented=documented)] == []
    assert all(event["sentBy"]["created"] < event["created"] for event in ours["events"])
    assert all(event["sentBy"]["created"] < event["created"] for event in theirs["events"])


# Keys of a property: the old list and today's name most of them alike.
OPTIONS_SINCE = {"AI_REFERRALS"}  # a source HubSpot has known since 2025
SAME_KEYS = ("type", "fieldType", "hasUniqueValue", "externalOptions")


@pytest.mark.parametrize("kind", ["contacts", "companies"])
def test_standard_properties_are_those_of_a_real_account(hubspot: httpx.Client, kind: str) -> None:
    theirs = {item["name"]: item for item in recorded_properties(kind)}
    ours = {
        item["name"]: item for item in hubspot.get(f"/crm/v3/properties/{kind}").json()["results"]
    }
    shared = sorted(set(ours) & set(theirs))
    assert len(shared) >= (40 if kind == "contacts" else 12), shared
    wrong = [
        f"{kind}.{name}: {key} is {ours[name].get(key)!r}, recorded {theirs[name][key]!r}"
        for name in shared
        for key in SAME_KEYS
        if key in theirs[name] and ours[name].get(key) != theirs[name][key]
    ]
    wrong += [
        f"{kind}.{name}: read only is {not theirs[name]['readOnlyValue']}, recorded otherwise"
        for name in shared
        if ours[name]["modificationMetadata"]["readOnlyValue"] != theirs[name]["readOnlyValue"]
    ]
    wrong += [
        f"{kind}.{name}: {value} is no option of a real account"
        for name in shared
        for value in values_of(ours[name]) - values_of(theirs[name]) - OPTIONS_SINCE
    ]
    assert wrong == []


def values_of(definition: dict[str, Any]) -> set[str]:
    return {option["value"] for option in definition["options"]}


def recorded_properties(kind: str) -> list[dict[str, Any]]:
    """The properties of a real account: of 2022 for contacts, of 2019 for companies."""
    if kind == "contacts":
        lists = traffic(GROUPAROO, "export-contacts/destination-mapping-options.json.gz")
        return list(next(r for r in lists if r.path.startswith("/properties")).body)
    groups = load(HULL, "integration__fixtures__get-properties-companies-groups.json")
    return [item for group in groups for item in group["properties"]]


def test_a_property_has_every_key_the_old_list_and_todays_share(hubspot: httpx.Client) -> None:
    ours = hubspot.get("/crm/v3/properties/contacts").json()["results"]
    shape, old = shape_of(ours), shape_of(recorded_properties("contacts"))
    for key in ("name", "label", "description", "groupName", "type", "fieldType", "options"):
        assert shape.always(key), f"{key} is sometimes missing"
        assert shape.keys[key][1].types <= old.keys[key][1].types, key
    for key in ("displayOrder", "calculated", "externalOptions", "hidden", "formField"):
        assert shape.always(key), f"{key} is sometimes missing"
        assert shape.keys[key][1].types <= old.keys[key][1].types, key
    options, old_options = shape.keys["options"][1].items, old.keys["options"][1].items
    assert options is not None
    assert old_options is not None
    for key in ("label", "value", "displayOrder", "hidden"):
        assert options.always(key), f"an option sometimes has no {key}"
        assert options.keys[key][1].types <= old_options.keys[key][1].types, key
