"""What Salesforce says of its own objects: their fields, types and permissions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from flows.connectors.base import Field
from flows.connectors.http import slices
from flows.connectors.salesforce.wire import Wire
from flows.errors import Forbidden, SchemaChanged, VendorError

BATCH = 25


def fetch(wire: Wire, sobjects: Sequence[str], lane: str = "read") -> dict[str, dict[str, Any]]:
    """Describe objects, 25 a call; one that this user may not see is left out.

    Raises: SourceError.
    """
    found: dict[str, dict[str, Any]] = {}
    for some in slices(list(dict.fromkeys(sobjects)), BATCH):
        found.update(_together(wire, some, lane))
        for name in some:
            if name not in found:
                found.update(_alone(wire, name, lane))
    return found


def kinds(wire: Wire, sobject: str, lane: str = "read") -> dict[str, str]:
    """Return the type of each field of one object, in the vendor's words. Raises: SourceError."""
    described = fetch(wire, [sobject], lane).get(sobject, {})
    return {field.name: field.kind for field in fields(described)}


def fields(described: dict[str, Any]) -> list[Field]:
    """Read the fields of one described object, in the order of their names."""
    return [_field(item) for _, item in sorted(by_name(described).items())]


def by_name(described: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the vendor's own description of each field of one described object."""
    items = described.get("fields")
    return {
        item["name"]: item
        for item in (items if isinstance(items, list) else [])
        if isinstance(item, dict) and isinstance(item.get("name"), str)
    }


def _field(item: dict[str, Any]) -> Field:
    values = item.get("picklistValues")
    options: Iterable[Any] = values if isinstance(values, list) else ()
    active = (
        str(option["value"])
        for option in options
        if isinstance(option, dict) and option.get("active", True) and "value" in option
    )
    return Field(
        name=item["name"],
        kind=str(item.get("type") or ""),
        label=str(item.get("label") or ""),
        # Of a picklist that takes any value, the list is only a proposal.
        options=tuple(active) if item.get("restrictedPicklist") is True else (),
        is_writable=item.get("updateable") is True,
    )


def _together(wire: Wire, names: Sequence[str], lane: str) -> dict[str, dict[str, Any]]:
    if len(names) == 1:
        return {}
    asked = [
        {"method": "GET", "url": f"v{wire.version}/sobjects/{name}/describe"} for name in names
    ]
    try:
        body = wire.object(
            "POST",
            f"{wire.root}/composite/batch",
            "describing the objects",
            lane=lane,
            body={"haltOnError": False, "batchRequests": asked},
        )
    except (VendorError, Forbidden, SchemaChanged):
        # Refused as a whole: the same is asked one by one, and whatever is wrong says so there.
        return {}
    results = body.get("results")
    if not isinstance(results, list) or len(results) != len(names):
        return {}
    return {
        name: item["result"]
        for name, item in zip(names, results, strict=True)
        if isinstance(item, dict)
        and item.get("statusCode") == 200
        and isinstance(item.get("result"), dict)
    }


def _alone(wire: Wire, name: str, lane: str) -> dict[str, dict[str, Any]]:
    try:
        path = f"{wire.root}/sobjects/{name}/describe"
        return {name: wire.object("GET", path, f"describing {name}", lane=lane)}
    except (VendorError, Forbidden) as error:
        if error.retryable or error.status not in (403, 404):
            raise
        return {}
