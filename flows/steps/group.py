"""Hand accounts over as buying groups, each once, before anything leaves the house."""

from __future__ import annotations

from flows.ledger import Ledger
from flows.warehouse import Warehouse

_CARRIED = (
    "account_key",
    "owner_id",
    "rule_id",
    "people",
    "coverage_percent",
    "fit_points",
    "intent_points",
    "members",
    "reason",
    "policy_version",
)


def record_groups(warehouse: Warehouse, ledger: Ledger) -> int:
    """Record the accounts that are ready as a group; returns how many.

    Grain: one row per account. Second run: none, an account is handed over once.
    """
    found = warehouse.rows(
        """
        select ready.*, policy.policy_version
        from routing.int_accounts__to_hand_over as ready, policy.policy_version as policy
        order by ready.account_key
        """
    )
    return ledger.hand_over_accounts(
        [
            {
                "handover_key": row["account_key"],
                **{name: row[name] for name in _CARRIED},
            }
            for row in found
        ]
    )
