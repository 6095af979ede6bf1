"""Look at what each system's records are made of, and tell what changed since the last run.

HubSpot ignores a property that is gone without a word, and Salesforce refuses the whole query: in
both cases somebody should read it here first, with the cure, and not in an empty column.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from flows.connectors.base import Connector, Field
from flows.ledger import Ledger, SchemaEvent

NAMED = 5


def watch_fields(connector: Connector, ledger: Ledger) -> list[SchemaEvent]:
    """Record what changed in the fields of a system's streams; returns the changes.

    Second run: none, what was told once is known. The first description of a stream is no change.
    Raises: SourceError.
    """
    ours = {stream.name: frozenset(stream.fields) for stream in connector.streams}
    events: list[SchemaEvent] = []
    for stream, fields in connector.describe().items():
        address = f"{connector.system}.{stream}"
        known = {field.name: field for field in ledger.fields_of(address)}
        now = {field.name: field for field in fields}
        changed = [field for name, field in now.items() if known.get(name) != field]
        gone = [field for name, field in known.items() if name not in now]
        ledger.describe(address, changed, gone)
        if known:
            events += compare(address, known, now, ours.get(stream, frozenset()))
    ledger.schema_changed(events)
    return events


def compare(
    address: str, before: dict[str, Field], now: dict[str, Field], ours: Iterable[str]
) -> list[SchemaEvent]:
    """Say what became of each field between two descriptions of one stream."""
    read = frozenset(ours)
    new = {name: field for name, field in now.items() if name not in before}
    gone = {name: field for name, field in before.items() if name not in now}
    events = []
    for name, field in gone.items():
        heir = _heir(field, new.values())
        if heir is None:
            events.append(_vanished(address, field, name in read))
        else:
            del new[heir.name]
            events.append(_renamed(address, field, heir, name in read))
    events += [_appeared(address, field) for field in new.values()]
    for name in before.keys() & now.keys():
        events += _altered(address, before[name], now[name], name in read)
    return sorted(events, key=lambda event: (event.field, event.change))


def troubles(events: Sequence[SchemaEvent]) -> list[str]:
    """Put the changes that hit us into sentences: one per stream and kind of change."""
    told = []
    hit = [event for event in events if event.needs_a_person]
    for address, change in sorted({(event.address, event.change) for event in hit}):
        some = [event for event in hit if (event.address, event.change) == (address, change)]
        names = ", ".join(event.field for event in some[:NAMED])
        more = f" and {len(some) - NAMED} more" if len(some) > NAMED else ""
        told.append(f"{address}: {names}{more} {change}. {some[0].cure}")
    return told


def _heir(field: Field, candidates: Iterable[Field]) -> Field | None:
    """Find the field another one became: of the same type, under the same label."""
    same = [other for other in candidates if (other.kind, other.label) == (field.kind, field.label)]
    return same[0] if field.label and len(same) == 1 else None


def _vanished(address: str, field: Field, is_ours: bool) -> SchemaEvent:
    cure = (
        f"Restore {field.name} at {address.split('.')[0]} (or our right to read it), or take it "
        "out of the stream's field list and its staging model"
        if is_ours
        else "Nothing reads it; nothing needs doing"
    )
    return SchemaEvent(address, field.name, "vanished", field.kind, None, is_ours, cure)


def _renamed(address: str, field: Field, heir: Field, is_ours: bool) -> SchemaEvent:
    cure = (
        f"Put {heir.name} in the place of {field.name} in the stream's field list and its staging "
        "model"
        if is_ours
        else "Nothing reads it; nothing needs doing"
    )
    return SchemaEvent(address, field.name, "renamed", field.name, heir.name, is_ours, cure)


def _appeared(address: str, field: Field) -> SchemaEvent:
    cure = "To use it, add it to the stream's field list and stage it; nothing needs doing"
    return SchemaEvent(address, field.name, "new", None, field.kind, False, cure)


def _altered(address: str, before: Field, now: Field, is_ours: bool) -> list[SchemaEvent]:
    name, events = now.name, []
    if before.kind != now.kind:
        cure = f"Check how {name} is cast in its staging model, then run `dbt build`"
        event = SchemaEvent(address, name, "retyped", before.kind, now.kind, is_ours, cure)
        events.append(event)
    if before.label != now.label:
        cure = "Only what people see it called is new; nothing needs doing"
        event = SchemaEvent(address, name, "relabelled", before.label, now.label, False, cure)
        events.append(event)
    if before.is_writable and not now.is_writable:
        cure = f"Give the integration user the right to edit {name}, else what we write is refused"
        writes_it = is_ours and "baton" in name.lower()
        event = SchemaEvent(
            address, name, "became read-only", "writable", "read-only", writes_it, cure
        )
        events.append(event)
    lost = [option for option in before.options if option not in now.options]
    won = [option for option in now.options if option not in before.options]
    if lost or won:
        cure = (
            f"Check that no policy row and no record still says {', '.join(lost[:NAMED])}"
            if lost
            else "Map the new value in the policy table that reads this field, if one does"
        )
        event = SchemaEvent(
            address, name, "options changed", _listed(lost), _listed(won), False, cure
        )
        events.append(event)
    return events


def _listed(options: list[str]) -> str | None:
    return json.dumps(options) if options else None
