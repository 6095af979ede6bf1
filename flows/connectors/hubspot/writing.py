"""How rows are written to HubSpot and read back: batches of 100, answered row by row."""

from __future__ import annotations

import re
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
from flows.connectors.hubspot.refusals import named, parts, reason, refused_option
from flows.connectors.hubspot.streams import CONTACT_PROPERTIES, OBJECTS, PLURALS
from flows.connectors.hubspot.wire import Wire
from flows.errors import VendorError, mask, shorten

BATCH = 100
REFUSED, LOCKED = (400, 404, 409), 423
# What is wrong with the property itself, whatever its value.
HOPELESS = {"PROPERTY_DOESNT_EXIST", "READ_ONLY_VALUE"}


def push(wire: Wire, object_name: str, key: str, rows: Sequence[Row]) -> Iterator[Receipt]:
    """Update rows by id, 100 a call."""
    path = f"{OBJECTS}{PLURALS.get(object_name, object_name)}/batch/update"
    doing = f"updating {object_name}s"

    def send(call: list[Row]) -> list[Receipt]:
        inputs = [{"id": str(row[key]), "properties": properties(row, key)} for row in call]
        try:
            body = wire.call("POST", path, doing, body={"inputs": inputs}, lane="write")
        except VendorError as error:
            if error.status not in (*REFUSED, LOCKED):
                raise
            why, option = reason(error), refused_option(error)
            # A lock that outlasted our patience is the next run's business, and not that of the
            # other batches; asking again row by row would wait it out a hundred times.
            if len(call) > 1 and error.status != LOCKED and not _all_guilty(error.body, inputs):
                raise BatchRefused(why) from None
            return [
                Receipt(str(row[key]), "rejected", reason=why, refused_field=option) for row in call
            ]
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
        # It settles what became of a write, so it may go on as long as writing may.
        body = wire.call("POST", path, f"reading {object_name}s", body=asked, lane="write")
        for item in wire.items(body, f"reading {object_name}s"):
            values = item.get("properties") if isinstance(item, dict) else None
            if not isinstance(values, dict):
                continue
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
    lost = "HubSpot answered the call and did not mention this record (merged or removed?)"
    for problem in body.get("errors") or []:
        if not isinstance(problem, dict):
            continue
        said = str(problem.get("message") or "no reason given")
        why = shorten(mask(f"{problem.get('category') or 'error'}: {said}"))
        ids = named({"context": problem.get("context")}, "ids")
        if not ids:
            # Some entries come without context; the message may name the record.
            words = set(re.findall(r"\d+", said))
            ids = [name for name in keys if name in words and name not in done]
        if not ids:
            lost = f"HubSpot refused part of the call and did not say which records: {why}"
        for name in ids:
            done[name] = Receipt(name, "rejected", reason=why)
    return [done.get(name) or Receipt(name, "unknown", reason=lost) for name in keys]


def _all_guilty(body: Any, inputs: list[dict[str, Any]]) -> bool:
    """Say whether the refusal is about properties as such, and all rows carry them.

    Halving such a batch would ask the same question 200 times and get the same answer.
    """
    codes = {part.get("code") for part in parts(body)} - {None}
    names = set(named(body, "propertyName"))
    if not codes or not codes <= HOPELESS or not names:
        return False
    return all(names <= set(item["properties"]) for item in inputs)
