"""Our own properties in HubSpot, and how the account describes all of them."""

from __future__ import annotations

from typing import Any

from flows.connectors.base import CustomField, Field
from flows.connectors.hubspot.streams import CRM_OBJECTS
from flows.connectors.hubspot.wire import Wire
from flows.errors import SourceError, is_refused

PREFIX = "baton_"
GROUP = "baton"
PROPERTIES = "/crm/properties/{version}/"

# Not unique: after a merge or a split two contacts may show one lead's key for the length of a
# sync, and a unique property would refuse the write that puts it right.
CUSTOM_FIELDS = (
    CustomField(
        "contact",
        "baton_lead_key",
        "Baton lead",
        "text",
        "Baton's key of the lead. Written by Baton; do not edit.",
    ),
    CustomField(
        "contact", "baton_score", "Baton score", "number", "How sales-ready the lead is, 1 to 10."
    ),
    CustomField(
        "contact",
        "baton_score_reasons",
        "Baton score reasons",
        "long_text",
        "Which rules gave or took the points of the score.",
        length=65_536,
    ),
    CustomField(
        "contact", "baton_trigger", "Baton trigger", "text", "What the lead did to be handed over."
    ),
    CustomField(
        "contact",
        "baton_context_gaps",
        "Baton context gaps",
        "text",
        "What sales should know and nobody does yet.",
    ),
)
# Our kind of field: (HubSpot's type, the way it is edited there).
KINDS = {
    "text": ("string", "text"),
    "long_text": ("string", "textarea"),
    "number": ("number", "number"),
    "datetime": ("datetime", "date"),
}


def describe(wire: Wire) -> dict[str, list[Field]]:
    """Return the properties of each CRM object, by name; an object not granted is left out.

    So is one without any property: every object has its own id, so that answer tells of nothing,
    least of all that all properties are gone.
    """
    found: dict[str, list[Field]] = {}
    for stream in CRM_OBJECTS:
        try:
            properties = properties_of(wire, stream.name)
        except SourceError as error:
            if not (stream.is_optional and is_refused(error)):
                raise
            continue
        if properties:
            found[stream.name] = properties
    return found


def properties_of(wire: Wire, name: str, lane: str = "read") -> list[Field]:
    """Read the properties of one object, in the order of their names."""
    doing = f"describing {name}"
    items = wire.items(wire.get(f"{PROPERTIES}{name}", doing, lane=lane), doing)
    fields = [_field(i) for i in items if isinstance(i, dict) and isinstance(i.get("name"), str)]
    return sorted(fields, key=lambda field: field.name)


def missing_of_ours(described: dict[str, list[Field]]) -> dict[str, list[str]]:
    """Name, per stream, our own properties the account does not have.

    Others may well be missing: small accounts know fewer, and HubSpot passes over unknown names.
    """
    missing: dict[str, list[str]] = {}
    for stream in CRM_OBJECTS:
        if stream.name not in described:
            continue
        held = {field.name for field in described[stream.name]}
        names = [n for n in stream.fields if n.startswith(PREFIX) and n not in held]
        if names:
            missing[stream.name] = names
    return missing


def misfit(spec: CustomField, held: Field) -> str | None:
    """Say what is wrong with a property that has the name of ours; None where nothing is."""
    wanted = KINDS[spec.kind][0]
    if held.kind != wanted:
        return f"it is a {held.kind or 'nameless type'}, and must be a {wanted}"
    if held.options:
        return "it takes chosen values only, and must take any"
    return None if held.is_writable else "its value is read-only"


def _field(item: dict[str, Any]) -> Field:
    changes = item.get("modificationMetadata")
    options = item.get("options") if not item.get("externalOptions") else None
    listed = options if isinstance(options, list) else []
    values = (o.get("value") for o in listed if isinstance(o, dict))
    return Field(
        name=item["name"],
        kind=str(item.get("type") or ""),
        label=str(item.get("label") or ""),
        # Hidden ones too: the API takes them, and records hold them.
        options=tuple(sorted(str(value) for value in values if value is not None)),
        is_writable=not (isinstance(changes, dict) and changes.get("readOnlyValue") is True),
    )
