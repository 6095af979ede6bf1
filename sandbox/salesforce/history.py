"""Which changes an org remembers, and how a change becomes entries of a history.

A field is tracked or it is not. An owner leaves two entries, one with names and one with ids;
a conversion and a merge leave an entry without values.
"""

from __future__ import annotations

from collections.abc import Iterator

from sandbox.salesforce.schema import SObject
from sandbox.salesforce.table import HistoryTable
from sandbox.salesforce.values import Find, Row

TRACKED = {
    "Lead": ("LeadHistory", "LeadId", ("OwnerId", "Status")),
    "Opportunity": (
        "OpportunityFieldHistory",
        "OpportunityId",
        ("OwnerId", "StageName", "Amount", "CloseDate"),
    ),
}
SNAPSHOT = ("StageName", "Amount", "CloseDate", "Probability", "ForecastCategory")


def history_table(sobject: SObject) -> HistoryTable:
    """Return the empty log of one history object."""
    if sobject.name == "OpportunityHistory":
        return HistoryTable(sobject, ("OpportunityId", *SNAPSHOT, "CreatedById"))
    parent = next(parent for name, parent, _ in TRACKED.values() if name == sobject.name)
    return HistoryTable(sobject, (parent, "Field", "OldValue", "NewValue", "CreatedById"))


def changes(
    object_name: str, before: Row, after: Row, find: Find
) -> Iterator[tuple[str, str, str]]:
    """Yield field, old and new value of every tracked change, as the history words them."""
    tracked = TRACKED.get(object_name)
    for name in tracked[2] if tracked else ():
        old, new = before.get(name), after.get(name)
        if old == new:
            continue
        if name == "OwnerId":
            yield "Owner", _name(old, find), _name(new, find)
        yield name.removesuffix("Id"), _text(old), _text(new)


def _name(id_: str | None, find: Find) -> str:
    found = find(id_) if id_ else None
    return (found.get("Name") or id_ or "") if found else (id_ or "")


def _text(value: object) -> str:
    return "" if value is None else str(value)
