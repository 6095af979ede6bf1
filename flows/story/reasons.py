"""The whys of a story in words: why this score, why this owner and not her, why this due time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flows.status import duration, table_lines
from flows.story.words import minute, section, when

CAUSES = {
    "owner_inactive": "the owner can no longer call",
    "account_changed": "the lead moved to another account",
    "by_hand": "somebody gave it away in the CRM",
}


def told_score(score: Mapping[str, Any] | None) -> list[str]:
    """Tell each rule with its points, what counts of them, and when they change."""
    if score is None:
        return section("Score then", [], "not kept: a score is kept where something is decided")
    lines = [_told_rule(rule) for rule in score["rules"]]
    for dimension in ("fit", "intent"):
        most, points = score["max_points"].get(dimension), score[f"{dimension}_points"]
        total = sum(rule["points"] for rule in score["rules"] if rule["dimension"] == dimension)
        if total != points:
            lines.append(f"{dimension}: {total} points, of which {most} count")
    fit, intent = score["fit_points"] or 0, score["intent_points"] or 0
    lines.append(
        f"{fit} fit + {intent} intent = {fit + intent} points; the threshold is a score of "
        f"{score['threshold']}"
    )
    if score["exception_reason"]:
        effect = "always handed over" if score["is_mql_proposed"] else "never handed over"
        lines.append(f"exception [{score['exception_id']}]: {score['exception_reason']} ({effect})")
    if score["decided_at"]:
        return section(
            f"Score then: {score['icp_score']} of 10, decided {when(score['decided_at'])}", lines
        )
    if score["next_change_at"]:
        lines.append(f"changes by itself on {when(score['next_change_at'])}, as time passes")
    return section(f"Score now: {score['icp_score']} of 10", lines)


def _told_rule(rule: Mapping[str, Any]) -> str:
    half = f", halves every {rule['half_life_days']:g} days" if rule["half_life_days"] else ""
    if half and rule["observed_at"]:
        half += f" since {minute(rule['observed_at'])}"
    later = f", changes next on {minute(rule['next_change_at'])}" if rule["next_change_at"] else ""
    was = f" of {rule['full_points']:+d}" if rule["points"] != rule["full_points"] else ""
    return (
        f"{rule['dimension']:<7}{rule['points']:>+4}{was}  {rule['reason']} "
        f"[{rule['rule_id']}{half}{later}]"
    )


def told_decision(story: Mapping[str, Any]) -> list[str]:
    """Tell what was decided, and each owner with the draw and the clock."""
    lines: list[str] = []
    for row in story["decisions"]:
        verb = "handed over" if row["decision"] == "mql" else "adopted as the CRM has it"
        lines.append(
            f"{when(row['as_of'])}  {verb}: {row['reason']} (score {row['icp_score']}, context "
            f"{row['context_status']}, policy {row['policy_version']}, run {row['run_id']})"
            + _under(story, row)
        )
    if story["why_no_hand_over"]:
        lines.append(f"not handed over: {story['why_no_hand_over']}")
    lines = section("Decision", lines)
    for row in story["assignments"]:
        lines += _told_assignment(row, _under(story, row))
    return lines


def _under(story: Mapping[str, Any], row: Mapping[str, Any]) -> str:
    """Name the key something was recorded under where the person goes by another by now."""
    return f" as {row['lead_key']}" if row["lead_key"] != story["lead_key"] else ""


def _told_assignment(row: Mapping[str, Any], under: str) -> list[str]:
    lines = []
    if row.get("previous_owner_id"):
        cause = CAUSES.get(row["cause"], str(row["cause"]).replace("_", " "))
        lines.append(f"given again, by {row['previous_owner']}: {cause}")
    pool = f", pool {row['pool']}" if row["pool"] else ""
    if row["routing_rule"]:
        lines.append(f"rule {row['routing_rule']}{pool}: {row['routing_reason']}")
    if row.get("given_by") == "catch_all":
        lines.append("nobody else could take it: the catch-all person does")
    for one in row["candidates"]:
        chosen = "  <- gets it" if one["rep"] == row["owner_id"] else ""
        why = one["why_not"] or f"may get it, weight {one['weight']}"
        lines.append(f"  {one['name'] or one['rep']:<20} {why}{chosen}")
    lines += _told_draw(row)
    lines += _told_clock(row)
    return section(f"Owner: {row['owner']}, given {when(row['as_of'])}{under}", lines)


def _told_draw(row: Mapping[str, Any]) -> list[str]:
    drawn = row["draw"]
    if not drawn:
        return ["no draw: there was one person to name"]
    lines = ["the draw, in leads: credit before + share of this lead - the lead = credit after"]
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
    return [*lines, f"draw {row['draw_number']}, done again just now: {again}"]


def _told_clock(row: Mapping[str, Any]) -> list[str]:
    """Tell the due time: tier, clock and calendar, hour by hour, and every move of it."""
    sla, clock = row["sla"], row["clock"]
    if clock["due_at"] is None:
        return ["first touch: no due time was set"]
    kind = str(sla["clock"]).replace("_", " ")
    lines = [
        f"first touch due {when(clock['due_at'])} UTC ({row['due_where_the_owner_is']}): "
        f"{duration(60 * float(sla['minutes'] or 0))} of {kind}, {sla['reason']}; "
        f"after that {row['backup_owner'] or 'nobody'} takes the call",
    ]
    kept = ", when the owner before got it: the clock went on" if clock["is_kept"] else ""
    by = f", calendar {clock['calendar_id']} ({clock['time_zone']})" if clock["calendar_id"] else ""
    lines.append(f"tier {row['sla_tier']}, from {when(clock['started_at'])} UTC{kept}{by}")
    lines += _told_stretches(clock)
    lines += [
        f"  moved {when(move['as_of'])} from {when(move['due_before'])} to "
        f"{when(move['sla_due_at'])} UTC: {move['reason']} (policy {move['policy_version']})"
        for move in clock["moves"]
    ]
    if clock["counted_again"] is not None:
        again = "the same answer" if clock["counted_again"] else "ANOTHER ANSWER: look there"
        lines.append(f"counted again just now: {again}")
    return lines


def _told_stretches(clock: Mapping[str, Any]) -> list[str]:
    lines, total = [], 0.0
    told = [
        (day["date"], f"  {day['date']:%a %d %b}: shut, {day['reason']}") for day in clock["shut"]
    ]
    for one in clock["stretches"]:
        total += one["minutes"]
        note = f" ({one['note']})" if one["note"] else ""
        opens, closes = one["opens_there"], one["closes_there"]
        until = f"{closes:%H:%M}" if opens.date() == closes.date() else f"{closes:%a %d %b %H:%M}"
        told.append(
            (
                opens.date(),
                f"  {opens:%a %d %b %H:%M} to {until} there{note}: "
                f"{duration(60 * one['minutes'])}, {duration(60 * total)} so far",
            )
        )
    lines += [line for _, line in sorted(told, key=lambda pair: pair[0])]
    return lines


def told_rival(rival: Mapping[str, Any] | None) -> list[str]:
    """Tell why the lead is not somebody else's, once for each time it was given."""
    if rival is None:
        return []
    lines: list[str] = []
    for row in rival["assignments"]:
        rule = (
            f", rule {row['routing_rule']}: {row['routing_reason']}" if row["routing_rule"] else ""
        )
        lines.append(f"{when(row['as_of'])}  given to {row['owner']}{rule}")
        lines += [f"  {line}" for line in _told_reason(rival["name"], row)]
    return section(f"Why not {rival['name']}", lines, "the lead was given to nobody by Baton")


def _told_reason(name: str, row: Mapping[str, Any]) -> list[str]:
    if row["is_owner"]:
        return [f"{name} got it"]
    if not row["was_considered"]:
        return [f"{name} was no rep of the policy then, and was not considered"]
    if row["stood"] is None:
        return [f"recorded then: {row['why_not'] or 'the rule names the owner'}"]
    stood, owner = row["stood"], row["owner_stood"]
    lines = [
        f"{name} was in the draw with weight {stood['weight']}: {stood['share']:.3f} of each lead",
        f"credit before {stood['credit_before']:+.3f}, with the share of this lead owed "
        f"{stood['owed']:+.3f}; from {stood['enough']:.3f} a lead may come",
    ]
    if not stood["is_owed_enough"]:
        lines.append("so a lead would have come too early")
    elif stood["due_in_draws"] == owner["due_in_draws"]:
        lines.append(
            f"the next lead was due in {stood['due_in_draws']:.2f} draws, as {row['owner']}'s "
            "was: of equals it is the first id"
        )
    else:
        lines.append(
            f"the next lead was due in {stood['due_in_draws']:.2f} draws, {row['owner']}'s in "
            f"{owner['due_in_draws']:.2f}: that one came first"
        )
    return [*lines, _told_next(name, row)]


def _told_next(name: str, row: Mapping[str, Any]) -> str:
    if row["next_lead"]:
        got = row["next_lead"]
        return f"{name}'s next lead came {when(got['as_of'])}: {got['lead_key']}"
    if row["next_in_draws"] is None:
        return f"{name} has got no lead since, and none is near"
    return (
        f"{name} has got no lead since; as credits stand, number {row['next_in_draws']} of the "
        "next draws among the same reps"
    )
