"""Whether the draw is fair and who was caught, told or left cold, in a few lines."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from flows.draw import ONE_LEAD
from flows.sales import read_credits, read_sales, sales_lines
from flows.warehouse import Reader

NAMES = {"005A": "Ava Morgan", "005B": "Ben Ortiz", "005C": "Chloe Durand"}
TABLES = f"""
create schema ops; create schema reporting;
create table ops.runs as select timestamp '2026-11-22 12:00' as as_of;
create table ops.assignments as
select * from (values
    ('005A', 'pool', timestamp '2026-11-22 11:00'),
    ('005C', 'catch_all', timestamp '2026-11-22 11:00'),
    ('005C', 'catch_all', timestamp '2026-11-15 12:00')
) as t(owner_id, given_by, as_of);
create table reporting.rpt_rep_load as
select * from (values
    ('005A', 2, {-ONE_LEAD // 2}, {-ONE_LEAD // 2}),
    ('005B', 1, {ONE_LEAD // 4}, {ONE_LEAD}),
    ('005C', 0, {ONE_LEAD // 4}, {ONE_LEAD // 4})
) as t(user_id, leads_given, credit, worst_credit);
create table ops.sla_actions as
select * from (values
    ('remind', 'L1', timestamp '2026-11-22 11:00'),
    ('escalate', 'L1', timestamp '2026-11-22 12:00'),
    ('coach', 'L1', timestamp '2026-11-22 12:00'),
    ('escalate', 'L2', timestamp '2026-11-21 12:00')
) as t(action, lead_key, as_of),
(select '005A' as owner_id, '005C' as user_id, timestamp '2026-11-22 11:30' as sla_due_at,
    'backup' as reason);
create table reporting.rpt_cold_leads as select unnest([true, true, false]) as is_due;
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "copy.duckdb"


@pytest.fixture
def reader(path: Path) -> Iterator[Reader]:
    with duckdb.connect(str(path)) as store:
        store.execute(TABLES)
    with Reader(path) as opened:
        yield opened


def test_the_worst_credit_is_the_one_furthest_from_an_exact_share_there_ever_was(
    reader: Reader,
) -> None:
    assert read_sales(reader, NAMES)["fair_draw"] == {
        "reps": 3,
        "worst": {"rep": "005B", "name": "Ben Ortiz", "credit": 0.25, "worst_credit": 1.0},
    }


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("update reporting.rpt_rep_load set leads_given = 0", "nothing was drawn yet"),
        (
            "update reporting.rpt_rep_load set worst_credit = 0, credit = 0",
            "everybody has had an exact share (3 reps)",
        ),
        (
            "delete from reporting.rpt_rep_load where user_id <> '005A'",
            "Ava Morgan was ahead by 0.500 of a lead at the worst, the furthest of 1 reps",
        ),
    ],
)
def test_how_fair_it_was_is_told_in_words(path: Path, change: str, told: str) -> None:
    with duckdb.connect(str(path)) as store:
        store.execute(f"{TABLES}; {change}")
    with Reader(path) as reader:
        assert f"  fair draw   {told}" in sales_lines(read_sales(reader, NAMES))


def test_the_credits_are_those_of_now(reader: Reader) -> None:
    assert read_credits(reader) == {
        "005A": -ONE_LEAD // 2,
        "005B": ONE_LEAD // 4,
        "005C": ONE_LEAD // 4,
    }


def test_only_what_is_of_the_last_days_counts(reader: Reader) -> None:
    found = read_sales(reader, NAMES)
    assert [(row["name"], row["leads"]) for row in found["caught"]] == [("Chloe Durand", 1)]
    assert found["clock_actions"] == {"remind": 1, "escalate": 1, "coach": 1}
    assert found["cold_leads"] == {"due": 2, "leads": 3}


def test_it_is_told_in_a_few_lines(reader: Reader) -> None:
    assert sales_lines(read_sales(reader, NAMES)) == [
        "Sales",
        "  fair draw   Ben Ortiz was owed 1.000 of a lead at the worst, the furthest of 3 reps",
        "  catch-all   1 leads in seven days that nobody else could take: Chloe Durand 1",
        "  clocks      in a day 1 reminded, 1 escalated, 1 coached",
        "              Chloe Durand was told of L1: Ava Morgan was due 2026-11-22 11:30",
        "  cold leads  2 of 3 are due to be looked at again",
    ]


def test_an_older_copy_with_nothing_of_it_is_told_too(path: Path) -> None:
    with duckdb.connect(str(path)) as store:
        store.execute("create schema ops")
        store.execute("create table ops.assignments (owner_id text)")
    with Reader(path) as reader:
        lines = sales_lines(read_sales(reader, NAMES))
    assert "  fair draw   nothing was drawn yet" in lines
    assert "  catch-all   no lead in seven days" in lines
