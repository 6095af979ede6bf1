"""Reading the Salesforce sandbox beyond rows: groups, histories, many ties, deletions."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.sandbox.salesforce_org import AVA, BEN, LONG_AGO, NOW, ROOT, STAMP, Org

SPAN = {"start": "2026-11-02T08:00:00+00:00", "end": "2026-11-02T10:00:00+00:00"}


# --- groups ------------------------------------------------------------------------------------


def test_groups_are_counted_under_their_alias(org: Org) -> None:
    for status, employees in (("New", 5), ("New", 7), ("Old", None)):
        org.lead(Status=status, NumberOfEmployees=employees)
    soql = (
        "SELECT Status, COUNT(Id) n, MAX(NumberOfEmployees), AVG(NumberOfEmployees) mean "
        "FROM Lead GROUP BY Status ORDER BY Status"
    )
    found = org.query(soql)
    kind = {"type": "AggregateResult"}
    assert found == {
        "totalSize": 2,
        "done": True,
        "records": [
            {"attributes": kind, "Status": "New", "n": 2, "expr0": 7, "mean": 6.0},
            {"attributes": kind, "Status": "Old", "n": 1, "expr0": None, "mean": None},
        ],
    }


def test_one_group_without_rows_still_counts_nothing(org: Org) -> None:
    (record,) = org.query("SELECT COUNT(Id), MAX(CreatedDate) last FROM Lead")["records"]
    assert (record["expr0"], record["last"]) == (0, None)


def test_limit_and_offset_are_about_groups(org: Org) -> None:
    for status in ("A", "A", "B", "C"):
        org.lead(Status=status)
    soql = "SELECT Status, COUNT(Id) n FROM Lead GROUP BY Status ORDER BY Status LIMIT 1 OFFSET 1"
    assert [row["Status"] for row in org.query(soql)["records"]] == ["B"]


def test_a_column_must_be_grouped_or_reduced(org: Org) -> None:
    error = org.refusal("SELECT Status, COUNT(Id) FROM Lead")
    assert error["errorCode"] == "MALFORMED_QUERY"
    assert "Field must be grouped or aggregated: Status" in error["message"]


# --- ties --------------------------------------------------------------------------------------


def test_a_mass_update_gives_thousands_one_stamp_and_a_keyset_reads_them_all(org: Org) -> None:
    ids = {org.lead(f"n{number}") for number in range(5_000)}
    assert org.store.touch("Lead", None, NOW) == 5_000
    found: list[str] = []
    where = "SystemModstamp >= 2026-11-02T09:00:00Z"
    while True:
        soql = f"SELECT Id FROM Lead WHERE {where} ORDER BY SystemModstamp, Id LIMIT 1500"
        page = [row["Id"] for row in org.query(soql)["records"]]
        found += page
        if len(page) < 1500:
            break
        where = f"SystemModstamp = 2026-11-02T09:00:00Z AND Id > '{page[-1]}'"
    assert len(found) == 5_000
    assert set(found) == ids


def test_a_touch_moves_the_stamp_and_not_the_modification(org: Org) -> None:
    lead = org.lead()
    org.store.touch("Lead", [lead], NOW)
    row = org.row(lead)
    assert row["SystemModstamp"] == STAMP
    assert row["LastModifiedDate"] < STAMP


def test_a_forgotten_cursor_answers_invalid_query_locator(org: Org) -> None:
    org.store.page_size = 2
    for _ in range(3):
        org.lead()
    following = org.query("SELECT Id FROM Lead")["nextRecordsUrl"]
    org.store.expire_cursors()
    answer = org.http.get(following)
    assert (answer.status_code, answer.json()[0]["errorCode"]) == (400, "INVALID_QUERY_LOCATOR")


# --- histories ---------------------------------------------------------------------------------


def test_a_change_of_owner_leaves_two_rows_one_with_names_and_one_with_ids(org: Org) -> None:
    lead = org.lead()
    org.store.update("Lead", lead, {"OwnerId": BEN, "Title": "CEO"}, at=NOW, by=AVA)
    org.store.update("Lead", lead, {"Status": "Working - Contacted"}, at=NOW, by=BEN)
    soql = (
        "SELECT LeadId, Field, OldValue, NewValue, CreatedById, CreatedDate, Lead.LastName "
        f"FROM LeadHistory WHERE LeadId = '{lead}' ORDER BY CreatedDate, Id"
    )
    found = org.query(soql)["records"]
    assert [(row["Field"], row["OldValue"], row["NewValue"]) for row in found] == [
        ("Owner", "Ava Rep", "Ben Rep"),
        ("Owner", AVA, BEN),
        ("Status", "Open - Not Contacted", "Working - Contacted"),
    ]
    assert found[0]["CreatedById"] == AVA
    assert found[0]["CreatedDate"] == STAMP
    assert found[0]["Lead"]["LastName"] == "Lovelace"


def test_a_history_has_no_modification_stamp(org: Org) -> None:
    error = org.refusal("SELECT SystemModstamp FROM LeadHistory")
    assert "No such column 'SystemModstamp' on entity 'LeadHistory'" in error["message"]


def test_a_conversion_and_a_merge_are_noted(org: Org) -> None:
    lead, other, account = org.lead(), org.lead(), org.store.insert("Account", {"Name": "A"})
    contact = org.store.insert("Contact", {"LastName": "C"})
    org.store.merge("Lead", lead, other, at=NOW)
    org.store.convert(lead, account, contact, at=NOW)
    found = org.query("SELECT Field FROM LeadHistory ORDER BY CreatedDate, Id")["records"]
    assert [row["Field"] for row in found] == ["leadMerged", "Status", "leadConverted"]


def test_a_history_is_read_from_a_moment_on(org: Org) -> None:
    lead = org.lead()
    for day, status in enumerate(("A", "B", "C")):
        org.store.update("Lead", lead, {"Status": status}, at=LONG_AGO + timedelta(days=day))
    since = (LONG_AGO + timedelta(days=1)).isoformat().replace("+00:00", "Z")
    soql = f"SELECT NewValue FROM LeadHistory WHERE CreatedDate >= {since} ORDER BY CreatedDate, Id"
    assert [row["NewValue"] for row in org.query(soql)["records"]] == ["B", "C"]


def test_an_opportunity_keeps_a_picture_of_each_stage(org: Org) -> None:
    deal = {"Name": "D", "StageName": "Prospecting", "CloseDate": "2026-12-01", "Amount": 100}
    made = org.store.insert("Opportunity", deal, at=LONG_AGO)
    org.store.update("Opportunity", made, {"StageName": "Closed Won"}, at=NOW)
    org.store.update("Opportunity", made, {"NextStep": "Party"}, at=NOW)
    soql = "SELECT StageName, Amount, Probability FROM OpportunityHistory ORDER BY CreatedDate"
    found = org.query(soql)["records"]
    assert [(row["StageName"], row["Probability"]) for row in found] == [
        ("Prospecting", 10.0),
        ("Closed Won", 100.0),
    ]
    fields = org.query("SELECT Field, NewValue FROM OpportunityFieldHistory")["records"]
    assert [(row["Field"], row["NewValue"]) for row in fields] == [("StageName", "Closed Won")]


# --- queues ------------------------------------------------------------------------------------


def test_a_queue_says_what_may_stand_on_it(org: Org) -> None:
    queue = org.store.insert("Group", {"Name": "Inbound", "Type": "Queue"})
    org.store.insert("Group", {"Name": "Everybody", "Type": "Regular"})
    soql = "SELECT QueueId, Queue.Name FROM QueueSobject WHERE SobjectType = 'Lead'"
    found = org.query(soql)["records"]
    assert [(row["QueueId"], row["Queue"]["Name"]) for row in found] == [(queue, "Inbound")]
    lead = org.lead(OwnerId=queue)
    (record,) = org.query("SELECT Owner.Name, Owner.Type FROM Lead")["records"]
    assert (record["Owner"]["Name"], record["Owner"]["Type"]) == ("Inbound", "Group")
    assert org.row(lead)["OwnerId"] == queue


# --- deletions ---------------------------------------------------------------------------------


def test_a_purged_record_is_only_in_the_log_of_deletions(org: Org) -> None:
    lead = org.lead()
    org.store.purge("Lead", lead)
    assert org.query("SELECT Id FROM Lead", call="queryAll")["totalSize"] == 0
    told = org.http.get(f"{ROOT}/sobjects/Lead/deleted", params=SPAN).json()
    assert told["deletedRecords"] == [{"id": lead, "deletedDate": STAMP}]
    assert told["earliestDateAvailable"] < told["latestDateCovered"]


def test_updated_reaches_back_thirty_days(org: Org) -> None:
    early = SPAN | {"start": "2026-09-20T08:00:00+00:00"}
    answer = org.http.get(f"{ROOT}/sobjects/Lead/updated", params=early)
    assert answer.json()[0]["errorCode"] == "INVALID_REPLICATION_DATE"
    late = SPAN | {"start": "2026-10-20T08:00:00+00:00"}
    assert org.http.get(f"{ROOT}/sobjects/Lead/updated", params=late).json()["ids"] == []


@pytest.mark.parametrize("span", [{}, {"start": SPAN["end"], "end": SPAN["start"]}])
def test_a_span_needs_a_start_before_its_end(org: Org, span: dict[str, str]) -> None:
    answer = org.http.get(f"{ROOT}/sobjects/Lead/deleted", params=span)
    assert (answer.status_code, answer.json()[0]["errorCode"]) == (400, "INVALID_REPLICATION_DATE")


def test_a_record_can_be_deleted_by_its_external_id(org: Org) -> None:
    lead = org.lead(baton_lead_key__c="k1")
    assert org.http.delete(f"{ROOT}/sobjects/Lead/baton_lead_key__c/k1").status_code == 204
    assert org.row(lead)["IsDeleted"]


def test_the_root_of_a_version_lists_its_resources(org: Org) -> None:
    told = org.http.get(ROOT).json()
    assert (told["sobjects"], told["jobs"]) == (f"{ROOT}/sobjects", f"{ROOT}/jobs")
