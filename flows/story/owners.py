"""Why a lead is whose it is, and not somebody else's: the recorded candidates, the draw redone."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from flows.draw import ONE_LEAD, Candidate, draw, draws_until, standings
from flows.errors import WarehouseError
from flows.policy import Policy, Row, policy_at
from flows.sales import read_credits
from flows.status import reps_of
from flows.story.clocks import Calendar, Stretch, count
from flows.story.records import OF_LEAD
from flows.warehouse import Reader

LONG_ID = 15  # Salesforce writes an id with 15 characters or with 18


def read_assignments(
    reader: Reader, keys: Sequence[str], until: datetime, names: Mapping[str, str]
) -> list[Row]:
    """Return every owner a lead was given by a moment, with the draw and the clock laid open."""
    given = reader.rows(
        "select * replace (candidates::varchar as candidates, "
        "credits_before::varchar as credits_before, credits_after::varchar as credits_after) "
        f"from ops.assignments where {OF_LEAD} and as_of <= ? order by as_of, draw_number",
        [keys, until],
    )
    moves = _moves(reader, keys, until)
    # Who got the lead with its clock as it stood goes on with the clock of somebody before.
    clocks: dict[datetime, tuple[Row, list[Row]]] = {}
    found = []
    for row in given:
        started_at = row.get("clock_since") or row["as_of"]
        if started_at not in clocks or started_at == row["as_of"]:
            clocks[started_at] = (row, [])
        began, moved = clocks[started_at]
        own = moves.get(str(row.get("assignment_key")), [])
        moved.extend(own)
        clock = _clock(reader, row, started_at, began, own[-1] if own else row, list(moved))
        found.append(_assignment(policy_at(reader, row["as_of"]), row, names, clock))
    return found


def _assignment(policy: Policy, row: Row, names: Mapping[str, str], clock: Row) -> Row:
    tier = policy.row("sla_tiers", "tier_id", row["sla_tier"])
    rule = policy.row("routing_rules", "rule_id", row["routing_rule"])
    rep = policy.row("reps", "user_id", row["owner_id"])
    theirs = Calendar(policy, rep.get("calendar_id"))
    candidates = json.loads(row.pop("candidates"))
    before, after = (
        json.loads(row.pop(f"credits_{name}") or "null") for name in ("before", "after")
    )
    return {
        **row,
        "owner": name_of(names, row["owner_id"]),
        "previous_owner": name_of(names, row.get("previous_owner_id")),
        "backup_owner": name_of(names, row["backup_owner_id"]),
        "routing_reason": rule.get("reason"),
        "sla": {name: tier.get(name) for name in ("clock", "minutes", "reason")},
        "owner_time_zone": theirs.time_zone,
        "due_where_the_owner_is": _local(theirs, clock["due_at"]),
        "clock": clock,
        "candidates": candidates,
        "draw": _draw(candidates, before, after, row["owner_id"]),
    }


def name_of(names: Mapping[str, str], user_id: Any) -> str | None:
    """Return the name of a rep, else the id."""
    return names.get(user_id, user_id) if user_id else None


# The clock


def _moves(reader: Reader, keys: Sequence[str], until: datetime) -> dict[str, list[Row]]:
    moves: dict[str, list[Row]] = {}
    if reader.holds("ops.clock_moves"):
        for row in reader.rows(
            "select assignment_key, due_before, sla_warn_at, sla_due_at, reason, policy_version, "
            f"as_of from ops.clock_moves where {OF_LEAD} and as_of <= ? order by as_of",
            [keys, until],
        ):
            moves.setdefault(row["assignment_key"], []).append(row)
    return moves


def _clock(
    reader: Reader,
    row: Row,
    started_at: datetime,
    began: Row,
    falls: Row,
    moves: list[Row],
) -> Row:
    """Count a clock again, by the calendar and the policy that set it last.

    ``began`` is the assignment the clock began with, ``falls`` what says when it runs out.
    """
    policy = Policy(reader, moves[-1]["policy_version"]) if moves else policy_at(reader, started_at)
    # A clock keeps the calendar it was set by; rows older than the column do not name it.
    calendar_id = row.get("calendar_id")
    if calendar_id is None:
        rep = policy.row("reps", "user_id", began["owner_id"])
        calendar_id = rep.get("calendar_id") or row.get("calendar_id")
    calendar = Calendar(policy, calendar_id)
    tier = policy.row("sla_tiers", "tier_id", row["sla_tier"])
    due_at, counted = falls["sla_due_at"], None
    if due_at and tier and (calendar.time_zone or tier["clock"] == "wall"):
        counted = count(calendar, tier["clock"], float(tier["minutes"]), started_at)
    return {
        "started_at": started_at,
        "is_kept": started_at < row["as_of"],
        "calendar_id": calendar_id,
        "time_zone": calendar.time_zone,
        "clock": tier.get("clock"),
        "minutes": tier.get("minutes"),
        "channels": _channels(reader, began),
        "moves": moves,
        "warn_at": falls["sla_warn_at"],
        "due_at": due_at,
        "stretches": [_told(calendar, one) for one in counted.stretches] if counted else [],
        "shut": [{"date": day, "reason": why} for day, why in counted.shut] if counted else [],
        "counted_again": counted.due_at == due_at if counted else None,
    }


def _channels(reader: Reader, began: Row) -> str | None:
    """Name the channels agreed when a clock began; rows older than the column: those of now."""
    if began.get("channels"):
        return str(began["channels"])
    channels = policy_at(reader).row("sla_tiers", "tier_id", began["sla_tier"]).get("channels")
    return None if channels is None else str(channels)


def _told(calendar: Calendar, stretch: Stretch) -> Row:
    return {
        "opens_at": stretch.opens_at,
        "closes_at": stretch.closes_at,
        "opens_there": calendar.local(stretch.opens_at),
        "closes_there": calendar.local(stretch.closes_at),
        "minutes": stretch.length.total_seconds() / 60,
        "note": stretch.note,
    }


def _local(calendar: Calendar, moment: datetime | None) -> str | None:
    if moment is None or calendar.time_zone is None:
        return None
    return f"{calendar.local(moment):%a %d %b %H:%M} in {calendar.time_zone}"


# The draw


def _draw(
    candidates: Sequence[Mapping[str, Any]],
    before: Mapping[str, int] | None,
    after: Mapping[str, int] | None,
    owner_id: str,
) -> Row | None:
    """Lay the arithmetic of a draw open, in leads, and do it again."""
    if not before or after is None:
        return None
    drawn = _drawn(candidates, before)
    again = draw(drawn, before)
    names = {one["rep"]: one["name"] for one in candidates}
    return {
        "units": "leads",
        "reps": [
            {
                "rep": one.rep_id,
                "name": names.get(one.rep_id),
                "weight": weight,
                "credit_before": before[one.rep_id] / ONE_LEAD,
                "share": (after[one.rep_id] - before[one.rep_id]) / ONE_LEAD
                + (one.rep_id == owner_id),
                "pays": int(one.rep_id == owner_id),
                "credit_after": after[one.rep_id] / ONE_LEAD,
                "owed": float(one.standing),
                "enough": float(one.enough),
                "is_owed_enough": one.is_owed_enough,
                "due_in_draws": float(one.due_in),
            }
            for one, weight in zip(
                standings(drawn, before), [weight for _, weight in drawn], strict=True
            )
        ],
        "done_again": again.rep_id == owner_id and again.credits_after == dict(after),
    }


def _drawn(candidates: Sequence[Mapping[str, Any]], before: Mapping[str, int]) -> list[Candidate]:
    weights = {one["rep"]: one["weight"] for one in candidates if one["rep"] in before}
    return [Candidate(rep, weights[rep]) for rep in sorted(weights)]


# Not her


def read_rival(reader: Reader, asked: str, assignments: Sequence[Row]) -> Row:
    """Say of each time the lead was given what kept it from one rep.

    Raises: WarehouseError where no rep, or more than one, is meant.
    """
    rep, name = _rep(reader, asked)
    return {
        "rep": rep,
        "name": name,
        "assignments": [_why_not(reader, rep, row) for row in assignments],
    }


def _rep(reader: Reader, asked: str) -> tuple[str, str]:
    """Find a rep by id, name or a part of the name that only one has."""
    text = asked.strip()
    names = reps_of(reader)
    if text in names:
        return text, names[text]
    sought = text.casefold()
    tests = (
        lambda rep, name: len(text) >= LONG_ID and rep.startswith(text),
        lambda rep, name: name.casefold() == sought,
        lambda rep, name: bool(sought) and sought in name.casefold(),
    )
    for test in tests:
        found = [(rep, name) for rep, name in names.items() if test(rep, name)]
        if len(found) == 1:
            return found[0]
        if found:
            raise WarehouseError(
                f"{text!r} is the name of several reps: "
                + ", ".join(sorted(f"{name} ({rep})" for rep, name in found)),
                next_step="Give the whole name, or the id",
            )
    raise WarehouseError(
        f"no rep called {text!r} was ever considered for a lead",
        next_step="Give a CRM user id or one of these names: "
        + (", ".join(sorted(names.values())) or "there are none yet"),
    )


def _why_not(reader: Reader, rep: str, row: Row) -> Row:
    considered = next((one for one in row["candidates"] if one["rep"] == rep), None)
    drawn = row["draw"] or {"reps": []}
    stood = next((one for one in drawn["reps"] if one["rep"] == rep), None)
    found: Row = {
        "as_of": row["as_of"],
        "owner": row["owner"],
        "routing_rule": row["routing_rule"],
        "routing_reason": row["routing_reason"],
        "is_owner": rep == row["owner_id"],
        "was_considered": considered is not None,
        "why_not": considered["why_not"] if considered else None,
        "stood": stood,
        "owner_stood": next((one for one in drawn["reps"] if one["rep"] == row["owner_id"]), None),
        "next_lead": None,
        "next_in_draws": None,
    }
    if stood and rep != row["owner_id"]:
        found["next_lead"] = _next_lead(reader, rep, row)
        if found["next_lead"] is None:
            candidates = [Candidate(one["rep"], one["weight"]) for one in drawn["reps"]]
            found["next_in_draws"] = draws_until(rep, candidates, read_credits(reader))
    return found


def _next_lead(reader: Reader, rep: str, row: Row) -> Row | None:
    """Return the lead the next draw gave to a rep, where one did since."""
    found = reader.rows(
        "select lead_key, as_of, draw_number from ops.assignments where owner_id = ? "
        "and draw_number > ? and credits_after is not null order by draw_number limit 1",
        [rep, row["draw_number"]],
    )
    return found[0] if found else None
