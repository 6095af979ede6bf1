"""Landing holds little in memory, whatever one record weighs."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest

from flows.connectors.base import Page, Record, Reject
from flows.warehouse import Warehouse

NOW = datetime(2026, 1, 5, 10, tzinfo=UTC)
TABLE = "raw.salesforce__tasks"
pytestmark = pytest.mark.timeout(180)


def pages(records: int, letters: int, in_page: int) -> Iterator[Page]:
    for start in range(0, records, in_page):
        yield Page(
            [
                Record(str(number), NOW, b'{"Description":"%d%s"}' % (number, b"x" * letters))
                for number in range(start, start + in_page)
            ],
            str(start),
        )


@pytest.mark.parametrize(
    ("records", "letters", "in_page"),
    [
        (2000, 40_000, 200),
        (1600, 40_000, 1600),  # a page as heavy as an answer may be
        (100, 1_000_000, 100),  # and a heavier one: rows of a CSV repeat every name as JSON
        (1, 64_000_000, 1),
    ],
)
def test_records_of_any_size_are_landed(
    tmp_path: Path, records: int, letters: int, in_page: int
) -> None:
    with Warehouse(tmp_path) as warehouse:
        warehouse.prepare()
        now = NOW.replace(tzinfo=None)
        landed = warehouse.journal.land(
            "salesforce.tasks", pages(records, letters, in_page), "r1", now
        )
        assert (landed.pulled, landed.landed) == (records, records)
        assert warehouse.value(f"select count(distinct _seq) from {TABLE}") == records
        again = warehouse.journal.land(
            "salesforce.tasks", pages(records, letters, in_page), "r2", now
        )
        assert (again.pulled, again.landed) == (records, 0)


def test_a_page_too_heavy_for_one_landing_keeps_its_order_its_cursor_and_its_rejects(
    tmp_path: Path,
) -> None:
    (page,) = pages(8, 7_000_000, 8)
    heavy = Page([*page.records, *page.records[:1]], "after all", [Reject("9", "no key", b"{}")])
    with Warehouse(tmp_path) as warehouse:
        warehouse.prepare()
        now = NOW.replace(tzinfo=None)
        landed = warehouse.journal.land("salesforce.tasks", iter([heavy]), "r1", now)
        assert (landed.pulled, landed.landed, landed.rejects) == (9, 8, heavy.rejects)
        assert warehouse.journal.cursor_of("salesforce.tasks") == "after all"
        rows = warehouse.rows(f"select _key, _seq from {TABLE} order by _seq")
    assert rows == [{"_key": str(number), "_seq": number + 1} for number in range(8)]


def test_what_failed_in_the_middle_of_a_heavy_page_comes_again_without_repeats(
    tmp_path: Path,
) -> None:
    (page,) = pages(6, 7_000_000, 6)
    broken = Page([*page.records, Record("6", NOW, b"{")], "after all")
    with Warehouse(tmp_path) as warehouse:
        warehouse.prepare()
        now = NOW.replace(tzinfo=None)
        with pytest.raises(duckdb.Error, match="JSON"):
            warehouse.journal.land("salesforce.tasks", iter([broken]), "r1", now)
        assert 0 < warehouse.value(f"select count(*) from {TABLE}") < 6
        assert warehouse.journal.cursor_of("salesforce.tasks") is None
        again = warehouse.journal.land("salesforce.tasks", iter([page]), "r2", now)
        assert again.pulled == 6
        assert warehouse.value(f"select count(*) from {TABLE}") == 6
        assert warehouse.journal.cursor_of("salesforce.tasks") == "0"


def test_versions_keep_the_order_in_which_they_came(tmp_path: Path) -> None:
    versions = [b"a", b"b", b"b", b"a", b"c"]
    page = Page([Record("1", NOW, b'{"v":"%s"}' % one) for one in versions], None)
    with Warehouse(tmp_path) as warehouse:
        warehouse.prepare()
        landed = warehouse.journal.land(
            "salesforce.tasks", iter([page]), "r1", NOW.replace(tzinfo=None)
        )
        assert landed.landed == 4, "a version equal to the one before it is no version"
        rows = warehouse.rows(f"select payload->>'$.v' as v, _seq from {TABLE} order by _seq")
    assert [row["v"] for row in rows] == ["a", "b", "a", "c"]
    assert [row["_seq"] for row in rows] == [1, 2, 3, 4]


def test_what_a_landing_holds_back_is_given_again_after_it(tmp_path: Path) -> None:
    """Rooms built in the memory of a landing are slow, and the gate of a large one fails."""
    with Warehouse(tmp_path) as warehouse:
        warehouse.prepare()
        warehouse.journal.land("salesforce.tasks", pages(1, 1, 1), "r1", NOW.replace(tzinfo=None))
        # What does not fit is not put aside on the disk: it has to be held.
        warehouse.execute("set max_temp_directory_size = '0KB'")
        different = "select count(distinct n || repeat('x', 24)) from range(6000000) as numbers (n)"
        assert warehouse.value(different) == 6_000_000
