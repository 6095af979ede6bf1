"""Record decisions and draw owners, before anything leaves the house.

SQL has said who is to be handed over and who may get it; this gives each lead to one person and
writes both down. What is recorded here is never computed again.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field

from flows.draw import Candidate, draw
from flows.ledger import Ledger
from flows.warehouse import Warehouse


@dataclass(slots=True)
class Recorded:
    """Counts of decisions, and the keys of the leads handed over with their owners."""

    adopted: int = 0
    mql: int = 0
    waiting: int = 0
    owners: dict[str, str] = field(default_factory=dict)

    @property
    def by_owner(self) -> dict[str, int]:
        """Number of leads given to each owner."""
        return dict(Counter(self.owners.values()))


def record_decisions(warehouse: Warehouse, ledger: Ledger) -> Recorded:
    """Adopt what was there, hand over what is due.

    Second run: nothing; a lead has one hand-over. Hot leads are drawn first, then older ones.
    """
    recorded = Recorded(adopted=ledger.adopt())
    recorded.waiting = int(
        warehouse.value("select count(*) from routing.lead_routes where decision = 'wait'")
    )
    routes = warehouse.rows(
        """
        select routes.*, policy.policy_version
        from routing.lead_routes as routes, policy.policy_version as policy
        where
            routes.decision = 'mql'
            and routes.lead_key || ':mql' not in (select decision_key from ledger.ops.decisions)
        order by routes.icp_score desc, routes.trigger_at, routes.lead_key
        """
    )
    if not routes:
        return recorded
    candidates: dict[str, list[dict[str, object]]] = {}
    for row in warehouse.rows(
        "select * from routing.lead_candidates order by lead_key, is_eligible desc, user_id"
    ):
        candidates.setdefault(row["lead_key"], []).append(row)
    credits = ledger.credits()
    decisions, assignments = [], []
    for route in routes:
        key = route["lead_key"]
        considered = candidates.get(key, [])
        eligible = [one for one in considered if one["is_eligible"]]
        if not eligible:
            # The policy's guards promise a person; should they be wrong, the lead waits visibly.
            recorded.waiting += 1
            continue
        before: dict[str, int] | None = None
        after: dict[str, int] | None = None
        if route["fixed_owner_id"]:
            chosen = eligible[0]
        else:
            drawn = draw(
                [Candidate(str(one["user_id"]), int(str(one["weight"]))) for one in eligible],
                credits,
            )
            credits.update(drawn.credits_after)
            before, after = drawn.credits_before, drawn.credits_after
            chosen = next(one for one in eligible if one["user_id"] == drawn.rep_id)
        decisions.append(
            {
                "decision_key": f"{key}:mql",
                "lead_key": key,
                "decision": "mql",
                "mql_at": ledger.as_of,
                **{
                    name: route[name]
                    for name in (
                        "icp_score",
                        "fit_points",
                        "intent_points",
                        "score_reasons",
                        "trigger_type",
                        "trigger_asset",
                        "trigger_url",
                        "trigger_at",
                        "context_status",
                        "context_gaps",
                        "policy_version",
                    )
                },
                "reason": route["exception_reason"] or f"score {route['icp_score']} of 10",
            }
        )
        assignments.append(
            {
                "assignment_key": f"{key}:mql",
                "lead_key": key,
                "owner_id": chosen["user_id"],
                "routing_rule": route["routing_rule"],
                "pool": route["pool"],
                "sla_tier": route["sla_tier"],
                "sla_warn_at": chosen["sla_warn_at"],
                "sla_due_at": chosen["sla_due_at"],
                "backup_owner_id": chosen["backup_user_id"],
                "candidates": json.dumps(
                    [
                        {
                            "rep": one["user_id"],
                            "name": one["full_name"],
                            "weight": one["weight"],
                            "why_not": one["why_not"],
                        }
                        for one in considered
                    ]
                ),
                "credits_before": None if before is None else json.dumps(before),
                "credits_after": None if after is None else json.dumps(after),
            }
        )
        recorded.owners[key] = str(chosen["user_id"])
    ledger.hand_over(decisions, assignments)
    recorded.mql = len(decisions)
    return recorded
