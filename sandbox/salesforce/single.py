"""Single rows by id and by external id, and what changed or went within a span."""

from __future__ import annotations

from datetime import datetime, timedelta

from sandbox.salesforce.call import (
    Answer,
    Call,
    an_object,
    external_field,
    limit_size,
    path_id,
    refuse_in_body,
)
from sandbox.salesforce.errors import AmbiguousError, SalesforceError, not_found
from sandbox.salesforce.schema import SObject
from sandbox.salesforce.values import Row, full_id, parse_time, wire_time

DELETED_WINDOW = timedelta(days=15)
UPDATED_WINDOW = timedelta(days=30)
MOST_IDS = 600_000


def get_row(call: Call) -> Answer:
    """Answer one record."""
    sobject = call.sobject()
    id_ = path_id(sobject, call.params["id"])
    found = call.store.table(sobject.name).by_ids([id_])
    if not found:
        raise not_found()
    if found[0].get("IsDeleted"):
        raise SalesforceError("ENTITY_IS_DELETED", "entity is deleted", status=404)
    return 200, call.record(sobject, found[0], call.query.get("fields"))


def create_row(call: Call) -> Answer:
    """Create one record."""
    made = call.writer().create(call.sobject(), an_object(call.body))
    return 201, {"id": made, "success": True, "errors": []}


def update_row(call: Call) -> Answer:
    """Change one record; nothing is answered."""
    sobject = call.sobject()
    id_ = path_id(sobject, call.params["id"])
    body = an_object(call.body)
    refuse_in_body(body, "Id")
    call.writer().update(sobject, id_, body, is_row=True)
    return 204, None


def delete_row(call: Call) -> Answer:
    """Delete one record; nothing is answered."""
    sobject = call.sobject()
    call.writer().delete(sobject, path_id(sobject, call.params["id"]), is_row=True)
    return 204, None


def get_by_key(call: Call) -> Answer:
    """Answer the record that holds an external id."""
    sobject = call.sobject()
    known = external_field(sobject, call.params["field"])
    row = _by_key(call, sobject, known)
    return 200, call.record(sobject, row, call.query.get("fields"))


def delete_by_key(call: Call) -> Answer:
    """Delete the record that holds an external id."""
    sobject = call.sobject()
    known = external_field(sobject, call.params["field"])
    call.writer().delete(sobject, _by_key(call, sobject, known)["Id"], is_row=True)
    return 204, None


def _by_key(call: Call, sobject: SObject, known: str) -> Row:
    found = call.store.by_key(sobject.name, known, call.params["value"])
    if not found:
        raise not_found()
    if len(found) > 1:
        raise AmbiguousError(sobject.name, found)
    return call.store.table(sobject.name).rows[found[0]]


def upsert_row(call: Call) -> Answer:
    """Update the record that holds an external id, or create it."""
    sobject = call.sobject()
    known = external_field(sobject, call.params["field"])
    body = an_object(call.body)
    refuse_in_body(body, "Id")
    refuse_in_body(body, known)
    id_, is_new = call.writer().upsert(
        sobject,
        known,
        call.params["value"],
        body,
        update_only=call.query.get("updateOnly", "").lower() == "true",
    )
    if not is_new and float(call.version) < 46:
        return 204, None
    answer = {"id": id_, "success": True, "errors": [], "created": is_new}
    return (201 if is_new else 200), answer


def retrieve(call: Call) -> Answer:
    """Answer many rows of one object in the order asked; null for one that is not there."""
    sobject = call.sobject()
    if call.body is None:
        ids = call.query.get("ids", "").split(",")
        fields = [name for name in call.query.get("fields", "").split(",") if name]
    else:
        body = an_object(call.body)
        ids, fields = body.get("ids") or [], body.get("fields") or []
    limit_size(len(ids), most=2000)
    rows = [call.store.table(sobject.name).rows.get(full_id(str(id_)) or "") for id_ in ids]
    return 200, [
        None if row is None or row.get("IsDeleted") else call.record(sobject, row, fields)
        for row in rows
    ]


def deleted(call: Call) -> Answer:
    """Answer the ids that went within a span, at most 15 days back."""
    sobject, (start, end) = call.sobject(), _span(call, DELETED_WINDOW)
    now = call.store.clock.now()
    low, high = wire_time(start), wire_time(end)
    gone = [
        (row["SystemModstamp"], row["Id"])
        for row in _within(call, sobject, low, high)
        if row.get("IsDeleted")
    ]
    gone += [pair for pair in call.store.purged.get(sobject.name, ()) if low <= pair[0] < high]
    _limit_ids(len(gone))
    return 200, {
        "deletedRecords": [{"id": id_, "deletedDate": at} for at, id_ in sorted(gone)],
        "earliestDateAvailable": wire_time(now - DELETED_WINDOW),
        "latestDateCovered": wire_time(min(end, now).replace(second=0)),
    }


def updated(call: Call) -> Answer:
    """Answer the ids of living records that changed within a span, at most 30 days back."""
    sobject, (start, end) = call.sobject(), _span(call, UPDATED_WINDOW)
    found = _within(call, sobject, wire_time(start), wire_time(end))
    ids = [row["Id"] for row in found if not row.get("IsDeleted")]
    _limit_ids(len(ids))
    return 200, {
        "ids": ids,
        "latestDateCovered": wire_time(min(end, call.store.clock.now()).replace(second=0)),
    }


def _limit_ids(count: int) -> None:
    if count > MOST_IDS:
        raise SalesforceError("EXCEEDED_ID_LIMIT", "too many ids in this span; ask for a shorter")


def _within(call: Call, sobject: SObject, low: str, high: str) -> list[Row]:
    rows = call.store.table(sobject.name).between(low, high)
    return [row for row in rows if row[sobject.stamp] < high]


def _span(call: Call, window: timedelta) -> tuple[datetime, datetime]:
    """Return the start and end asked for; the vendor ignores their seconds."""
    try:
        start, end = (
            parse_time(call.query[name].replace(" ", "+")).replace(second=0, microsecond=0)
            for name in ("start", "end")
        )
    except (KeyError, ValueError):
        raise SalesforceError("INVALID_REPLICATION_DATE", "start and end are required") from None
    if start >= end:
        raise SalesforceError("INVALID_REPLICATION_DATE", "startDate before endDate")
    if start < call.store.clock.now() - window:
        raise SalesforceError(
            "INVALID_REPLICATION_DATE", f"startDate cannot be more than {window.days} days ago"
        )
    return start, end
