"""One lead's story, from the first touch to the message and what came of it, for ``baton explain``.

Everything is read from the published copy, about one query per room; nothing is judged here. The
one thing done again is the draw, so that whoever asks sees that it could not have gone otherwise.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from flows.draw import ONE_LEAD, Candidate, draw
from flows.errors import WarehouseError
from flows.status import duration, reps_of, table_lines
from flows.warehouse import Reader

TOUCHES = 15
MESSAGES = ("slack.message", "smtp.message")
SOURCES = {
    "human": "entered by a person in the CRM",
    "crm": "as the CRM has it",
    "provider": "found by",
    "form": "as the MAP has it",
}


def read_story(reader: Reader, who: str) -> dict[str, Any]:
    """Read everything that is known of one person, by e-mail address or lead key.

    Raises: WarehouseError where nobody or more than one lead is meant.
    """
    key = _lead_key(reader, who)
    lead = _one(reader, "select * from lifecycle.lead_lifecycle where lead_key = ?", key)
    profile = _one(reader, "select * from people.lead_profiles where lead_key = ?", key)
    names = reps_of(reader)
    return {
        "lead_key": key,
        "who": {
            name: profile.get(name)
            for name in (
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
        },
        "stands": {
            "lifecycle_stage": lead.get("lifecycle_stage"),
            "lead_status": lead.get("lead_status"),
            "disposition": lead.get("disposition"),
            "disposition_reason": lead.get("disposition_reason"),
            "owner": _name(names, lead.get("owner_id")),
            "record_url": lead.get("record_url"),
        },
        "records": reader.rows(
            "select record_key, system, object, email, full_name, created_at, is_deleted "
            "from people.people where lead_key = ? order by created_at nulls last, record_key",
            [key],
        ),
        "facts": _facts(reader, key),
        "lookups": _lookups(reader, key),
        "first_touch": {
            name.removeprefix("first_touch_"): profile.get(name)
            for name in (
                "first_touch_at",
                "first_touch_source",
                "first_touch_source_detail",
                "first_touch_campaign",
            )
        },
        "stages": reader.rows(
            "select lifecycle_stage, entered_at, left_at, known_at, known_by, evidence, "
            "is_backward, flag from lifecycle.lead_stage_history "
            "where lead_key = ? and is_current order by stage_number",
            [key],
        ),
        "touches": reader.rows(
            "select occurred_at, touch_type, touch_label, asset, url, campaign, is_trigger "
            "from people.lead_touches where lead_key = ? order by occurred_at desc limit ?",
            [key, TOUCHES],
        )[::-1],
        "trigger": {
            name.removeprefix("trigger_"): profile.get(name)
            for name in ("trigger_type", "trigger_asset", "trigger_url", "trigger_at")
        },
        "score": _score(reader, key),
        "flags": _flags(reader, key, profile),
        "context": _context(reader, key),
        **_decision(reader, key, lead, profile, names),
        "written": _written(reader, key),
        "activities": reader.rows(
            "select occurred_at, activity_type, subject, owner_name from people.lead_activities "
            "where lead_key = ? order by occurred_at",
            [key],
        ),
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


# Reading


def _one(reader: Reader, query: str, *parameters: Any) -> dict[str, Any]:
    found = reader.rows(query, parameters)
    return found[0] if found else {}


def _name(names: Mapping[str, str], user_id: Any) -> str | None:
    return names.get(user_id, user_id) if user_id else None


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


def _is_there(reader: Reader, schema: str, table: str) -> bool:
    """Whether the copy holds a table; one published by an older version may not."""
    return bool(
        reader.rows(
            "select 1 from duckdb_tables() where schema_name = ? and table_name = ?",
            [schema, table],
        )
    )


def _facts(reader: Reader, key: str) -> list[dict[str, Any]]:
    if not _is_there(reader, "people", "lead_facts"):
        return []
    return reader.rows(
        "select field, value, source, provider, evidence_key, retrieved_at "
        "from people.lead_facts where lead_key = ? order by field",
        [key],
    )


def _lookups(reader: Reader, key: str) -> list[dict[str, Any]]:
    if not _is_there(reader, "ops", "enrichment_calls"):
        return []
    return reader.rows(
        "select provider, kind, status, reason, attempt, ask_again_at, as_of "
        "from ops.enrichment_calls where lead_key = ? "
        "qualify row_number() over (partition by call_id order by call_seq desc) = 1 "
        "order by call_seq",
        [key],
    )


def _policy(reader: Reader, table: str, version: str | None = None) -> list[dict[str, Any]]:
    """Return the rows of a decision table as they were under a version, or as they are."""
    return [
        json.loads(row["policy_row"])
        for row in reader.rows(
            "select policy_row::varchar as policy_row from ops.policy_versions "
            "where policy_table = ? and policy_version = coalesce(?, "
            "(select arg_max(policy_version, as_of) from ops.policy_versions))",
            [table, version],
        )
    ]


def _score(reader: Reader, key: str) -> dict[str, Any]:
    found = _one(reader, "select * from scoring.lead_scores where lead_key = ?", key)
    rules = {row["rule_id"]: row for row in _policy(reader, "scoring_rules")}
    said = str(found.get("score_reasons") or "")
    matched = []
    for rule_id in filter(None, str(found.get("matched_rules") or "").split(",")):
        rule = rules.get(rule_id, {})
        points = re.search(rf"([+-]\d+) {re.escape(str(rule.get('reason')))}(?:;|$)", said)
        matched.append(
            {
                "rule_id": rule_id,
                "dimension": rule.get("dimension"),
                "points": int(points.group(1)) if points else rule.get("points"),
                "full_points": rule.get("points"),
                "half_life_days": rule.get("half_life_days"),
                "reason": rule.get("reason"),
            }
        )
    matched.sort(key=lambda rule: (str(rule["dimension"]), -abs(int(rule["points"] or 0))))
    caps = {row["dimension"]: row["max_points"] for row in _policy(reader, "score_caps")}
    bands = _policy(reader, "score_bands")
    return {
        **{
            name: found.get(name)
            for name in (
                "icp_score",
                "fit_points",
                "intent_points",
                "is_mql_proposed",
                "exception_id",
                "exception_reason",
                "next_change_at",
            )
        },
        "max_points": caps,
        "threshold": min((row["icp_score"] for row in bands if row["is_mql"]), default=None),
        "rules": matched,
    }


def _flags(reader: Reader, key: str, profile: Mapping[str, Any]) -> list[str]:
    rows = reader.rows(
        """
        with records as (select record_key from people.people where lead_key = $1)
        select record_key || ': ' || reason as told
        from reporting.rpt_flagged_records
        where record_key in (select record_key from records)
        union
        select address || ' ' || quarantine.record_key || ': ' || reason
        from ops.quarantine as quarantine
        inner join people.people as people
            on people.lead_key = $1
            and quarantine.record_key = people.record_id
            and starts_with(quarantine.address, people.system || '.' || people.object)
        order by 1
        """,
        [key],
    )
    told = [str(row["told"]) for row in rows]
    if profile.get("has_opted_out"):
        told.append("has opted out: gets no e-mail from us")
    if (profile.get("duplicate_count") or 0) > 0:
        told.append(f"{profile['duplicate_count']} more records in the CRM are duplicates of this")
    return told


def _context(reader: Reader, key: str) -> dict[str, Any]:
    check = _one(
        reader,
        "select check_id, status, as_of from quality.context_checks "
        "where lead_key = ? order by as_of desc limit 1",
        key,
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


def _decision(
    reader: Reader,
    key: str,
    lead: Mapping[str, Any],
    profile: Mapping[str, Any],
    names: Mapping[str, str],
) -> dict[str, Any]:
    decisions = reader.rows(
        "select decision, reason, icp_score, fit_points, intent_points, score_reasons, "
        "trigger_type, trigger_at, context_status, context_gaps, mql_at, policy_version, as_of, "
        "run_id from ops.decisions where lead_key = ? order by as_of",
        [key],
    )
    given = reader.rows(
        "select owner_id, routing_rule, pool, sla_tier, sla_warn_at, sla_due_at, backup_owner_id, "
        "draw_number, candidates::varchar as candidates, credits_before::varchar as before, "
        "credits_after::varchar as after, as_of, run_id "
        "from ops.assignments where lead_key = ? order by as_of",
        [key],
    )
    found: dict[str, Any] = {
        "decisions": decisions,
        "why_no_hand_over": None,
        "assignments": [],
    }
    if not given:
        found["why_no_hand_over"] = _why_not(reader, key, profile)
    version = decisions[-1]["policy_version"] if decisions else None
    for row in given:
        found["assignments"].append(_assignment(reader, row, version, names))
    return found


def _assignment(
    reader: Reader, row: dict[str, Any], version: str | None, names: Mapping[str, str]
) -> dict[str, Any]:
    rules = {rule["rule_id"]: rule for rule in _policy(reader, "routing_rules", version)}
    tiers = {tier["tier_id"]: tier for tier in _policy(reader, "sla_tiers", version)}
    tier = tiers.get(row["sla_tier"], {})
    zone = _zone(reader, row["owner_id"], version)
    candidates = json.loads(row.pop("candidates"))
    before, after = (json.loads(row.pop(name) or "null") for name in ("before", "after"))
    return {
        **row,
        "owner": _name(names, row["owner_id"]),
        "backup_owner": _name(names, row["backup_owner_id"]),
        "routing_reason": rules.get(row["routing_rule"], {}).get("reason"),
        "sla": {name: tier.get(name) for name in ("clock", "minutes", "reason")},
        "owner_time_zone": zone,
        "due_where_the_owner_is": _local(row["sla_due_at"], zone),
        "candidates": candidates,
        "draw": _draw(candidates, before, after, row["owner_id"]),
    }


def _zone(reader: Reader, user_id: str, version: str | None) -> str | None:
    calendars = {row["user_id"]: row["calendar_id"] for row in _policy(reader, "reps", version)}
    hours = _policy(reader, "business_hours", version)
    zones = {row["calendar_id"]: row["time_zone"] for row in hours}
    return zones.get(calendars.get(user_id))


def _local(moment: datetime | None, zone: str | None) -> str | None:
    if moment is None or zone is None:
        return None
    return f"{moment.replace(tzinfo=UTC).astimezone(ZoneInfo(zone)):%a %d %b %H:%M} in {zone}"


def _draw(
    candidates: Sequence[Mapping[str, Any]],
    before: Mapping[str, int] | None,
    after: Mapping[str, int] | None,
    owner_id: str,
) -> dict[str, Any] | None:
    """Lay the arithmetic of a draw open, in leads, and do it again."""
    if not before or after is None:
        return None
    weights = {one["rep"]: one["weight"] for one in candidates if one["rep"] in before}
    again = draw([Candidate(rep, weight) for rep, weight in weights.items()], before)
    names = {one["rep"]: one["name"] for one in candidates}
    return {
        "units": "leads",
        "reps": [
            {
                "rep": rep,
                "name": names.get(rep),
                "weight": weights[rep],
                "credit_before": before[rep] / ONE_LEAD,
                "share": (after[rep] - before[rep]) / ONE_LEAD + (rep == owner_id),
                "pays": int(rep == owner_id),
                "credit_after": after[rep] / ONE_LEAD,
            }
            for rep in sorted(weights)
        ],
        "done_again": again.rep_id == owner_id and again.credits_after == dict(after),
    }


def _why_not(reader: Reader, key: str, profile: Mapping[str, Any]) -> str:
    """Say why nobody was told of a lead."""
    score = _score(reader, key)
    live = _one(
        reader, "select arg_min(go_live_at, as_of) as at from ops.runs where go_live_at is not null"
    ).get("at")
    if not score["is_mql_proposed"]:
        return score["exception_reason"] or (
            f"score {score['icp_score']} of 10 is below the threshold of {score['threshold']}"
        )
    if not profile.get("is_open"):
        return "it is closed in the CRM and has not come back since"
    if profile.get("trigger_at") is None:
        return "it has done nothing that counts as a trigger"
    if live and profile["trigger_at"] < live:
        return f"what it did last ({profile['trigger_type']}) was before go-live ({_when(live)})"
    return "it waits for its context check"


def _written(reader: Reader, key: str) -> list[dict[str, Any]]:
    rows = reader.rows(
        "select target, row_key, status, vendor_id, reason, sent::varchar as sent, "
        "before::varchar as before, recorded_at, run_id from ops.receipts where lead_key = ? "
        "qualify row_number() over (partition by receipt_id order by receipt_seq desc) = 1 "
        "order by receipt_seq",
        [key],
    )
    for row in rows:
        row["sent"] = json.loads(row["sent"] or "{}")
        row["before"] = json.loads(row["before"] or "{}")
    return rows


# Telling


def story_lines(story: Mapping[str, Any]) -> list[str]:
    """Tell it from top to bottom. Times are UTC where nothing else is said."""
    return [
        *_told_who(story),
        *_told_facts(story),
        *_told_path(story),
        *_told_score(story["score"]),
        *_told_context(story["context"]),
        *_told_decision(story),
        *_told_written(story["written"]),
        *_told_after(story),
    ]


def _when(moment: Any) -> str:
    return f"{moment:%Y-%m-%d %H:%M}" if moment else "unknown time"


def _section(title: str, lines: Iterable[str], none: str = "none") -> list[str]:
    return ["", title, *([f"  {line}" for line in lines] or [f"  {none}"])]


def _told_who(story: Mapping[str, Any]) -> list[str]:
    who, stands = story["who"], story["stands"]
    size = f"{who['employee_count']} people" if who["employee_count"] else "size unknown"
    head = f"{who['full_name'] or 'Name unknown'} <{who['email'] or 'no address'}>"
    company = who["company_name"] or who["company_domain"] or "company unknown"
    place = (who["country"] or "country unknown").upper() if who["country"] else "country unknown"
    facts = (
        who["job_title"] or "title unknown",
        company,
        size,
        who["industry"] or "industry unknown",
        place,
    )
    state = f"{stands['lifecycle_stage']}, {stands['lead_status'] or 'no status in the CRM'}"
    if stands["disposition_reason"]:
        state += f" ({stands['disposition_reason']})"
    owner = f"owned by {stands['owner']}" if stands["owner"] else "owned by nobody"
    lines = [f"{head}  {story['lead_key']}", f"  {', '.join(facts)}", f"  {state}; {owner}"]
    records = (
        f"{row['record_key']}  {row['email'] or 'no address'}, since {_when(row['created_at'])}"
        + (", deleted" if row["is_deleted"] else "")
        for row in story["records"]
    )
    lines += _section(f"Records that are this person: {len(story['records'])}", records)
    if story["flags"]:
        lines += _section("Flags", story["flags"])
    return lines


def _told_facts(story: Mapping[str, Any]) -> list[str]:
    lines = []
    for row in story["facts"]:
        source = SOURCES.get(row["source"], row["source"])
        by = f" {row['provider']}" if row["provider"] else ""
        since = f", since {_when(row['retrieved_at'])}" if row["retrieved_at"] else ""
        value = " ".join(str(row["value"]).split())
        lines.append(f"{row['field']:<17}{value}: {source}{by} ({row['evidence_key']}{since})")
    for row in story["lookups"]:
        again = f", due again {_when(row['ask_again_at'])}" if row["status"] == "pending" else ""
        what = "the person" if row["kind"] == "person" else "the company"
        lines.append(
            f"{_when(row['as_of'])}  asked {row['provider']} for {what}: {row['status']}"
            + (f" ({row['reason']})" if row["reason"] else "")
            + again
        )
    return _section("What is believed, and whom", lines, "nothing but the name")


def _told_path(story: Mapping[str, Any]) -> list[str]:
    first = story["first_touch"]
    origin = [first["source"], first["source_detail"], first["campaign"]]
    told = f"{_when(first['at'])}  {', '.join(filter(None, origin)) or 'source unknown'}"
    lines = _section("First touch", [told])
    stages = []
    for row in story["stages"]:
        back = ", backwards" if row["is_backward"] else ""
        stages.append(f"{_when(row['entered_at'])}  {row['lifecycle_stage']:<12} {row['evidence']}")
        stages.append(f"{'':>18}known {_when(row['known_at'])} by {row['known_by']}{back}")
        if row["flag"]:
            stages.append(f"{'':>18}out of order: {row['flag']}")
    lines += _section("Stages", stages)
    touches = (
        f"{_when(row['occurred_at'])}  {row['touch_label']}"
        + (f": {row['asset']}" if row["asset"] else "")
        + (f" ({row['campaign']})" if row["campaign"] else "")
        for row in story["touches"]
    )
    return lines + _section(f"Touches, the last {TOUCHES}", touches)


def _told_score(score: Mapping[str, Any]) -> list[str]:
    lines = []
    for rule in score["rules"]:
        half = f", halves every {rule['half_life_days']:g} days" if rule["half_life_days"] else ""
        was = f" of {rule['full_points']:+d}" if rule["points"] != rule["full_points"] else ""
        lines.append(
            f"{rule['dimension']:<7}{rule['points']:>+4}{was}  {rule['reason']} "
            f"[{rule['rule_id']}{half}]"
        )
    for dimension in ("fit", "intent"):
        most, points = score["max_points"].get(dimension), score[f"{dimension}_points"]
        total = sum(rule["points"] for rule in score["rules"] if rule["dimension"] == dimension)
        if total != points:
            lines.append(f"{dimension}: {total} points, of which {most} count")
    lines.append(
        f"{score['fit_points']} fit + {score['intent_points']} intent = "
        f"{score['fit_points'] + score['intent_points']} points; the threshold is a score of "
        f"{score['threshold']}"
    )
    if score["exception_reason"]:
        effect = "always handed over" if score["is_mql_proposed"] else "never handed over"
        lines.append(f"exception [{score['exception_id']}]: {score['exception_reason']} ({effect})")
    return _section(f"Score now: {score['icp_score']} of 10", lines)


def _told_context(context: Mapping[str, Any]) -> list[str]:
    lines = []
    for gap in context["gaps"]:
        lines.append(f"{gap['severity']:<9}{gap['field']}: {gap['why']}")
        origin = f" (let through by {gap['origin']})" if gap["origin"] else ""
        lines.append(f"{'':<9}{gap['owner']} must mend it: {gap['fix']}{origin}")
    return _section(f"Context: {context['status']}", lines, "nothing is missing")


def _told_decision(story: Mapping[str, Any]) -> list[str]:
    lines: list[str] = []
    for row in story["decisions"]:
        verb = "handed over" if row["decision"] == "mql" else "adopted as the CRM has it"
        lines.append(
            f"{_when(row['as_of'])}  {verb}: {row['reason']} (score {row['icp_score']}, context "
            f"{row['context_status']}, policy {row['policy_version']}, run {row['run_id']})"
        )
    if story["why_no_hand_over"]:
        lines.append(f"not handed over: {story['why_no_hand_over']}")
    lines = _section("Decision", lines)
    for row in story["assignments"]:
        lines += _told_assignment(row)
    return lines


def _told_assignment(row: Mapping[str, Any]) -> list[str]:
    pool = f", pool {row['pool']}" if row["pool"] else ""
    lines = [f"rule {row['routing_rule']}{pool}: {row['routing_reason']}"]
    for one in row["candidates"]:
        chosen = "  <- gets it" if one["rep"] == row["owner_id"] else ""
        why = one["why_not"] or f"may get it, weight {one['weight']}"
        lines.append(f"  {one['name'] or one['rep']:<20} {why}{chosen}")
    drawn = row["draw"]
    if drawn:
        lines += [
            "the draw, in leads: credit before + share of this lead - the lead = credit after"
        ]
        lines += table_lines(
            ["rep", "weight", "before", "share", "paid", "after"],
            [
                (
                    one["name"] or one["rep"],
                    one["weight"],
                    *(f"{one[name]:+.3f}" for name in ("credit_before", "share")),
                    f"{-one['pays']:+d}" if one["pays"] else "",
                    f"{one['credit_after']:+.3f}",
                )
                for one in drawn["reps"]
            ],
            indent="  ",
        )
        if len(drawn["reps"]) > 1:
            lines.append("among those owed enough, it goes to the one whose next lead is due first")
        again = "the same answer" if drawn["done_again"] else "ANOTHER ANSWER: look into draw.py"
        lines.append(f"draw {row['draw_number']}, done again just now: {again}")
    else:
        lines.append("no draw: the rule names the person")
    sla = row["sla"]
    clock = str(sla["clock"]).replace("_", " ")
    within = f"{duration(60 * float(sla['minutes'] or 0))} of {clock}"
    lines.append(
        f"first touch due {_when(row['sla_due_at'])} UTC ({row['due_where_the_owner_is']}): "
        f"{within}, {sla['reason']}; after that {row['backup_owner'] or 'nobody'} takes the call"
    )
    return _section(f"Owner: {row['owner']}, given {_when(row['as_of'])}", lines)


def _told_written(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    lines: list[str] = []
    message: list[str] = []
    for row in rows:
        reason = f', "{row["reason"]}"' if row["reason"] else ""
        record = f" as {row['vendor_id']}" if row["vendor_id"] else ""
        lines.append(
            f"{_when(row['recorded_at'])}  {row['target']}: {row['status']}{record}{reason}"
        )
        if row["target"] in MESSAGES:
            if row["status"] in ("accepted", "unknown"):
                sent = row["sent"]
                message = str(sent.get("text") or sent.get("body_text") or "").splitlines()
            continue
        for name, value in row["sent"].items():
            was = row["before"].get(name)
            lines.append(
                f"{'':>18}{name} = {' '.join(str(value).split())}"
                + (f" (was {was})" if was is not None else "")
            )
    told = _section("Written", lines, "nothing")
    return told + (_section("The message", message) if message else [])


def _told_after(story: Mapping[str, Any]) -> list[str]:
    lines = [
        f"{_when(row['occurred_at'])}  {row['activity_type']} by {row['owner_name']}: "
        f"{row['subject']}"
        for row in story["activities"]
    ]
    clock = story["clock"]
    if clock["status"]:
        first = clock["first_response_at"]
        touched = f"first touched {_when(first)}" if first else "not touched yet"
        lines.append(f"clock: {clock['status']}, {touched}, due {_when(clock['due_at'])}")
    lines += [
        f"{duration(row['seconds']):>9}  {row['seam']}"
        + (" (slowest)" if row["is_slowest"] else "")
        for row in story["seams"]
    ]
    return _section("Since then", lines, "nothing")
