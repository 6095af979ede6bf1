"""HubSpot's objects over real HTTP, against what the vendor documents and recordings show."""

from __future__ import annotations

import re
from datetime import timedelta

import httpx
import pytest

from tests.sandbox.hubspot_portal import CONTACTS, LONG_AGO, NOW, Portal, where

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
