"""The HubSpot sandbox over real HTTP, against what the vendor documents and recordings show."""

from __future__ import annotations

import random
import re
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
import uvicorn

from sandbox.clock import Clock
from sandbox.hubspot import HubSpotStore, Limits, hubspot_app

NOW = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
LONG_AGO = NOW - timedelta(days=30)
CONTACTS = "/crm/objects/2026-09/contacts"
FORM = "11111111-0000-4000-8000-000000000001"
PORTAL = 48_000_001


@dataclass
class Portal:
    """A store, the client that speaks to it, and shorthands for the tests."""

    store: HubSpotStore
    http: httpx.Client
    clock: Clock

    def contact(self, email: str | None = None, at: datetime = LONG_AGO, **props: Any) -> str:
        if email is not None:
            props["email"] = email
        return self.store.create("contacts", props, at=at)

    def search(self, path: str = CONTACTS, **body: Any) -> dict[str, Any]:
        answer = self.http.post(f"{path}/search", json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def found(self, *filters: dict[str, Any], path: str = CONTACTS) -> list[str]:
        groups = [{"filters": list(filters)}] if filters else []
        return [row["id"] for row in self.search(path, filterGroups=groups, limit=200)["results"]]


def where(name: str, operator: str, value: Any = None, **more: Any) -> dict[str, Any]:
    given = {} if value is None else {"value": value}
    return {"propertyName": name, "operator": operator, **given, **more}


def ms(moment: datetime) -> str:
    return str(int(moment.timestamp() * 1000))


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[SimpleNamespace, str]]:
    """One server for the file; each test puts a fresh store into its world."""
    world = SimpleNamespace(hubspot=None, lock=threading.RLock())
    config = uvicorn.Config(
        hubspot_app(world), host="127.0.0.1", port=0, log_level="error", lifespan="off"
    )
    running = uvicorn.Server(config)
    thread = threading.Thread(target=running.run, daemon=True)
    thread.start()
    while not running.started:
        time.sleep(0.005)
    port = running.servers[0].sockets[0].getsockname()[1]
    yield world, f"http://127.0.0.1:{port}"
    running.should_exit = True
    thread.join(5)


@pytest.fixture
def portal(server: tuple[SimpleNamespace, str]) -> Iterator[Portal]:
    world, address = server
    clock = Clock(NOW)
    world.hubspot = HubSpotStore(clock, PORTAL, "pat-test", limits=False, index_lag=0)
    world.hubspot.add_owner("7001", "ava.morgan@lumenfold.example", "Ava", "Morgan", 4001)
    world.hubspot.add_owner("7009", "ivan.petrov@lumenfold.example", "Ivan", "Petrov", 4009, True)
    world.hubspot.add_form(FORM, "Request a demo", created_at=LONG_AGO)
    headers = {"Authorization": "Bearer pat-test"}
    with httpx.Client(base_url=address, headers=headers, timeout=10) as http:
        yield Portal(world.hubspot, http, clock)


# -- the wire --------------------------------------------------------------------------------------


@pytest.mark.parametrize("header", [{}, {"Authorization": "Bearer wrong"}])
def test_a_bad_token_is_401_in_the_documented_envelope(portal: Portal, header: dict) -> None:
    bare = httpx.get(f"{portal.http.base_url}{CONTACTS}", headers=header)
    assert bare.status_code == 401
    assert bare.json()["category"] == "INVALID_AUTHENTICATION"
    assert bare.json()["correlationId"]


@pytest.mark.parametrize(
    "path",
    [
        "/crm/v3/objects/contacts",
        "/crm/objects/2025-09/contacts",
        "/crm/objects/2026-03/0-1",
        "/crm/objects/2026-09/contact",
    ],
)
def test_both_path_families_and_all_spellings_reach_the_same_record(
    portal: Portal, path: str
) -> None:
    id = portal.contact("ada@example.com")
    assert portal.http.get(path).json()["results"][0]["id"] == id
    assert portal.found(where("email", "EQ", "ada@example.com"), path=path) == [id]


def test_an_unknown_version_path_or_object_is_refused(portal: Portal) -> None:
    assert portal.http.get("/crm/objects/2024-01/contacts").status_code == 404
    missing = portal.http.get("/crm/v9/nothing")
    assert missing.status_code == 404
    assert missing.json()["message"] == "resource not found"
    assert portal.http.get("/crm/objects/2026-09/unicorns").status_code == 400


def test_values_are_strings_or_null_and_ids_are_strings(portal: Portal) -> None:
    id = portal.contact("ada@example.com", at=NOW - timedelta(milliseconds=1))
    row = portal.http.get(f"{CONTACTS}/{id}?properties=baton_score,jobtitle,no_such_thing").json()
    assert row["properties"] == {
        "baton_score": None,
        "jobtitle": None,
        "createdate": "2026-11-02T08:59:59.999Z",
        "lastmodifieddate": "2026-11-02T08:59:59.999Z",
        "hs_object_id": id,
    }
    assert row["archived"] is False
    plain = portal.http.get(f"{CONTACTS}/{id}").json()["properties"]
    assert set(plain) == {
        "email", "firstname", "lastname", "createdate", "lastmodifieddate", "hs_object_id"
    }  # fmt: skip


def test_milliseconds_are_absent_when_they_are_zero(portal: Portal) -> None:
    id = portal.contact("ada@example.com", at=LONG_AGO)
    assert portal.http.get(f"{CONTACTS}/{id}").json()["createdAt"] == "2026-10-03T09:00:00Z"


# -- lists -----------------------------------------------------------------------------------------


def test_a_list_pages_by_id_and_the_last_page_has_no_paging(portal: Portal) -> None:
    ids = [portal.contact(f"p{n}@example.com") for n in range(25)]
    seen, after = [], None
    while True:
        query = {"limit": 10} | ({"after": after} if after else {})
        page = portal.http.get(CONTACTS, params=query).json()
        seen += [row["id"] for row in page["results"]]
        if "paging" not in page:
            break
        after = page["paging"]["next"]["after"]
    assert seen == ids
    assert len(portal.http.get(CONTACTS).json()["results"]) == 10
    assert portal.http.get(CONTACTS, params={"limit": 101}).status_code == 400


def test_archived_records_leave_list_and_search_and_stand_under_archived(portal: Portal) -> None:
    id = portal.contact("ada@example.com")
    assert portal.http.delete(f"{CONTACTS}/{id}").status_code == 204
    assert portal.http.get(f"{CONTACTS}/{id}").status_code == 404
    assert portal.http.get(CONTACTS).json()["results"] == []
    assert portal.found() == []
    row = portal.http.get(CONTACTS, params={"archived": "true"}).json()["results"][0]
    assert row["archived"] is True
    assert row["archivedAt"]
    assert portal.contact("ada@example.com"), "the address is free again"


# -- writes ----------------------------------------------------------------------------------------


def test_a_created_contact_is_normalised_and_becomes_a_lead(portal: Portal) -> None:
    sent = {"email": "  Ada@Example.COM ", "baton_score": 9}
    created = portal.http.post(CONTACTS, json={"properties": sent})
    assert created.status_code == 201
    row = portal.http.get(
        f"{CONTACTS}/ada@example.com?idProperty=email&properties=email,lifecyclestage,baton_score"
    ).json()
    assert row["id"] == created.json()["id"]
    assert row["properties"]["email"] == "ada@example.com"
    assert row["properties"]["lifecyclestage"] == "lead"
    assert row["properties"]["baton_score"] == "9"


def test_a_taken_email_is_409_and_names_the_existing_id(portal: Portal) -> None:
    id = portal.contact("ada@example.com")
    answer = portal.http.post(CONTACTS, json={"properties": {"email": "ADA@example.com"}})
    assert answer.status_code == 409
    assert answer.json()["category"] == "CONFLICT"
    assert answer.json()["message"] == f"Contact already exists. Existing ID: {id}"


@pytest.mark.parametrize(
    ("properties", "code"),
    [
        ({"lead_scor": "1"}, "PROPERTY_DOESNT_EXIST"),
        ({"lifecyclestage": "hot"}, "INVALID_OPTION"),
        ({"hubspotscore": "9"}, "READ_ONLY_VALUE"),
        ({"baton_score": "nine"}, "INVALID_INTEGER"),
        ({"email": "nobody"}, "INVALID_EMAIL"),
        ({"hubspot_owner_id": "4711"}, "INVALID_OWNER_ID"),
    ],
)
def test_a_refused_value_is_400_with_its_code(
    portal: Portal, properties: dict[str, str], code: str
) -> None:
    id = portal.contact("ada@example.com")
    answer = portal.http.patch(f"{CONTACTS}/{id}", json={"properties": properties})
    assert answer.status_code == 400
    assert answer.json()["category"] == "VALIDATION_ERROR"
    assert answer.json()["errors"][0]["code"] == code
    assert answer.json()["errors"][0]["context"] == {"propertyName": list(properties)}


def test_an_empty_string_clears_and_null_is_ignored(portal: Portal) -> None:
    id = portal.contact("ada@example.com", jobtitle="CEO", city="Paris")
    body = {"properties": {"jobtitle": "", "city": None}}
    portal.http.patch(f"{CONTACTS}/{id}", json=body)
    assert "jobtitle" not in portal.store.get("contacts", id)["properties"]
    assert portal.store.get("contacts", id)["properties"]["city"] == "Paris"


def test_a_step_back_in_lifecycle_is_200_and_changes_nothing(portal: Portal) -> None:
    id = portal.contact("ada@example.com", lifecyclestage="opportunity")

    def write(stage: str) -> str | None:
        answer = portal.http.patch(
            f"{CONTACTS}/{id}", json={"properties": {"lifecyclestage": stage}}
        )
        assert answer.status_code == 200
        return answer.json()["properties"]["lifecyclestage"]

    assert write("lead") == "opportunity"
    assert write("customer") == "customer"
    assert write("") is None
    assert write("lead") == "lead", "the documented way back: clear first, then set"


def test_one_refused_value_refuses_the_whole_batch(portal: Portal) -> None:
    ids = [portal.contact(f"p{n}@example.com") for n in range(3)]
    inputs = [{"id": id, "properties": {"baton_score": "5"}} for id in ids]
    inputs[2]["properties"] = {"baton_scor": "5"}
    answer = portal.http.post(f"{CONTACTS}/batch/update", json={"inputs": inputs})
    assert answer.status_code == 400
    assert "baton_score" not in portal.store.get("contacts", ids[0])["properties"]
    assert portal.store.effects == []


def test_unknown_ids_in_a_batch_are_207_and_the_rest_is_written(portal: Portal) -> None:
    id = portal.contact("ada@example.com")
    inputs = [{"id": i, "properties": {"baton_score": "5"}} for i in (id, "999999", "nonsense")]
    answer = portal.http.post(f"{CONTACTS}/batch/update", json={"inputs": inputs})
    assert answer.status_code == 207
    body = answer.json()
    assert [row["id"] for row in body["results"]] == [id]
    assert body["results"][0]["properties"]["baton_score"] == "5"
    assert body["numErrors"] == 1
    assert body["errors"][0]["category"] == "OBJECT_NOT_FOUND"
    assert body["errors"][0]["context"] == {"ids": ["999999", "nonsense"]}


def test_repeated_ids_and_oversized_batches_are_400(portal: Portal) -> None:
    id = portal.contact("ada@example.com")
    twice = [{"id": id, "properties": {"city": name}} for name in ("Rome", "Bonn")]
    answer = portal.http.post(f"{CONTACTS}/batch/update", json={"inputs": twice})
    assert answer.status_code == 400
    assert "Duplicate IDs" in answer.json()["message"]
    many = [{"id": str(n)} for n in range(101)]
    assert portal.http.post(f"{CONTACTS}/batch/read", json={"inputs": many}).status_code == 400


@pytest.mark.parametrize("name", ["email", "hs_object_id", "city"])
def test_batch_update_takes_record_ids_only(portal: Portal, name: str) -> None:
    portal.contact("ada@example.com")
    item = {"id": "ada@example.com", "idProperty": name, "properties": {"city": "Bonn"}}
    answer = portal.http.post(f"{CONTACTS}/batch/update", json={"inputs": [item]})
    assert answer.status_code == 400
    assert "non-unique 0-1 property" in answer.json()["message"]


def test_one_conflict_ends_a_batch_create_unless_inputs_carry_trace_ids(portal: Portal) -> None:
    held = portal.contact("a@example.com")
    inputs = [{"properties": {"email": f"{name}@example.com"}} for name in "ab"]
    answer = portal.http.post(f"{CONTACTS}/batch/create", json={"inputs": inputs})
    assert answer.status_code == 409
    assert portal.http.get(CONTACTS).json()["results"][0]["id"] == held
    for trace, item in enumerate(inputs):
        item["objectWriteTraceId"] = str(trace)
    answer = portal.http.post(f"{CONTACTS}/batch/create", json={"inputs": inputs})
    assert answer.status_code == 207
    assert answer.json()["results"][0]["properties"]["email"] == "b@example.com"
    context = {"objectWriteTraceId": ["0"], "existingId": [held]}
    assert answer.json()["errors"][0]["context"] == context


def test_an_upsert_says_which_records_are_new(portal: Portal) -> None:
    held = portal.contact("a@example.com")
    inputs = [
        {"id": f"{name}@example.com", "idProperty": "email", "properties": {"city": "Bonn"}}
        for name in "ab"
    ]
    rows = portal.http.post(f"{CONTACTS}/batch/upsert", json={"inputs": inputs}).json()["results"]
    assert [(row["id"] == held, row["new"]) for row in rows] == [(True, False), (False, True)]
    inputs[0]["idProperty"] = "city"
    answer = portal.http.post(f"{CONTACTS}/batch/upsert", json={"inputs": inputs})
    assert answer.status_code == 400


def test_batch_read_by_email_leaves_missing_ids_to_the_errors(portal: Portal) -> None:
    id = portal.contact("a@example.com", city="Bonn")
    body = {
        "idProperty": "email",
        "properties": ["city"],
        "inputs": [{"id": "A@example.com"}, {"id": "nobody@example.com"}],
    }
    answer = portal.http.post(f"{CONTACTS}/batch/read", json=body)
    assert answer.status_code == 207
    assert answer.json()["results"][0]["properties"]["city"] == "Bonn"
    assert answer.json()["results"][0]["id"] == id
    assert answer.json()["errors"][0]["context"]["ids"] == ["nobody@example.com"]


def test_a_task_needs_its_due_time_and_touches_its_contact(portal: Portal) -> None:
    contact = portal.contact("ada@example.com")
    before = portal.http.get(f"{CONTACTS}/{contact}").json()["updatedAt"]
    body = {
        "properties": {"hs_task_subject": "Call Ada", "hs_task_priority": "HIGH"},
        "associations": [
            {
                "to": {"id": contact},
                "types": [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 204}],
            }
        ],
    }
    tasks = "/crm/objects/2026-09/tasks"
    assert portal.http.post(tasks, json=body).status_code == 400
    body["properties"]["hs_timestamp"] = "2026-11-02T12:00:00Z"
    created = portal.http.post(tasks, json=body)
    assert created.status_code == 201
    assert portal.http.get(f"{CONTACTS}/{contact}").json()["updatedAt"] > before
    link = f"/crm/objects/2026-09/contacts/{contact}/associations/tasks"
    assert portal.http.get(link).json()["results"][0]["toObjectId"] == int(created.json()["id"])
    read = portal.http.post(
        "/crm/v4/associations/contacts/companies/batch/read", json={"inputs": [{"id": contact}]}
    )
    assert read.status_code == 207
    assert read.json()["errors"][0]["subCategory"] == "crm.associations.NO_ASSOCIATIONS_FOUND"


def test_effects_hold_what_came_by_http_and_nothing_else(portal: Portal) -> None:
    id = portal.contact("ada@example.com")
    portal.store.update("contacts", id, {"city": "Rome"})
    portal.http.patch(f"{CONTACTS}/{id}", json={"properties": {"baton_score": "9"}})
    assert [(e["object"], e["id"], e["action"], e["fields"]) for e in portal.store.effects] == [
        ("contacts", id, "update", {"baton_score": "9"})
    ]
    assert portal.store.effects[0]["system"] == "hubspot"


# -- merges ----------------------------------------------------------------------------------------


def test_a_merge_makes_a_new_id_and_both_old_ids_resolve_to_it(portal: Portal) -> None:
    first = portal.contact("a@example.com", city="Bonn", lifecyclestage="lead")
    second = portal.contact("b@example.com", jobtitle="CEO", lifecyclestage="customer")
    portal.store.add_page_event(second, "https://www.lumenfold.example/pricing", "P", at=LONG_AGO)
    body = {"primaryObjectId": first, "objectIdToMerge": second}
    new = portal.http.post(f"{CONTACTS}/merge", json=body).json()["id"]
    assert new not in (first, second)
    for old in (first, second):
        assert portal.http.get(f"{CONTACTS}/{old}").json()["id"] == new
    props = portal.store.get("contacts", new)["properties"]
    assert props["hs_merged_object_ids"] == f"{first};{second}"
    assert re.fullmatch(rf"{first}:\d{{13}};{second}:\d{{13}}", props["hs_calculated_merged_vids"])
    assert (props["email"], props["city"], props["jobtitle"]) == ("a@example.com", "Bonn", "CEO")
    assert props["lifecyclestage"] == "customer"
    assert portal.found() == [new], "losers do not arrive as deletes"
    by_mail = portal.http.get(f"{CONTACTS}/b@example.com?idProperty=email")
    assert by_mail.json()["id"] == new
    events = portal.http.get(f"/events/v3/events?objectType=contact&objectId={first}").json()
    assert events["results"][0]["objectId"] == new
    answer = portal.http.patch(f"{CONTACTS}/{first}", json={"properties": {"city": "Rome"}})
    assert answer.json()["id"] == new


def test_a_second_merge_keeps_every_earlier_id(portal: Portal) -> None:
    a, b, c = (portal.contact(f"{name}@example.com") for name in "abc")
    ab = portal.store.merge(a, b)
    abc = portal.store.merge(ab, c)
    props = portal.store.get("contacts", a)["properties"]
    assert props["hs_object_id"] == abc
    assert props["hs_merged_object_ids"] == f"{a};{b};{ab};{c}"


# -- search ----------------------------------------------------------------------------------------


@pytest.fixture
def crowd(portal: Portal) -> dict[str, str]:
    """Four contacts that differ in everything a filter can ask for."""
    rows = {
        "ada": {"country": "Germany", "baton_score": "9", "jobtitle": "VP of Sales"},
        "bob": {"country": "germany", "baton_score": "10", "jobtitle": "Sales Rep"},
        "cy": {"country": "Japan", "baton_score": "2.5"},
        "dee": {"jobtitle": "Head of Marketing"},
    }
    return {
        name: portal.contact(f"{name}@example.com", LONG_AGO + timedelta(minutes=at), **props)
        for at, (name, props) in enumerate(rows.items())
    }


@pytest.mark.parametrize(
    ("filters", "names"),
    [
        ([where("country", "EQ", "GERMANY")], "ada bob"),
        ([where("country", "NEQ", "Germany")], "cy"),
        ([where("country", "IN", values=["germany", "japan"])], "ada bob cy"),
        ([where("country", "IN", values=["Germany"])], ""),
        ([where("country", "NOT_IN", values=["germany"])], "cy"),
        ([where("country", "HAS_PROPERTY")], "ada bob cy"),
        ([where("country", "NOT_HAS_PROPERTY")], "dee"),
        ([where("baton_score", "GT", "9")], "bob"),
        ([where("baton_score", "GTE", 9)], "ada bob"),
        ([where("baton_score", "LT", "9")], "cy"),
        ([where("baton_score", "LTE", "9")], "ada cy"),
        ([where("baton_score", "BETWEEN", "2", highValue="9.5")], "ada cy"),
        ([where("jobtitle", "CONTAINS_TOKEN", "sales")], "ada bob"),
        ([where("jobtitle", "CONTAINS_TOKEN", "mark*")], "dee"),
        ([where("jobtitle", "NOT_CONTAINS_TOKEN", "sales")], "dee"),
        ([where("email", "EQ", "Cy@Example.com")], "cy"),
        ([where("email", "IN", values=["ada@example.com", "dee@example.com"])], "ada dee"),
        ([where("country", "EQ", "germany"), where("baton_score", "GT", "9")], "bob"),
    ],
)
def test_filters_select(
    portal: Portal, crowd: dict[str, str], filters: list[dict], names: str
) -> None:
    assert portal.found(*filters) == [crowd[name] for name in names.split()]


def test_groups_are_alternatives_and_a_query_reads_the_names(
    portal: Portal, crowd: dict[str, str]
) -> None:
    groups = [
        {"filters": [where("country", "EQ", "japan")]},
        {"filters": [where("baton_score", "EQ", "10"), where("country", "HAS_PROPERTY")]},
    ]
    rows = portal.search(filterGroups=groups)["results"]
    assert [row["id"] for row in rows] == [crowd["bob"], crowd["cy"]]
    rows = portal.search(query="DEE@example")["results"]
    assert [row["id"] for row in rows] == [crowd["dee"]]


@pytest.mark.parametrize("direction", ["ASCENDING", "DESCENDING"])
def test_sorts_put_rows_without_the_value_last(
    portal: Portal, crowd: dict[str, str], direction: str
) -> None:
    sorts = [{"propertyName": "baton_score", "direction": direction}]
    pages = [portal.search(sorts=sorts, limit=3, after=after) for after in ("0", "3")]
    order = ["cy", "ada", "bob"]
    if direction == "DESCENDING":
        order.reverse()
    seen = [row["id"] for page in pages for row in page["results"]]
    assert seen == [crowd[name] for name in [*order, "dee"]]
    assert pages[0]["paging"]["next"]["after"] == "3"
    assert "paging" not in pages[1]
    by_id = portal.search(sorts=[{"propertyName": "hs_object_id", "direction": "DESCENDING"}])
    assert [row["id"] for row in by_id["results"]] == sorted(crowd.values(), reverse=True)


def test_the_recommended_keyset_pull_sees_every_row_once(portal: Portal) -> None:
    at = LONG_AGO
    ids = [portal.contact(f"p{n}@example.com", at) for n in range(450)]
    portal.contact("late@example.com", at + timedelta(milliseconds=1))
    seen: list[str] = []
    last = "0"
    while True:
        page = portal.search(
            filterGroups=[
                {
                    "filters": [
                        where("lastmodifieddate", "BETWEEN", ms(at), highValue=ms(at)),
                        where("hs_object_id", "GT", last),
                    ]
                }
            ],
            sorts=[{"propertyName": "hs_object_id", "direction": "ASCENDING"}],
            limit=200,
        )
        assert page["total"] == 450 - len(seen)
        if not page["results"]:
            break
        seen += [row["id"] for row in page["results"]]
        last = seen[-1]
        # A row that leaves the window between two pages must not shift the others.
        portal.store.update("contacts", seen[0], {"city": last})
        portal.store.update("contacts", seen[0], {"city": "x"}, at=at)
    assert seen == ids


def test_only_contacts_answer_to_lastmodifieddate(portal: Portal) -> None:
    portal.contact("ada@example.com")
    portal.store.create("deals", {"dealname": "Big"}, at=LONG_AGO)
    deals = "/crm/objects/2026-09/deals"
    assert portal.search(filterGroups=[since("lastmodifieddate")])["total"] == 1
    assert portal.search(filterGroups=[since("hs_lastmodifieddate")])["total"] == 0
    assert portal.search(deals, filterGroups=[since("hs_lastmodifieddate")])["total"] == 1
    assert portal.search(deals, filterGroups=[since("lastmodifieddate")])["total"] == 0


def since(name: str) -> dict[str, Any]:
    return {"filters": [where(name, "GTE", "2020-01-01T00:00:00Z")]}


def test_offsets_end_at_ten_thousand_while_total_goes_on(portal: Portal) -> None:
    for n in range(10_001):
        portal.contact(f"p{n}@example.com")
    last = portal.search(limit=200, after="9800")
    assert last["total"] == 10_001
    assert last["paging"]["next"]["after"] == "10000"
    beyond = portal.http.post(f"{CONTACTS}/search", json={"limit": 200, "after": "10000"})
    assert beyond.status_code == 400
    assert beyond.json()["category"] == "VALIDATION_ERROR"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"limit": 201}, 400),
        ({"after": "abc"}, 400),
        ({"sorts": ["email", "city"]}, 400),
        ({"filterGroups": [{"filters": [where("no_such", "EQ", "1")]}]}, 400),
        ({"filterGroups": [{"filters": [where("email", "LIKE", "1")]}]}, 400),
        ({"filterGroups": [{"filters": [where("email", "EQ")]}]}, 400),
        ({"filterGroups": [{"filters": [where("baton_score", "BETWEEN", "1")]}]}, 400),
        ({"filterGroups": [{"filters": [where("email", "EQ", "a")]}] * 6}, 400),
        ({"filterGroups": [{"filters": [where("email", "EQ", "a")] * 7}]}, 400),
        ({"filterGroups": "all"}, 400),
        ({"filterGroups": [{"filters": [where("lastmodifieddate", "GTE", "0")]}]}, 500),
    ],
)
def test_a_search_outside_the_documented_limits_is_refused(
    portal: Portal, body: dict[str, Any], status: int
) -> None:
    assert portal.http.post(f"{CONTACTS}/search", json=body).status_code == status


def test_search_lags_behind_writes_and_shows_the_old_state_meanwhile(portal: Portal) -> None:
    held = portal.contact("old@example.com", city="Bonn")
    portal.store.index_lag = 0.3
    portal.http.patch(f"{CONTACTS}/{held}", json={"properties": {"city": "Rome"}})
    portal.http.post(CONTACTS, json={"properties": {"email": "new@example.com"}})
    assert (
        portal.http.get(f"{CONTACTS}/{held}?properties=city").json()["properties"]["city"] == "Rome"
    )
    rows = portal.search(properties=["city"])["results"]
    assert [row["properties"]["city"] for row in rows] == ["Bonn"]
    assert portal.found(where("city", "EQ", "Rome")) == []
    time.sleep(0.35)
    assert portal.found(where("city", "EQ", "Rome")) == [held]
    assert len(portal.found()) == 2


def test_advancing_the_sandbox_clock_ends_the_lag(portal: Portal) -> None:
    portal.store.index_lag = 60.0
    portal.http.post(CONTACTS, json={"properties": {"email": "new@example.com"}})
    assert portal.found() == []
    portal.clock.advance(61)
    assert len(portal.found()) == 1


def test_the_moving_index_answers_like_a_full_scan(portal: Portal) -> None:
    store, clock, rng = portal.store, portal.clock, random.Random(3)
    store.index_lag, clock.frozen = 5.0, True
    contacts = store.collection("contacts")
    low, high = ms(LONG_AGO), ms(NOW + timedelta(days=1))
    group = {
        "filters": [
            where("lastmodifieddate", "BETWEEN", low, highValue=high),
            where("city", "EQ", "Bonn"),
        ]
    }
    ids = [portal.contact() for _ in range(20)]
    for step in range(800):
        at = rng.choice([None, LONG_AGO + timedelta(seconds=rng.randrange(-500, 500))])
        action = rng.randrange(10)
        if action < 3:
            ids.append(store.create("contacts", {"city": rng.choice(["Bonn", "Rome"])}, at=at))
        elif action < 7:
            store.update("contacts", rng.choice(ids), {"city": rng.choice(["Bonn", ""])}, at=at)
        elif action == 7:
            store.archive("contacts", ids.pop(rng.randrange(len(ids))))
        elif action == 8:
            first, second = (ids.pop(rng.randrange(len(ids))) for _ in range(2))
            ids.append(store.merge(first, second))
        else:
            clock.advance(rng.choice([1, 10]))
        if step % 5 == 0:
            contacts.index.search({"filterGroups": [group]})  # keeps the cached answer alive
    clock.advance(10)
    expected = [
        str(id)
        for id in contacts.ids()
        if contacts.records[id].props.get("city") == "Bonn"
        and int(low) <= contacts.records[id].modified <= int(high)
    ]
    assert expected
    assert portal.found(*group["filters"]) == expected[:200]


# -- limits ----------------------------------------------------------------------------------------


def test_ordinary_calls_are_limited_per_ten_seconds_with_headers(portal: Portal) -> None:
    portal.store.limits = Limits(per_ten_seconds=2)
    first = portal.http.get(CONTACTS)
    assert first.headers["X-HubSpot-RateLimit-Max"] == "2"
    assert first.headers["X-HubSpot-RateLimit-Remaining"] == "1"
    portal.http.get(CONTACTS)
    refused = portal.http.get(CONTACTS)
    assert refused.status_code == 429
    assert refused.json()["policyName"] == "TEN_SECONDLY_ROLLING"
    assert "retry-after" not in refused.headers


def test_search_is_limited_per_second_without_any_header(portal: Portal) -> None:
    portal.store.limits = Limits(searches_per_second=2)
    answers = [portal.http.post(f"{CONTACTS}/search", json={}) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert answers[2].json()["message"] == "You have reached your secondly limit."
    assert answers[2].json()["category"] == "RATE_LIMITS"
    for answer in answers:
        names = " ".join(answer.headers).lower()
        assert "ratelimit" not in names
        assert "retry-after" not in names
    time.sleep(1.05)
    assert portal.http.post(f"{CONTACTS}/search", json={}).status_code == 200


def test_the_daily_quota_ends_at_midnight_of_the_account(portal: Portal) -> None:
    portal.store.limits = Limits(per_day=1)
    usage = "/account-info/v3/api-usage/daily/private-apps"
    assert portal.http.get(usage).json()["results"][0]["currentUsage"] == 1
    assert portal.http.get(CONTACTS).json()["policyName"] == "DAILY"
    portal.clock.advance(86_400)
    assert portal.http.get(CONTACTS).status_code == 200


def test_account_details_name_portal_and_zone(portal: Portal) -> None:
    details = portal.http.get("/account-info/2026-09/details").json()
    assert (details["portalId"], details["timeZone"]) == (PORTAL, "US/Eastern")
    assert details["utcOffset"] == "-05:00"


# -- owners, properties ----------------------------------------------------------------------------


def test_archived_owners_appear_only_when_asked_for_and_have_no_user_id(portal: Portal) -> None:
    owners = "/crm/owners/2026-09"
    assert [o["id"] for o in portal.http.get(owners).json()["results"]] == ["7001"]
    gone = portal.http.get(owners, params={"archived": "true"}).json()["results"]
    assert [(o["id"], o["userId"], o["userIdIncludingInactive"]) for o in gone] == [
        ("7009", None, 4009)
    ]
    by_mail = portal.http.get(owners, params={"email": "AVA.MORGAN@lumenfold.example"}).json()
    assert len(by_mail["results"]) == 1


def test_owners_page(portal: Portal) -> None:
    portal.store.add_owner("7002", "ben.ortiz@lumenfold.example", "Ben", "Ortiz", 4002)
    first = portal.http.get("/crm/v3/owners", params={"limit": 1}).json()
    after = first["paging"]["next"]["after"]
    second = portal.http.get("/crm/v3/owners", params={"limit": 1, "after": after}).json()
    assert [p["results"][0]["id"] for p in (first, second)] == ["7001", "7002"]
    assert "paging" not in second


def test_properties_can_be_read_and_custom_ones_created_once(portal: Portal) -> None:
    path = "/crm/properties/2026-09/contacts"
    stages = portal.http.get(f"{path}/lifecyclestage").json()["options"]
    assert [o["value"] for o in stages][:3] == ["subscriber", "lead", "marketingqualifiedlead"]
    names = {prop["name"] for prop in portal.http.get(path).json()["results"]}
    assert {"baton_lead_key", "baton_score", "numemployees", "web_technologies"} <= names
    group = {"name": "revops", "label": "RevOps"}
    assert portal.http.post(f"{path}/groups", json=group).status_code == 201
    assert portal.http.post(f"{path}/groups", json=group).status_code == 409
    band = {"name": "band", "label": "Band", "groupName": "revops", "type": "string"}
    assert portal.http.post(path, json=band).status_code == 201
    assert portal.http.post(path, json=band).status_code == 409
    answer = portal.http.post(
        f"{path}/batch/create", json={"inputs": [band, band | {"name": "b2"}]}
    )
    assert answer.status_code == 207
    assert answer.json()["errors"][0]["context"] == {"name": ["band"]}
    id = portal.contact("ada@example.com")
    sent = {"properties": {"band": "A", "b2": "x"}}
    assert portal.http.patch(f"{CONTACTS}/{id}", json=sent).status_code == 200


# -- forms and submissions -------------------------------------------------------------------------


def test_forms_are_listed_without_captured_ones_unless_asked(portal: Portal) -> None:
    portal.store.add_form("c" * 8, "Captured", "captured", LONG_AGO)
    path = "/marketing/forms/2026-09"
    assert [f["id"] for f in portal.http.get(path).json()["results"]] == [FORM]
    both = portal.http.get(f"{path}?formTypes=hubspot&formTypes=captured").json()
    assert len(both["results"]) == 2


def test_submissions_come_newest_first_fifty_at_most(portal: Portal) -> None:
    ids = [
        portal.store.submit(
            FORM,
            {"email": f"p{n}@example.com"},
            page_url="https://www.lumenfold.example/demo",
            at=LONG_AGO + timedelta(minutes=n),
        )
        for n in range(60)
    ]
    path = f"/form-integrations/v1/submissions/forms/{FORM}"
    first = portal.http.get(path, params={"limit": 50}).json()
    mark = first["paging"]["next"]["after"]
    rest = portal.http.get(path, params={"limit": 50, "after": mark}).json()
    seen = [row["conversionId"] for row in first["results"] + rest["results"]]
    assert seen == ids[::-1]
    assert "paging" not in rest
    assert len(portal.http.get(path).json()["results"]) == 20
    assert portal.http.get(path, params={"limit": 51}).status_code == 400
    assert first["results"][0]["values"] == [
        {"name": "email", "value": "p59@example.com", "objectTypeId": "0-1"}
    ]


def test_a_submission_updates_the_contact_it_names(portal: Portal) -> None:
    id = portal.contact("ada@example.com", city="Bonn")
    url = "https://www.lumenfold.example/resources/sales-handoff-checklist"
    values = {"email": "ADA@example.com", "jobtitle": "CEO", "unknown_field": "x"}
    portal.store.submit(FORM, values, page_url=url, at=NOW)
    props = portal.store.get("contacts", id)["properties"]
    assert props["jobtitle"] == "CEO"
    assert props["recent_conversion_event_name"] == "Sales Handoff Checklist: Request a demo"
    assert props["recent_conversion_date"] == "2026-11-02T09:00:00Z"
    assert props["num_conversion_events"] == "1"
    portal.store.submit(FORM, {"email": "x@example.com"}, page_url=url, touch_contact=False)
    assert portal.http.get(f"{CONTACTS}/x@example.com?idProperty=email").status_code == 404
    assert portal.store.effects == [], "what people do is not a change made over the API"


def test_nonsense_times_are_kept_and_sink_to_the_end(portal: Portal) -> None:
    good = portal.store.submit(FORM, {"email": "a@example.com"}, page_url="/demo", at=NOW)
    for at in (datetime(1970, 1, 1, tzinfo=UTC), datetime(1969, 12, 31, tzinfo=UTC)):
        portal.store.submit(FORM, {"lastname": "x" * 40_000}, page_url="/demo", at=at)
    rows = portal.http.get(f"/form-integrations/v1/submissions/forms/{FORM}").json()["results"]
    assert [row["submittedAt"] for row in rows][1:] == [0, -86_400_000]
    assert rows[0]["conversionId"] == good


def test_the_public_form_endpoint_needs_no_token(portal: Portal) -> None:
    path = f"{portal.http.base_url}/submissions/v3/integration/submit/{PORTAL}/{FORM}"
    fields = [{"objectTypeId": "0-1", "name": "email", "value": "New@Example.com"}]
    body = {"fields": fields, "context": {"pageUri": "/demo", "pageName": "Book a demo"}}
    assert httpx.post(path, json=body).status_code == 200
    contact = portal.store.find("contacts", "new@example.com", "email")
    assert contact is not None
    assert contact.props["recent_conversion_event_name"] == "Book a demo: Request a demo"
    fields[0]["value"] = "nobody"
    refused = httpx.post(path, json=body)
    assert refused.status_code == 400
    assert refused.json()["errors"][0]["errorType"] == "INVALID_EMAIL"


# -- events ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/events/v3/events", "/events/event-occurrences/2026-09"])
def test_page_events_page_in_both_orders_within_inclusive_bounds(portal: Portal, path: str) -> None:
    id = portal.contact("ada@example.com")
    # Recorded out of order: events of the past arrive late.
    made = {
        n: portal.store.add_page_event(
            id, "https://www.lumenfold.example/pricing", "Pricing", at=LONG_AGO + timedelta(hours=n)
        )
        for n in (3, 1, 0, 2, 4)
    }
    query = {
        "eventType": "e_visited_page",
        "occurredAfter": (LONG_AGO + timedelta(hours=1)).isoformat(),
        "occurredBefore": (LONG_AGO + timedelta(hours=4)).isoformat(),
        "limit": 3,
    }
    for sort, expected in (("occurredAt", [1, 2, 3, 4]), ("-occurredAt", [4, 3, 2, 1])):
        page = portal.http.get(path, params={**query, "sort": sort}).json()
        mark = page["paging"]["next"]["after"]
        rest = portal.http.get(path, params={**query, "sort": sort, "after": mark}).json()
        seen = [row["id"] for row in page["results"] + rest["results"]]
        assert seen == [made[n] for n in expected]
        assert "paging" not in rest
    row = page["results"][0]
    assert (row["objectType"], row["objectId"], row["eventType"]) == (
        "CONTACT", id, "e_visited_page"
    )  # fmt: skip
    assert row["properties"]["hs_utm_campaign"] == ""


def test_events_need_a_type_or_an_object_and_a_sane_limit(portal: Portal) -> None:
    path = "/events/v3/events"
    assert portal.http.get(path).status_code == 400
    assert portal.http.get(path, params={"eventType": "x", "limit": 101}).status_code == 400
    assert portal.http.get(path, params={"eventType": "x", "after": "%%"}).status_code == 400
    types = portal.http.get(f"{path}/event-types").json()["eventTypes"]
    assert "e_visited_page" in types


def test_an_impossible_event_time_is_served_as_it_is(portal: Portal) -> None:
    id = portal.contact("ada@example.com")
    portal.store.add_page_event(id, "/pricing", "P", at="0202-13-45T99:00:00Z")
    rows = portal.http.get("/events/v3/events?eventType=e_visited_page").json()["results"]
    assert rows[0]["occurredAt"] == "0202-13-45T99:00:00Z"


def test_email_events_page_by_offset_with_inclusive_bounds(portal: Portal) -> None:
    portal.store.add_campaign(4711, "Autumn", "Fix the handoff")
    for n in range(5):
        portal.store.add_email_event(
            "CLICK" if n % 2 else "OPEN",
            "Ada@example.com",
            at=LONG_AGO + timedelta(hours=n),
            campaign_id=4711,
            filtered=n == 0,
        )
    path = "/email/public/v1/events"
    query = {"startTimestamp": ms(LONG_AGO), "endTimestamp": ms(LONG_AGO + timedelta(hours=4))}
    seen, offset = [], None
    while True:
        page = portal.http.get(
            path, params=query | {"limit": "2"} | ({"offset": offset} if offset else {})
        ).json()
        seen += page["events"]
        offset = page["offset"]
        if not page["hasMore"]:
            break
    assert len({(event["id"], event["created"]) for event in seen}) == 5
    assert {event["recipient"] for event in seen} == {"ada@example.com"}
    assert [event["filteredEvent"] for event in seen].count(True) == 1
    clicks = portal.http.get(path, params=query | {"eventType": "CLICK"}).json()["events"]
    assert [event["type"] for event in clicks] == ["CLICK", "CLICK"]
    theirs = portal.http.get(path, params=query | {"recipient": "other@example.com"}).json()
    assert theirs["events"] == []
    assert portal.http.get(path, params={"limit": 1001}).status_code == 400
    campaign = portal.http.get("/email/public/v1/campaigns/4711").json()
    assert (campaign["name"], campaign["subject"]) == ("Autumn", "Fix the handoff")
    assert portal.http.get("/email/public/v1/campaigns/1").status_code == 404


# -- size ------------------------------------------------------------------------------------------


def test_a_page_of_fifty_thousand_contacts_is_quick_after_the_first(portal: Portal) -> None:
    for n in range(50_000):
        portal.contact(f"p{n}@example.com", LONG_AGO + timedelta(seconds=n % 977))
    index = portal.store.collection("contacts").index

    def page(after: int) -> int:
        body = {
            "filterGroups": [
                {
                    "filters": [
                        where("lastmodifieddate", "BETWEEN", "1000", highValue=ms(NOW)),
                        where("hs_object_id", "GT", str(after)),
                    ]
                }
            ],
            "sorts": [{"propertyName": "hs_object_id", "direction": "ASCENDING"}],
            "limit": 200,
        }
        return index.search(body)[1][-1].id

    last = page(0)
    started = time.perf_counter()
    for _ in range(100):
        # The write between two pages must not make the next page start over.
        portal.store.update("contacts", str(last), {"city": "Bonn"}, at=LONG_AGO)
        last = page(last)
    assert (time.perf_counter() - started) / 100 < 0.02, "a fresh scan takes five times that"


def test_the_population_cannot_make_what_hubspot_would_refuse(portal: Portal) -> None:
    portal.contact("ada@example.com")
    with pytest.raises(ValueError, match="already has the e-mail"):
        portal.contact("ADA@example.com ")
    with pytest.raises(ValueError, match="no property numemploees"):
        portal.contact("b@example.com", numemploees="5-25")


def test_a_permanent_delete_leaves_nothing(portal: Portal) -> None:
    id = portal.contact("ada@example.com")
    portal.store.add_page_event(id, "/pricing", "P", at=LONG_AGO)
    body = {"objectId": "ada@example.com", "idProperty": "email"}
    assert portal.http.post(f"{CONTACTS}/gdpr-delete", json=body).status_code == 204
    assert portal.http.get(CONTACTS, params={"archived": "true"}).json()["results"] == []
    events = portal.http.get("/events/v3/events?eventType=e_visited_page").json()
    assert events["results"] == []
