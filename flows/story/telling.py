"""A story in words, from top to bottom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from flows.status import duration
from flows.story.reasons import told_decision, told_rival, told_score
from flows.story.records import TOUCHES
from flows.story.words import section, when

MESSAGES = ("slack.message", "smtp.message")
SOURCES = {
    "human": "entered by a person in the CRM",
    "crm": "as the CRM has it",
    "provider": "found by",
    "form": "as the MAP has it",
}


def story_lines(story: Mapping[str, Any]) -> list[str]:
    """Tell it from top to bottom. Times are UTC where nothing else is said."""
    return [
        *_told_who(story),
        *_told_then(story),
        *_told_facts(story),
        *_told_path(story),
        *told_score(story["score"]),
        *_told_context(story["context"]),
        *told_decision(story),
        *told_rival(story["not_her"]),
        *_told_written(story["written"]),
        *_told_after(story),
    ]


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
    state = stands["lifecycle_stage"] or "in no stage"
    if story["as_of"] is None:
        state += f", {stands['lead_status'] or 'no status in the CRM'}"
    if stands["disposition_reason"]:
        state += f" ({stands['disposition_reason']})"
    verb = "owned by" if story["as_of"] is None else "given by then to"
    owner = f"{verb} {stands['owner'] or 'nobody'}"
    lines = [f"{head}  {story['lead_key']}"]
    if story["as_of"]:
        lines.append(f"  AS IT WAS KNOWN at the end of {story['as_of']}, UTC")
    lines += [f"  {', '.join(facts)}", f"  {state}; {owner}"]
    records = (
        f"{row['record_key']}  {row['email'] or 'no address'}, since {when(row['created_at'])}"
        + (", deleted" if row["is_deleted"] else "")
        + (f", {row['belongs_to']} today" if row["belongs_to"] != story["lead_key"] else "")
        for row in story["records"]
    )
    lines += section(f"Records that are this person: {len(story['records'])}", records)
    if story["flags"]:
        lines += section("Flags", story["flags"])
    return lines


def _told_then(story: Mapping[str, Any]) -> list[str]:
    """Name what that day was about and only later ones knew."""
    if story["as_of"] is None:
        return []
    lines = []
    for row in story["not_known_yet"]:
        happened = f" of {when(row['happened_at'])}" if row["happened_at"] else ""
        lines.append(
            f"{row['kind']:<6}{row['what']}{happened}: learned {when(row['learned_at'])} "
            f"({row['by']})"
        )
    return section("Not known then", lines, "nothing: all of that day was known by its end")


def _told_facts(story: Mapping[str, Any]) -> list[str]:
    lines = []
    for row in story["facts"]:
        source = SOURCES.get(row["source"], row["source"])
        by = f" {row['provider']}" if row["provider"] else ""
        since = f", since {when(row['retrieved_at'])}" if row["retrieved_at"] else ""
        value = " ".join(str(row["value"]).split())
        lines.append(f"{row['field']:<17}{value}: {source}{by} ({row['evidence_key']}{since})")
    for row in story["lookups"]:
        again = f", due again {when(row['ask_again_at'])}" if row["status"] == "pending" else ""
        what = "the person" if row["kind"] == "person" else "the company"
        lines.append(
            f"{when(row['as_of'])}  asked {row['provider']} for {what}: {row['status']}"
            + (f" ({row['reason']})" if row["reason"] else "")
            + again
        )
    return section("What is believed, and whom", lines, "nothing but the name")


def _told_path(story: Mapping[str, Any]) -> list[str]:
    first = story["first_touch"]
    origin = [first["source"], first["source_detail"], first["campaign"]]
    told = f"{when(first['at'])}  {', '.join(filter(None, origin)) or 'source unknown'}"
    lines = section("First touch", [told])
    stages = []
    for row in story["stages"]:
        back = ", backwards" if row["is_backward"] else ""
        stages.append(f"{when(row['entered_at'])}  {row['lifecycle_stage']:<12} {row['evidence']}")
        stages.append(f"{'':>18}known {when(row['known_at'])} by {row['known_by']}{back}")
        if row["flag"]:
            stages.append(f"{'':>18}out of order: {row['flag']}")
    lines += section("Stages", stages)
    touches = (
        f"{when(row['occurred_at'])}  {row['touch_label']}"
        + (f": {row['asset']}" if row["asset"] else "")
        + (f" ({row['campaign']})" if row["campaign"] else "")
        for row in story["touches"]
    )
    return lines + section(f"Touches, the last {TOUCHES}", touches)


def _told_context(context: Mapping[str, Any]) -> list[str]:
    lines = []
    for gap in context["gaps"]:
        lines.append(f"{gap['severity']:<9}{gap['field']}: {gap['why']}")
        origin = f" (let through by {gap['origin']})" if gap["origin"] else ""
        lines.append(f"{'':<9}{gap['owner']} must mend it: {gap['fix']}{origin}")
    return section(f"Context: {context['status']}", lines, "nothing is missing")


def _told_written(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    lines: list[str] = []
    message: list[str] = []
    for row in rows:
        reason = f', "{row["reason"]}"' if row["reason"] else ""
        record = f" as {row['vendor_id']}" if row["vendor_id"] else ""
        lines.append(
            f"{when(row['recorded_at'])}  {row['target']}: {row['status']}{record}{reason}"
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
    told = section("Written", lines, "nothing")
    return told + (section("The message", message) if message else [])


def _told_after(story: Mapping[str, Any]) -> list[str]:
    lines = [
        f"{when(row['occurred_at'])}  {row['activity_type']} by {row['owner_name']}: "
        f"{row['subject']}"
        for row in story["activities"]
    ]
    clock = story["clock"]
    if clock["status"]:
        first = clock["first_response_at"]
        touched = f"first touched {when(first)}" if first else "not touched yet"
        lines.append(f"clock: {clock['status']}, {touched}, due {when(clock['due_at'])}")
    lines += [
        f"{duration(row['seconds']):>9}  {row['seam']}"
        + (" (slowest)" if row["is_slowest"] else "")
        for row in story["seams"]
    ]
    return section("Since then", lines, "nothing")
