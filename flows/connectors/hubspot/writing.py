"""How rows are written to HubSpot and read back: batches of 100, answered row by row."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from flows.connectors.base import (
    BatchRefused,
    Receipt,
    Row,
    batches,
    deliver,
    iso,
    text_id,
)
from flows.connectors.http import slices
from flows.connectors.hubspot.wire import CONTACT_PROPERTIES, Wire
from flows.errors import VendorError, mask, shorten

BATCH = 100
OBJECTS = "/crm/objects/{version}/"
PLURALS = {"contact": "contacts", "company": "companies", "deal": "deals", "task": "tasks"}


def push(wire: Wire, object_name: str, key: str, rows: Sequence[Row]) -> Iterator[Receipt]:
    """Update rows by id, 100 a call."""
    path = f"{OBJECTS}{PLURALS.get(object_name, object_name)}/batch/update"

    def send(call: list[Row]) -> list[Receipt]:
        inputs = [{"id": str(row[key]), "properties": properties(row, key)} for row in call]
        try:
            body = wire.call("POST", path, f"updating {object_name}s", body={"inputs": inputs})
        except VendorError as error:
            if error.status not in (400, 404, 409):
                raise
            reason = error.answer or str(error)
            if _all_guilty(error.body, inputs):
                return [Receipt(str(row[key]), "rejected", reason=reason) for row in call]
            raise BatchRefused(reason) from None
        return _receipts([str(row[key]) for row in call], body)

    return deliver(batches(rows, BATCH, (key,)), key, send)


def find(wire: Wire, object_name: str, key: str, keys: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Read records by ``key``, 100 a call."""
    path = f"{OBJECTS}{PLURALS.get(object_name, object_name)}/batch/read"
    wanted = list(CONTACT_PROPERTIES) if object_name == "contact" else []
    found: dict[str, dict[str, Any]] = {}
    for some in slices(list(dict.fromkeys(keys)), BATCH):
        asked: dict[str, Any] = {"properties": wanted, "inputs": [{"id": name} for name in some]}
        if key != "id":
            asked["idProperty"] = key
            asked["properties"] = [*{*wanted, key}]
        body = wire.call("POST", path, f"reading {object_name}s", body=asked)
        for item in wire.items(body, f"reading {object_name}s"):
            values = item.get("properties") or {}
            names = [item.get("id") if key == "id" else values.get(key)]
            if key == "id":
                names += str(values.get("hs_merged_object_ids") or "").split(";")
            found.update({name: item for name in map(str, names) if name in some})
    return found


def properties(row: Row, key: str) -> dict[str, str]:
    """Write a row as HubSpot properties: text only, and nothing for what is to be left alone."""
    return {name: _text(value) for name, value in row.items() if name != key and value is not None}


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return iso(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, float | Decimal):
        # 92.0 would come back as "92" and differ from what we sent for ever.
        return format(Decimal(str(value)).normalize(), "f")
    return str(value)


def _receipts(keys: list[str], body: dict[str, Any]) -> list[Receipt]:
    """Read a batch answer row by row; the status of the whole call says nothing."""
    done: dict[str, Receipt] = {}
    for item in body.get("results") or []:
        name = text_id(item.get("id")) if isinstance(item, dict) else None
        if name:
            done[name] = Receipt(name, "accepted", name, returned=item.get("properties"))
    for problem in body.get("errors") or []:
        if not isinstance(problem, dict):
            continue
        reason = shorten(mask(f"{problem.get('category')}: {problem.get('message')}"))
        context = problem.get("context")
        ids = context.get("ids") if isinstance(context, dict) else None
        for name in map(str, ids or []):
            done[name] = Receipt(name, "rejected", reason=reason)
    lost = "HubSpot answered the call and did not mention this record (merged or removed?)"
    return [done.get(name) or Receipt(name, "unknown", reason=lost) for name in keys]


def _all_guilty(body: Any, inputs: list[dict[str, Any]]) -> bool:
    """Say whether the refusal names a property that does not exist, and all rows carry it.

    Halving such a batch would ask the same question 200 times and get the same answer.
    """
    if not isinstance(body, dict) or "PROPERTY_DOESNT_EXIST" not in str(body.get("errors")):
        return False
    contexts = [
        body.get("context"),
        *(e.get("context") for e in body["errors"] if isinstance(e, dict)),
    ]
    names = {
        str(name)
        for context in contexts
        if isinstance(context, dict)
        for name in context.get("propertyName") or []
    }
    return bool(names) and all(names <= set(item["properties"]) for item in inputs)
