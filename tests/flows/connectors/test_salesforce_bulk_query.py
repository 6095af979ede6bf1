"""Large windows read by Bulk jobs: whole, resumable, and row for row what REST brings."""

from __future__ import annotations

import csv
import io
import itertools
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from flows.connectors.base import Page, Record
from flows.connectors.salesforce import Salesforce
from flows.connectors.salesforce.bulk_query import PAGE_ROWS
from flows.connectors.salesforce.jobs import POLLS
from flows.connectors.salesforce.streams import LEAD_FIELDS
from flows.errors import SourceError, Unreachable, VendorError
from tests.flows.connectors.pages import keys, last_cursor
from tests.flows.connectors.salesforce_org import (
    NOW,
    ROOT,
    Org,
    lead,
    lead_id,
    page,
    pull,
    refusal,
    soql,
    wire_time,
)
from tests.flows.connectors.vendor import QUICK, Call, Reply, Vendor

DAY = timedelta(days=1)
KINDS = {
    "IsDeleted": "boolean",
    "HasOptedOutOfEmail": "boolean",
    "NumberOfEmployees": "int",
    "AnnualRevenue": "currency",
    "baton_score__c": "double",
    "ConvertedDate": "date",
    "SystemModstamp": "datetime",
    "CreatedDate": "datetime",
    "baton_sla_due_at__c": "datetime",
}


def full(number: int, **more: Any) -> dict[str, Any]:
    """A lead with every field, as REST answers it."""
    row = lead(number, NOW - timedelta(minutes=number + 30))
    about, stamp = row["attributes"], row["SystemModstamp"]
    given = {"Id": row["Id"], "SystemModstamp": stamp, "CreatedDate": stamp, "IsDeleted": False}
    given |= {"HasOptedOutOfEmail": number % 2 == 0, "NumberOfEmployees": 230, **more}
    return {"attributes": about, **{name: given.get(name) for name in LEAD_FIELDS}}


def cell(held: Any) -> str:
    if held is None:
        return ""
    if isinstance(held, bool):
        return str(held).lower()
    return str(held).replace("+0000", "Z") if isinstance(held, str) else str(held)


class Bulk:
    """An org with one job: refuses, fails, truncates, expires and forgets as told."""

    def __init__(self, rows: list[dict[str, Any]], size: int = 4) -> None:
        self.rows, self.size = rows, size
        self.jobs: dict[str, str] = {}
        self.polls = 1
        self.state = "JobComplete"
        self.message: str | None = None
        self.refuse: Callable[[str], Reply | None] = lambda query: None
        self.before: Callable[[Call], Reply | None] = lambda call: None
        self.spoil: Callable[[bytes], bytes] = lambda raw: raw
        self.count: int | None = None

    def __call__(self, call: Call) -> Reply:
        before = self.before(call)
        if before is not None:
            return before
        parts = call.path.removeprefix(ROOT).strip("/").split("/")
        if parts[0] == "queryAll":
            # A first page of one row, which says how many there are.
            total = len(self.rows) + 1
            return page(lead(999, NOW - DAY), following=f"{ROOT}/query/01g-2000", total=total)
        if parts[0] == "sobjects":
            fields = [{"name": name, "type": KINDS.get(name, "string")} for name in self.rows[0]]
            return Reply({"fields": fields})
        if call.method == "POST":
            return self.create(call.json)
        if call.method == "DELETE":
            return (
                Reply(None, 204) if self.jobs.pop(parts[2], None) else refusal("NOT_FOUND", "", 404)
            )
        if parts[2] not in self.jobs:
            return refusal("NOT_FOUND", "The requested resource does not exist", 404)
        return self.results(call) if parts[-1] == "results" else self.told(parts[2])

    def create(self, job: dict[str, Any]) -> Reply:
        assert job["operation"] == "queryAll"
        refused = self.refuse(job["query"])
        if refused is not None:
            return refused
        name = f"750{len(self.jobs) + 1:012d}AAA"
        self.jobs[name] = job["query"]
        return Reply({"id": name, "state": "UploadComplete"})

    def told(self, name: str) -> Reply:
        self.polls -= 1
        if self.polls >= 0:
            return Reply({"id": name, "state": "InProgress"})
        count = len(self.rows) if self.count is None else self.count
        told = {"id": name, "state": self.state, "numberRecordsProcessed": count}
        return Reply({**told, "errorMessage": self.message} if self.message else told)

    def results(self, call: Call) -> Reply:
        start = int(call.query.get("locator", ["0"])[0])
        some = self.rows[start : start + self.size]
        names = [name for name in self.rows[0] if name != "attributes"]
        text = io.StringIO(newline="")
        writer = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL)
        writer.writerow(names)
        writer.writerows([cell(row[name]) for name in names] for row in some)
        more = start + self.size < len(self.rows)
        headers = {
            "content-type": "text/csv",
            "Sforce-Locator": str(start + self.size) if more else "null",
            "Sforce-NumberOfRecords": str(len(some)),
        }
        return Reply(self.spoil(text.getvalue().encode()), headers=headers)


@pytest.fixture
def bulk(org: Org) -> Bulk:
    org.script = made = Bulk([full(n) for n in range(10)])
    return made


def queries(org: Org) -> list[str]:
    return [c.json["query"] for c in org.asked if c.method == "POST" and "jobs" in c.path]


def until_it_fails(pages: Iterator[Page]) -> tuple[list[Page], SourceError]:
    """Land what comes, as the warehouse does, and return it with what ended it."""
    landed: list[Page] = []
    try:
        for one in pages:
            landed.append(one)
    except SourceError as error:
        return landed, error
    raise AssertionError("nothing failed")


def everything(bulk: Bulk) -> list[str]:
    return [lead_id(999), *(row["Id"] for row in bulk.rows)]


def test_a_large_window_is_read_by_a_job_behind_its_first_page(
    salesforce: Salesforce, org: Org, bulk: Bulk
) -> None:
    pages = list(pull(salesforce, "leads"))
    assert keys(pages) == everything(bulk)
    assert [call.path for call in org.asked].count(f"{ROOT}/queryAll") == 1
    (query,) = queries(org)
    assert query.endswith(
        "WHERE ((SystemModstamp = 2026-11-19T12:00:00Z AND Id > '00Q000000000999AAA') OR "
        "SystemModstamp > 2026-11-19T12:00:00Z) AND SystemModstamp <= 2026-11-20T12:00:00Z"
    )
    assert "ORDER BY" not in query
    state = json.loads(last_cursor(pages))
    assert state["stamp"] == "2026-11-20T11:30:00.000Z"
    assert state["open"] is False
    assert "bulk" not in state
    assert org.asked[-1].method == "DELETE"
    assert bulk.jobs == {}


def test_a_small_window_needs_no_job(salesforce: Salesforce, org: Org) -> None:
    org.replies(page(*(lead(n, NOW) for n in range(4))))
    list(pull(salesforce, "leads"))
    assert len(org.asked) == 1


def test_rows_from_a_job_are_byte_for_byte_those_of_rest(
    salesforce: Salesforce, org: Org, bulk: Bulk
) -> None:
    bulk.rows = [
        full(1, LastName='O"Neil, "Jo"', Description="two\nlines", Company=" Ácme 🚀"),
        full(2, AnnualRevenue=12_000_000.0, baton_score__c=7.0, NumberOfEmployees=None),
        full(3, ConvertedDate="2026-01-05", baton_sla_due_at__c="2026-01-05T10:00:00.000+0000"),
        full(4, Email="", IsDeleted=True, MasterRecordId=lead_id(1)),
        full(5, Title="true", City="12.5", PostalCode="00501"),
        full(6),
    ]
    by_job = records(list(pull(salesforce, "leads")))
    rest = [{**row, "Email": row["Email"] or None} for row in bulk.rows]
    org.script = lambda call: page(*rest)
    by_rest = records(list(pull(salesforce, "leads")))
    assert {name: by_job[name] for name in by_rest} == by_rest


def records(pages: list[Page]) -> dict[str, Record]:
    return {record.key: record for p in pages for record in p.records}


@pytest.mark.parametrize("stop", range(2, 6))
def test_a_job_interrupted_at_any_page_is_taken_up_by_its_locator(
    salesforce: Salesforce, org: Org, bulk: Bulk, stop: int
) -> None:
    landed = list(itertools.islice(pull(salesforce, "leads"), stop))
    bulk.before = lambda call: page() if call.path.endswith("queryAll") else None
    rest = list(pull(salesforce, "leads", last_cursor(landed), NOW + timedelta(minutes=2)))
    assert keys(landed + rest) == everything(bulk)
    assert len(queries(org)) == 1
    assert json.loads(last_cursor(rest))["open"] is False


def test_a_job_nobody_knows_any_more_is_made_anew(
    salesforce: Salesforce, org: Org, bulk: Bulk
) -> None:
    landed = list(itertools.islice(pull(salesforce, "leads"), 3))
    assert json.loads(last_cursor(landed))["bulk"]["locator"] == "4"
    bulk.jobs.clear()
    rest = list(pull(salesforce, "leads", last_cursor(landed), NOW + 8 * DAY))
    assert set(keys(rest)) == set(everything(bulk))
    assert len(queries(org)) == 2


def test_a_download_cut_short_is_fetched_again(
    salesforce: Salesforce, org: Org, bulk: Bulk
) -> None:
    cuts = iter([90, -1, 40, 0])

    def spoil(raw: bytes) -> bytes:
        keep = next(cuts, None)
        if keep == -1:  # a whole row is missing, and nothing else shows it
            return raw[: raw.rstrip().rindex(b"\n") + 1]
        return raw if keep is None else raw[: len(raw) * keep // 100]

    bulk.spoil = spoil
    with pytest.raises(Unreachable, match="cut short"):
        list(pull(salesforce, "leads"))
    bulk.polls = 0
    pages = list(pull(salesforce, "leads"))
    assert keys(pages) == everything(bulk)


def test_a_job_that_brings_too_few_rows_is_not_done(
    salesforce: Salesforce, org: Org, bulk: Bulk
) -> None:
    bulk.count = 11
    landed, problem = until_it_fails(pull(salesforce, "leads"))
    assert isinstance(problem, Unreachable)
    assert "only 10 of 11 rows" in str(problem)
    # What is stored sends the next pull over the whole window again.
    state = json.loads(last_cursor(landed))
    assert "bulk" not in state
    assert (state["stamp"], state["id"]) == ("2026-11-19T12:00:00.000Z", lead_id(999))


def test_a_session_that_ends_between_two_pages_is_renewed(
    salesforce: Salesforce, org: Org, bulk: Bulk
) -> None:
    dead = iter([refusal("InvalidSessionId", "Session expired or invalid")])

    def before(call: Call) -> Reply | None:
        return next(dead, None) if "locator" in call.query else None

    bulk.before = before
    assert keys(list(pull(salesforce, "leads"))) == everything(bulk)
    assert org.minted == 2


@pytest.mark.parametrize("where", ["at once", "in the job"])
def test_a_column_the_job_may_not_see_is_left_out(
    salesforce: Salesforce, org: Org, bulk: Bulk, where: str
) -> None:
    words = "No such column 'baton_score__c' on entity 'Lead'. If you are"

    def refuse(query: str) -> Reply | None:
        if "baton_score__c" not in query:
            bulk.state, bulk.message = "JobComplete", None
            return None
        if where == "at once":
            return refusal("API_ERROR", words)
        bulk.state, bulk.message, bulk.polls = "Failed", f"INVALID_FIELD: {words}", 1
        return None

    bulk.refuse = refuse
    assert set(keys(list(pull(salesforce, "leads")))) == set(everything(bulk))
    assert salesforce.dropped_fields == {"leads": ["baton_score__c"]}


@pytest.mark.parametrize(
    "no",
    [
        refusal("FUNCTIONALITY_NOT_ENABLED", "Selecting compound data not supported in Bulk Query"),
        refusal("INVALIDENTITY", "Entity 'Lead' is not supported by the Bulk API."),
        refusal("API_DISABLED_FOR_ORG", "not enabled", 403),
        refusal("LIMIT_EXCEEDED", "Max bulk v2 query jobs (10000) per 24 hrs has been reached"),
    ],
)
def test_what_bulk_refuses_is_read_by_rest(
    salesforce: Salesforce, org: Org, bulk: Bulk, no: Reply
) -> None:
    bulk.refuse = lambda query: no

    def before(call: Call) -> Reply | None:
        behind = "q" in call.query and "Id > " in soql(call)
        return page(*bulk.rows, total=11) if behind else None

    bulk.before = before
    pages = list(pull(salesforce, "leads"))
    assert keys(pages) == everything(bulk)


@pytest.mark.parametrize("state", ["Failed", "Aborted"])
def test_a_job_that_ends_badly_says_so_and_is_not_kept(
    salesforce: Salesforce, org: Org, bulk: Bulk, state: str
) -> None:
    bulk.state, bulk.message = state, "InternalServerError : retried 15 times"
    landed, problem = until_it_fails(pull(salesforce, "leads"))
    assert isinstance(problem, VendorError)
    assert f"ended as {state}" in str(problem)
    assert "retried 15 times" in str(problem)
    assert "bulk" not in json.loads(last_cursor(landed))


def test_a_job_that_never_ends_is_left_for_the_next_run(
    vendor: Vendor, org: Org, bulk: Bulk
) -> None:
    hasty = replace(QUICK, first_wait=0.0001, longest_wait=0.0001)
    salesforce = Salesforce(
        login_url=vendor.url, client_id="app", client_secret="secret", bulk_from=5, patience=hasty
    )
    bulk.polls = POLLS + 1
    landed, problem = until_it_fails(pull(salesforce, "leads"))
    assert f"still InProgress after {POLLS} looks" in str(problem)
    bulk.before = lambda call: page() if call.path.endswith("queryAll") else None
    rest = list(pull(salesforce, "leads", last_cursor(landed)))
    assert keys(landed + rest) == everything(bulk)
    assert len(queries(org)) == 1
    salesforce.close()


def test_a_job_without_rows_is_a_window_without_rows(
    salesforce: Salesforce, org: Org, bulk: Bulk
) -> None:
    bulk.count = 0
    bulk.spoil = lambda raw: b""
    pages = list(pull(salesforce, "leads"))
    assert keys(pages) == [lead_id(999)]
    assert json.loads(last_cursor(pages))["open"] is False


def test_a_job_that_cannot_be_deleted_is_no_failure(
    salesforce: Salesforce, org: Org, bulk: Bulk
) -> None:
    no = refusal("INSUFFICIENT_ACCESS", "not yours", 403)
    bulk.before = lambda call: no if call.method == "DELETE" else None
    assert keys(list(pull(salesforce, "leads"))) == everything(bulk)


def test_a_first_query_that_takes_too_long_is_left_to_a_job(
    salesforce: Salesforce, org: Org, bulk: Bulk
) -> None:
    slow = refusal("QUERY_TIMEOUT", "Your query request was running for too long.")
    bulk.before = lambda call: slow if call.path.endswith("queryAll") else None
    assert keys(list(pull(salesforce, "leads"))) == everything(bulk)[1:]
    assert queries(org)[0].endswith("FROM Lead WHERE SystemModstamp <= 2026-11-20T12:00:00Z")


def test_a_stamp_in_the_future_does_not_carry_a_job_away(
    salesforce: Salesforce, org: Org, bulk: Bulk
) -> None:
    bulk.rows[3]["SystemModstamp"] = "2999-01-01T00:00:00.000+0000"
    state = json.loads(last_cursor(list(pull(salesforce, "leads"))))
    assert state["stamp"] == "2026-11-20T11:30:00.000Z"


def test_pages_are_of_the_size_asked_for(salesforce: Salesforce, org: Org, bulk: Bulk) -> None:
    list(pull(salesforce, "leads"))
    asked = [call.query for call in org.asked if call.path.endswith("results")]
    assert [query["maxRecords"] for query in asked] == [[str(PAGE_ROWS)]] * 3
    assert [query.get("locator") for query in asked] == [None, ["4"], ["8"]]


def test_a_long_text_is_no_reason_to_stop(salesforce: Salesforce, org: Org, bulk: Bulk) -> None:
    bulk.rows[0]["Description"] = "x" * 131_073
    pages = list(pull(salesforce, "leads"))
    assert len(json.loads(records(pages)[lead_id(0)].payload)["Description"]) == 131_073


def test_the_cursor_of_a_first_page_is_of_no_job(
    salesforce: Salesforce, org: Org, bulk: Bulk
) -> None:
    first = next(pull(salesforce, "leads"))
    assert wire_time(NOW - DAY)[:19] in (first.cursor or "")
    assert first.total == 11


def test_a_page_that_follows_itself_is_no_page(
    salesforce: Salesforce, org: Org, bulk: Bulk
) -> None:
    bulk.before = lambda call: (
        bulk.results(replace(call, query={})) if "locator" in call.query else None
    )
    _, problem = until_it_fails(pull(salesforce, "leads"))
    assert "the same one" in str(problem)
