"""Bulk API 2.0 of the Salesforce sandbox: jobs that take their time, results that lie a little."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from sandbox.salesforce.bulk import Results
from tests.sandbox.salesforce_org import AVA, BEN, JOBS, LONG_AGO, NOW, ROBOT, ROOT, Org, rows_of


def refused(org: Org, soql: str, operation: str = "query") -> tuple[int, dict[str, Any]]:
    answer = org.post("jobs/query", {"operation": operation, "query": soql})
    (error,) = answer.json()
    return answer.status_code, error


# --- queries -----------------------------------------------------------------------------------


def test_a_query_job_is_not_complete_at_the_first_poll(org: Org) -> None:
    org.lead()
    made = org.post("jobs/query", {"operation": "query", "query": "SELECT Id FROM Lead"}).json()
    assert (made["state"], made["object"], made["apiVersion"]) == ("UploadComplete", "Lead", 62.0)
    assert (made["operation"], made["createdById"]) == ("query", ROBOT)
    assert made["id"].startswith("750")
    early = org.http.get(f"{JOBS}/query/{made['id']}/results")
    assert (early.status_code, early.json()[0]["errorCode"]) == (400, "INVALIDJOBSTATE")
    assert org.poll(made["id"])["state"] == "InProgress"
    told = org.poll(made["id"])
    assert (told["state"], told["jobType"]) == ("JobComplete", "V2Query")
    assert told["numberRecordsProcessed"] == 1


def test_results_are_quoted_csv_with_z_times_and_empty_nulls(org: Org) -> None:
    org.lead('O"Hara, Jr.\nEsq', Title=None, baton_score__c=9.5, NumberOfEmployees=0)
    soql = (
        "SELECT LastName, Title, IsConverted, baton_score__c, NumberOfEmployees, Owner.Name, "
        "SystemModstamp FROM Lead"
    )
    job = org.query_job(soql)
    org.ran(job)
    answer = org.http.get(f"{JOBS}/query/{job}/results")
    assert answer.headers["content-type"].startswith("text/csv")
    assert answer.headers["sforce-locator"] == "null"
    assert answer.headers["sforce-numberofrecords"] == "1"
    head, _ = answer.text.split("\n", 1)
    assert head == (
        '"LastName","Title","IsConverted","baton_score__c","NumberOfEmployees","Owner.Name",'
        '"SystemModstamp"'
    )
    (row,) = rows_of(answer.text)
    assert row == {
        "LastName": 'O"Hara, Jr.\nEsq',
        "Title": "",
        "IsConverted": "false",
        "baton_score__c": "9.5",
        "NumberOfEmployees": "0",
        "Owner.Name": "Ava Rep",
        "SystemModstamp": "2026-10-03T09:00:00.000Z",
    }


def test_results_come_in_pieces_until_the_locator_is_the_word_null(org: Org) -> None:
    for number in range(7):
        org.lead(f"n{number}", LONG_AGO + timedelta(minutes=number))
    job = org.query_job("SELECT LastName FROM Lead ORDER BY SystemModstamp, Id")
    org.ran(job)
    found, locator, sizes = [], "", []
    while locator != "null":
        params = {"maxRecords": "3"} | ({"locator": locator} if locator else {})
        answer = org.http.get(f"{JOBS}/query/{job}/results", params=params)
        found += [row["LastName"] for row in rows_of(answer.text)]
        sizes.append(answer.headers["sforce-numberofrecords"])
        locator = answer.headers["sforce-locator"]
    assert found == [f"n{number}" for number in range(7)]
    assert sizes == ["3", "3", "1"]
    wrong = org.http.get(f"{JOBS}/query/{job}/results", params={"locator": "OTk5OTk"})
    assert wrong.json()[0]["errorCode"] == "INVALID_QUERY_LOCATOR"


def test_a_result_is_a_picture_of_its_moment(org: Org) -> None:
    id_ = org.lead("Before")
    job = org.query_job("SELECT LastName FROM Lead")
    org.ran(job)
    org.store.update("Lead", id_, {"LastName": "After"})
    org.lead("New")
    rows = rows_of(org.http.get(f"{JOBS}/query/{job}/results").text)
    assert rows == [{"LastName": "Before"}]


def test_a_query_without_rows_answers_its_heading_alone(org: Org) -> None:
    job = org.query_job("SELECT Id, LastName FROM Lead")
    org.ran(job)
    answer = org.http.get(f"{JOBS}/query/{job}/results")
    assert answer.text == '"Id","LastName"\n'
    assert (answer.headers["sforce-numberofrecords"], answer.headers["sforce-locator"]) == (
        "0",
        "null",
    )


def test_query_all_shows_the_bin(org: Org) -> None:
    org.store.delete("Lead", org.lead())
    soql = "SELECT Id, IsDeleted FROM Lead"
    plain, whole = org.query_job(soql), org.query_job(soql, "queryAll")
    assert org.ran(plain)["numberRecordsProcessed"] == 0
    assert org.ran(whole)["numberRecordsProcessed"] == 1


@pytest.mark.parametrize(
    ("soql", "code", "words"),
    [
        ("SELECT COUNT() FROM Lead", "API_ERROR", "Aggregate"),
        ("SELECT COUNT(Id) FROM Lead", "API_ERROR", "Aggregate"),
        ("SELECT Status, COUNT(Id) n FROM Lead GROUP BY Status", "API_ERROR", "Aggregate"),
        ("SELECT Id FROM Lead OFFSET 10", "API_ERROR", "OFFSET"),
        (
            "SELECT Id, Address FROM Lead",
            "FUNCTIONALITY_NOT_ENABLED",
            "Selecting compound data not supported in Bulk Query",
        ),
        ("SELECT Nope FROM Lead", "INVALID_FIELD", "No such column 'Nope'"),
        ("SELECT Id FRM Lead", "MALFORMED_QUERY", "unexpected token"),
    ],
)
def test_what_bulk_cannot_answer_is_refused_at_once(
    org: Org, soql: str, code: str, words: str
) -> None:
    status, error = refused(org, soql)
    assert (status, error["errorCode"]) == (400, code)
    assert words in error["message"]


def test_a_day_has_so_many_query_jobs(org: Org) -> None:
    org.store.bulk.query_limit = 1
    org.query_job("SELECT Id FROM Lead")
    status, error = refused(org, "SELECT Id FROM Lead")
    assert status == 400
    assert error["message"] == "Max bulk v2 query jobs (1) per 24 hrs has been reached (1)"
    left = org.http.get(f"{ROOT}/limits").json()["DailyBulkV2QueryJobs"]
    assert left == {"Max": 1, "Remaining": 0}


def test_a_job_is_gone_after_seven_days(org: Org) -> None:
    job = org.query_job("SELECT Id FROM Lead")
    org.ran(job)
    org.store.token_ttl = 10**9
    org.http.headers["Authorization"] = f"Bearer {org.store.open_session()}"
    org.clock.advance(7 * 86_400 + 1)
    answer = org.http.get(f"{JOBS}/query/{job}")
    assert (answer.status_code, answer.json()[0]["errorCode"]) == (404, "NOT_FOUND")


def test_a_job_can_be_aborted_while_it_runs_and_deleted_when_it_ended(org: Org) -> None:
    job = org.query_job("SELECT Id FROM Lead")
    running = org.http.delete(f"{JOBS}/query/{job}")
    assert running.json()[0]["errorCode"] == "INVALIDJOBSTATE"
    answer = org.http.patch(f"{JOBS}/query/{job}", json={"state": "Aborted"})
    assert answer.json()["state"] == "Aborted"
    again = org.http.patch(f"{JOBS}/query/{job}", json={"state": "Aborted"})
    assert again.json()[0]["errorCode"] == "INVALIDJOBSTATE"
    assert [each["id"] for each in org.http.get(f"{JOBS}/query").json()["records"]] == [job]
    assert org.http.delete(f"{JOBS}/query/{job}").status_code == 204
    assert org.http.get(f"{JOBS}/query/{job}").status_code == 404


def test_an_ended_session_is_400_with_bulks_own_code(org: Org) -> None:
    job = org.query_job("SELECT Id FROM Lead")
    org.ran(job)
    org.store.expire_sessions()
    answer = org.http.get(f"{JOBS}/query/{job}/results")
    assert (answer.status_code, answer.json()[0]["errorCode"]) == (400, "InvalidSessionId")


def test_a_retired_version_is_400_with_bulks_own_code(org: Org) -> None:
    answer = org.http.get("/services/data/v29.0/jobs/query")
    assert (answer.status_code, answer.json()[0]["errorCode"]) == (400, "InvalidVersion")


# --- ingest ------------------------------------------------------------------------------------


def test_an_ingest_job_upserts_and_sorts_good_rows_from_bad(org: Org) -> None:
    known = org.lead(baton_lead_key__c="k1", Title="old")
    locked = org.lead(baton_lead_key__c="k4")
    org.store.lock_row(locked)
    text = (
        "baton_lead_key__c,LastName,Company,Title,Email\n"
        "k1,,,#N/A,\n"
        "k2,New,Co,CEO,new@x.example\n"
        "k3,,Co,,\n"
        "k4,,,CTO,\n"
        "k5,Bad,Co,,nonsense\n"
    )
    job = org.ingest_job(text, "upsert", externalIdFieldName="baton_lead_key__c")
    assert org.poll(job, "ingest")["state"] == "InProgress"
    told = org.poll(job, "ingest")
    assert (told["state"], told["jobType"]) == ("JobComplete", "V2Ingest")
    assert (told["numberRecordsProcessed"], told["numberRecordsFailed"]) == (5, 3)
    good = {row["baton_lead_key__c"]: row for row in org.outcome(job, "successfulResults")}
    assert {key: row["sf__Created"] for key, row in good.items()} == {"k1": "false", "k2": "true"}
    assert good["k1"]["sf__Id"] == known
    bad = {row["baton_lead_key__c"]: row for row in org.outcome(job, "failedResults")}
    assert bad["k3"]["sf__Error"] == (
        "REQUIRED_FIELD_MISSING:Required fields are missing: [LastName]:LastName --"
    )
    assert bad["k4"]["sf__Error"].startswith("UNABLE_TO_LOCK_ROW:unable to obtain exclusive")
    assert bad["k4"]["sf__Error"].endswith(":--")
    assert bad["k5"]["sf__Error"].startswith("INVALID_EMAIL_ADDRESS:")
    assert org.outcome(job, "unprocessedrecords") == []
    row = org.row(known)
    assert (row["Title"], row["LastName"]) == (None, "Lovelace")


def test_results_do_not_keep_the_order_of_the_rows(org: Org) -> None:
    lines = [f"n{number},Co" for number in range(6)]
    job = org.ingest_job("\n".join(["LastName,Company", *lines]) + "\n")
    org.ran(job, "ingest")
    names = [row["LastName"] for row in org.outcome(job, "successfulResults")]
    assert names != sorted(names)
    assert sorted(names) == [f"n{number}" for number in range(6)]


def test_an_unknown_column_fails_the_whole_job(org: Org) -> None:
    job = org.ingest_job("LastName,Company,Nope__c\nL,C,1\n")
    told = org.ran(job, "ingest")
    assert (told["state"], told["numberRecordsProcessed"]) == ("Failed", 0)
    assert told["errorMessage"] == "InvalidBatch : Field name not found : Nope__c"
    assert org.outcome(job, "unprocessedrecords") == [
        {"LastName": "L", "Company": "C", "Nope__c": "1"}
    ]
    assert org.store.all("Lead") == []


def test_the_line_ending_must_be_the_one_announced(org: Org) -> None:
    job = org.ingest_job("LastName,Company\r\nL,C\r\n")
    told = org.ran(job, "ingest")
    assert (told["state"], told["errorMessage"]) == (
        "Failed",
        "ClientInputError : LineEnding is invalid on user data. Current LineEnding setting is LF",
    )
    windows = org.ingest_job(
        "LastName;Company\r\nL;C\r\n", lineEnding="CRLF", columnDelimiter="SEMICOLON"
    )
    assert org.ran(windows, "ingest")["numberRecordsFailed"] == 0
    assert org.names("") == ["L"]


def test_data_is_put_once_and_only_while_open(org: Org) -> None:
    made = org.post("jobs/ingest", {"object": "Lead", "operation": "insert"}).json()
    assert made["contentUrl"] == f"services/data/v62.0/jobs/ingest/{made['id']}/batches"
    empty = org.http.patch(f"{JOBS}/ingest/{made['id']}", json={"state": "UploadComplete"})
    assert empty.json()[0]["errorCode"] == "INVALIDJOBSTATE"
    send = {"content": b"LastName,Company\nL,C\n", "headers": {"Content-Type": "text/csv"}}
    assert org.http.put(f"/{made['contentUrl']}", **send).status_code == 201
    again = org.http.put(f"/{made['contentUrl']}", **send)
    assert again.status_code == 400
    assert "only do 'PUT' once" in again.json()[0]["message"]
    wrong = org.http.put(f"/{made['contentUrl']}", content=b"x", headers={"Content-Type": "a/b"})
    assert wrong.status_code == 415


def test_rows_are_updated_and_deleted_by_id(org: Org) -> None:
    first, second = org.lead(), org.lead()
    job = org.ingest_job(f"Id,OwnerId\n{first},{BEN}\n00Q00000000ZZZZ,{BEN}\n", "update")
    assert org.ran(job, "ingest")["numberRecordsFailed"] == 1
    (lost,) = org.outcome(job, "failedResults")
    assert lost["sf__Error"].startswith("INVALID_CROSS_REFERENCE_KEY:")
    assert org.row(first)["OwnerId"] == BEN
    org.ran(org.ingest_job(f"Id\n{first}\n", "delete"), "ingest")
    assert org.row(first)["IsDeleted"]
    org.ran(org.ingest_job(f"Id\n{second}\n", "hardDelete"), "ingest")
    assert org.store.get("Lead", second) is None
    span = {"start": "2026-11-02T08:00:00+00:00", "end": "2026-11-02T10:00:00+00:00"}
    gone = org.http.get(f"{ROOT}/sobjects/Lead/deleted", params=span).json()["deletedRecords"]
    assert {each["id"] for each in gone} == {first, second}


def test_a_job_runs_the_assignment_rule_only_when_it_names_one(org: Org) -> None:
    org.store.set_assignment_rule(BEN)
    text = f"LastName,Company,OwnerId\nL,C,{AVA}\n"
    org.ran(org.ingest_job(text), "ingest")
    org.ran(org.ingest_job(text, assignmentRuleId="01Q000000000001"), "ingest")
    assert [row["OwnerId"] for row in org.store.all("Lead")] == [AVA, BEN]


def test_an_aborted_job_writes_nothing(org: Org) -> None:
    job = org.ingest_job("LastName,Company\nL,C\n")
    org.http.patch(f"{JOBS}/ingest/{job}", json={"state": "Aborted"})
    assert org.poll(job, "ingest")["state"] == "Aborted"
    assert org.outcome(job, "unprocessedrecords") == [{"LastName": "L", "Company": "C"}]
    assert org.store.all("Lead") == []


@pytest.mark.parametrize(
    "body",
    [
        {"object": "Lead", "operation": "replace"},
        {"object": "Nothing", "operation": "insert"},
        {"object": "User", "operation": "insert"},
        {"object": "Lead", "operation": "upsert"},
        {"object": "Lead", "operation": "upsert", "externalIdFieldName": "Title"},
        {"object": "Lead", "operation": "insert", "contentType": "XML"},
    ],
)
def test_a_job_that_makes_no_sense_is_refused(org: Org, body: dict[str, str]) -> None:
    answer = org.post("jobs/ingest", body)
    assert (answer.status_code, answer.json()[0]["errorCode"]) == (400, "INVALIDJOB")


def test_a_number_that_is_none_fails_its_row_alone(org: Org) -> None:
    job = org.ingest_job("LastName,Company,NumberOfEmployees\nA,C,many\nB,C,5\n")
    assert org.ran(job, "ingest")["numberRecordsFailed"] == 1
    (bad,) = org.outcome(job, "failedResults")
    assert "Failed to deserialize field at col 3" in bad["sf__Error"]
    assert bad["sf__Error"].endswith(":NumberOfEmployees --")


def test_a_bulk_write_is_an_effect_at_the_moment_it_runs(org: Org) -> None:
    job = org.ingest_job("LastName,Company\nL,C\n")
    assert org.store.effects == []
    org.ran(job, "ingest")
    (effect,) = org.store.effects
    assert (effect["object"], effect["action"], effect["at"][:10]) == (
        "Lead",
        "create",
        f"{NOW:%Y-%m-%d}",
    )


def test_a_result_too_big_for_memory_is_read_from_any_row_on() -> None:
    results = Results(b"head\n")
    lines = [f"{number:03d}".encode() + b"x" * 1_000_000 + b"\n" for number in range(40)]
    for start in range(0, 40, 10):
        results.extend(lines[start : start + 10])
    assert len(results) == 40
    assert results.read(0, 1) == b"head\n" + lines[0]
    assert results.read(38) == b"head\n" + lines[38] + lines[39]
    assert results.read(15, 2) == b"head\n" + lines[15] + lines[16]
    assert results.read(40, 5) == b"head\n"
    results.close()
