"""How rows are written to Salesforce: collections of 200, answered row by row."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import stamina

from flows.connectors.base import BatchRefused, Receipt, Row, Status, batches, deliver, iso, text_id
from flows.connectors.salesforce.wire import Wire
from flows.errors import SourceError, VendorError, mask, shorten

BATCH = 200
LOCK_ATTEMPTS = 4


class _Locked(Exception):  # noqa: N818 - an event between two functions, not an error
    """Some rows of a call met UNABLE_TO_LOCK_ROW; only waiting helps (jsforce#1018)."""


def push(wire: Wire, sobject: str, key: str, rows: Sequence[Row]) -> Iterator[Receipt]:
    """Update rows that carry an ``Id``; upsert the others by the external id ``key``."""
    known = [row for row in rows if row.get("Id")]
    new = [row for row in rows if not row.get("Id")]

    def send(call: list[Row]) -> list[Receipt]:
        path = f"{wire.root}/composite/sobjects"
        if not call[0].get("Id"):
            path += f"/{sobject}/{key}"
        return _patiently(wire, path, sobject, key, call)

    calls = [*batches(known, BATCH, (key, "Id")), *batches(new, BATCH, (key,))]
    return deliver(calls, key, send)


def _patiently(wire: Wire, path: str, sobject: str, key: str, call: list[Row]) -> list[Receipt]:
    """Send one collection and repeat, with jitter, only the rows that met a lock."""
    receipts: dict[str, Receipt] = {}
    for attempt in stamina.retry_context(_Locked, attempts=LOCK_ATTEMPTS, wait_initial=0.3):
        with attempt:
            left = [row for row in call if _is_locked(receipts.get(str(row[key])))] or call
            try:
                receipts.update(_send(wire, path, sobject, key, left))
            except SourceError as error:
                if not receipts:
                    raise
                # The answers of the first attempt stand; only the repeated rows are in doubt.
                status: Status = "unknown" if error.ambiguous else "rejected"
                for row in left:
                    name = str(row[key])
                    receipts[name] = Receipt(name, status, reason=str(error))
            if attempt.num < LOCK_ATTEMPTS and any(map(_is_locked, receipts.values())):
                raise _Locked
    return [receipts[str(row[key])] for row in call]


def _send(wire: Wire, path: str, sobject: str, key: str, call: list[Row]) -> dict[str, Receipt]:
    records = [{"attributes": {"type": sobject}, **_fields(row)} for row in call]
    try:
        answer = wire.call(
            "PATCH",
            path,
            f"writing {sobject} rows",
            body={"allOrNone": False, "records": records},
            # Defaults to TRUE, for updates too: the org's rule would overwrite the owner.
            headers={"Sforce-Auto-Assign": "FALSE"},
        )
    except VendorError as error:
        if error.status not in (300, 400, 404):
            raise
        raise BatchRefused(f"{error.code or error.status}: {error.answer}") from None
    results = answer.body if isinstance(answer.body, list) else []
    # Results stand in the order of the request and carry no key of ours: fewer of them, and
    # nobody can say whose they are.
    if len(results) != len(call):
        results = [None] * len(call)
    pairs = zip(call, results, strict=True)
    return {str(row[key]): _receipt(str(row[key]), result) for row, result in pairs}


def _fields(row: Row) -> Row:
    named = {"Id": "id"}
    return {named.get(name, name): _value(v) for name, v in row.items() if v is not None}


def _value(value: Any) -> Any:
    if isinstance(value, datetime):
        return iso(value)
    return value if isinstance(value, bool | int | float | str) else str(value)


def _receipt(key: str, result: Any) -> Receipt:
    if not isinstance(result, dict):
        return Receipt(key, "unknown", reason="Salesforce answered without this row")
    vendor_id = text_id(result.get("id"))
    if result.get("success") is True:
        return Receipt(key, "accepted", vendor_id)
    errors = [e for e in result.get("errors") or [] if isinstance(e, dict)]
    words = "; ".join(f"{e.get('statusCode')}: {e.get('message')}" for e in errors)
    return Receipt(key, "rejected", vendor_id, shorten(mask(words or "no reason given")))


def _is_locked(receipt: Receipt | None) -> bool:
    # A trigger that met the lock reports it inside CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY.
    return (
        receipt is not None
        and receipt.status == "rejected"
        and "UNABLE_TO_LOCK_ROW" in (receipt.reason or "")
    )
