"""Whether the flow of the clocks does its work: it may fail or stand still while syncs go on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from flows.policy import policy_at
from flows.running import needs_a_person
from flows.warehouse import Reader

LIMIT = "clocks_looked_at_within_minutes"
RUNNING_SINCE = "select min(clock_started_at) as since from lifecycle.lead_clocks where is_running"


def read_watch(reader: Reader, last: Mapping[str, Any] | None, now: datetime) -> dict[str, Any]:
    """Return how the last run of the clocks' flow ended, and whether it stands still.

    ``last`` is its last run, ``ended_at`` in it the last one that got to its end, whatever came
    after. ``silent_minutes`` is how long clocks have run without that, where the policy
    (constants.csv, clocks_looked_at_within_minutes) allows less, and None where it does not.
    """
    summary = json.loads((last or {}).get("summary") or "{}")
    ended_at = last["ended_at"] if last else None
    silent, allowed = _minutes_without(reader, ended_at, now), _allowed(reader)
    is_silent = silent is not None and allowed is not None and silent > allowed
    return {
        "run_id": last["run_id"] if last else None,
        "as_of": last["as_of"] if last else None,
        "phase": last["phase"] if last else None,
        "ended_at": ended_at,
        "error": summary.get("error"),
        "troubles": summary.get("troubles", []),
        "quarantined": summary.get("quarantined", 0),
        "silent_minutes": silent if is_silent else None,
        "allowed_minutes": allowed,
        "needs_a_person": bool(
            is_silent or (last and last["phase"] == "failed") or needs_a_person(summary)
        ),
    }


def _minutes_without(reader: Reader, ended_at: datetime | None, now: datetime) -> float | None:
    """Count the minutes that clocks have run and nobody looked at them; None where none runs."""
    if not reader.holds("lifecycle.lead_clocks"):
        return None
    since = reader.rows(RUNNING_SINCE)[0]["since"]
    if since is None:
        return None
    return float((now - max(since, ended_at or since)).total_seconds() / 60)


def _allowed(reader: Reader) -> float | None:
    """Return what the policy in force allows; None under one that is older than the rule."""
    value = policy_at(reader).row("constants", "constant_id", LIMIT).get("value")
    return None if value is None else float(value)


def watch_lines(found: Mapping[str, Any]) -> list[str]:
    """Tell when the clocks were looked at last, and how that ended."""
    if found["as_of"] is None:
        return ["  never looked at by `baton sla`"]
    return [f"  last looked at {found['as_of']:%Y-%m-%d %H:%M} UTC, {found['phase']}"]


def watch_for_a_person(found: Mapping[str, Any]) -> list[str]:
    """Say what of it time alone does not cure."""
    told = []
    if found["phase"] == "failed":
        reason = found["error"] or "no reason recorded"
        told.append(f"The last run of the clocks' flow failed: {reason}")
    told += found["troubles"]
    if found["quarantined"]:
        told.append(
            f"{found['quarantined']} records were put in quarantine by the last run of the "
            "clocks' flow."
        )
    if found["silent_minutes"] is not None:
        told.append(
            f"First-touch clocks have run for {found['silent_minutes']:.0f} minutes without being "
            f"looked at, {found['allowed_minutes']:.0f} are allowed (constants.csv, {LIMIT}): "
            "nobody is reminded and no backup asked. See that `baton sla` is run every five "
            "minutes, and what it says."
        )
    return told
