"""Writing to the Salesforce sandbox over real HTTP: rows, upserts, collections, what people do."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.sandbox.salesforce_org import (
    AVA,
    BEN,
    GONE,
    KEEP_OWNER,
    LONG_AGO,
    MANY,
    NOBODY,
    NOW,
    ROBOT,
    ROOT,
    STAMP,
    Org,
    codes,
)

# --- single rows -------------------------------------------------------------------------------


def test_create_read_update_and_delete_one_row(org: Org) -> None:
    body = {"LastName": " Hopper ", "Company": "Navy", "Email": "g@navy.example", "Title": ""}
    made = org.http.post(f"{ROOT}/sobjects/Lead", json=body)
    assert made.status_code == 201
    id_ = made.json()["id"]
    address = f"{ROOT}/sobjects/Lead/{id_}"
    assert org.http.patch(address, json={"Title": "Admiral"}).status_code == 204
    row = org.http.get(address, params={"fields": "LastName,Title,CreatedById"}).json()
    assert (row["LastName"], row["Title"], row["CreatedById"]) == ("Hopper", "Admiral", ROBOT)
    assert org.http.delete(address).status_code == 204
    gone = org.http.get(address)
    assert (gone.status_code, gone.json()[0]["errorCode"]) == (404, "ENTITY_IS_DELETED")
    actions = [effect["action"] for effect in org.store.effects]
    assert actions == ["create", "update", "delete"]
    assert all(effect["by"] == ROBOT for effect in org.store.effects)


def test_a_write_moves_the_stamp_and_names_the_integration_user(org: Org) -> None:
    id_ = org.lead()
    assert org.row(id_)["LastModifiedById"] == AVA
    org.patch({"id": id_, "Title": "CEO"})
    row = org.row(id_)
    assert (row["SystemModstamp"], row["LastModifiedDate"]) == (STAMP, STAMP)
    assert (row["LastModifiedById"], row["CreatedById"]) == (ROBOT, AVA)


@pytest.mark.parametrize(
    ("body", "code", "words"),
    [
        ({"Company": "X"}, "REQUIRED_FIELD_MISSING", "Required fields are missing: [LastName]"),
        ({"LastName": " ", "Company": None}, "REQUIRED_FIELD_MISSING", "[LastName, Company]"),
        ({"Email": "not an address"}, "INVALID_EMAIL_ADDRESS", "Email: invalid email address: not"),
        ({"LastName": "x" * 81}, "STRING_TOO_LONG", "(max length=80)"),
        ({"nope": 1}, "INVALID_FIELD", "No such column 'nope' on sobject of type Lead"),
        ({"IsConverted": True}, "INVALID_FIELD_FOR_INSERT_UPDATE", "fields: IsConverted."),
        ({"SystemModstamp": STAMP}, "INVALID_FIELD_FOR_INSERT_UPDATE", "SystemModstamp"),
        ({"OwnerId": GONE}, "INACTIVE_OWNER_OR_USER", "inactive user [005000000000009]"),
        ({"OwnerId": NOBODY}, "INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id"),
        ({"OwnerId": "ava"}, "MALFORMED_ID", "Owner ID: id value of incorrect type: ava"),
        ({"OwnerId": "00Q000000000001AAA"}, "MALFORMED_ID", "incorrect type"),
        ({"NumberOfEmployees": 10**9}, "NUMBER_OUTSIDE_VALID_RANGE", "outside of valid range"),
        ({"NumberOfEmployees": "many"}, "JSON_PARSER_ERROR", "Cannot deserialize instance of int"),
        ({"baton_trigger_at__c": "soon"}, "JSON_PARSER_ERROR", "instance of datetime"),
    ],
)
def test_a_record_that_breaks_a_rule_is_refused(
    org: Org, body: dict[str, Any], code: str, words: str
) -> None:
    whole = body if "Company" in body else {"LastName": "L", "Company": "C", **body}
    answer = org.http.post(f"{ROOT}/sobjects/Lead", json=whole)
    assert answer.status_code == 400
    (error,) = answer.json()
    assert error["errorCode"] == code
    assert words in error["message"]
    assert org.store.effects == []


def test_other_objects_have_their_own_required_fields(org: Org) -> None:
    answer = org.http.post(f"{ROOT}/sobjects/Opportunity", json={"Name": "Deal"})
    assert answer.json()[0]["fields"] == ["StageName", "CloseDate"]
    refused = org.http.post(f"{ROOT}/sobjects/User", json={"LastName": "New"})
    assert refused.json()[0]["errorCode"] == "INVALID_TYPE_FOR_OPERATION"


def test_a_converted_lead_can_neither_be_written_nor_referred_to(org: Org) -> None:
    lead, account, contact = org.lead(), *(
        org.store.insert(name, {"Name" if name == "Account" else "LastName": "N"})
        for name in ("Account", "Contact")
    )  # fmt: skip
    org.store.convert(lead, account, contact, at=NOW - timedelta(days=1))
    assert codes(org.patch({"id": lead, "Title": "CEO"})) == ["CANNOT_UPDATE_CONVERTED_LEAD"]
    answer = org.http.post(f"{ROOT}/sobjects/Task", json={"WhoId": lead})
    assert answer.json()[0]["errorCode"] == "CANNOT_UPDATE_CONVERTED_LEAD"


def test_an_inactive_owner_may_stay_but_not_come(org: Org) -> None:
    id_ = org.lead(OwnerId=GONE)
    assert codes(org.patch({"id": id_, "OwnerId": GONE, "Title": "x"})) == ["ok"]
    other = org.lead()
    assert codes(org.patch({"id": other, "OwnerId": GONE})) == ["INACTIVE_OWNER_OR_USER"]


def test_a_body_that_is_no_json_is_refused(org: Org) -> None:
    headers = {"Content-Type": "application/json"}
    answer = org.http.post(f"{ROOT}/sobjects/Lead", content=b"{", headers=headers)
    assert (answer.status_code, answer.json()[0]["errorCode"]) == (400, "JSON_PARSER_ERROR")
    answer = org.http.post(f"{ROOT}/sobjects/Lead", content=b"<a/>")
    assert (answer.status_code, answer.json()[0]["errorCode"]) == (415, "UNSUPPORTED_MEDIA_TYPE")


@pytest.mark.parametrize("path", ["sobjects/Nothing", "sobjects/Lead/00Q00000000ZZZZ", "nowhere"])
def test_what_is_not_there_answers_404(org: Org, path: str) -> None:
    answer = org.http.get(f"{ROOT}/{path}")
    assert (answer.status_code, answer.json()[0]["errorCode"]) == (404, "NOT_FOUND")


# --- upserts by external id --------------------------------------------------------------------


def test_an_upsert_creates_then_updates(org: Org) -> None:
    address = f"{ROOT}/sobjects/Lead/baton_lead_key__c/lead-1"
    first = org.http.patch(address, json={"LastName": "L", "Company": "C"})
    again = org.http.patch(address, json={"Title": "CEO"})
    assert (first.status_code, first.json()["created"]) == (201, True)
    assert (again.status_code, again.json()["created"]) == (200, False)
    assert first.json()["id"] == again.json()["id"]
    assert org.http.get(address).json()["Title"] == "CEO"


def test_update_only_never_creates(org: Org) -> None:
    address = f"{ROOT}/sobjects/Lead/baton_lead_key__c/lead-1"
    body = {"LastName": "L", "Company": "C"}
    answer = org.http.patch(address, json=body, params={"updateOnly": "true"})
    assert answer.status_code == 404
    assert org.store.all("Lead") == []


def test_an_ambiguous_external_id_answers_300_with_the_rows(org: Org) -> None:
    ids = [org.lead(baton_lead_key__c="twice"), org.lead(baton_lead_key__c="TWICE")]
    answer = org.http.patch(f"{ROOT}/sobjects/Lead/baton_lead_key__c/twice", json={"Title": "x"})
    assert answer.status_code == 300
    assert answer.json() == [f"{ROOT}/sobjects/Lead/{id_}" for id_ in ids]


def test_the_external_id_must_not_stand_in_the_body_and_must_be_one(org: Org) -> None:
    address = f"{ROOT}/sobjects/Lead/baton_lead_key__c/k"
    answer = org.http.patch(address, json={"baton_lead_key__c": "k"})
    assert answer.json()[0]["errorCode"] == "INVALID_FIELD"
    answer = org.http.patch(f"{ROOT}/sobjects/Lead/Company/k", json={})
    assert (answer.status_code, answer.json()[0]["errorCode"]) == (404, "NOT_FOUND")


def test_a_deleted_record_does_not_hold_its_external_id(org: Org) -> None:
    org.store.delete("Lead", org.lead(baton_lead_key__c="k"))
    body = {"LastName": "L", "Company": "C"}
    answer = org.http.patch(f"{ROOT}/sobjects/Lead/baton_lead_key__c/k", json=body)
    assert answer.status_code == 201
    found = org.query("SELECT Id FROM Lead WHERE baton_lead_key__c = 'k'", call="queryAll")
    assert found["totalSize"] == 2


# --- collections -------------------------------------------------------------------------------


def test_a_collection_answers_200_in_order_with_failures_inside(org: Org) -> None:
    good, gone = org.lead(), org.lead()
    org.store.delete("Lead", gone)
    results = org.patch(
        {"id": good, "Title": "CEO"},
        {"Title": "no id"},
        {"id": "00Q00000000ZZZZ", "Title": "unknown"},
        {"id": gone, "Title": "deleted"},
        {"id": good, "Title": "twice"},
        {"id": AVA, "Title": "a user"},
        {"id": org.lead(), "Nope__c": 1},
        {"id": org.lead(), "Email": "bad"},
    )
    assert codes(results) == [
        "ok",
        "MISSING_ARGUMENT",
        "INVALID_CROSS_REFERENCE_KEY",
        "ENTITY_IS_DELETED",
        "DUPLICATE_VALUE",
        "MALFORMED_ID",
        "INVALID_FIELD",
        "INVALID_EMAIL_ADDRESS",
    ]
    assert results[0] == {"id": good, "success": True, "errors": []}
    assert results[1]["errors"] == [
        {
            "statusCode": "MISSING_ARGUMENT",
            "message": "Id not specified in an update call",
            "fields": [],
        }
    ]
    assert org.row(good)["Title"] == "CEO"


def test_all_or_none_rolls_everything_back(org: Org) -> None:
    id_ = org.lead(Title="before")
    made = [
        {"attributes": {"type": "Lead"}, "LastName": "New", "Company": "C"},
        {"attributes": {"type": "Lead"}, "LastName": "New"},
    ]
    answer = org.http.post(MANY, json={"allOrNone": True, "records": made})
    assert codes(answer.json()) == ["ALL_OR_NONE_OPERATION_ROLLED_BACK", "REQUIRED_FIELD_MISSING"]
    results = org.patch({"id": id_, "Title": "after"}, {"Title": "no id"}, allOrNone=True)
    assert codes(results) == ["ALL_OR_NONE_OPERATION_ROLLED_BACK", "MISSING_ARGUMENT"]
    assert org.row(id_)["Title"] == "before"
    assert [row["Id"] for row in org.store.all("Lead")] == [id_]
    assert org.store.effects == []


def test_a_collection_upserts_by_external_id(org: Org) -> None:
    known = org.lead(baton_lead_key__c="k1")
    kind = {"attributes": {"type": "Lead"}}
    records = [
        {**kind, "baton_lead_key__c": "k1", "Title": "CEO"},
        {**kind, "baton_lead_key__c": "k2", "LastName": "L", "Company": "C"},
        {**kind, "baton_lead_key__c": "k3", "LastName": "L"},
        {**kind, "LastName": "L", "Company": "C"},
        {**kind, "baton_lead_key__c": "k4", "LastName": "L", "Company": "C"},
        {**kind, "baton_lead_key__c": "K4", "LastName": "L", "Company": "C"},
    ]
    results = org.http.patch(f"{MANY}/Lead/baton_lead_key__c", json={"records": records}).json()
    assert codes(results) == [
        "ok",
        "ok",
        "REQUIRED_FIELD_MISSING",
        "MISSING_ARGUMENT",
        "DUPLICATE_VALUE",
        "DUPLICATE_VALUE",
    ]
    assert (results[0]["id"], results[0]["created"], results[1]["created"]) == (known, False, True)


def test_a_unique_value_cannot_be_given_to_two_records(org: Org) -> None:
    org.lead(baton_lead_key__c="k1")
    (result,) = org.patch({"id": org.lead(), "baton_lead_key__c": "K1"})
    assert result["errors"][0]["statusCode"] == "DUPLICATE_VALUE"
    assert "baton_lead_key__c duplicates value on record with id:" in result["errors"][0]["message"]


def test_a_locked_row_fails_once_and_then_goes_through(org: Org) -> None:
    locked, free = org.lead(), org.lead()
    org.store.lock_row(locked)
    records = ({"id": locked, "Title": "a"}, {"id": free, "Title": "b"})
    assert codes(org.patch(*records)) == ["UNABLE_TO_LOCK_ROW", "ok"]
    assert codes(org.patch(*records)) == ["ok", "ok"]


def test_a_collection_takes_200_records_and_ten_chunks(org: Org) -> None:
    record = {"attributes": {"type": "Lead"}, "LastName": "L", "Company": "C"}
    answer = org.http.post(MANY, json={"records": [record] * 201})
    assert (answer.status_code, answer.json()[0]["errorCode"]) == (400, "EXCEEDED_ID_LIMIT")
    task = {"attributes": {"type": "Task"}}
    answer = org.http.post(MANY, json={"records": [record, task] * 6})
    assert (answer.status_code, answer.json()[0]["errorCode"]) == (400, "LIMIT_EXCEEDED")


def test_a_value_of_the_wrong_type_stops_the_whole_request(org: Org) -> None:
    first, second = org.lead(), org.lead()
    kind = {"attributes": {"type": "Lead"}}
    records = [{**kind, "id": first, "Title": "x"}, {**kind, "id": second, "baton_score__c": "x"}]
    answer = org.http.patch(MANY, json={"records": records})
    assert (answer.status_code, answer.json()[0]["errorCode"]) == (400, "JSON_PARSER_ERROR")
    assert org.row(first)["Title"] is None


def test_collections_delete_and_retrieve(org: Org) -> None:
    first, second = org.lead("First"), org.lead("Second")
    found = org.http.get(f"{MANY}/Lead", params={"ids": f"{second},{first}", "fields": "LastName"})
    assert [row["LastName"] for row in found.json()] == ["Second", "First"]
    results = org.http.delete(MANY, params={"ids": f"{first},nonsense"}).json()
    assert codes(results) == ["ok", "MALFORMED_ID"]
    asked = {"ids": [first, second], "fields": ["LastName"]}
    left = org.http.post(f"{MANY}/Lead", json=asked).json()
    assert left[0] is None
    assert left[1]["Id"] == second


# --- the assignment rule -----------------------------------------------------------------------


def test_the_assignment_rule_takes_the_owner_unless_told_not_to(org: Org) -> None:
    org.store.set_assignment_rule(BEN)
    id_ = org.lead()
    body = {"records": [{"attributes": {"type": "Lead"}, "id": id_, "OwnerId": AVA}]}
    org.http.patch(MANY, json=body)
    assert org.row(id_)["OwnerId"] == BEN
    org.http.patch(MANY, json=body, headers=KEEP_OWNER)
    assert org.row(id_)["OwnerId"] == AVA
    assert [effect["fields"]["OwnerId"] for effect in org.store.effects] == [BEN, AVA]


def test_the_assignment_rule_leaves_people_and_other_objects_alone(org: Org) -> None:
    org.store.set_assignment_rule(BEN)
    id_ = org.lead()
    org.store.update("Lead", id_, {"Title": "CEO"}, by=AVA)
    assert org.row(id_)["OwnerId"] == AVA
    made = org.http.post(f"{ROOT}/sobjects/Task", json={"OwnerId": AVA}).json()["id"]
    assert org.row(made, "Task")["OwnerId"] == AVA


# --- what people do ----------------------------------------------------------------------------


def test_a_merge_marks_the_loser_and_moves_its_tasks(org: Org) -> None:
    winner, loser = org.lead("Winner"), org.lead("Loser")
    task = org.store.insert("Task", {"WhoId": loser}, at=LONG_AGO)
    org.store.merge("Lead", winner, loser, at=NOW)
    soql = "SELECT Id, MasterRecordId FROM Lead WHERE IsDeleted = true AND MasterRecordId != null"
    (record,) = org.query(soql, call="queryAll")["records"]
    assert (record["Id"], record["MasterRecordId"]) == (loser, winner)
    moved = org.row(task, "Task")
    assert (moved["WhoId"], moved["SystemModstamp"]) == (winner, STAMP)


def test_a_conversion_points_forward_and_moves_activities(org: Org) -> None:
    lead = org.lead()
    task = org.store.insert("Task", {"WhoId": lead}, at=LONG_AGO)
    account = org.store.insert("Account", {"Name": "A"})
    contact = org.store.insert("Contact", {"LastName": "C", "AccountId": account})
    deal = {"Name": "D", "StageName": "Closed Won", "CloseDate": "2026-11-20"}
    opportunity = org.store.insert("Opportunity", deal)
    org.store.convert(lead, account, contact, opportunity, at=NOW)
    row = org.row(lead)
    assert (row["IsConverted"], row["ConvertedDate"]) == (True, "2026-11-02")
    assert row["ConvertedOpportunityId"] == opportunity
    assert org.row(task, "Task")["WhoId"] == contact
    won = org.row(opportunity, "Opportunity")
    assert (won["IsClosed"], won["IsWon"], won["FiscalQuarter"]) == (True, True, 4)


def test_a_completed_task_is_closed_and_dates_the_persons_last_activity(org: Org) -> None:
    lead = org.lead()
    call = {"WhoId": lead, "Subject": "Call", "TaskSubtype": "Call", "OwnerId": AVA}
    task = org.store.insert("Task", call, by=AVA)
    assert org.row(task, "Task")["IsClosed"] is False
    org.store.update("Task", task, {"Status": "Completed"}, at=NOW, by=AVA)
    row = org.row(task, "Task")
    assert (row["IsClosed"], row["CompletedDateTime"], row["CreatedById"]) == (True, STAMP, AVA)
    assert org.row(lead)["LastActivityDate"] == "2026-11-02"
    assert org.row(lead)["SystemModstamp"] != STAMP


def test_an_event_knows_when_it_ends(org: Org) -> None:
    body = {"Subject": "Demo", "StartDateTime": "2026-11-03T10:00:00Z", "DurationInMinutes": 30}
    made = org.http.post(f"{ROOT}/sobjects/Event", json=body).json()["id"]
    row = org.row(made, "Event")
    assert row["EndDateTime"] == "2026-11-03T10:30:00.000+0000"
    assert row["ActivityDate"] == "2026-11-03"
    answer = org.http.post(f"{ROOT}/sobjects/Event", json={"Subject": "Demo"})
    assert answer.json()[0]["fields"] == ["ActivityDateTime", "DurationInMinutes"]


def test_what_people_do_is_no_effect(org: Org) -> None:
    id_ = org.lead()
    org.store.update("Lead", id_, {"Status": "Working - Contacted"})
    org.store.delete("Lead", id_)
    assert org.store.effects == []


def test_the_population_cannot_misspell_a_field(org: Org) -> None:
    with pytest.raises(ValueError, match="has no field 'LastNam'"):
        org.store.insert("Lead", {"LastNam": "x"})


# --- describing and deletions ------------------------------------------------------------------


def test_describe_lists_the_custom_fields(org: Org) -> None:
    fields = org.http.get(f"{ROOT}/sobjects/Lead/describe").json()["fields"]
    key = next(field for field in fields if field["name"] == "baton_lead_key__c")
    assert (key["externalId"], key["unique"], key["type"]) == (True, True, "string")
    owner = next(field for field in fields if field["name"] == "OwnerId")
    assert (owner["relationshipName"], owner["referenceTo"]) == ("Owner", ["User", "Group"])
    listed = org.http.get(f"{ROOT}/sobjects").json()["sobjects"]
    assert {"Lead", "Task"} <= {known["name"] for known in listed}


def test_deleted_and_updated_ids_of_a_span(org: Org) -> None:
    gone, changed = org.lead(), org.lead()
    org.store.delete("Lead", gone, at=NOW)
    org.store.update("Lead", changed, {"Title": "x"}, at=NOW)
    span = {"start": "2026-11-02T08:00:00+00:00", "end": "2026-11-02T10:00:00+00:00"}
    answer = org.http.get(f"{ROOT}/sobjects/Lead/deleted/", params=span).json()
    assert answer["deletedRecords"] == [{"id": gone, "deletedDate": STAMP}]
    assert answer["latestDateCovered"] == STAMP
    assert org.http.get(f"{ROOT}/sobjects/Lead/updated/", params=span).json()["ids"] == [changed]
    early = span | {"start": "2026-09-01T08:00:00+00:00"}
    refused = org.http.get(f"{ROOT}/sobjects/Lead/deleted/", params=early)
    assert refused.json()[0]["errorCode"] == "INVALID_REPLICATION_DATE"
