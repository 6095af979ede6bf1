"""Why a score is what it is: each rule with its points, now and on the day of a decision."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from flows.policy import Policy, Row
from flows.warehouse import Reader

SCORE = (
    "icp_score",
    "fit_points",
    "intent_points",
    "is_mql_proposed",
    "exception_id",
    "exception_reason",
    "next_change_at",
)


def read_score(reader: Reader, key: str, policy: Policy) -> Row:
    """Return the score of a lead as it is now: each rule with its points, and when they change."""
    rows = reader.rows("select * from scoring.lead_scores where lead_key = ?", [key])
    found = rows[0] if rows else {}
    if "score_rules" in found:
        rules = json.loads(found["score_rules"] or "[]")
    else:  # a copy published before the rules stood there as rows
        matched = filter(None, str(found.get("matched_rules") or "").split(","))
        rules = _as_said(str(found.get("score_reasons") or ""), policy, matched)
    return {
        **{name: found.get(name) for name in SCORE},
        **_scale(policy),
        "decided_at": None,
        "rules": _with_half_lives(rules, policy),
    }


def score_of_decision(reader: Reader, decided: Mapping[str, Any]) -> Row:
    """Return the score a decision was taken by, told by the policy of then."""
    policy = Policy(reader, decided["policy_version"])
    said = str(decided["score_reasons"] or "")
    every = (str(row["rule_id"]) for row in policy.rows("scoring_rules"))
    rules = [rule for rule in _as_said(said, policy, every) if rule["is_said"]]
    return {
        **dict.fromkeys(SCORE),
        **{name: decided[name] for name in ("icp_score", "fit_points", "intent_points")},
        **_scale(policy),
        "decided_at": decided["as_of"],
        "rules": _with_half_lives(rules, policy),
    }


def _scale(policy: Policy) -> Row:
    return {
        "max_points": {row["dimension"]: row["max_points"] for row in policy.rows("score_caps")},
        "threshold": min(
            (row["icp_score"] for row in policy.rows("score_bands") if row["is_mql"]), default=None
        ),
    }


def _as_said(said: str, policy: Policy, rule_ids: Iterable[str]) -> list[Row]:
    """Find the points of rules in the sentence that told them; what was left away there is full."""
    rules = []
    for rule_id in rule_ids:
        rule = policy.row("scoring_rules", "rule_id", rule_id)
        found = re.search(rf"([+-]\d+) {re.escape(str(rule.get('reason')))}(?:;|$)", said)
        rules.append(
            {
                "rule_id": rule_id,
                "dimension": rule.get("dimension"),
                "points": int(found.group(1)) if found else rule.get("points"),
                "full_points": rule.get("points"),
                "observed_at": None,
                "next_change_at": None,
                "reason": rule.get("reason"),
                "is_said": found is not None,
            }
        )
    return rules


def _with_half_lives(rules: Iterable[Row], policy: Policy) -> list[Row]:
    told = [
        {
            **{name: value for name, value in rule.items() if name != "is_said"},
            "half_life_days": policy.row("scoring_rules", "rule_id", rule["rule_id"]).get(
                "half_life_days"
            ),
        }
        for rule in rules
    ]
    return sorted(told, key=lambda rule: (str(rule["dimension"]), -abs(int(rule["points"] or 0))))
