"""How rows are written to Salesforce: collections of 200, answered row by row; many, by a job."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import stamina

from flows.connectors.base import (
    BatchRefused,
    Receipt,
    Row,
    Status,
    batches,
    deliver,
    text_id,
)
from flows.connectors.salesforce import bulk_write, soql
from flows.connectors.salesforce.outgoing import REFUSED_VALUE, is_passing, refused_field, value
from flows.connectors.salesforce.wire import Wire
from flows.errors import SourceError, VendorError, mask, shorten

BATCH = 200
LOCK_ATTEMPTS = 4
HEADERS = {
    # Defaults to TRUE, for updates too: the org's rule would overwrite the owner.
    "Sforce-Auto-Assign": "FALSE",
    # A rule that only alerts asks a person who is not there; one that blocks still blocks.
    "Sforce-Duplicate-Rule-Header": "allowSave=true",
}


class _Locked(Exception):  # noqa: N818 - an event between two functions, not an error
    """Some rows of a call met a lock; only waiting helps (jsforce#1018)."""


def push(wire: Wire, sobject: str, key: str, rows: Sequence[Row]) -> Iterator[Receipt]:
    """Update rows that carry an ``Id``; upsert the others by the external id ``key``.

    From 2,000 rows of one operation on, what a job can carry goes as a job.
    """
    broken: SourceError | None = None
    for group in ([r for r in rows if r.get("Id")], [r for r in rows if not r.get("Id")]):
        left = group
        if broken is None:
            left, broken = yield from bulk_write.push(wire, sobject, key, group)
        if broken is None:
            yield from _collections(wire, sobject, key, left)
        else:
            reason = f"not sent: {broken}"
            yield from (Receipt(str(row[key]), "rejected", reason=reason) for row in left)


def _collections(wire: Wire, sobject: str, key: str, rows: Sequence[Row]) -> Iterator[Receipt]:
    def send(call: list[Row]) -> list[Receipt]:
        path = f"{wire.root}/composite/sobjects"
        if not call[0].get("Id"):
            path += f"/{sobject}/{key}"
        return _patiently(wire, path, sobject, key, call)

    known = [row for row in rows if row.get("Id")]
    new = [row for row in rows if not row.get("Id")]
    calls = [*batches(known, BATCH, (key, "Id")), *batches(new, BATCH, (key,))]
    return deliver(calls, key, send)


def _patiently(wire: Wire, path: str, sobject: str, key: str, call: list[Row]) -> list[Receipt]:
    """Send one collection and repeat, with jitter, only the rows that met a lock."""
    receipts: dict[str, Receipt] = {}
    left = call
    for attempt in stamina.retry_context(_Locked, attempts=LOCK_ATTEMPTS, wait_initial=0.3):
        with attempt:
            try:
                answered, locked = _send(wire, path, sobject, key, left)
            except SourceError as error:
                if not receipts:
                    raise
                # The answers of the first attempt stand; only the repeated rows are in doubt.
                status: Status = "unknown" if error.ambiguous else "rejected"
                answered = [Receipt(str(row[key]), status, reason=str(error)) for row in left]
                locked = []
            receipts.update({receipt.key: receipt for receipt in answered})
            left = locked
            if left and attempt.num < LOCK_ATTEMPTS:
                raise _Locked
    return [receipts[str(row[key])] for row in call]


def _send(
    wire: Wire, path: str, sobject: str, key: str, call: list[Row]
) -> tuple[list[Receipt], list[Row]]:
    """Send one collection; returns a receipt per row, and the rows worth sending again."""
    records = [{"attributes": {"type": sobject}, **_fields(row)} for row in call]
    try:
        answer = wire.call(
            "PATCH",
            path,
            f"writing {sobject} rows",
            lane="write",
            body={"allOrNone": False, "records": records},
            headers=HEADERS,
        )
    except VendorError as error:
        # A 404 is about the object or the external id: no row of it would be taken.
        if error.status not in (300, 400):
            raise
        reason = f"{error.code or error.status}: {error.answer}"
        if is_passing(str(error.body)):
            return [Receipt(str(row[key]), "rejected", reason=reason) for row in call], call
        column = soql.missing_column(error)
        guilty = [row for row in call if column is not None and row.get(column) is not None]
        if not guilty:
            raise BatchRefused(reason) from None
        # Halving would ask 399 times for what one answer already tells.
        innocent = [row for row in call if row not in guilty]
        receipts, locked = _send(wire, path, sobject, key, innocent) if innocent else ([], [])
        refused = [Receipt(str(row[key]), "rejected", reason=reason) for row in guilty]
        return [*refused, *receipts], locked
    results = answer.body if isinstance(answer.body, list) else []
    # Results stand in the order of the request and carry no key of ours: fewer of them, and
    # nobody can say whose they are.
    if len(results) != len(call):
        results = [None] * len(call)
    pairs = list(zip(call, results, strict=True))
    receipts = [_receipt(row, str(row[key]), result) for row, result in pairs]
    return receipts, [row for row, result in pairs if _has_passing(result)]


def _fields(row: Row) -> Row:
    named = {"Id": "id"}
    return {named.get(name, name): value(v) for name, v in row.items() if v is not None}


def _errors(result: Any) -> list[dict[str, Any]]:
    errors = result.get("errors") if isinstance(result, dict) else None
    return [e for e in (errors if isinstance(errors, list) else []) if isinstance(e, dict)]


def _has_passing(result: Any) -> bool:
    # Looked for in the whole words: a reason is shortened.
    return any(
        is_passing(f"{error.get('statusCode')} {error.get('message')}") for error in _errors(result)
    )


def _receipt(row: Row, key: str, result: Any) -> Receipt:
    if not isinstance(result, dict):
        return Receipt(key, "unknown", reason="Salesforce answered without this row")
    vendor_id = text_id(result.get("id")) or row.get("Id")
    if result.get("success") is True:
        return Receipt(key, "accepted", vendor_id)
    words = "; ".join(_reason(error) for error in _errors(result))
    reason, option = shorten(mask(words or "no reason given")), _refused_field(row, result)
    return Receipt(key, "rejected", vendor_id, reason, refused_field=option)


def _refused_field(row: Row, result: Any) -> str | None:
    for error in _errors(result):
        if error.get("statusCode") == REFUSED_VALUE:
            return refused_field(row, str(error.get("message")), _fields_of(error))
    return None


def _fields_of(error: dict[str, Any]) -> list[str]:
    fields = error.get("fields")
    return [str(name) for name in fields] if isinstance(fields, list) else []


def _reason(error: dict[str, Any]) -> str:
    """Put one refusal into words: code, message, the fields or records it is about."""
    words = f"{error.get('statusCode')}: {error.get('message')}"
    unnamed = [name for name in _fields_of(error) if name not in words]
    words += f" (fields {', '.join(unnamed)})" if unnamed else ""
    # Misspelt in some versions, and absent where the user may not see the matches.
    found = error.get("duplicateResult") or error.get("duplicateResut")
    return words + (_duplicates(found) if isinstance(found, dict) else "")


def _duplicates(found: dict[str, Any]) -> str:
    ids = [
        str(record["Id"])
        for match in _dicts(found.get("matchResults"))
        for matched in _dicts(match.get("matchRecords"))
        for record in _dicts([matched.get("record")])
        if record.get("Id")
    ]
    rule = f"rule {found.get('duplicateRule') or 'unnamed'}"
    return f" ({rule}, it matches {', '.join(ids)})" if ids else f" ({rule})"


def _dicts(items: Any) -> list[dict[str, Any]]:
    return [i for i in (items if isinstance(items, list) else []) if isinstance(i, dict)]
