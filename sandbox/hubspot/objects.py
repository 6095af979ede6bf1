"""CRM objects over HTTP, one at a time: list, read, write, merge, search."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from typing import Any

from sandbox.hubspot.call import Answer, Call
from sandbox.hubspot.links import label_of, types_between
from sandbox.hubspot.record import Record
from sandbox.hubspot.schema import OBJECT_TYPES, bad_request, not_found

ACTIVITIES = ("tasks", "notes", "calls", "emails", "meetings")
Ends = list[tuple[str, int, list[int]]]


def list_objects(call: Call) -> Answer:
    collection = call.collection
    with_history = call.names("propertiesWithHistory")
    limit = call.limit(10, 50 if with_history else 100)
    archived = call.flag("archived")
    after = call.query.get("after", "0")
    if not after.isdigit():
        raise bad_request("Invalid after value")
    ids = collection.ids(archived=archived)
    first = bisect_right(ids, int(after))
    held = collection.archived if archived else collection.records
    records = [held[id] for id in ids[first : first + limit]]
    rows = call.store.shown_all(call.object, records, call.names("properties"))
    for row, record in zip(rows, records, strict=True):
        add_history(call, row, record, with_history)
        _add_associations(call, row, record.id)
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
    add_history(call, row, record, call.names("propertiesWithHistory"))
    _add_associations(call, row, record.id)
    return 200, row


def create_object(call: Call) -> Answer:
    item = call.body
    clean, ends = checked_input(call, item)
    if conflict := call.store.writes.conflict(call.object, clean, None):
        raise conflict
    return 201, after_write(call, created(call, clean, ends), item.get("properties") or {})


def update_object(call: Call) -> Answer:
    record, sent, writes = call.record(), call.body.get("properties") or {}, call.store.writes
    writes.check_lock(call.object, record.id)
    clean = writes.checked(call.object, sent, call.version)
    writes.check_stage(call.object, clean, record.props)
    if conflict := writes.conflict(call.object, clean, record.id):
        raise conflict
    return 200, after_write(call, writes.update(call.object, record, clean), sent)


def archive_object(call: Call) -> Answer:
    record = call.store.find(call.object, call.path["id"])
    if record is not None:
        call.store.writes.check_lock(call.object, record.id)
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
    rows = call.store.shown_all(call.object, records, wanted)
    answer: dict[str, Any] = {"total": total, "results": rows}
    if following is not None:
        answer["paging"] = {"next": {"after": str(following)}}
    return 200, answer


# -- shared with the batches -----------------------------------------------------------------------


def checked_input(call: Call, item: dict[str, Any]) -> tuple[dict[str, str | None], Ends]:
    """The values and the links of a create, both found good. Raises: ApiError 400."""
    writes, kind = call.store.writes, call.collection.kind
    clean = writes.checked(call.object, item.get("properties") or {}, call.version)
    absent = [name for name in kind.required if not clean.get(name)]
    if absent:
        raise bad_request(
            f"Error creating {kind.singular.upper()}. Some required properties were not set.",
            context={"properties": absent},
        )
    writes.check_stage(call.object, clean, {})
    ends = list(_ends(call, item.get("associations") or []))
    if call.object == "leads" and not any(other == "contacts" for other, _, _ in ends):
        raise bad_request("A lead must be associated with a contact when it is created.")
    return clean, ends


def created(call: Call, clean: dict[str, str | None], ends: Ends) -> Record:
    record = call.store.writes.create(call.object, clean)
    for other, id, types in ends:
        call.store.associate(call.object, record.id, other, id, types)
    if call.object in ACTIVITIES:
        call.store.writes.note_work(record, ends)
    return record


def _ends(call: Call, associations: list[Any]) -> Iterable[tuple[str, int, list[int]]]:
    """The other ends named by a create; the association type says which object is meant."""
    others = {
        type_id: other for other in OBJECT_TYPES for type_id in types_between(call.object, other)
    }
    for association in associations:
        id = str(association.get("to", {}).get("id", ""))
        types = [kind.get("associationTypeId") for kind in association.get("types") or []]
        if not types or types[0] not in others:
            raise bad_request(f"Invalid association type for {call.object}")
        other = others[types[0]]
        record = call.store.find(other, id)
        if record is None:
            raise bad_request(f"{id} is not a valid ID of {other}")
        yield other, record.id, types


def after_write(call: Call, record: Record, sent: Iterable[str]) -> dict[str, Any]:
    """Writes answer with the standard properties, those written, and what came of them."""
    wanted = [*call.collection.kind.defaults, *sent]
    if call.object == "companies" and "domain" in wanted:
        wanted.append("website")
    return call.store.shown(call.object, record, wanted)


def add_history(call: Call, row: dict[str, Any], record: Record, names: Iterable[str]) -> None:
    """Put the past values of the named properties into a row."""
    known = call.collection.properties
    past = {
        name: call.store.history.of(call.object, record, name) for name in names if name in known
    }
    if past:
        row["propertiesWithHistory"] = past


def _add_associations(call: Call, row: dict[str, Any], id: int) -> None:
    one = call.collection.kind.singular
    for name in call.names("associations"):
        kind = call.store.collection(name).kind
        linked = call.store.links.of(call.object, id, kind.name)
        if linked:
            row.setdefault("associations", {})[kind.name] = {
                "results": [
                    {"id": str(to), "type": _link_name(one, kind.singular, type_id, types)}
                    for to, types in sorted(linked.items())
                    for type_id in types
                ]
            }


def _link_name(one: str, other: str, type_id: int, types: tuple[int, ...]) -> str:
    # A link with a label shows twice; the plain one is then called unlabeled.
    suffix = "" if len(types) == 1 or label_of(type_id) else "_unlabeled"
    return f"{one}_to_{other}{suffix}"
