"""Our properties made in HubSpot: what is missing is created, what is there is never changed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from flows.connectors.base import Change, CustomField, Field
from flows.connectors.http import slices
from flows.connectors.hubspot.fields import (
    CUSTOM_FIELDS,
    GROUP,
    KINDS,
    PROPERTIES,
    misfit,
    properties_of,
)
from flows.connectors.hubspot.refusals import cure, detail
from flows.connectors.hubspot.streams import PLURALS
from flows.connectors.hubspot.wire import Wire
from flows.errors import SourceError, VendorError, mask, shorten

BATCH = 100
TAKEN = "OBJECT_ALREADY_EXISTS"
SCOPE = "crm.schemas.contacts.write"


def set_up(wire: Wire) -> Iterator[Change]:
    """Create the properties that are missing. Second run: all are present, and nothing is sent."""
    for name in dict.fromkeys(spec.object_name for spec in CUSTOM_FIELDS):
        specs = [spec for spec in CUSTOM_FIELDS if spec.object_name == name]
        plural = PLURALS[name]
        try:
            held = _held(wire, plural)
        except SourceError as error:
            yield from (_refused(spec, _no(error)) for spec in specs)
            continue
        missing = [spec for spec in specs if spec.name not in held]
        yield from (_compared(spec, held[spec.name]) for spec in specs if spec.name in held)
        if missing:
            yield from _created(wire, plural, missing)


def _created(wire: Wire, plural: str, specs: Sequence[CustomField]) -> Iterator[Change]:
    address = f"hubspot.group {plural}.{GROUP}"
    try:
        is_new = _make_group(wire, plural)
    except SourceError as error:
        yield Change(address, "refused", _no(error))
        yield from (_refused(spec, f"there is no group {GROUP} to put it in") for spec in specs)
        return
    yield Change(address, "created" if is_new else "present")
    for some in slices(specs, BATCH):
        yield from _make_properties(wire, plural, some)


def _make_group(wire: Wire, plural: str) -> bool:
    """Create the group our properties stand in; False where it is there already."""
    path = f"{PROPERTIES}{plural}/groups"
    doing = "reading property groups"
    groups = wire.items(wire.get(path, doing, lane="doctor"), doing)
    if any(isinstance(group, dict) and group.get("name") == GROUP for group in groups):
        return False
    body = {"name": GROUP, "label": "Baton", "displayOrder": -1}
    try:
        wire.call("POST", path, "creating a property group", body=body, lane="doctor")
    except VendorError as error:
        # Somebody was faster, or it is archived and its name still taken.
        if error.status != 409:
            raise
        return False
    return True


def _make_properties(wire: Wire, plural: str, specs: Sequence[CustomField]) -> Iterator[Change]:
    path, doing = f"{PROPERTIES}{plural}/batch/create", "creating properties"
    inputs = [_definition(spec) for spec in specs]
    try:
        body = wire.call("POST", path, doing, body={"inputs": inputs}, lane="doctor")
    except SourceError as error:
        if error.status != 409:
            yield from (_refused(spec, _no(error)) for spec in specs)
            return
        # Documented as 207; one taken name may also refuse the whole batch, as with contacts.
        if len(specs) > 1:
            for spec in specs:
                yield from _make_properties(wire, plural, [spec])
            return
        body = {"errors": [{"category": TAKEN, "message": error.answer, **_about(specs[0])}]}
    yield from _answered(wire, plural, specs, body)


def _answered(
    wire: Wire, plural: str, specs: Sequence[CustomField], body: dict[str, Any]
) -> Iterator[Change]:
    """Read what became of each property of a batch."""
    made = {item.get("name") for item in body.get("results") or [] if isinstance(item, dict)}
    errors = [error for error in body.get("errors") or [] if isinstance(error, dict)]
    rest = [spec for spec in specs if spec.name not in made]
    held: dict[str, Field] = {}
    if rest:
        try:
            held = _held(wire, plural)
        except SourceError as error:
            errors += [{"category": "unknown", "message": detail(error), **_about(s)} for s in rest]
    for spec in specs:
        if spec.name in made:
            yield Change(_address(spec), "created")
        elif spec.name in held:
            yield _compared(spec, held[spec.name])
        else:
            yield _refused(spec, _reason(spec, errors))


def _reason(spec: CustomField, errors: list[dict[str, Any]]) -> str:
    for error in errors:
        if spec.name in str(error.get("context")) or spec.name in str(error.get("message")):
            words = shorten(mask(f"{error.get('category')}: {error.get('message')}"))
            if error.get("category") == TAKEN:
                return (
                    f"{words}. An archived property still holds the name: restore it in HubSpot "
                    "(Settings, Properties, Archived), then run baton setup-crm again"
                )
            return words
    return "HubSpot answered and did not mention it. Run baton setup-crm again"


def _no(error: SourceError) -> str:
    return f"{detail(error)}. {cure(error, SCOPE)}"


def _held(wire: Wire, plural: str) -> dict[str, Field]:
    return {field.name: field for field in properties_of(wire, plural, lane="doctor")}


def _compared(spec: CustomField, held: Field) -> Change:
    problem = misfit(spec, held)
    if problem is None:
        return Change(_address(spec), "present")
    return _refused(
        spec,
        f"{problem}. Nothing was changed. Archive the property in HubSpot (Settings, Properties) "
        "if nobody needs it, then run baton setup-crm again",
    )


def _refused(spec: CustomField, reason: str) -> Change:
    return Change(_address(spec), "refused", reason)


def _address(spec: CustomField) -> str:
    return f"hubspot.field {spec.object_name}.{spec.name}"


def _about(spec: CustomField) -> dict[str, Any]:
    return {"context": {"name": [spec.name]}}


def _definition(spec: CustomField) -> dict[str, Any]:
    kind, edited = KINDS[spec.kind]
    return {
        "groupName": GROUP,
        "name": spec.name,
        "label": spec.label,
        "description": spec.description,
        "type": kind,
        "fieldType": edited,
        "formField": False,
        "hasUniqueValue": spec.is_unique,
    }
