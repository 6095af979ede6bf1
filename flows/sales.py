"""What a manager of sales asks each morning: is the draw fair, who was caught, told, left cold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from flows.draw import ONE_LEAD
from flows.warehouse import Reader

FEW = 8
LOADS = """
select user_id as rep, leads_given, credit, worst_credit
from reporting.rpt_rep_load
order by abs(worst_credit) desc, user_id
"""
CAUGHT = """
select owner_id, count(*) as leads
from ops.assignments
where given_by = 'catch_all' and as_of > (select max(as_of) from ops.runs) - interval 7 day
group by owner_id
order by leads desc, owner_id
"""
ACTIONS = """
select action, lead_key, owner_id, user_id, sla_due_at, reason, as_of
from ops.sla_actions
where as_of > (select max(as_of) from ops.runs) - interval 1 day
order by as_of desc, lead_key, action
"""
COLD = """
select count(*) filter (where is_due) as due, count(*) as leads
from reporting.rpt_cold_leads
"""


def read_sales(reader: Reader, names: Mapping[str, str]) -> dict[str, Any]:
    """Read how fairly leads were given, and what became of those nobody could take or touched.

    Units: credits in leads, above zero is owed; the catch-all of seven days, the clocks of one.
    """
    loads = _read_loads(reader)
    caught = reader.rows(CAUGHT) if reader.holds("ops.assignments", "given_by") else []
    actions = reader.rows(ACTIONS) if reader.holds("ops.sla_actions") else []
    cold = reader.rows(COLD) if reader.holds("reporting.rpt_cold_leads", "is_due") else []
    return {
        "fair_draw": {"reps": len(loads), "worst": _worst(loads, names)},
        "caught": [{**row, "name": _name(names, row["owner_id"])} for row in caught],
        "clock_actions": {
            action: sum(row["action"] == action for row in actions)
            for action in ("remind", "escalate", "coach")
        },
        "escalations": [
            {**row, "owner": _name(names, row["owner_id"]), "told": _name(names, row["user_id"])}
            for row in actions
            if row["action"] == "escalate"
        ],
        "cold_leads": cold[0] if cold else None,
    }


def read_credits(reader: Reader) -> dict[str, int]:
    """Return the credit of every rep of the policy as the last draw left it.

    Units: whole numbers of ``1 / ONE_LEAD`` of a lead.
    """
    return {row["rep"]: int(row["credit"]) for row in _read_loads(reader)}


def _read_loads(reader: Reader) -> list[dict[str, Any]]:
    """Return every rep, whoever was furthest from an exact share first."""
    is_there = reader.holds("reporting.rpt_rep_load", "worst_credit")
    return reader.rows(LOADS) if is_there else []


def _worst(loads: Sequence[Mapping[str, Any]], names: Mapping[str, str]) -> dict[str, Any] | None:
    """Name the rep who was ever furthest from an exact share; None before the first lead."""
    if not any(row["leads_given"] for row in loads):
        return None
    return {
        "rep": loads[0]["rep"],
        "name": _name(names, loads[0]["rep"]),
        "credit": loads[0]["credit"] / ONE_LEAD,
        "worst_credit": loads[0]["worst_credit"] / ONE_LEAD,
    }


def _name(names: Mapping[str, str], user_id: str) -> str:
    return names.get(user_id, user_id)


def sales_lines(found: Mapping[str, Any]) -> list[str]:
    """Tell it in a few lines."""
    lines = ["Sales", f"  fair draw   {_told_fairness(found['fair_draw'])}"]
    count = sum(row["leads"] for row in found["caught"])
    who = ", ".join(f"{row['name']} {row['leads']}" for row in found["caught"])
    caught = f"{count} leads in seven days that nobody else could take: {who}"
    lines.append(f"  catch-all   {caught if count else 'no lead in seven days'}")
    done = found["clock_actions"]
    lines.append(
        f"  clocks      in a day {done['remind']} reminded, {done['escalate']} escalated, "
        f"{done['coach']} coached"
    )
    lines += [
        f"              {row['told']} was told of {row['lead_key']}: "
        f"{row['owner']} was due {row['sla_due_at']:%Y-%m-%d %H:%M}"
        for row in found["escalations"][:FEW]
    ]
    cold = found["cold_leads"]
    if cold:
        lines.append(
            f"  cold leads  {cold['due']} of {cold['leads']} are due to be looked at again"
        )
    return lines


def _told_fairness(found: Mapping[str, Any]) -> str:
    worst = found["worst"]
    if worst is None:
        return "nothing was drawn yet"
    if not worst["worst_credit"]:
        return f"everybody has had an exact share ({found['reps']} reps)"
    side = "was owed" if worst["worst_credit"] > 0 else "was ahead by"
    return (
        f"{worst['name']} {side} {abs(worst['worst_credit']):.3f} of a lead at the worst, "
        f"the furthest of {found['reps']} reps"
    )
