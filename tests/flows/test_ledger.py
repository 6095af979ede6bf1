"""The ledger of an installation outlives the tables it was made with."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from flows.ledger import Ledger
from flows.warehouse import Warehouse

NOW = datetime(2026, 11, 1, 9, tzinfo=UTC)
# Whoever comes first reads the whole dbt project.
pytestmark = pytest.mark.timeout(180)
POLICY = ("absences", "reps", "segments")
KEPT = """
select policy_table, count(*)::int as n from ledger.ops.policy_versions
where policy_version = 'a' group by policy_table order by policy_table
"""
IN_FORCE = "select policy_version, as_of from ledger.ops.policies_in_force order by as_of"


def test_a_column_that_came_later_is_added_to_a_ledger_that_stands(tmp_path: Path) -> None:
    with Warehouse(tmp_path) as warehouse:
        warehouse.execute("create schema ledger.ops")
        warehouse.execute(
            "create table ledger.ops.assignments (assignment_key varchar, lead_key varchar)"
        )
        warehouse.execute("insert into ledger.ops.assignments values ('L1:mql', 'L1')")
        warehouse.prepare()
        assert warehouse.rows(
            "select assignment_key, lead_key, owner_id, cause from ledger.ops.assignments"
        ) == [{"assignment_key": "L1:mql", "lead_key": "L1", "owner_id": None, "cause": None}]
    with Warehouse(tmp_path) as warehouse:
        warehouse.prepare()
        assert warehouse.value("select count(*) from ledger.ops.assignments") == 1


@pytest.fixture
def warehouse(tmp_path: Path) -> Iterator[Warehouse]:
    """An open home whose policy is of two tables with rows and one without."""
    with Warehouse(tmp_path) as opened:
        opened.prepare()
        opened.execute("create schema policy")
        opened.execute("create table policy.policy_version as select 'a' as policy_version")
        opened.execute("create table policy.reps as select unnest(['005A', '005B']) as user_id")
        opened.execute("create table policy.segments as select 'smb' as segment")
        opened.execute("create table policy.absences (absence_id varchar)")
        yield opened


def _run(warehouse: Warehouse, day: int, version: str, *tables: str) -> None:
    warehouse.execute("update policy.policy_version set policy_version = ?", [version])
    ledger = Ledger(warehouse)
    ledger.begin(NOW + timedelta(days=day), None)
    ledger.keep_policy(tables or POLICY)


def test_a_version_is_kept_once(warehouse: Warehouse) -> None:
    _run(warehouse, 0, "a")
    _run(warehouse, 1, "a")
    assert [tuple(row.values()) for row in warehouse.rows(KEPT)] == [("reps", 2), ("segments", 1)]


def test_a_version_is_in_force_from_each_change_on(warehouse: Warehouse) -> None:
    for day, version in enumerate("aabba"):
        _run(warehouse, day, version)
    found = [(row["policy_version"], row["as_of"].day) for row in warehouse.rows(IN_FORCE)]
    assert found == [("a", 1), ("b", 3), ("a", 5)]
    assert [row["n"] for row in warehouse.rows(KEPT)] == [2, 1]


def test_a_version_is_kept_whole_or_not_at_all(warehouse: Warehouse) -> None:
    warehouse.execute("create view policy.torn as select error('ends here') as cell")
    with pytest.raises(duckdb.InvalidInputException, match="ends here"):
        _run(warehouse, 0, "a", *POLICY, "torn")
    assert warehouse.rows(KEPT) == warehouse.rows(IN_FORCE) == []
    _run(warehouse, 1, "a", *POLICY, "not_there")
    assert [row["n"] for row in warehouse.rows(KEPT)] == [2, 1]


def test_a_version_kept_by_half_is_whole_after_the_next_run(warehouse: Warehouse) -> None:
    warehouse.execute(
        "insert into ledger.ops.policy_versions by name "
        "select 'a' as policy_version, 'reps' as policy_table, to_json(reps) as policy_row "
        "from policy.reps as reps"
    )
    _run(warehouse, 0, "a")
    assert [row["n"] for row in warehouse.rows(KEPT)] == [2, 1]
