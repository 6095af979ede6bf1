"""No row is lost: ties, moves between pages, late commits, deletions, interruptions anywhere."""

from __future__ import annotations

import json
import re
import threading
from datetime import datetime, timedelta
from typing import Any

import pytest

from flows.connectors.base import Page, millis, write_cursor
from flows.connectors.salesforce import Salesforce
from flows.errors import RateLimited, SchemaChanged, VendorError
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

HOUR = timedelta(hours=1)


class Table:
    """Leads that answer the connector's own conditions, page by page, as they stand now."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.rows: dict[int, datetime] = {}
        self.hidden: set[int] = set()
        self.locators: list[list[int]] = []

    def __call__(self, call: Call) -> Reply:
        if "deleted" in call.path:
            return Reply({"deletedRecords": [], "latestDateCovered": call.query["end"][0]})
        if "q" not in call.query:
            name, _, at = call.path.rpartition("/")[2].partition("-")
            return self.page(int(name), int(at))
        shown = [n for n in self.rows if n not in self.hidden and self.matches(soql(call), n)]
        self.locators.append(sorted(shown, key=lambda n: (self.rows[n], lead_id(n))))
        return self.page(len(self.locators) - 1, 0)

    def page(self, name: int, at: int) -> Reply:
        ids = self.locators[name]
        some = [lead(n, self.rows[n]) for n in ids[at : at + self.size]]
        more = at + self.size < len(ids)
        following = f"{ROOT}/query/{name}-{at + self.size}" if more else None
        return page(*some, following=following, total=len(ids))

    def matches(self, query: str, number: int) -> bool:
        stamp = wire_time(self.rows[number])[:19] + "Z"
        low = re.search(r"SystemModstamp >= (\S+Z)", query)
        if low and stamp < low[1]:
            return False
        behind = re.search(r"SystemModstamp = (\S+Z) AND Id > '(\w+)'", query)
        return not behind or (stamp, lead_id(number)) > (behind[1], behind[2])


@pytest.fixture
def plain(vendor: Vendor) -> Any:
    """A connector that reads by REST alone."""
    connector = Salesforce(
        login_url=vendor.url, client_id="app", client_secret="secret", timeout=5, patience=QUICK
    )
    yield connector
    connector.close()


def interrupted(salesforce: Salesforce, most: int, now: datetime = NOW) -> list[Page]:
    """Pull and stop after every single page, as often as it takes."""
    landed: list[Page] = []
    cursor: str | None = None
    for _ in range(most):
        first = next(pull(salesforce, "leads", cursor, now))
        landed.append(first)
        cursor = first.cursor
        if not json.loads(cursor or "{}")["open"]:
            return landed
    raise AssertionError("it never came to an end")


@pytest.mark.parametrize("age", [timedelta(days=3), timedelta(minutes=2)])
def test_twelve_thousand_rows_with_one_stamp_all_land_though_every_page_is_the_last(
    plain: Salesforce, org: Org, age: timedelta
) -> None:
    table = Table(2000)
    table.rows = dict.fromkeys(range(12_000), NOW - age)
    org.script = table
    landed = interrupted(plain, 12)
    assert sorted(set(keys(landed))) == sorted(map(lead_id, range(12_000)))
    assert len(landed) == 6


def test_a_record_that_moves_between_two_pages_lands(plain: Salesforce, org: Org) -> None:
    table = Table(3)
    table.rows = {n: NOW - HOUR + timedelta(minutes=n) for n in range(9)}
    org.script = table
    pages = pull(plain, "leads")
    landed = [next(pages)]
    table.rows[4] = NOW + timedelta(seconds=30)
    landed += pages
    table.rows[8] = NOW + timedelta(minutes=1)
    landed += pull(plain, "leads", last_cursor(landed), NOW + timedelta(minutes=2))
    newest = {r.key: r.version_at for p in landed for r in p.records}
    assert newest == {lead_id(n): at for n, at in table.rows.items()}


def test_a_row_that_becomes_visible_minutes_late_comes_with_the_next_pull(
    plain: Salesforce, org: Org
) -> None:
    table = Table(10)
    table.rows = {n: NOW - timedelta(minutes=10 - n) for n in range(9)}
    table.hidden = {4}
    org.script = table
    first = list(pull(plain, "leads"))
    assert lead_id(4) not in keys(first)
    table.hidden = set()
    assert lead_id(4) in keys(list(pull(plain, "leads", last_cursor(first), NOW)))


def test_a_row_that_becomes_visible_an_hour_late_comes_with_the_hourly_look_back(
    plain: Salesforce, org: Org
) -> None:
    table = Table(100)
    table.rows = {n: NOW + timedelta(minutes=n) for n in range(180)}
    table.hidden = set(range(20, 180))
    org.script = table
    cursor, seen = None, set()
    for minute in range(20, 180, 4):
        # Number 15 commits an hour late.
        table.hidden = set(range(minute, 180)) | ({15} if minute < 75 else set())
        pages = list(pull(plain, "leads", cursor, NOW + timedelta(minutes=minute)))
        cursor = last_cursor(pages)
        seen |= set(keys(pages))
    assert lead_id(15) in seen


def test_the_look_back_is_deep_once_an_hour_only(plain: Salesforce, org: Org) -> None:
    table = Table(100)
    table.rows = {1: NOW}
    org.script = table
    cursor = last_cursor(list(pull(plain, "leads")))
    for minutes in (2, 59, 61, 63, 122):
        pages = list(pull(plain, "leads", cursor, NOW + timedelta(minutes=minutes)))
        cursor = last_cursor(pages)
    queries = [soql(call) for call in org.asked if "q" in call.query]
    assert ["09:50:00Z" in query for query in queries[1:]] == [False, False, True, False, True]
    assert all("11:50:00Z" in query for query in (queries[1], queries[2], queries[4]))


def test_an_interrupted_deep_look_back_is_taken_up_and_counts_as_done(
    plain: Salesforce, org: Org
) -> None:
    table = Table(2)
    table.rows = {n: NOW - timedelta(minutes=100 - n) for n in range(6)}
    org.script = table
    cursor = write_cursor(stamp=wire_time(NOW), id="x", deep_at=millis(NOW - 2 * HOUR))
    first = next(pull(plain, "leads", cursor))
    assert keys([first]) == [lead_id(0), lead_id(1)]
    rest = list(pull(plain, "leads", first.cursor))
    assert set(keys(rest)) == {lead_id(n) for n in range(2, 6)}
    assert json.loads(last_cursor(rest))["deep_at"] == millis(NOW)


# --- deletions -------------------------------------------------------------------------------


def test_deletions_are_asked_for_once_an_hour_from_where_the_list_ended(
    salesforce: Salesforce, org: Org
) -> None:
    covered = Reply({"deletedRecords": [], "latestDateCovered": "2026-11-20T12:55:00.000+0000"})
    org.routes(queryAll=page(lead(1, NOW)), deleted=covered)
    cursor = None
    for minutes in (0, 10, 61, 70, 122):
        pages = list(pull(salesforce, "leads", cursor, NOW + timedelta(minutes=minutes)))
        cursor = last_cursor(pages)
    asked = [call.query for call in org.asked if "deleted" in call.path]
    assert [query["start"][0] for query in asked] == [
        "2026-11-20T12:00:00+00:00",
        "2026-11-20T12:55:00+00:00",
    ]
    assert asked[0]["end"] == ["2026-11-20T13:01:00+00:00"]


def swept(salesforce: Salesforce, state: dict[str, Any], name: str = "leads") -> list[Page]:
    since = {"stamp": wire_time(NOW - HOUR), "id": "x", "deep_at": 1}
    cursor = write_cursor(**{**since, "deleted_at": millis(NOW - HOUR), **state})
    return list(pull(salesforce, name, cursor))


def deleted(*numbers: int, covered: datetime = NOW) -> Reply:
    at = wire_time(NOW - timedelta(minutes=30))
    items = [{"id": lead_id(n), "deletedDate": at} for n in numbers]
    return Reply({"deletedRecords": items, "latestDateCovered": wire_time(covered)})


def answering(*shown: dict[str, Any], changed: tuple[dict[str, Any], ...] = ()) -> Any:
    """Answer look-ups by id with some rows, and pulls with others."""

    def query(call: Call) -> Reply:
        if " IN (" not in soql(call):
            return page(*changed)
        return page(*(row for row in shown if row["Id"] in soql(call)))

    return query


def test_a_row_gone_from_the_bin_lands_as_a_tombstone(salesforce: Salesforce, org: Org) -> None:
    org.routes(queryAll=answering(), deleted=deleted(7))
    (record,) = [r for p in swept(salesforce, {}) for r in p.records]
    assert record.is_deleted
    assert record.version_at == NOW - timedelta(minutes=30)
    assert json.loads(record.payload) == {
        "Id": lead_id(7),
        "IsDeleted": True,
        "deletedDate": "2026-11-20T11:30:00.000+0000",
    }


def test_a_row_still_in_the_bin_lands_with_what_it_says_of_a_merge(
    salesforce: Salesforce, org: Org
) -> None:
    row = lead(7, NOW, IsDeleted=True, MasterRecordId=lead_id(1))
    org.routes(queryAll=answering(row), deleted=deleted(7))
    (record,) = [r for p in swept(salesforce, {}) for r in p.records]
    assert json.loads(record.payload)["MasterRecordId"] == lead_id(1)


def test_no_tombstone_replaces_a_row_that_landed_with_its_merge(
    salesforce: Salesforce, org: Org
) -> None:
    row = lead(7, NOW - timedelta(minutes=30), IsDeleted=True, MasterRecordId=lead_id(1))
    org.routes(queryAll=answering(changed=(row,)), deleted=deleted())
    cursor = last_cursor(swept(salesforce, {"deep_at": millis(NOW)}))
    # An hour later the bin is empty, and the list names the row once more.
    org.routes(queryAll=answering(), deleted=deleted(7))
    later = list(pull(salesforce, "leads", cursor, NOW + HOUR))
    assert keys(later) == []
    assert json.loads(last_cursor(later)).get("bin", {}) == {}


def test_what_this_pull_brought_needs_no_second_look(salesforce: Salesforce, org: Org) -> None:
    row = lead(7, NOW - timedelta(minutes=30), IsDeleted=True)
    org.routes(queryAll=answering(changed=(row,)), deleted=deleted(7))
    pages = swept(salesforce, {})
    assert keys(pages) == [lead_id(7)]
    assert not [call for call in org.asked if "q" in call.query and " IN (" in soql(call)]


def test_a_bin_too_large_to_remember_brings_no_tombstones(salesforce: Salesforce, org: Org) -> None:
    org.routes(queryAll=answering(), deleted=deleted(7))
    pages = swept(salesforce, {"bin": None})
    assert keys(pages) == []
    assert json.loads(last_cursor(pages))["deleted_at"] == millis(NOW)


def test_too_many_deletions_are_asked_for_in_halves(salesforce: Salesforce, org: Org) -> None:
    def listed(call: Call) -> Reply:
        start, end = (datetime.fromisoformat(call.query[n][0]) for n in ("start", "end"))
        if end - start > timedelta(minutes=20):
            return refusal("EXCEEDED_ID_LIMIT", "exceeded max number of ids")
        return deleted(int(start.timestamp()) % 1000, covered=end)

    org.routes(queryAll=answering(), deleted=listed)
    pages = swept(salesforce, {})
    assert len(keys(pages)) == 4
    assert json.loads(last_cursor(pages))["deleted_at"] == millis(NOW)


def test_a_refused_list_of_deletions_costs_nothing_else(salesforce: Salesforce, org: Org) -> None:
    no = refusal("INSUFFICIENT_ACCESS", "object is not replicateable", 403)
    org.routes(queryAll=answering(changed=(lead(1, NOW),)), deleted=no)
    pages = swept(salesforce, {})
    assert keys(pages) == [lead_id(1)]
    assert "not replicateable" in salesforce.unswept["leads"]
    state = json.loads(last_cursor(pages))
    assert state["deep_at"] == millis(NOW)
    assert state["deleted_at"] == millis(NOW - HOUR)


def test_a_list_of_deletions_that_may_come_later_keeps_the_pull_unfinished(
    salesforce: Salesforce, org: Org
) -> None:
    words = "TotalRequests Limit exceeded."
    org.routes(queryAll=page(lead(1, NOW)), deleted=refusal("REQUEST_LIMIT_EXCEEDED", words, 403))
    with pytest.raises(RateLimited):
        swept(salesforce, {})


def test_a_sweep_reaches_no_further_back_than_the_list(salesforce: Salesforce, org: Org) -> None:
    org.routes(queryAll=answering(), deleted=deleted())
    swept(salesforce, {"deleted_at": millis(NOW - timedelta(days=40))})
    (call,) = [call for call in org.asked if "deleted" in call.path]
    assert call.query["start"] == ["2026-11-05T12:10:00+00:00"]
    assert call.path == f"{ROOT}/sobjects/Lead/deleted/"


def test_objects_the_list_does_not_know_are_not_asked_for(salesforce: Salesforce, org: Org) -> None:
    org.routes(queryAll=page(), deleted=deleted())
    swept(salesforce, {}, "users")
    assert not [call for call in org.asked if "deleted" in call.path]


# --- pages asked for ahead -------------------------------------------------------------------


def test_the_next_page_is_on_its_way_while_the_first_one_lands(plain: Salesforce, org: Org) -> None:
    asked = threading.Event()

    def script(call: Call) -> Reply:
        if "q" in call.query:
            return page(lead(1, NOW - HOUR), following=f"{ROOT}/query/01g-1", total=2)
        asked.set()
        return page(lead(2, NOW - HOUR))

    org.script = script
    pages = pull(plain, "leads")
    assert keys([next(pages)]) == [lead_id(1)]
    assert asked.wait(5)
    assert keys(list(pages)) == [lead_id(2)]


def test_a_pull_given_up_leaves_no_call_behind(plain: Salesforce, org: Org) -> None:
    org.replies(page(lead(1, NOW), following=f"{ROOT}/query/01g-1"), refusal("GONE", "no", 404))
    pages = pull(plain, "leads")
    next(pages)
    before = threading.active_count()
    del pages
    assert threading.active_count() <= before
    assert not [t for t in threading.enumerate() if t.name.startswith("salesforce-page")]


def test_what_fails_ahead_is_told_after_the_page_before_it(plain: Salesforce, org: Org) -> None:
    org.replies(
        page(lead(1, NOW), following=f"{ROOT}/query/01g-1"), refusal("MALFORMED", "no", 400)
    )
    pages = pull(plain, "leads")
    assert keys([next(pages)]) == [lead_id(1)]
    with pytest.raises(VendorError):
        next(pages)


def test_a_page_that_follows_itself_is_no_page(plain: Salesforce, org: Org) -> None:
    org.script = lambda call: page(lead(1, NOW), following=f"{ROOT}/query/01g-1")
    with pytest.raises(SchemaChanged, match="the same one"):
        list(pull(plain, "leads"))
