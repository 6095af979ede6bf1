"""CRM objects over HTTP: list, read, write, merge, search, and the batches of each."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from typing import Any

from sandbox.hubspot.call import Answer, Call, batch, inputs_of
from sandbox.hubspot.schema import ApiError, bad_request, iso, not_found
from sandbox.hubspot.search import Record
from sandbox.hubspot.store import ASSOCIATION_TYPES


def list_objects(call: Call) -> Answer:
    collection = call.collection
    most = 50 if call.names("propertiesWithHistory") else 100
    limit = call.limit(10, most)
    archived = call.flag("archived")
    after = call.query.get("after", "0")
    if not after.isdigit():
        raise bad_request("Invalid after value")
    ids = collection.ids(archived=archived)
    first = bisect_right(ids, int(after))
    held = collection.archived if archived else collection.records
    wanted = call.names("properties")
    rows = []
    for id in ids[first : first + limit]:
        row = call.store.shown(call.object, held[id], wanted)
        rows.append(_with_associations(call, row, id))
    more = first + limit < len(ids)
    return 200, call.page(rows, rows[-1]["id"] if more else None)


def get_object(call: Call) -> Answer:
    if call.flag("archived"):
        record = call.store.find_archived(call.object, call.path["id"])
        if record is None:
            raise not_found()
    else:
        record = call.record()
    row = call.store.shown(call.object, record, call.names("properties"))
    return 200, _with_associations(call, row, record.id)


def create_object(call: Call) -> Answer:
    record = _create(call, call.body)
    return 201, _after_write(call, record, call.body.get("properties") or {})


def update_object(call: Call) -> Answer:
    record, sent = call.record(), call.body.get("properties") or {}
    clean = call.store.written(call.object, sent)
    if conflict := call.store.conflict(call.object, clean, record.id):
        raise conflict
    return 200, _after_write(call, call.store.api_update(call.object, record, clean), sent)


def archive_object(call: Call) -> Answer:
    record = call.store.find(call.object, call.path["id"])
    if record is not None:
        call.store.archive(call.object, str(record.id))
        call.store.effect(call.object, record.id, "delete", {})
    elif not call.store.find_archived(call.object, call.path["id"]):
        raise not_found()
    return 204, None


def merge_objects(call: Call) -> Answer:
    if not call.collection.kind.mergeable:
        raise bad_request(f"{call.object} cannot be merged")
    pair = [str(call.body.get(name, "")) for name in ("primaryObjectId", "objectIdToMerge")]
    records = [call.store.find(call.object, id) for id in pair]
    if records[0] is None or records[1] is None:
        raise not_found()
    if records[0] is records[1]:
        raise bad_request("An object cannot be merged with itself")
    losers = [record.id for record in records if record is not None]
    new = call.store.merge_objects(call.object, *pair)
    call.store.effect(call.object, new, "create", {"merged": [str(id) for id in losers]})
    for id in losers:
        call.store.effect(call.object, id, "delete", {"merged_into": new})
    survivor = call.store.find(call.object, new)
    assert survivor is not None
    return 200, call.store.shown(call.object, survivor)


def gdpr_delete(call: Call) -> Answer:
    body = call.body
    record = call.store.find(
        call.object, str(body.get("objectId", "")), body.get("idProperty") or None
    )
    if record is not None:  # an unknown e-mail is only put on the block list
        call.store.purge(call.object, str(record.id))
        call.store.effect(call.object, record.id, "delete", {"permanent": True})
    return 204, None


def search_objects(call: Call) -> Answer:
    body = call.body
    total, records, following = call.collection.index.search(body)
    wanted = [name for name in body.get("properties") or [] if isinstance(name, str)]
    rows = [call.store.shown(call.object, record, wanted) for record in records]
    answer: dict[str, Any] = {"total": total, "results": rows}
    if following is not None:
        answer["paging"] = {"next": {"after": str(following)}}
    return 200, answer


# -- batches --


def batch_read(call: Call) -> Answer:
    body, inputs = call.body, inputs_of(call)
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
    rows = [call.store.shown(call.object, record, wanted) for record in found.values()]
    return batch(call, 200, rows, _unknown(call, missing, "get"))


def batch_create(call: Call) -> Answer:
    inputs = inputs_of(call)
    checked = [_checked(call, item) for item in inputs]
    traces = [item.get("objectWriteTraceId") for item in inputs]
    traced = all(traces) and len(set(traces)) == len(traces)
    taken: set[str] = set()
    refused: dict[int, ApiError] = {}
    for at, clean in enumerate(checked):
        conflict = call.store.conflict(call.object, clean, None)
        email = clean.get("email")
        if conflict is None and call.object == "contacts" and email in taken:
            conflict = ApiError(409, "Contact already exists.", "CONFLICT")
        if conflict is not None:
            if not traced:
                # One conflict ends the whole batch unless every input is told apart by a trace id.
                raise conflict
            refused[at] = conflict
        elif email:
            taken.add(email)
    rows, errors = [], []
    for at, (item, clean) in enumerate(zip(inputs, checked, strict=True)):
        if at in refused:
            errors.append(_row_error(refused[at], objectWriteTraceId=[str(traces[at])]))
            continue
        record = _created(call, item, clean)
        rows.append(_after_write(call, record, item.get("properties") or {}))
        if traces[at]:
            rows[-1]["objectWriteTraceId"] = str(traces[at])
    return batch(call, 201, rows, errors)


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
    checked = [call.store.written(call.object, item.get("properties") or {}) for item in inputs]
    rows, errors, missing = [], [], []
    for item, id, clean in zip(inputs, ids, checked, strict=True):
        record = call.store.find(call.object, id, item.get("idProperty"))
        if record is None:
            missing.append(id)
        elif conflict := call.store.conflict(call.object, clean, record.id):
            errors.append(_row_error(conflict, ids=[id]))
        else:
            changed = call.store.api_update(call.object, record, clean)
            rows.append(_after_write(call, changed, item.get("properties") or {}))
    return batch(call, 200, rows, _unknown(call, missing, "update") + errors)


def batch_upsert(call: Call) -> Answer:
    inputs = inputs_of(call)
    _refuse_repeated([str(item.get("id", "")).strip().lower() for item in inputs])
    checked = []
    for item in inputs:
        name = item.get("idProperty")
        if name not in call.collection.unique:
            raise _not_unique(call, name)
        properties = dict(item.get("properties") or {})
        properties.setdefault(name, str(item.get("id", "")))
        checked.append((item, name, call.store.written(call.object, properties)))
    rows, errors = [], []
    for item, name, clean in checked:
        record = call.store.find(call.object, str(item.get("id", "")), name)
        own = None if record is None else record.id
        if conflict := call.store.conflict(call.object, clean, own):
            errors.append(_row_error(conflict, ids=[str(item.get("id", ""))]))
            continue
        if record is None:
            written = call.store.api_create(call.object, clean)
        else:
            written = call.store.api_update(call.object, record, clean)
        row = _after_write(call, written, clean)
        row["new"] = record is None
        if item.get("objectWriteTraceId"):
            row["objectWriteTraceId"] = str(item["objectWriteTraceId"])
        rows.append(row)
    return batch(call, 200, rows, errors)


def _not_unique(call: Call, name: Any) -> ApiError:
    kind = call.collection.kind.type_id
    return bad_request(f"Unable to perform update/upsert by non-unique {kind} property {name}")


def batch_archive(call: Call) -> Answer:
    for item in inputs_of(call):
        record = call.store.find(call.object, str(item.get("id", "")))
        if record is not None:
            call.store.archive(call.object, str(record.id))
            call.store.effect(call.object, record.id, "delete", {})
    return 204, None


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


def _checked(call: Call, item: dict[str, Any]) -> dict[str, str | None]:
    clean = call.store.written(call.object, item.get("properties") or {})
    absent = [name for name in call.collection.kind.required if not clean.get(name)]
    if absent:
        raise bad_request(
            f"Error creating {call.collection.kind.singular.upper()}. Some required properties "
            "were not set.",
            context={"properties": absent},
        )
    return clean


def _create(call: Call, item: dict[str, Any]) -> Record:
    clean = _checked(call, item)
    if conflict := call.store.conflict(call.object, clean, None):
        raise conflict
    return _created(call, item, clean)


def _created(call: Call, item: dict[str, Any], clean: dict[str, str | None]) -> Record:
    links = list(_links(call, item.get("associations") or []))
    record = call.store.api_create(call.object, clean)
    for other, id, types in links:
        call.store.associate(call.object, record.id, other, id, types)
        if call.object in ("tasks", "notes", "calls", "emails", "meetings"):
            # Logging work on a record moves its modified time.
            call.store.touch(other, id, {"notes_last_updated": iso(record.created)})
    return record


def _links(call: Call, associations: list[Any]) -> Iterable[tuple[str, int, list[int]]]:
    """The other ends named by a create; the association type says which object is meant."""
    ends = {
        type_id: other for (one, other), type_id in ASSOCIATION_TYPES.items() if one == call.object
    }
    if call.object == "contacts":
        ends[1] = "companies"
    if call.object == "deals":
        ends[5] = "companies"
    for association in associations:
        id = str(association.get("to", {}).get("id", ""))
        types = [kind.get("associationTypeId") for kind in association.get("types") or []]
        if not types or types[0] not in ends:
            raise bad_request(f"Invalid association type for {call.object}")
        other = ends[types[0]]
        record = call.store.find(other, id)
        if record is None:
            raise bad_request(f"{id} is not a valid ID of {other}")
        yield other, record.id, types


def _after_write(call: Call, record: Record, sent: Iterable[str]) -> dict[str, Any]:
    """Writes answer with the standard properties and those written."""
    wanted = [*call.collection.kind.defaults, *sent]
    return call.store.shown(call.object, record, wanted)


def _with_associations(call: Call, row: dict[str, Any], id: int) -> dict[str, Any]:
    for name in call.names("associations"):
        other = call.store.collection(name).kind.name
        linked = call.store.associations.get((call.object, id, other))
        if linked:
            kind = f"{call.collection.kind.singular}_to_{other.rstrip('s')}"
            results = [{"id": str(to), "type": kind} for to in sorted(linked)]
            row.setdefault("associations", {})[other] = {"results": results}
    return row
