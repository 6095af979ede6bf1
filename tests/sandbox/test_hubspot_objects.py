"""What every HubSpot object has in common, over real HTTP: one surface, whatever the record."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from sandbox.hubspot.pipelines import Pipeline, deal_stage
from sandbox.hubspot.writes import Lock, ValidationRule
from tests.sandbox.hubspot_portal import CONTACTS, LONG_AGO, NOW, Portal, ms, where

STAMP = "2026-11-02T10:00:00Z"
NEW = {
    "companies": {"name": "Acme", "domain": "acme.example"},
    "deals": {"dealname": "Acme - Lumenfold", "dealstage": "qualifiedtobuy"},
    "meetings": {"hs_timestamp": STAMP, "hs_meeting_outcome": "COMPLETED"},
    "tasks": {"hs_timestamp": STAMP, "hs_task_subject": "Call"},
    "notes": {"hs_timestamp": STAMP, "hs_note_body": "Hello"},
    "calls": {"hs_timestamp": STAMP, "hs_call_title": "Intro"},
    "emails": {"hs_timestamp": STAMP, "hs_email_subject": "Hi"},
}
TYPE_IDS = {
    "companies": "0-2",
    "deals": "0-3",
    "meetings": "0-47",
    "tasks": "0-27",
    "notes": "0-46",
    "calls": "0-48",
    "emails": "0-49",
}


def path_of(kind: str) -> str:
    return f"/crm/objects/2026-09/{kind}"


@pytest.mark.parametrize("kind", NEW)
def test_every_object_is_made_read_changed_found_and_archived_alike(
    portal: Portal, kind: str
) -> None:
    path, sent = path_of(kind), NEW[kind]
    answer = portal.http.post(path, json={"properties": sent})
    assert answer.status_code == 201
    made = answer.json()
    id, name = made["id"], next(reversed(sent))
    assert made["properties"] | {name: sent[name]} == made["properties"]
    numbered = f"/crm/v3/objects/{TYPE_IDS[kind]}"
    row = portal.http.get(f"{numbered}/{id}", params={"properties": f"{name},hubspot_owner_id"})
    assert row.json()["properties"][name] == sent[name]
    assert row.json()["properties"]["hubspot_owner_id"] is None
    assert f"/record/{TYPE_IDS[kind]}/{id}" in row.json()["url"]
    changed = portal.http.patch(f"{path}/{id}", json={"properties": {"hubspot_owner_id": "7001"}})
    assert changed.json()["properties"]["hubspot_owner_id"] == "7001"
    cleared = portal.http.patch(f"{path}/{id}", json={"properties": {"hubspot_owner_id": ""}})
    assert cleared.json()["properties"]["hubspot_owner_id"] is None
    assert portal.found(where("hs_lastmodifieddate", "GTE", ms(LONG_AGO)), path=path) == [id]
    read = portal.http.post(
        f"{path}/batch/read", json={"inputs": [{"id": id}], "properties": [name]}
    )
    assert read.json()["results"][0]["properties"][name] == sent[name]
    assert portal.http.delete(f"{path}/{id}").status_code == 204
    assert portal.http.get(f"{path}/{id}").status_code == 404
    archived = portal.http.get(path, params={"archived": "true"}).json()["results"]
    assert [(row["id"], row["archived"]) for row in archived] == [(id, True)]
    assert archived[0]["archivedAt"]
    assert portal.search(path)["total"] == 0


@pytest.mark.parametrize("kind", ["companies", "deals", "meetings"])
def test_the_cursor_of_contacts_silently_finds_nothing_elsewhere(portal: Portal, kind: str) -> None:
    portal.store.create(kind, dict(NEW[kind]), at=LONG_AGO)
    wrong = portal.search(
        path_of(kind),
        filterGroups=[
            {"filters": [where("lastmodifieddate", "GTE", ms(NOW - timedelta(days=90)))]}
        ],
    )
    assert (wrong["total"], wrong["results"]) == (0, [])
    assert portal.found(where("hs_lastmodifieddate", "GTE", "1000"), path=path_of(kind))


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("contacts", "createdate email firstname hs_object_id lastmodifieddate lastname"),
        ("companies", "createdate domain hs_lastmodifieddate hs_object_id name"),
        (
            "deals",
            "amount closedate createdate dealname dealstage hs_lastmodifieddate hs_object_id "
            "pipeline",
        ),
    ],
)
def test_a_search_that_asks_for_nothing_gets_the_default_properties(
    portal: Portal, kind: str, names: str
) -> None:
    portal.store.create(kind, dict(NEW.get(kind, {"email": "a@example.com"})), at=LONG_AGO)
    row = portal.search(path_of(kind))["results"][0]
    assert sorted(row["properties"]) == names.split()
    assert "associations" not in row


def test_history_shows_every_version_newest_first_with_its_source(portal: Portal) -> None:
    id = portal.contact("ada@example.com", jobtitle="Intern", hs_object_source="IMPORT")
    portal.store.update("contacts", id, {"jobtitle": "Analyst"}, at=LONG_AGO + timedelta(days=1))
    portal.http.patch(f"{CONTACTS}/{id}", json={"properties": {"jobtitle": "VP Sales"}})
    asked = {"propertiesWithHistory": "jobtitle,email,city"}
    past = portal.http.get(f"{CONTACTS}/{id}", params=asked).json()["propertiesWithHistory"]
    assert [(row["value"], row["sourceType"]) for row in past["jobtitle"]] == [
        ("VP Sales", "INTEGRATION"),
        ("Analyst", "CRM_UI"),
        ("Intern", "IMPORT"),
    ]
    assert past["jobtitle"][1]["timestamp"] == "2026-10-04T09:00:00Z"
    assert [row["value"] for row in past["email"]] == ["ada@example.com"]
    assert past["city"] == []
    listed = portal.http.get(CONTACTS, params=asked).json()["results"][0]
    assert listed["propertiesWithHistory"] == past
    body = {"inputs": [{"id": id}], "propertiesWithHistory": ["jobtitle"]}
    read = portal.http.post(f"{CONTACTS}/batch/read", json=body).json()["results"][0]
    assert read["propertiesWithHistory"]["jobtitle"] == past["jobtitle"]


def test_a_list_with_history_holds_fifty_rows_at_most(portal: Portal) -> None:
    def status(**asked: Any) -> int:
        return portal.http.get(CONTACTS, params=asked).status_code

    assert status(limit=100) == 200
    assert status(limit=101) == 400
    assert status(limit=50, propertiesWithHistory="email") == 200
    assert status(limit=51, propertiesWithHistory="email") == 400


def test_a_locked_record_is_423_and_the_rest_of_the_account_goes_on(portal: Portal) -> None:
    locked, other = portal.contact("a@example.com"), portal.contact("b@example.com")
    portal.store.writes.locks["contacts", int(locked)] = Lock(
        portal.store.ms(None) + 2000, attempts=None
    )
    sent = {"properties": {"city": "Bonn"}}
    refused = portal.http.patch(f"{CONTACTS}/{locked}", json=sent)
    assert refused.status_code == 423
    assert refused.json()["status"] == "error"
    both = {"inputs": [{"id": id, **sent} for id in (other, locked)]}
    assert portal.http.post(f"{CONTACTS}/batch/update", json=both).status_code == 423
    assert portal.store.find("contacts", other).props.get("city") is None
    assert portal.http.delete(f"{CONTACTS}/{locked}").status_code == 423
    assert portal.http.patch(f"{CONTACTS}/{other}", json=sent).status_code == 200
    portal.clock.advance(2)
    assert portal.http.patch(f"{CONTACTS}/{locked}", json=sent).status_code == 200


def test_validation_rules_hold_from_the_september_version_on(portal: Portal) -> None:
    rule = ValidationRule("contacts", "city", "Cities are short.", most=4)
    portal.store.writes.rules.append(rule)
    id = portal.contact("ada@example.com")

    def write(version: str, city: str) -> Any:
        path = "/crm/v3/objects" if version == "v3" else f"/crm/objects/{version}"
        return portal.http.patch(f"{path}/contacts/{id}", json={"properties": {"city": city}})

    refused = write("2026-09", "Regensburg")
    assert (refused.status_code, refused.json()["category"]) == (400, "VALIDATION_ERROR")
    assert refused.json()["errors"][0]["message"] == "Cities are short."
    assert write("2026-09", "Bonn").status_code == 200
    assert write("2026-03", "Regensburg").status_code == 200
    assert write("v3", "Regensburg").status_code == 200


def test_merged_companies_answer_under_both_old_ids(portal: Portal) -> None:
    path = path_of("companies")
    one, two = (
        portal.http.post(path, json={"properties": NEW["companies"]}).json()["id"] for _ in "ab"
    )
    body = {"primaryObjectId": one, "objectIdToMerge": two}
    merged = portal.http.post(f"{path}/merge", json=body).json()["id"]
    assert merged not in (one, two)
    for id in (one, two):
        row = portal.http.get(f"{path}/{id}?properties=hs_merged_object_ids").json()
        assert row["id"] == merged
        assert row["properties"]["hs_merged_object_ids"] == f"{one};{two}"
    assert portal.search(path)["total"] == 1


def test_a_company_made_by_its_domain_gets_its_website(portal: Portal) -> None:
    made = portal.http.post(path_of("companies"), json={"properties": NEW["companies"]}).json()
    assert made["properties"]["website"] == "acme.example"
    again = portal.http.post(path_of("companies"), json={"properties": NEW["companies"]})
    assert again.status_code == 201, "a domain is not unique"


def test_a_stage_of_another_pipeline_is_400_unless_the_pipeline_comes_with_it(
    portal: Portal,
) -> None:
    renewals = Pipeline("77001", "Renewals", {"77010": deal_stage("77010", "Renewed", "1.0")})
    portal.store.add_pipeline("deals", renewals)
    id = portal.http.post(path_of("deals"), json={"properties": NEW["deals"]}).json()["id"]
    wrong = portal.http.patch(
        f"{path_of('deals')}/{id}", json={"properties": {"dealstage": "77010"}}
    )
    assert wrong.status_code == 400
    sent = {"pipeline": "77001", "dealstage": "77010"}
    asked = {"properties": "hs_is_closed,hs_is_closed_won,hs_deal_stage_probability"}
    right = portal.http.patch(f"{path_of('deals')}/{id}", json={"properties": sent})
    assert right.status_code == 200
    row = portal.http.get(f"{path_of('deals')}/{id}", params=asked).json()["properties"]
    assert (row["hs_is_closed"], row["hs_is_closed_won"]) == ("true", "true")


def test_a_probability_is_printed_as_the_binary_float_it_is(portal: Portal) -> None:
    sent = {"properties": {"dealname": "x", "dealstage": "appointmentscheduled"}}
    id = portal.http.post(path_of("deals"), json=sent).json()["id"]
    row = portal.http.get(f"{path_of('deals')}/{id}?properties=hs_deal_stage_probability").json()
    assert row["properties"]["hs_deal_stage_probability"].startswith("0.2000000000000000111")


def test_a_lead_needs_a_name_and_a_contact(portal: Portal) -> None:
    contact = portal.contact("ada@example.com")
    kind = {"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 578}
    to_contact = [{"to": {"id": contact}, "types": [kind]}]
    named = {"hs_lead_name": "Ada - demo", "hs_lead_label": "HOT"}

    def make(properties: dict[str, str], associations: list[Any]) -> Any:
        body = {"properties": properties, "associations": associations}
        return portal.http.post("/crm/v3/objects/leads", json=body)

    assert make(named, []).status_code == 400
    assert make({}, to_contact).status_code == 400
    made = make(named, to_contact)
    assert made.status_code == 201
    id = made.json()["id"]
    row = portal.http.get(f"/crm/v3/objects/0-136/{id}?properties=hs_pipeline_stage").json()
    assert row["properties"]["hs_pipeline_stage"] == "new-stage-id"
    linked = portal.http.get(f"/crm/v4/objects/leads/{id}/associations/contacts").json()
    assert linked["results"][0]["toObjectId"] == int(contact)
    assert 578 in {kind["typeId"] for kind in linked["results"][0]["associationTypes"]}


# -- associations ----------------------------------------------------------------------------------

PAIR = "/crm/v4/associations/contacts/companies"


@pytest.fixture
def pair(portal: Portal) -> tuple[str, str]:
    """A contact and a company nobody has linked yet."""
    return portal.contact("ada@example.com"), portal.store.create("companies", {"name": "Acme"})


def link(contact: str, company: str, *types: int) -> dict[str, Any]:
    kinds = [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": t} for t in types]
    return {"from": {"id": contact}, "to": {"id": company}, "types": kinds}


def test_a_primary_link_shows_in_both_directions_with_numbers_for_ids(
    portal: Portal, pair: tuple[str, str]
) -> None:
    contact, company = pair
    body = {"inputs": [link(contact, company, 1)]}
    assert portal.http.post(f"{PAIR}/batch/create", json=body).status_code == 201
    forth = portal.http.get(f"/crm/v4/objects/contacts/{contact}/associations/companies").json()
    assert forth["results"] == [
        {
            "toObjectId": int(company),
            "associationTypes": [
                {"category": "HUBSPOT_DEFINED", "typeId": 1, "label": "Primary"},
                {"category": "HUBSPOT_DEFINED", "typeId": 279, "label": None},
            ],
        }
    ]
    back = portal.http.post(
        "/crm/associations/2026-03/companies/contacts/batch/read",
        json={"inputs": [{"id": company}]},
    ).json()["results"][0]
    assert back["from"] == {"id": company}
    assert [kind["typeId"] for kind in back["to"][0]["associationTypes"]] == [2, 280]
    listed = portal.http.get(CONTACTS, params={"associations": "companies"}).json()["results"][0]
    assert listed["associations"]["companies"]["results"] == [
        {"id": company, "type": "contact_to_company"},
        {"id": company, "type": "contact_to_company_unlabeled"},
    ]


def test_a_label_can_be_taken_off_and_a_link_cut(portal: Portal, pair: tuple[str, str]) -> None:
    contact, company = pair
    portal.store.associate("contacts", contact, "companies", company, (1,))
    body = {"inputs": [link(contact, company, 1)]}
    assert portal.http.post(f"{PAIR}/batch/labels/archive", json=body).status_code == 204
    path = f"/crm/v4/objects/contacts/{contact}/associations/companies"
    kinds = portal.http.get(path).json()["results"][0]["associationTypes"]
    assert [kind["typeId"] for kind in kinds] == [279]
    assert portal.http.delete(f"{path}/{company}").status_code == 204
    assert portal.http.get(path).json()["results"] == []
    back = f"/crm/v4/objects/companies/{company}/associations/contacts"
    assert portal.http.get(back).json()["results"] == []


def test_wrong_ends_are_207_without_context_or_links(portal: Portal, pair: tuple[str, str]) -> None:
    contact, company = pair
    body = {"inputs": [link(contact, company, 279), link("unknown_id_1", company, 279)]}
    answer = portal.http.post(f"{PAIR}/batch/create", json=body)
    assert (answer.status_code, answer.json()["numErrors"]) == (207, 1)
    error = answer.json()["errors"][0]
    assert error["subCategory"] == "crm.associations.INVALID_IDENTIFIER"
    assert error["message"] == "unknown_id_1 is not a valid ID"
    assert not {"context", "links"} & error.keys()
    itself = {"inputs": [link(contact, contact)]}
    path = "/crm/v4/associations/contacts/contacts/batch/create"
    message = portal.http.post(path, json=itself).json()["errors"][0]["message"]
    assert message == f"Object {contact} cannot be associated to itself ({contact})"
    wrong_type = {"inputs": [link(contact, company, 204)]}
    assert portal.http.post(f"{PAIR}/batch/create", json=wrong_type).status_code == 400


def test_many_links_of_one_record_come_in_pages(portal: Portal) -> None:
    company = portal.store.create("companies", {"name": "Acme"})
    for n in range(501):
        portal.store.associate("companies", company, "contacts", portal.contact(f"p{n}@x.example"))
    path = "/crm/v4/associations/companies/contacts/batch/read"

    def page(**more: str) -> dict[str, Any]:
        body = {"inputs": [{"id": company, **more}]}
        return portal.http.post(path, json=body).json()["results"][0]

    first = page()
    rest = page(after=first["paging"]["next"]["after"])
    ids = [row["toObjectId"] for row in first["to"] + rest["to"]]
    assert (len(first["to"]), len(set(ids))) == (500, 501)
    assert "paging" not in rest


def test_labels_are_the_safe_source_of_type_ids(portal: Portal) -> None:
    rows = portal.http.get(f"{PAIR}/labels").json()["results"]
    assert [(row["typeId"], row["label"]) for row in rows] == [(1, "Primary"), (279, None)]


def test_the_results_of_a_batch_create_do_not_stand_in_the_order_of_the_inputs(
    portal: Portal,
) -> None:
    inputs = [{"properties": {"name": name, "domain": f"{name}.example"}} for name in "abc"]
    made = portal.http.post(f"{path_of('companies')}/batch/create", json={"inputs": inputs}).json()
    names = [row["properties"]["name"] for row in made["results"]]
    assert sorted(names) == ["a", "b", "c"]
    assert names != ["a", "b", "c"]


def test_an_address_with_hundreds_of_properties_is_414_and_a_batch_read_is_not(
    portal: Portal,
) -> None:
    names = [f"property_number_{n}" for n in range(900)]
    assert portal.http.get(CONTACTS, params={"properties": ",".join(names)}).status_code == 414
    id = portal.contact("ada@example.com")
    body = {"inputs": [{"id": id}], "properties": names}
    assert portal.http.post(f"{CONTACTS}/batch/read", json=body).status_code == 200


def test_a_secondary_address_is_taken_as_well(portal: Portal) -> None:
    id = portal.contact("ada@example.com", hs_additional_emails="ada@home.example;a@b.example")
    refused = portal.http.post(CONTACTS, json={"properties": {"email": "ADA@home.example"}})
    assert (refused.status_code, refused.json()["category"]) == (409, "CONFLICT")
    assert refused.json()["message"] == f"Contact already exists. Existing ID: {id}"


def test_a_stage_of_the_accounts_own_has_its_place_in_the_order(portal: Portal) -> None:
    prop = portal.store.collection("contacts").properties["lifecyclestage"]
    prop.options = [{"label": "Sniffing", "value": "4711", "displayOrder": -1}, *prop.options]
    id = portal.contact("ada@example.com", lifecyclestage="4711")

    def move(stage: str) -> str:
        body = {"properties": {"lifecyclestage": stage}}
        answer = portal.http.patch(f"{CONTACTS}/{id}", json=body)
        assert answer.status_code == 200
        return answer.json()["properties"]["lifecyclestage"]

    assert move("lead") == "lead"
    assert move("4711") == "lead"
    assert move("customer") == "customer"
