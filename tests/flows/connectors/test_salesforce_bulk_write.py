"""Many rows written by ingest jobs: each answered by its key, none written twice or lost."""

from __future__ import annotations

import csv
import io
import random
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from flows.connectors.base import Receipt
from flows.connectors.salesforce import Salesforce, bulk_write
from tests.flows.connectors.salesforce_org import KEY, ROOT, Org, push, refusal
from tests.flows.connectors.vendor import Call, Reply

MANY = bulk_write.BULK_FROM


class Ingest:
    """An org that takes jobs, and collections beside them; results come in another order."""

    def __init__(self) -> None:
        self.jobs: dict[str, dict[str, Any]] = {}
        self.collected: list[dict[str, Any]] = []
        self.verdict: Callable[[dict[str, str]], str] = lambda row: "ok"
        self.state, self.message = "JobComplete", ""
        self.before: Callable[[Call], Reply | None] = lambda call: None

    def __call__(self, call: Call) -> Reply:
        before = self.before(call)
        if before is not None:
            return before
        parts = call.path.removeprefix(ROOT).strip("/").split("/")
        if parts[0] == "composite":
            self.collected += call.json["records"]
            return Reply([{"id": "00Q9", "success": True} for _ in call.json["records"]])
        if call.method == "POST":
            name = f"750{len(self.jobs)}"
            self.jobs[name] = {"asked": call.json, "state": "Open", "rows": None}
            return Reply({"id": name, "state": "Open"})
        job = self.jobs[parts[2]]
        return self.known(call, job, parts)

    def known(self, call: Call, job: dict[str, Any], parts: list[str]) -> Reply:
        if call.method == "PUT":
            if job["rows"] is not None:
                return refusal("INVALIDJOB", "Found multiple contents for job")
            job["raw"] = call.raw
            job["rows"] = list(csv.DictReader(io.StringIO(call.raw.decode(), newline="")))
            return Reply(None, 201)
        if call.method == "PATCH":
            if job["state"] != "Open":
                return refusal("INVALIDJOBSTATE", f"Closing a {job['state']} job is not allowed")
            job["state"] = call.json["state"]
            return Reply({"state": job["state"]})
        if call.method == "DELETE":
            return Reply(None, 204)
        if parts[-1] == parts[2]:
            return Reply({"id": parts[2], "state": self.state, "errorMessage": self.message})
        return self.results(job, parts[-1])

    def results(self, job: dict[str, Any], which: str) -> Reply:
        wanted = {"successfulResults": "ok", "unprocessedrecords": "left"}.get(which)
        names = list(job["rows"][0])
        extra = {
            "successfulResults": ["sf__Id", "sf__Created"],
            "failedResults": ["sf__Id", "sf__Error"],
        }
        text = io.StringIO(newline="")
        writer = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL)
        writer.writerow([*extra.get(which, []), *names])
        for row in random.Random(3).sample(job["rows"], len(job["rows"])):
            told = self.verdict(row)
            if told == wanted or (wanted is None and told not in ("ok", "left", "silent")):
                more = [f"00Q-{row[KEY]}", "true"] if wanted else ["", told]
                writer.writerow([*(more if which in extra else []), *row.values()])
        return Reply(text.getvalue().encode(), headers={"content-type": "text/csv"})


@pytest.fixture
def ingest(org: Org) -> Ingest:
    org.script = made = Ingest()
    return made


def rows(count: int = MANY, **more: Any) -> list[dict[str, Any]]:
    return [{KEY: f"L{n}", "LastName": f"N{n}", **more} for n in range(count)]


def statuses(receipts: dict[str, Receipt]) -> set[str]:
    return {receipt.status for receipt in receipts.values()}


def test_many_new_rows_go_as_one_upsert_job(
    salesforce: Salesforce, org: Org, ingest: Ingest
) -> None:
    due = datetime(2026, 1, 5, 10, tzinfo=UTC)
    receipts = push(salesforce, *rows(baton_sla_due_at__c=due, Flag__c=True, Title=None, n__c=7))
    (job,) = ingest.jobs.values()
    assert job["asked"] == {
        "object": "Lead",
        "operation": "upsert",
        "externalIdFieldName": KEY,
        "contentType": "CSV",
        "lineEnding": "LF",
        "columnDelimiter": "COMMA",
    }
    assert "Title" not in job["rows"][0]
    assert job["rows"][0]["baton_sla_due_at__c"] == "2026-01-05T10:00:00.000Z"
    assert (job["rows"][0]["Flag__c"], job["rows"][0]["n__c"]) == ("true", "7")
    assert b"\r" not in job["raw"]
    assert statuses(receipts) == {"accepted"}
    assert receipts["L7"].vendor_id == "00Q-L7"
    assert ingest.collected == []
    assert org.asked[-1].method == "DELETE"


def test_many_known_rows_go_as_one_update_job(
    salesforce: Salesforce, org: Org, ingest: Ingest
) -> None:
    push(salesforce, *[{**row, "Id": f"00Q{n}"} for n, row in enumerate(rows())])
    (job,) = ingest.jobs.values()
    assert job["asked"]["operation"] == "update"
    assert "externalIdFieldName" not in job["asked"]
    assert job["rows"][5]["Id"] == "00Q5"


def test_one_row_less_goes_by_collections(salesforce: Salesforce, org: Org, ingest: Ingest) -> None:
    push(salesforce, *rows(MANY - 1))
    assert ingest.jobs == {}
    assert len(ingest.collected) == MANY - 1


def test_a_row_is_answered_by_its_key_whatever_the_order(
    salesforce: Salesforce, org: Org, ingest: Ingest
) -> None:
    told = {"L3": "INVALID_EMAIL_ADDRESS:bad a.b@c.example:Email --", "L4": "left", "L5": "silent"}
    ingest.verdict = lambda row: told.get(row[KEY], "ok")
    receipts = push(salesforce, *rows())
    assert receipts["L3"].status == "rejected"
    assert receipts["L3"].reason == "INVALID_EMAIL_ADDRESS:bad a***@c.example:Email"
    assert receipts["L4"].status == "rejected"
    assert "not processed" in (receipts["L4"].reason or "")
    assert receipts["L5"].status == "unknown"
    assert sum(1 for r in receipts.values() if r.status == "accepted") == MANY - 3


def test_rows_that_met_a_lock_are_sent_again_by_collections(
    salesforce: Salesforce, org: Org, ingest: Ingest
) -> None:
    told = {
        "L3": "UNABLE_TO_LOCK_ROW:unable to obtain exclusive access:--",
        "L4": "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY:Trigger: Too many SOQL queries: 101:--",
    }
    ingest.verdict = lambda row: told.get(row[KEY], "ok")
    receipts = push(salesforce, *rows())
    assert statuses(receipts) == {"accepted"}
    assert sorted(row[KEY] for row in ingest.collected) == ["L3", "L4"]


def test_each_set_of_columns_is_a_job_of_its_own(
    salesforce: Salesforce, org: Org, ingest: Ingest
) -> None:
    first, second = rows(), [{**row, KEY: f"M{n}"} for n, row in enumerate(rows(Title="VP"))]
    few = [{**row, KEY: f"S{n}"} for n, row in enumerate(rows(9, City="Oslo"))]
    mixed = [row for pair in zip(first, second, strict=True) for row in pair] + few
    assert statuses(push(salesforce, *mixed)) == {"accepted"}
    columns = sorted(sorted(job["rows"][0]) for job in ingest.jobs.values())
    assert columns == [["LastName", "Title", KEY], ["LastName", KEY]]
    assert len(ingest.collected) == 9


@pytest.mark.parametrize("text", ["", "#N/A", "a\x00b"])
def test_what_a_cell_cannot_say_goes_by_collections(
    salesforce: Salesforce, org: Org, ingest: Ingest, text: str
) -> None:
    sent = [*rows(), {KEY: "odd", "LastName": text}]
    push(salesforce, *sent)
    assert ingest.collected == [{"attributes": {"type": "Lead"}, KEY: "odd", "LastName": text}]
    (job,) = ingest.jobs.values()
    assert b"#N/A" not in job["raw"]


def test_a_text_with_commas_quotes_and_line_breaks_arrives_whole(
    salesforce: Salesforce, org: Org, ingest: Ingest
) -> None:
    text = 'one, "two"\nthree\r\n4 🚀'
    push(salesforce, *rows(Description=text))
    (job,) = ingest.jobs.values()
    assert {row["Description"] for row in job["rows"]} == {text}


def test_a_record_named_twice_keeps_its_order(
    salesforce: Salesforce, org: Org, ingest: Ingest
) -> None:
    sent = [*rows(MANY + 1), {KEY: "L7", "LastName": "later"}]
    list(salesforce.push("lead", KEY, sent))
    assert [row["LastName"] for row in ingest.collected] == ["N7", "later"]
    (job,) = ingest.jobs.values()
    assert "L7" not in {row[KEY] for row in job["rows"]}


def test_uploads_are_cut_to_a_size_the_vendor_takes(
    salesforce: Salesforce, org: Org, ingest: Ingest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk_write, "LARGEST_UPLOAD", 10_000)
    assert statuses(push(salesforce, *rows())) == {"accepted"}
    assert len(ingest.jobs) > 2
    assert max(len(job["raw"]) for job in ingest.jobs.values()) <= 10_000
    assert sum(len(job["rows"]) for job in ingest.jobs.values()) == MANY


@pytest.mark.parametrize(
    "no",
    [
        refusal("INVALIDENTITY", "Entity 'Lead' is not supported by the Bulk API."),
        refusal("API_DISABLED_FOR_ORG", "not enabled", 403),
    ],
)
def test_what_takes_no_job_is_written_by_collections(
    salesforce: Salesforce, org: Org, ingest: Ingest, no: Reply
) -> None:
    ingest.before = lambda call: no if call.path.endswith("/jobs/ingest") else None
    assert statuses(push(salesforce, *rows())) == {"accepted"}
    assert len(ingest.collected) == MANY


def test_a_job_that_fails_as_a_whole_rejects_its_rows_with_its_words(
    salesforce: Salesforce, org: Org, ingest: Ingest
) -> None:
    ingest.state, ingest.message = "Failed", "InvalidBatch : Field name not found : X"
    ingest.verdict = lambda row: "left"
    receipts = push(salesforce, *rows())
    assert statuses(receipts) == {"rejected"}
    assert "Field name not found : X" in (receipts["L0"].reason or "")


def test_an_upload_whose_answer_was_lost_is_made_anew(
    salesforce: Salesforce, org: Org, ingest: Ingest
) -> None:
    lost = iter([True])

    def before(call: Call) -> Reply | None:
        if call.method == "PUT" and next(lost, False):
            ingest.jobs["7500"]["rows"] = []
            return Reply(drop=True)
        return None

    ingest.before = before
    assert statuses(push(salesforce, *rows())) == {"accepted"}
    assert ingest.jobs["7500"]["state"] == "Aborted"
    assert ingest.jobs["7501"]["state"] == "UploadComplete"


def test_a_start_whose_answer_was_lost_is_recognised(
    salesforce: Salesforce, org: Org, ingest: Ingest
) -> None:
    lost = iter([True])

    def before(call: Call) -> Reply | None:
        if call.method == "PATCH" and "ingest" in call.path and next(lost, False):
            ingest.jobs["7500"]["state"] = "UploadComplete"
            return Reply(drop=True)
        return None

    ingest.before = before
    assert statuses(push(salesforce, *rows())) == {"accepted"}
    assert len(ingest.jobs) == 1


def test_a_vendor_gone_in_the_middle_of_a_job_leaves_its_rows_unknown_and_sends_no_more(
    salesforce: Salesforce, org: Org, ingest: Ingest
) -> None:
    ingest.before = lambda call: (
        Reply(drop=True) if call.method == "GET" and "ingest" in call.path else None
    )
    known = [{**row, KEY: f"K{n}", "Id": f"00Q{n}"} for n, row in enumerate(rows())]
    receipts = push(salesforce, *known, *rows())
    assert {r.status for k, r in receipts.items() if k.startswith("K")} == {"unknown"}
    assert {r.status for k, r in receipts.items() if k.startswith("L")} == {"rejected"}
    assert len(ingest.jobs) == 1


def test_a_vendor_gone_before_the_start_leaves_its_rows_rejected(
    salesforce: Salesforce, org: Org, ingest: Ingest
) -> None:
    ingest.before = lambda call: Reply(drop=True) if call.method == "PUT" else None
    receipts = push(salesforce, *rows())
    assert statuses(receipts) == {"rejected"}
    assert all(job["state"] == "Aborted" for job in ingest.jobs.values())


def test_a_list_of_results_cut_short_is_fetched_again(
    salesforce: Salesforce, org: Org, ingest: Ingest
) -> None:
    cuts = iter([True])

    def before(call: Call) -> Reply | None:
        if call.path.endswith("successfulResults") and next(cuts, False):
            return Reply(b'"sf__Id","sf__Created","LastName"\n"00Q1","tr', headers={})
        return None

    ingest.before = before
    assert statuses(push(salesforce, *rows())) == {"accepted"}
