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
    stages: Sequence[Row],
    until: datetime,
) -> Row:
    """Say how the clock of the owner of then stood.

    ``activities`` are those done by then, oldest first: the lead's own row knows only the first
    touch of its newest clock. ``stages`` are those it was believed to have been in, in order.
    """
    if given is None or given["clock"]["due_at"] is None:
        return {"status": None, "due_at": None, "first_response_at": None}
    clock = given["clock"]
    first = next((row["occurred_at"] for row in activities if _counts(row, clock)), None)
    left = _left_at(reader, stages, until)
    if first is not None and first <= clock["due_at"]:
        status = "met"
    elif ended := [moment for moment in (first, left) if moment is not None]:
        # Who has gone in time is nobody's to call, and nobody's breach.
        status = "closed" if min(ended) <= clock["due_at"] else "breached"
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


def _left_at(reader: Reader, stages: Sequence[Row], until: datetime) -> datetime | None:
    """When the lead left the funnel, where it has not come back; through however many stages."""
    policy = policy_at(reader, until)
    left: datetime | None = None
    for row in stages:
        known = policy.row("lifecycle_stages", "lifecycle_stage", row["lifecycle_stage"])
        if not known.get("is_way_out") and known.get("is_open") is not False:
            left = None
        elif left is None:
            left = row["entered_at"] or row["known_at"]
    return left
