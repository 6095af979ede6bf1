"""The batches of CRM objects: a hundred inputs at most, each with its own fate."""

from __future__ import annotations

from typing import Any

from sandbox.hubspot.call import Answer, Call, batch, inputs_of
from sandbox.hubspot.objects import add_history, after_write, checked_input, created
from sandbox.hubspot.record import Record
from sandbox.hubspot.schema import ApiError, bad_request

MAX_HISTORY_BATCH = 50


def batch_read(call: Call) -> Answer:
    body = call.body
    with_history = body.get("propertiesWithHistory") or []
    inputs = inputs_of(call, MAX_HISTORY_BATCH) if with_history else inputs_of(call)
    wanted = body.get("properties") or []
    id_property = body.get("idProperty")
    found: dict[int, Record] = {}
    missing = []
    for item in inputs:
        record = call.store.find(call.object, str(item.get("id", "")), id_property)
        if record is None:
            missing.append(str(item.get("id", "")))
        else:
            found[record.id] = record
    rows = call.store.shown_all(call.object, found.values(), wanted)
    for row, record in zip(rows, found.values(), strict=True):
        add_history(call, row, record, with_history)
    return batch(call, 200, rows, _unknown(call, missing, "get"))


def batch_create(call: Call) -> Answer:
    inputs = inputs_of(call)
    checked = [checked_input(call, item) for item in inputs]
    traces = [item.get("objectWriteTraceId") for item in inputs]
    refused = _refused(call, [clean for clean, _ in checked])
    traced = all(traces) and len(set(traces)) == len(traces)
    if refused and not traced:
        # One conflict ends the whole batch unless every input is told apart by a trace id.
        raise next(iter(refused.values()))
    rows, errors = [], []
    for at, (item, (clean, ends)) in enumerate(zip(inputs, checked, strict=True)):
        if at in refused:
            errors.append(_row_error(refused[at], objectWriteTraceId=[str(traces[at])]))
            continue
        row = after_write(call, created(call, clean, ends), item.get("properties") or {})
        if traces[at]:
            row["objectWriteTraceId"] = str(traces[at])
        rows.append(row)
    # Recorded: the results do not stand in the order of the inputs.
    return batch(call, 201, rows[::-1], errors)


def _refused(call: Call, checked: list[dict[str, str | None]]) -> dict[int, ApiError]:
    """The inputs whose unique values are taken, by the store or by an input before them."""
    taken: set[str] = set()
    refused: dict[int, ApiError] = {}
    for at, clean in enumerate(checked):
        conflict = call.store.writes.conflict(call.object, clean, None)
        email = clean.get("email") if call.object == "contacts" else None
        if conflict is None and email in taken:
            conflict = ApiError(409, "Contact already exists.", "CONFLICT")
        if conflict is not None:
            refused[at] = conflict
        elif email:
            taken.add(email)
    return refused


def batch_update(call: Call) -> Answer:
    inputs = inputs_of(call)
    ids = [str(item.get("id", "")) for item in inputs]
    _refuse_repeated(ids)
    for name in {item.get("idProperty") for item in inputs} - {None}:
        # Contacts are upserted and read by e-mail, yet batch update takes record ids only:
        # github.com/HubSpot/hubspot-api-nodejs/issues/548
        if name == "email" or name not in call.collection.unique:
            raise _not_unique(call, name)
    # A refused value anywhere refuses the batch before anything is changed.
    writes = call.store.writes
    checked = [
        writes.checked(call.object, item.get("properties") or {}, call.version) for item in inputs
    ]
    found = [
        call.store.find(call.object, id, item.get("idProperty"))
        for item, id in zip(inputs, ids, strict=True)
    ]
    for record, clean in zip(found, checked, strict=True):
        _check_write(call, record, clean)
    rows, errors, missing = [], [], []
    for item, id, record, clean in zip(inputs, ids, found, checked, strict=True):
        if record is None:
            missing.append(id)
        elif conflict := writes.conflict(call.object, clean, record.id):
            errors.append(_row_error(conflict, ids=[id]))
        else:
            changed = writes.update(call.object, record, clean)
            rows.append(after_write(call, changed, item.get("properties") or {}))
    return batch(call, 200, rows, _unknown(call, missing, "update") + errors)


def batch_upsert(call: Call) -> Answer:
    inputs = inputs_of(call)
    _refuse_repeated([str(item.get("id", "")).strip().lower() for item in inputs])
    writes, checked = call.store.writes, []
    for item in inputs:
        name = item.get("idProperty")
        if name not in call.collection.unique:
            raise _not_unique(call, name)
        properties = dict(item.get("properties") or {})
        properties.setdefault(name, str(item.get("id", "")))
        clean = writes.checked(call.object, properties, call.version)
        record = call.store.find(call.object, str(item.get("id", "")), name)
        _check_write(call, record, clean)
        checked.append((item, record, clean))
    rows, errors = [], []
    for item, record, clean in checked:
        own = None if record is None else record.id
        if conflict := writes.conflict(call.object, clean, own):
            errors.append(_row_error(conflict, ids=[str(item.get("id", ""))]))
            continue
        if record is None:
            written = writes.create(call.object, clean)
        else:
            written = writes.update(call.object, record, clean)
        row = after_write(call, written, clean)
        row["new"] = record is None
        if item.get("objectWriteTraceId"):
            row["objectWriteTraceId"] = str(item["objectWriteTraceId"])
        rows.append(row)
    return batch(call, 200, rows, errors)


def _not_unique(call: Call, name: Any) -> ApiError:
    kind = call.collection.kind.type_id
    return bad_request(f"Unable to perform update/upsert by non-unique {kind} property {name}")


def batch_archive(call: Call) -> Answer:
    records = [call.store.find(call.object, str(item.get("id", ""))) for item in inputs_of(call)]
    for record in records:
        _check_write(call, record, {})
    # A merged-away id and the survivor's may both be there: they are one record.
    for record in {record.id: record for record in records if record is not None}.values():
        call.store.archive(call.object, str(record.id))
        call.store.effect(call.object, record.id, "delete", {})
    return 204, None


def _check_write(call: Call, record: Record | None, clean: dict[str, str | None]) -> None:
    """A locked record or a stage of another pipeline refuses the whole batch."""
    if record is not None:
        call.store.writes.check_lock(call.object, record.id)
        call.store.writes.check_stage(call.object, clean, record.props)


def _refuse_repeated(ids: list[str]) -> None:
    repeated = sorted({id for id in ids if ids.count(id) > 1})
    if repeated:
        listed = ", ".join(repeated)
        raise bad_request(f"Duplicate IDs found in batch input: [{listed}]. IDs must be unique")


def _unknown(call: Call, ids: list[str], verb: str) -> list[dict[str, Any]]:
    if not ids:
        return []
    kind = call.collection.kind.singular.upper()
    return [
        {
            "status": "error",
            "category": "OBJECT_NOT_FOUND",
            "message": f"Could not {verb} some {kind} objects, they may be deleted or not exist. "
            "Check that ids are valid.",
            "context": {"ids": ids},
        }
    ]


def _row_error(error: ApiError, **context: Any) -> dict[str, Any]:
    row = {key: value for key, value in error.body.items() if key != "correlationId"}
    existing = row["message"].partition("Existing ID: ")[2]
    row["context"] = context | ({"existingId": [existing]} if existing else {})
    return row
