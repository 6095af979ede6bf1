"""Writing to Salesforce as others imitate it: refused values, unknown columns, odd cells."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest

from flows.connectors.salesforce import Salesforce, bulk_write
from tests.flows.connectors.salesforce_org import KEY, Org, push, refusal
from tests.flows.connectors.vendor import Call, Reply

HTML = Reply(b"<html><body>Nothing here</body></html>", headers={"content-type": "text/html"})
REFUSED = "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"
WORDS = "Lead Status: bad value for restricted picklist field: Warm"


@pytest.mark.parametrize("fields", [["Status"], ["status"], [], None])
def test_a_value_that_is_not_taken_names_its_column(
    salesforce: Salesforce, org: Org, fields: list[str] | None
) -> None:
    error = {"statusCode": REFUSED, "message": WORDS, "fields": fields}
    org.replies(Reply([{"success": False, "errors": [error]}]))
    receipt = push(salesforce, {KEY: "a", "Status": "Warm", "LastName": "Ng"})["a"]
    assert (receipt.status, receipt.refused_field) == ("rejected", "Status")


@pytest.mark.parametrize(
    "error",
    [
        {"statusCode": REFUSED, "message": "bad value", "fields": ["Rating"]},
        {"statusCode": "STRING_TOO_LONG", "message": WORDS, "fields": ["Status"]},
    ],
)
def test_other_refusals_name_no_column(
    salesforce: Salesforce, org: Org, error: dict[str, Any]
) -> None:
    org.replies(Reply([{"success": False, "errors": [error]}]))
    receipt = push(salesforce, {KEY: "a", "Status": "Warm"})["a"]
    assert (receipt.status, receipt.refused_field) == ("rejected", None)


def test_a_column_nobody_knows_refuses_the_rows_that_have_it_and_no_other(
    salesforce: Salesforce, org: Org
) -> None:
    def write(call: Call) -> Reply:
        records = call.json["records"]
        if any("baton_score__c" in record for record in records):
            words = "No such column 'baton_score__c' on sobject of type Lead"
            return refusal("INVALID_FIELD", words)
        return Reply([{"id": "00Q1", "success": True, "errors": []} for _ in records])

    org.script = write
    rows = [{KEY: f"L{n}", "LastName": "Ng"} for n in range(60)]
    rows += [{KEY: f"S{n}", "LastName": "Ng", "baton_score__c": 7} for n in range(60)]
    receipts = push(salesforce, *rows)
    assert {key[0] for key, r in receipts.items() if r.status == "accepted"} == {"L"}
    assert {key[0] for key, r in receipts.items() if r.status == "rejected"} == {"S"}
    assert len(org.asked) == 2


def test_an_external_id_nobody_knows_costs_one_call(salesforce: Salesforce, org: Org) -> None:
    words = f"Provided external ID field does not exist or is not accessible: {KEY}"
    org.replies(refusal("NOT_FOUND", words, 404))
    receipts = push(salesforce, *({KEY: f"L{n}", "LastName": "Ng"} for n in range(150)))
    assert {r.status for r in receipts.values()} == {"rejected"}
    assert "external ID field" in (receipts["L0"].reason or "")
    assert len(org.asked) == 1


class Ingest:
    """An org that takes jobs and refuses every row of them with one text."""

    def __init__(self, error: str = "") -> None:
        self.error, self.raw = error, b""
        self.collected: list[dict[str, Any]] = []
        self.created = Reply({"id": "7501", "state": "Open"})

    def __call__(self, call: Call) -> Reply:
        if "composite" in call.path:
            self.collected += call.json["records"]
            return Reply([{"id": "00Q9", "success": True} for _ in call.json["records"]])
        if call.method == "POST":
            return self.created
        if call.method == "PUT":
            self.raw = call.raw
        if call.path.endswith("failedResults"):
            header, *rows = csv.reader(io.StringIO(self.raw.decode(), newline=""))
            text = io.StringIO(newline="")
            told = [["", self.error, *row] for row in rows]
            csv.writer(text).writerows([["sf__Id", "sf__Error", *header], *told])
            return Reply(text.getvalue().encode(), headers={"content-type": "text/csv"})
        if call.path.endswith(("successfulResults", "unprocessedrecords")):
            return Reply(b"", headers={"content-type": "text/csv"})
        return Reply({"id": "7501", "state": "JobComplete"})


def many(**more: Any) -> list[dict[str, Any]]:
    return [{KEY: f"L{n}", "LastName": f"N{n}", **more} for n in range(bulk_write.BULK_FROM)]


@pytest.mark.parametrize(
    "error",
    [
        f"{REFUSED}:{WORDS}:Status --",
        f"{REFUSED}:{WORDS}:--",
        f"STRING_TOO_LONG:last name: too long:LastName --{REFUSED}:{WORDS}:Rating,Status --",
    ],
)
def test_a_value_a_job_does_not_take_names_its_column(
    salesforce: Salesforce, org: Org, error: str
) -> None:
    org.script = Ingest(error)
    receipts = push(salesforce, *many(Status="Warm")).values()
    assert {(r.status, r.refused_field) for r in receipts} == {("rejected", "Status")}


def test_another_refusal_of_a_job_names_no_column(salesforce: Salesforce, org: Org) -> None:
    org.script = Ingest("INVALID_EMAIL_ADDRESS:Email: invalid email address:Email --")
    receipts = push(salesforce, *many(Status="Warm")).values()
    assert {(r.status, r.refused_field) for r in receipts} == {("rejected", None)}


def test_what_is_bare_to_us_is_quoted_for_a_job(salesforce: Salesforce, org: Org) -> None:
    org.script = ingest = Ingest("STRING_TOO_LONG:no:LastName --")
    push(salesforce, *many(Title="one\rtwo", Company=" Blank "))
    assert b'"one\rtwo"' in ingest.raw
    assert b'" Blank "' in ingest.raw


@pytest.mark.parametrize("text", [" #N/A", "#N/A\n", "  "])
def test_what_would_empty_a_field_goes_by_collections(
    salesforce: Salesforce, org: Org, text: str
) -> None:
    org.script = ingest = Ingest("STRING_TOO_LONG:no:LastName --")
    odd = {KEY: "odd", "LastName": text}
    receipts = push(salesforce, odd, *many())
    assert [record[KEY] for record in ingest.collected] == ["odd"]
    assert receipts["odd"].status == "accepted"


@pytest.mark.parametrize("no", [HTML, Reply([]), Reply({}), Reply(b"<p>no</p>", 501)])
def test_where_a_job_cannot_be_made_collections_write(
    salesforce: Salesforce, org: Org, no: Reply
) -> None:
    org.script = ingest = Ingest()
    ingest.created = no
    assert {r.status for r in push(salesforce, *many()).values()} == {"accepted"}
    assert len(ingest.collected) == bulk_write.BULK_FROM
