"""What Salesforce computes from what was given: names, closed flags, probabilities."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

from sandbox.salesforce.schema import NUMBERS, TEXTS, Field, SObject
from sandbox.salesforce.values import Row, must_be_id, parse_time, wire_time

DEFAULTS: dict[str, Row] = {
    "Lead": {"Status": "Open - Not Contacted", "IsUnreadByOwner": True},
    "Task": {"Status": "Not Started", "Priority": "Normal", "TaskSubtype": "Task"},
    "Event": {"EventSubtype": "Event"},
    "User": {"IsActive": True, "UserType": "Standard", "TimeZoneSidKey": "UTC"},
}
# (probability, forecast category, closed, won) of the stages of a new org
STAGES = {
    "Prospecting": (10.0, "Pipeline", False, False),
    "Qualification": (10.0, "Pipeline", False, False),
    "Needs Analysis": (20.0, "Pipeline", False, False),
    "Value Proposition": (50.0, "Pipeline", False, False),
    "Id. Decision Makers": (60.0, "Pipeline", False, False),
    "Perception Analysis": (70.0, "Pipeline", False, False),
    "Proposal/Price Quote": (75.0, "Pipeline", False, False),
    "Negotiation/Review": (90.0, "Pipeline", False, False),
    "Closed Won": (100.0, "Closed", True, True),
    "Closed Lost": (0.0, "Omitted", True, False),
}
# Where a record hangs on another: what a merge moves from the loser to the winner.
CHILDREN = {
    "Lead": (("Task", "WhoId"), ("Event", "WhoId")),
    "Contact": (("Task", "WhoId"), ("Event", "WhoId"), ("OpportunityContactRole", "ContactId")),
    "Account": (("Contact", "AccountId"), ("Opportunity", "AccountId"), ("Task", "WhatId")),
}


def converted(sobject: SObject, fields: Row) -> Row:
    """Return fields as the store holds them. Raises ValueError for one the object does not have."""
    given: Row = {}
    for name, value in fields.items():
        known = sobject.fields.get(name) or sobject.field(name)
        if known is None:
            raise ValueError(f"Salesforce {sobject.name} has no field {name!r}.")
        given[known.name] = held(known, value)
    return given


def held(known: Field, value: Any) -> Any:
    """Return a value as the store holds it: wire text for times, 18 letters for ids."""
    if value is None or value == "":
        return None
    kind = known.type
    if kind in TEXTS:  # most fields of most records
        return str(value)
    if kind == "datetime":
        return wire_time(value if isinstance(value, datetime) else parse_time(value))
    if kind == "date":
        if isinstance(value, datetime):
            return value.astimezone(UTC).date().isoformat()
        return value.isoformat() if isinstance(value, date) else str(value)[:10]
    if kind in ("reference", "id"):
        return must_be_id(value)
    if kind == "boolean":
        return bool(value)
    if kind == "int":
        return int(value)
    if kind in NUMBERS:
        return float(value)
    return value


def derive(sobject: SObject, row: Row, given: Row, stamp: str) -> None:
    """Fill what Salesforce computes, unless the population says otherwise."""
    name = sobject.name
    if name in ("Lead", "Contact", "User"):
        parts = (row.get("FirstName"), row.get("LastName"))
        row["Name"] = " ".join(part for part in parts if part) or None
    elif name == "Task":
        row["IsClosed"] = row["Status"] == "Completed"
        row["IsHighPriority"] = row["Priority"] == "High"
        if not row["IsClosed"]:
            row["CompletedDateTime"] = None
        elif not row.get("CompletedDateTime"):
            row["CompletedDateTime"] = stamp
    elif name == "Event":
        _derive_event(row)
    elif name == "Opportunity" and given.keys() & {"StageName", "CloseDate"}:
        _derive_opportunity(row, given)


def _derive_event(row: Row) -> None:
    start = row.get("StartDateTime") or row.get("ActivityDateTime")
    if not start:
        return
    row["StartDateTime"] = row["ActivityDateTime"] = start
    row["ActivityDate"] = start[:10]
    minutes = row.get("DurationInMinutes")
    end = row.get("EndDateTime")
    if end:
        row["DurationInMinutes"] = int((parse_time(end) - parse_time(start)).total_seconds() // 60)
    elif minutes is not None:
        row["EndDateTime"] = wire_time(parse_time(start) + timedelta(minutes=minutes))


def _derive_opportunity(row: Row, given: Row) -> None:
    probability, category, is_closed, is_won = STAGES.get(
        row.get("StageName") or "", (50.0, "Pipeline", False, False)
    )
    computed = {
        "Probability": probability,
        "ForecastCategory": category,
        "ForecastCategoryName": category,
        "IsClosed": is_closed,
        "IsWon": is_won,
    }
    row |= {name: value for name, value in computed.items() if given.get(name) is None}
    if row.get("CloseDate"):
        row["FiscalYear"] = int(row["CloseDate"][:4])
        row["FiscalQuarter"] = (int(row["CloseDate"][5:7]) + 2) // 3
