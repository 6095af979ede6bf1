"""The ledger of an installation outlives the tables it was made with."""

from __future__ import annotations

from pathlib import Path

from flows.warehouse import Warehouse


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
