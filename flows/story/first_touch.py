"""How the clock of a lead stood at the end of a day, by the rules of the lifecycle room."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from flows.policy import Row, policy_at
from flows.warehouse import Reader


def clock_then(
    reader: Reader,
    given: Mapping[str, Any] | None,
    activities: Sequence[Row],
    stage: str | None,
    until: datetime,
) -> Row:
    """Say how the clock of the owner of then stood.

    ``activities`` are those done by then, oldest first: the lead's own row knows only the first
    touch of its newest clock.
    """
    if given is None or given["clock"]["due_at"] is None:
        return {"status": None, "due_at": None, "first_response_at": None}
    clock = given["clock"]
    first = next((row["occurred_at"] for row in activities if _counts(row, clock)), None)
    if first is not None:
        status = "met" if first <= clock["due_at"] else "breached"
    elif _is_closed(reader, stage, until):
        status = "breached" if _had_run_out(reader, given, until) else "closed"
    elif until >= clock["due_at"]:
        status = "red"
    else:
        status = "yellow" if until >= clock["warn_at"] else "green"
    return {"status": status, "due_at": clock["due_at"], "first_response_at": first}


def _counts(activity: Mapping[str, Any], clock: Mapping[str, Any]) -> bool:
    """Whether an activity is a touch since the clock began, on a channel agreed when it did."""
    channel, agreed = activity["channel"], clock["channels"]
    return (
        channel is not None
        and activity["occurred_at"] >= clock["started_at"]
        and (agreed is None or channel in agreed.split("|"))
    )


def _is_closed(reader: Reader, stage: str | None, until: datetime) -> bool:
    stages = policy_at(reader, until)
    return stages.row("lifecycle_stages", "lifecycle_stage", stage).get("is_open") is False


def _had_run_out(reader: Reader, given: Mapping[str, Any], until: datetime) -> bool:
    """Whether the owner was told so: who is turned down after that did not leave in time."""
    return reader.holds("ops.sla_actions") and bool(
        reader.rows(
            "select 1 from ops.sla_actions where assignment_key = ? and action = 'coach' "
            "and as_of <= ?",
            [given["assignment_key"], until],
        )
    )
