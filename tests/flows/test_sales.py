"""Whether the draw is fair and who was caught, told or left cold, in a few lines."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from flows.draw import ONE_LEAD
from flows.sales import read_sales, sales_lines
from flows.warehouse import Reader

NAMES = {"005A": "Ava Morgan", "005B": "Ben Ortiz", "005C": "Chloe Durand"}
TABLES = f"""
create schema ops; create schema reporting;
create table ops.runs as select timestamp '2026-11-22 12:00' as as_of;
create table ops.assignments (draw_number int, owner_id text, given_by text, credits_after json,
    as_of timestamp);
insert into ops.assignments values
    (1, '005A', 'pool', '{{"005A": {-ONE_LEAD}, "005B": {ONE_LEAD}}}', '2026-11-22 11:00'),
    (2, '005B', 'pool', '{{"005B": {ONE_LEAD // 4}, "005C": {ONE_LEAD // 4}}}', '2026-11-22 11:00'),
    (3, '005A', 'pool', '{{"005A": {-ONE_LEAD // 2}}}', '2026-11-22 11:00'),
    (4, '005C', 'catch_all', null, '2026-11-22 11:00'),
    (5, '005C', 'catch_all', null, '2026-11-15 12:00');
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


def test_the_worst_credit_is_the_last_one_of_whoever_is_furthest_from_an_exact_share(
    reader: Reader,
) -> None:
    found = read_sales(reader, NAMES)
    assert found["fair_draw"] == {
        "reps": 3,
        "worst": {"rep": "005A", "name": "Ava Morgan", "credit": -0.5},
    }


def test_only_what_is_of_the_last_days_counts(reader: Reader) -> None:
    found = read_sales(reader, NAMES)
    assert [(row["name"], row["leads"]) for row in found["caught"]] == [("Chloe Durand", 1)]
    assert found["clock_actions"] == {"remind": 1, "escalate": 1, "coach": 1}
    assert found["cold_leads"] == {"due": 2, "leads": 3}


def test_it_is_told_in_a_few_lines(reader: Reader) -> None:
    assert sales_lines(read_sales(reader, NAMES)) == [
        "Sales",
        "  fair draw   Ava Morgan is ahead by 0.500 of a lead, the furthest of 3 reps",
        "  catch-all   1 leads in seven days that nobody else could take: Chloe Durand 1",
        "  clocks      in a day 1 reminded, 1 escalated, 1 coached",
        "              Chloe Durand was told of L1: Ava Morgan was due 2026-11-22 11:30",
        "  cold leads  2 of 3 are due to be looked at again",
    ]


def test_an_older_copy_with_nothing_of_it_is_told_too(path: Path) -> None:
    with duckdb.connect(str(path)) as store:
        store.execute("create schema ops")
        store.execute(
            "create table ops.assignments (draw_number int, owner_id text, credits_after json)"
        )
    with Reader(path) as reader:
        lines = sales_lines(read_sales(reader, NAMES))
    assert "  fair draw   nothing was drawn yet" in lines
    assert "  catch-all   no lead in seven days" in lines
