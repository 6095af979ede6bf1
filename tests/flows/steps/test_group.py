"""An account is handed over as a group once, with its members as they stood."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from flows.ledger import Ledger
from flows.steps.group import record_groups
from flows.warehouse import Warehouse

pytestmark = pytest.mark.timeout(300)

MEMBERS = [
    {"lead_key": "L2", "buying_role": "decision_maker", "icp_score": 9},
    {"lead_key": "L1", "buying_role": "champion", "icp_score": 7},
]


def test_an_account_that_is_ready_is_recorded_once_with_its_members(tmp_path: Path) -> None:
    with Warehouse(tmp_path) as warehouse:
        warehouse.prepare()
        for statement in (
            "create schema policy",
            "create schema routing",
            "create table policy.policy_version as select 'v1' as policy_version",
            "create table routing.int_accounts__to_hand_over as select 'a1' as account_key, "
            "'u1' as owner_id, 'anywhere' as rule_id, 2 as people, 100 as coverage_percent, "
            f"35 as fit_points, 60 as intent_points, '{json.dumps(MEMBERS)}'::json as members, "
            "'two decide' as reason, 'mid_market' as segment",
        ):
            warehouse.execute(statement)
        ledger = Ledger(warehouse)
        ledger.begin(datetime(2026, 6, 1, tzinfo=UTC), None)

        assert record_groups(warehouse, ledger) == 1
        assert record_groups(warehouse, ledger) == 0

        (row,) = warehouse.rows("select * from ledger.ops.account_handovers")
        assert json.loads(row["members"]) == MEMBERS
        kept = ("handover_key", "owner_id", "rule_id", "people", "coverage_percent")
        assert [row[name] for name in kept] == ["a1", "u1", "anywhere", 2, 100]
        assert (row["reason"], row["policy_version"]) == ("two decide", "v1")
        assert (row["as_of"], row["run_id"]) == (ledger.as_of, ledger.run_id)
