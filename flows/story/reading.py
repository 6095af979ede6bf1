"""What is known of one lead, or was known by the end of a day, read room by room."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, time
from typing import Any

from flows.errors import WarehouseError
from flows.policy import ALWAYS, Row, policy_at
from flows.status import reps_of
from flows.story.first_touch import clock_then
from flows.story.owners import name_of, read_assignments, read_rival
from flows.story.records import (
    OF_LEAD,
    first,
    read_facts,
    read_flags,
    read_lookups,
    read_not_known_yet,
    read_records,
    read_stages,
    read_touches,
    recorded_keys,
)
from flows.story.scores import read_score, score_of_decision
from flows.warehouse import Reader

WHO = (
    "full_name",
    "email",
    "job_title",
    "phone",
    "company_name",
    "company_domain",
    "employee_count",
    "industry",
    "country",
    "account_name",
    "has_opted_out",
    "duplicate_count",
    "is_competitor",
)


def read_story(
    reader: Reader, who: str, rival: str | None = None, as_of: date | None = None
) -> dict[str, Any]:
    """Read everything that is known of one person, by e-mail address or lead key.

    ``rival`` is a rep of whom is told why the lead is not theirs; ``as_of`` leaves away what was
    not known by the end of that day, UTC, and names it. Raises: WarehouseError where nobody or
    more than one lead or rep is meant, or the lead was not known yet.
    """
    key = _lead_key(reader, who)
    keys = recorded_keys(reader, key)
    until = ALWAYS if as_of is None else datetime.combine(as_of, time.max)
    lead = first(reader, "select * from lifecycle.lead_lifecycle where lead_key = ?", key)
    profile = first(reader, "select * from people.lead_profiles where lead_key = ?", key)
    names = reps_of(reader)
    story = {
        "lead_key": key,
        "as_of": as_of,
        **_known(reader, key, keys, until, as_of, profile),
        **_done(reader, key, keys, until),
        "assignments": read_assignments(reader, keys, until, names),
    }
    if as_of is None:
        story |= _now(reader, key, lead, profile, names, story)
    else:
        story |= _then(reader, key, until, story)
    story["not_her"] = read_rival(reader, rival, story["assignments"]) if rival else None
    return story


def _known(
    reader: Reader,
    key: str,
    keys: Sequence[str],
    until: datetime,
    as_of: date | None,
    profile: Mapping[str, Any],
) -> Row:
    """What is known of a lead, whoever asks."""
    return {
        "who": {name: profile.get(name) for name in WHO},
        "records": read_records(reader, key, until, as_of),
        "facts": read_facts(reader, key),
        "lookups": read_lookups(reader, keys, until),
        "first_touch": _named(
            profile, "first_touch_", ("at", "source", "source_detail", "campaign")
        ),
        "stages": read_stages(reader, key, until, as_of),
        "touches": read_touches(reader, key, until),
        "trigger": _named(profile, "trigger_", ("type", "asset", "url", "at")),
    }


def _done(reader: Reader, key: str, keys: Sequence[str], until: datetime) -> Row:
    """What was done with a lead, by Baton and by sales."""
    return {
        "context": _context(reader, keys, until),
        "decisions": _decisions(reader, keys, until),
        "written": _written(reader, keys, until),
        "activities": reader.rows(
            "select occurred_at, activity_type, channel, subject, owner_name "
            "from people.lead_activities "
            "where lead_key = ? and occurred_at <= ? order by occurred_at",
            [key, until],
        ),
    }


def _now(
    reader: Reader,
    key: str,
    lead: Mapping[str, Any],
    profile: Mapping[str, Any],
    names: Mapping[str, str],
    story: Mapping[str, Any],
) -> Row:
    """What the tables say of the lead as it stands."""
    return {
        "not_known_yet": [],
        "stands": {
            **{
                name: lead.get(name)
                for name in ("lifecycle_stage", "lead_status", "disposition", "disposition_reason")
            },
            "owner": name_of(names, lead.get("owner_id")),
            "record_url": lead.get("record_url"),
        },
        "score": read_score(reader, key, policy_at(reader)),
        "flags": read_flags(reader, key, profile),
        "why_no_hand_over": None if story["assignments"] else _why_no_hand_over(reader, key),
        "clock": {
            "status": lead.get("sla_status"),
            "due_at": lead.get("sla_due_at"),
            "first_response_at": lead.get("first_response_at"),
        },
        "seams": reader.rows(
            "select seam, seconds, is_slowest from reporting.rpt_seams "
            "where lead_key = ? order by seam_number",
            [key],
        ),
    }


def _then(reader: Reader, key: str, until: datetime, story: Mapping[str, Any]) -> Row:
    """What could be said of the lead on a day, and what only later ones knew."""
    decided = story["decisions"][-1] if story["decisions"] else None
    given = story["assignments"][-1] if story["assignments"] else None
    entered = [
        row
        for row in story["stages"]
        if not row["is_passed_over"] and (row["entered_at"] is None or row["entered_at"] <= until)
    ]
    held = [row for row in entered if row["left_at"] is None or row["left_at"] > until]
    stage = held[-1]["lifecycle_stage"] if held else None
    later = [row for row in story["facts"] if row["retrieved_at"] and row["retrieved_at"] > until]
    # Of what is no field of lead_facts only the newest value is kept.
    unknown = {row["field"] for row in later} | {"has_opted_out", "duplicate_count"}
    return {
        "facts": [row for row in story["facts"] if row not in later],
        "who": {name: None if name in unknown else value for name, value in story["who"].items()},
        "not_known_yet": read_not_known_yet(reader, key, until, later),
        "first_touch": _if_by(story["first_touch"], until),
        "trigger": _if_by(story["trigger"], until),
        "stands": {
            "lifecycle_stage": stage,
            **dict.fromkeys(("lead_status", "disposition", "disposition_reason")),
            "owner": given["owner"] if given else None,
            "record_url": None,
        },
        "score": score_of_decision(reader, decided) if decided else None,
        "flags": [],
        "why_no_hand_over": None if given else "it was not, by the end of that day",
        "clock": clock_then(reader, given, story["activities"], entered, until),
        "seams": [],
    }


# The lead


def _named(row: Mapping[str, Any], prefix: str, names: Iterable[str]) -> Row:
    """Pick columns that share a prefix, without it."""
    return {name: row.get(prefix + name) for name in names}


def _if_by(row: Row, until: datetime) -> Row:
    """Return what a row says where it had happened, else nothing."""
    return row if row["at"] and row["at"] <= until else dict.fromkeys(row)


def _lead_key(reader: Reader, who: str) -> str:
    text = who.strip()
    if "@" in text:
        query = "select distinct lead_key from people.people where email = lower(?)"
    else:
        # A key that was merged away still finds the person whose record it was minted for.
        query = (
            "select distinct people.lead_key from people.people as people "
            "left join ops.lead_keys as keys on people.record_key = keys.record_key "
            "where upper(?) in (people.lead_key, keys.lead_key)"
        )
    keys = [row["lead_key"] for row in reader.rows(query + " order by 1", [text])]
    if not keys:
        raise WarehouseError(
            f"nobody here has this {'e-mail address' if '@' in text else 'lead key'}",
            key=text,
            next_step="An address is written whole, a lead key is like L00000042; "
            "who submitted since the last `baton sync` is not known yet",
        )
    if len(keys) > 1:
        raise WarehouseError(
            f"{text} is the address of several leads: {', '.join(keys)}",
            next_step="Name one of these keys",
        )
    return str(keys[0])


# What was done with it


def _context(reader: Reader, keys: Sequence[str], until: datetime) -> Row:
    check = first(
        reader,
        "select check_id, status, as_of from quality.context_checks "
        f"where {OF_LEAD} and as_of <= ? order by as_of desc limit 1",
        keys,
        until,
    )
    return {
        "status": check.get("status", "unchecked"),
        "checked_at": check.get("as_of"),
        "gaps": reader.rows(
            "select field, severity, why, owner, fix, origin from quality.context_gaps "
            "where check_id = ? "
            "order by array_position(['critical', 'warning', 'info'], severity), field",
            [check.get("check_id")],
        ),
    }


def _decisions(reader: Reader, keys: Sequence[str], until: datetime) -> list[Row]:
    return reader.rows(
        "select decision, reason, icp_score, fit_points, intent_points, score_reasons, "
        "trigger_type, trigger_at, context_status, context_gaps, mql_at, policy_version, as_of, "
        f"run_id, lead_key from ops.decisions where {OF_LEAD} and as_of <= ? order by as_of",
        [keys, until],
    )


def _why_no_hand_over(reader: Reader, key: str) -> str:
    """Say why nobody was told of a lead, in the words of the room that decides."""
    if not reader.holds("routing.lead_readiness"):
        return "these tables are of an older version and do not say why; run `baton sync`"
    why = first(reader, "select why_not from routing.lead_readiness where lead_key = ?", key)
    return why.get("why_not") or "it waits for somebody who can take it"


def _written(reader: Reader, keys: Sequence[str], until: datetime) -> list[Row]:
    rows = reader.rows(
        "select target, row_key, status, vendor_id, reason, sent::varchar as sent, "
        "before::varchar as before, recorded_at, run_id from ops.receipts "
        f"where {OF_LEAD} and as_of <= ? "
        "qualify row_number() over (partition by receipt_id order by receipt_seq desc) = 1 "
        "order by receipt_seq",
        [keys, until],
    )
    for row in rows:
        row["sent"] = json.loads(row["sent"] or "{}")
        row["before"] = json.loads(row["before"] or "{}")
    return rows
