"""Salesforce as others imitate it: what the documents leave open, and what a small server lacks."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from flows.connectors.base import millis, write_cursor
from flows.connectors.salesforce import Salesforce
from flows.connectors.salesforce.streams import LEAD_FIELDS
from flows.errors import Forbidden, SchemaChanged, SourceError, Unreachable
from tests.flows.connectors.pages import keys, last_cursor
from tests.flows.connectors.salesforce_org import (
    KEY,
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

HOUR = timedelta(hours=1)
HTML = Reply(b"<html><body>Nothing here</body></html>", headers={"content-type": "text/html"})


def old(number: int, **more: Any) -> dict[str, Any]:
    """A lead of last week; the higher its number, the later it changed."""
    return lead(number, NOW - timedelta(days=7) + timedelta(minutes=number), **more)


# -- pages --


def test_a_next_page_is_followed_where_nobody_says_done(salesforce: Salesforce, org: Org) -> None:
    first = {"records": [old(1)], "nextRecordsUrl": f"{ROOT}/query/01g-1"}
    org.replies(Reply(first), Reply({"records": [old(2)]}))
    pages = list(pull(salesforce, "leads"))
    assert keys(pages) == [lead_id(1), lead_id(2)]
    assert json.loads(last_cursor(pages))["open"] is False


def test_a_page_that_is_not_the_last_and_names_no_next_is_read_on_behind_its_last_row(
    salesforce: Salesforce, org: Org
) -> None:
    first = Reply({"records": [old(1), old(2)], "done": False})
    org.replies(first, page(old(3)))
    assert keys(list(pull(salesforce, "leads"))) == [lead_id(1), lead_id(2), lead_id(3)]
    assert f"Id > '{lead_id(2)}'" in soql(org.asked[1])


def test_a_page_that_never_ends_and_never_moves_is_no_page(
    salesforce: Salesforce, org: Org
) -> None:
    org.replies(Reply({"records": [old(1)], "done": False}))
    with pytest.raises(SchemaChanged, match="names no next one"):
        list(pull(salesforce, "leads"))


def test_a_next_page_with_a_host_is_asked_of_our_own(salesforce: Salesforce, org: Org) -> None:
    elsewhere = f"https://elsewhere.example{ROOT}/query/01g-1?x=1"
    org.replies(page(old(1), following=elsewhere), page(old(2)))
    assert keys(list(pull(salesforce, "leads"))) == [lead_id(1), lead_id(2)]
    assert org.paths[1] == "/query/01g-1"
    assert org.asked[1].query == {"x": ["1"]}


def test_nothing_found_may_come_without_a_list(salesforce: Salesforce, org: Org) -> None:
    org.replies(Reply({"totalSize": 0, "done": True}))
    assert keys(list(pull(salesforce, "leads"))) == []


def test_a_server_that_knows_no_or_reads_the_last_stamp_once_more(
    salesforce: Salesforce, org: Org
) -> None:
    def query(call: Call) -> Reply:
        if " OR " in soql(call):
            return refusal("MALFORMED_QUERY", "unexpected token: OR")
        return page(old(1), old(2))

    org.routes(queryAll=query)
    stamp = old(1)["SystemModstamp"]
    cursor = write_cursor(stamp=stamp, id=lead_id(1), open=True, read_at=millis(NOW))
    pages = list(pull(salesforce, "leads", cursor))
    assert keys(pages) == [lead_id(1), lead_id(2)]
    assert f"SystemModstamp >= {stamp[:19]}Z ORDER" in soql(org.asked[1])


def test_a_query_that_is_malformed_by_itself_is_told(salesforce: Salesforce, org: Org) -> None:
    org.replies(refusal("MALFORMED_QUERY", "unexpected token"))
    cursor = write_cursor(stamp=wire_time(NOW), id=lead_id(1), open=True, read_at=millis(NOW))
    with pytest.raises(SourceError, match="unexpected token"):
        list(pull(salesforce, "leads", cursor))
    assert len(org.asked) == 2


def test_locators_that_die_without_a_step_forward_are_told(
    salesforce: Salesforce, org: Org
) -> None:
    ahead = lead(1, NOW + timedelta(days=1))
    gone = refusal("INVALID_QUERY_LOCATOR", "invalid query locator")
    org.routes(queryAll=page(ahead, following=f"{ROOT}/query/01g-1"), **{"01g-1": gone})
    since = {"stamp": wire_time(NOW - HOUR), "id": lead_id(0), "open": True}
    with pytest.raises(SourceError, match="invalid query locator"):
        list(pull(salesforce, "leads", write_cursor(**since, read_at=millis(NOW))))


@pytest.mark.parametrize("status", [404, 405, 501])
def test_where_deleted_rows_cannot_be_asked_for_the_living_are_read(
    salesforce: Salesforce, org: Org, status: int
) -> None:
    org.routes(queryAll=Reply(b"<p>no</p>", status), query=page(old(1)))
    assert keys(list(pull(salesforce, "leads"))) == [lead_id(1)]
    assert f"status {status}" in salesforce.unswept["leads"]
    assert keys(list(pull(salesforce, "contacts"))) == [lead_id(1)]
    assert org.paths == ["/queryAll", "/query", "/query"]


# -- columns and objects --


def test_a_refusal_that_names_no_column_is_settled_by_the_description(
    salesforce: Salesforce, org: Org
) -> None:
    def query(call: Call) -> Reply:
        if "baton_score__c" in soql(call):
            return refusal("INVALID_FIELD", "a selected field is unknown or hidden")
        return page(old(1))

    stream = next(s for s in salesforce.streams if s.name == "leads")
    named = [{"name": name} for name in stream.fields if name != "baton_score__c"]
    org.routes(queryAll=query, describe=Reply({"fields": named}))
    assert keys(list(pull(salesforce, "leads"))) == [lead_id(1)]
    assert salesforce.dropped_fields["leads"] == ["baton_score__c"]


def test_a_description_that_says_nothing_costs_no_column(salesforce: Salesforce, org: Org) -> None:
    no = refusal("INVALID_FIELD", "a selected field is unknown or hidden")
    org.routes(queryAll=no, describe=Reply({"fields": []}))
    with pytest.raises(SourceError, match="unknown or hidden"):
        list(pull(salesforce, "leads"))
    assert salesforce.dropped_fields == {}


def test_an_object_that_is_not_there_is_a_missing_right(salesforce: Salesforce, org: Org) -> None:
    words = "sObject type 'OpportunityContactRole' is not supported."
    org.replies(refusal("INVALID_TYPE", words))
    with pytest.raises(Forbidden, match="Read on OpportunityContactRole"):
        list(pull(salesforce, "opportunity_contact_roles"))


def test_leads_are_handed_over_without_what_only_reports_need() -> None:
    optional = {stream.name for stream in Salesforce.streams if stream.is_optional}
    assert optional == {"opportunities", "opportunity_contact_roles", "events"}


def test_every_column_that_is_staged_is_asked_for() -> None:
    folder = Path(__file__).parents[3] / "dbt_project/models/staging/salesforce"
    for stream in Salesforce.streams:
        model = folder / f"stg_salesforce__{stream.name}.sql"
        if stream.fields and model.exists():
            staged = set(re.findall(r'^ +"(\w+)": "[A-Z]+"', model.read_text(), re.MULTILINE))
            assert "Id" in staged
            assert staged <= set(stream.fields)


def test_who_we_are_is_asked_where_the_token_does_not_say_it(
    salesforce: Salesforce, org: Org, vendor: Vendor
) -> None:
    token = {"access_token": "00Dxx0000001gPL!x", "instance_url": vendor.url}
    about = {"user_id": "00500000000000zAAA", "organization_id": "00Dxx0000001gPLEAY"}
    answers = {"/services/oauth2/token": token, "/services/oauth2/userinfo": about}
    vendor.script = lambda call: Reply(answers[call.path])
    (told,) = pull(salesforce, "identity")
    assert told.records[0].key == "00500000000000zAAA"


def test_a_token_that_says_nothing_and_no_userinfo_is_a_strange_org(
    salesforce: Salesforce, vendor: Vendor
) -> None:
    token = Reply({"access_token": "00Dxx0000001gPL!x", "instance_url": vendor.url})
    no = refusal("NOT_FOUND", "The requested resource does not exist", 404)
    vendor.script = lambda call: token if call.path.endswith("token") else no
    with pytest.raises(SchemaChanged, match="names no user"):
        list(pull(salesforce, "identity"))


# -- budget and faults --


@pytest.mark.parametrize(
    ("header", "usage"),
    [
        ("per-app-api-usage=17/250(appName=x)", None),
        ("per-app-api-usage=17/250(appName=x); api-usage=24/15000", (24, 15000)),
    ],
)
def test_the_count_of_one_app_is_not_that_of_the_org(
    salesforce: Salesforce, org: Org, header: str, usage: tuple[int, int] | None
) -> None:
    body = {"records": [], "done": True, "totalSize": 0}
    org.replies(Reply(body, headers={"Sforce-Limit-Info": header}))
    salesforce.check()
    assert salesforce.usage == usage


def test_what_a_server_does_not_know_is_not_asked_for_again(
    salesforce: Salesforce, org: Org
) -> None:
    org.replies(Reply(b"<h1>Not implemented</h1>", 501))
    with pytest.raises(SourceError):
        salesforce.describe()
    # The batch, and the first object by itself.
    assert len(org.asked) == 2


@pytest.mark.parametrize("no", [Reply(None, 404), Reply(b"<p>no</p>", 405), HTML, Reply([], 501)])
def test_without_a_list_of_deletions_everything_else_is_read(
    salesforce: Salesforce, org: Org, no: Reply
) -> None:
    org.routes(queryAll=page(lead(1, NOW)), deleted=no)
    since = {"stamp": wire_time(NOW - HOUR), "id": lead_id(0), "open": False}
    cursor = write_cursor(**since, deleted_at=millis(NOW - HOUR))
    pages = list(pull(salesforce, "leads", cursor))
    assert keys(pages) == [lead_id(1)]
    assert salesforce.unswept["leads"]
    assert json.loads(last_cursor(pages))["deleted_at"] == millis(NOW - HOUR)


def test_a_row_on_the_second_page_of_a_look_up_is_not_gone(
    salesforce: Salesforce, org: Org
) -> None:
    at = wire_time(NOW - timedelta(minutes=30))
    items = [{"id": lead_id(n), "deletedDate": at} for n in (1, 2, 3)]
    rows = [lead(n, NOW, IsDeleted=True, MasterRecordId=lead_id(9)) for n in (1, 2)]

    def query(call: Call) -> Reply:
        if " IN (" not in soql(call):
            return page()
        return page(rows[0], following=f"{ROOT}/query/01g-1")

    deleted = Reply({"deletedRecords": items, "latestDateCovered": wire_time(NOW)})
    org.routes(queryAll=query, deleted=deleted, **{"01g-1": page(rows[1])})
    since = {"stamp": wire_time(NOW - HOUR), "id": lead_id(0), "open": False}
    pages = list(pull(salesforce, "leads", write_cursor(**since, deleted_at=millis(NOW - HOUR))))
    found = {r.key: json.loads(r.payload) for p in pages for r in p.records}
    assert [found[lead_id(n)].get("MasterRecordId") for n in (1, 2)] == [lead_id(9)] * 2
    assert found[lead_id(3)] == {"Id": lead_id(3), "IsDeleted": True, "deletedDate": at}


def test_unknown_rows_are_found_on_every_page(salesforce: Salesforce, org: Org) -> None:
    first = page({"Id": "00Q1", KEY: "a"}, following=f"{ROOT}/query/01g-1")
    org.replies(first, page({"Id": "00Q2", KEY: "b"}))
    assert set(salesforce.find("lead", KEY, ["a", "b"])) == {"a", "b"}


# -- jobs --


class Jobs:
    """An org that reads by REST and by jobs; what its jobs are good for is told to it."""

    def __init__(self) -> None:
        self.rows = [old(n) for n in range(1, 9)]
        self.created = 0
        self.job: dict[str, Any] = {"state": "JobComplete", "numberRecordsProcessed": 7}
        self.types = {**dict.fromkeys(LEAD_FIELDS, "string"), "IsDeleted": "boolean"}
        self.described: Reply | None = None
        self.spoil = lambda raw: raw
        self.stated: int | None = None

    def __call__(self, call: Call) -> Reply:
        path = call.path.removeprefix(ROOT)
        if path == "/queryAll":
            _, _, behind = soql(call).partition("Id > '")
            shown = [row for row in self.rows if row["Id"] > behind[:18]]
            more = f"{ROOT}/query/{shown[0]['Id']}" if len(shown) > 1 else None
            return page(*shown[:1], following=more, total=len(shown))
        if path.startswith("/query/"):
            return page(*[row for row in self.rows if row["Id"] > path[-18:]])
        if path.endswith("/describe"):
            fields = [{"name": name, "type": kind} for name, kind in self.types.items()]
            return self.described or Reply({"fields": fields})
        if call.method == "POST":
            self.created += 1
            return Reply({"id": f"750{self.created}"})
        return self.results() if path.endswith("results") else Reply({"id": "7501", **self.job})

    def results(self) -> Reply:
        text = io.StringIO(newline="")
        writer = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL)
        names = ["Id", "SystemModstamp", "IsDeleted"]
        writer.writerow(names)
        writer.writerows([row["Id"], row["SystemModstamp"], "false"] for row in self.rows[1:])
        headers = {"content-type": "text/csv", "Sforce-Locator": "null"}
        headers["Sforce-NumberOfRecords"] = str(self.stated or len(self.rows) - 1)
        return Reply(self.spoil(text.getvalue().encode()), headers=headers)


@pytest.fixture
def jobs(org: Org) -> Jobs:
    org.script = made = Jobs()
    return made


ALL = [lead_id(n) for n in range(1, 9)]


def read_until_it_fails(salesforce: Salesforce, cursor: str | None, hours: int) -> tuple[Any, ...]:
    """Return the cursor a failed run left, with what ended it."""
    with pytest.raises(SourceError) as caught:  # noqa: PT012 - what came before it counts
        for one in pull(salesforce, "leads", cursor, NOW + hours * HOUR):
            cursor = one.cursor or cursor
    return cursor, caught.value


@pytest.mark.parametrize(
    "job",
    [
        {"state": "Failed", "errorMessage": "InternalServerError : retried 15 times"},
        {"state": "Aborted"},
        {"state": "JobComplete", "numberRecordsProcessed": 70},
    ],
)
def test_what_a_job_failed_at_is_read_by_rest_in_the_next_run(
    salesforce: Salesforce, jobs: Jobs, job: dict[str, Any]
) -> None:
    jobs.job = job
    cursor, _ = read_until_it_fails(salesforce, None, 0)
    pages = list(pull(salesforce, "leads", cursor, NOW + HOUR))
    assert keys(pages) == ALL[1:]
    assert jobs.created == 1
    # The window after it may be read by a job again.
    assert "plain" not in json.loads(last_cursor(pages))


def test_a_window_that_rest_cannot_sort_goes_back_to_a_job(
    salesforce: Salesforce, org: Org, jobs: Jobs
) -> None:
    jobs.job = {"state": "Failed"}
    cursor, _ = read_until_it_fails(salesforce, None, 0)
    org.script = lambda call: refusal("QUERY_TIMEOUT", "Your query request was running too long.")
    cursor, error = read_until_it_fails(salesforce, cursor, 1)
    assert error.code == "QUERY_TIMEOUT"
    org.script, jobs.job = jobs, {"state": "JobComplete"}
    assert set(keys(list(pull(salesforce, "leads", cursor, NOW + 2 * HOUR)))) == set(ALL[1:])
    assert jobs.created == 2


def test_a_job_that_never_ends_is_given_up_by_the_second_run(
    salesforce: Salesforce, org: Org, jobs: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flows.connectors.salesforce.jobs.POLLS", 3)
    jobs.job = {"state": "InProgress"}
    cursor, _ = read_until_it_fails(salesforce, None, 0)
    assert keys(list(pull(salesforce, "leads", cursor, NOW + HOUR))) == ALL[1:]
    assert jobs.created == 1
    assert {"state": "Aborted"} in [call.json for call in org.asked if call.method == "PATCH"]


def test_a_count_of_rows_that_is_never_true_is_given_up_by_the_second_run(
    salesforce: Salesforce, jobs: Jobs
) -> None:
    jobs.stated = 7_000
    cursor, error = read_until_it_fails(salesforce, None, 0)
    assert isinstance(error, Unreachable)
    assert keys(list(pull(salesforce, "leads", cursor, NOW + HOUR))) == ALL[1:]


def test_a_job_that_counts_no_rows_is_read_all_the_same(salesforce: Salesforce, jobs: Jobs) -> None:
    jobs.job["numberRecordsProcessed"] = 0
    assert keys(list(pull(salesforce, "leads"))) == ALL


def test_a_page_for_people_instead_of_a_description_leaves_it_to_rest(
    salesforce: Salesforce, jobs: Jobs
) -> None:
    jobs.described = HTML
    assert keys(list(pull(salesforce, "leads"))) == ALL
    assert jobs.created == 0


def test_a_column_of_no_known_type_leaves_it_to_rest(salesforce: Salesforce, jobs: Jobs) -> None:
    del jobs.types["IsDeleted"]
    pages = list(pull(salesforce, "leads"))
    assert keys(pages) == ALL
    assert {json.loads(r.payload)["IsDeleted"] for p in pages for r in p.records} == {False}
    assert jobs.created == 0


def no_type(jobs: Jobs) -> None:
    del jobs.types["IsDeleted"]


def no_description(jobs: Jobs) -> None:
    jobs.described = Reply(b"<p>no</p>", 405)


@pytest.mark.parametrize("lose", [no_type, no_description])
def test_a_column_that_lost_its_type_while_a_job_ran_leaves_it_to_rest(
    vendor: Vendor, salesforce: Salesforce, jobs: Jobs, lose: Callable[[Jobs], None]
) -> None:
    pages = pull(salesforce, "leads")
    cursor = [next(pages), next(pages)][-1].cursor
    pages.close()  # type: ignore[attr-defined]
    assert "bulk" in json.loads(cursor or "")
    lose(jobs)
    later = Salesforce(login_url=vendor.url, client_id="app", bulk_from=5, patience=QUICK)
    rest = list(pull(later, "leads", cursor, NOW + HOUR))
    later.close()
    assert keys(rest) == ALL[1:]
    assert {json.loads(r.payload)["IsDeleted"] for p in rest for r in p.records} == {False}


def test_a_mark_before_the_header_is_no_part_of_it(salesforce: Salesforce, jobs: Jobs) -> None:
    jobs.spoil = lambda raw: b"\xef\xbb\xbf" + raw
    assert keys(list(pull(salesforce, "leads"))) == ALL
