"""Lists, version 3: what is in them, since when, and who may be put in by hand."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sandbox.hubspot.activity import seal
from sandbox.hubspot.schema import ApiError, bad_request, iso, not_found

if TYPE_CHECKING:
    from sandbox.hubspot.call import Answer, Call

MAX_COUNT = 500
MAX_OFFSET = 10_000
MAX_ADDED = 100_000
WRITABLE = ("MANUAL", "SNAPSHOT")
PROCESSING = ("DYNAMIC", *WRITABLE)


@dataclass(slots=True)
class RecordList:
    """One list. ``members`` is in order of joining: record id to the moment of joining (ms)."""

    id: int
    name: str
    object_type_id: str
    processing: str
    created: int
    updated: int
    members: dict[int, int] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        return {
            "listId": str(self.id),
            "listVersion": 1,
            "name": self.name,
            "objectTypeId": self.object_type_id,
            "processingType": self.processing,
            "processingStatus": "COMPLETE",
            "createdAt": iso(self.created),
            "updatedAt": iso(self.updated),
            "filtersUpdatedAt": iso(self.created),
            "additionalProperties": {"hs_list_size": str(len(self.members))},
        }


class Lists:
    """Every list of one portal."""

    def __init__(self) -> None:
        self.held: dict[int, RecordList] = {}

    def add(self, name: str, object_type_id: str, processing: str, ms: int) -> RecordList:
        number = max(self.held, default=0) + 1
        made = RecordList(number, name, object_type_id, processing, ms, ms)
        self.held[number] = made
        return made


def search_lists(call: Call) -> Answer:
    body = call.body
    for name in ("offset", "additionalProperties"):
        if name not in body:
            raise bad_request(f"Invalid input JSON: {name} is required")
    offset, count = _whole(body, "offset", 0), _whole(body, "count", 20)
    if offset + count > MAX_OFFSET or count > MAX_COUNT:
        raise bad_request(f"count is at most {MAX_COUNT}, offsets end at {MAX_OFFSET}")
    text, kinds = str(body.get("query") or "").lower(), body.get("processingTypes") or PROCESSING
    ids = {str(id) for id in body.get("listIds") or []}
    found = [
        row
        for row in call.store.lists.held.values()
        if text in row.name.lower() and row.processing in kinds and (not ids or str(row.id) in ids)
    ]
    page = found[offset : offset + count]
    return 200, {
        "lists": [row.as_json() for row in page],
        "hasMore": offset + count < len(found),
        "offset": offset + len(page),
        "total": len(found),
    }


def _whole(body: dict[str, Any], name: str, default: int) -> int:
    value = body.get(name, default)
    if not isinstance(value, int) or value < 0:
        raise bad_request(f"Invalid input JSON: {name} must be a whole number")
    return value


def get_list(call: Call) -> Answer:
    return 200, {"list": _found(call).as_json()}


def create_list(call: Call) -> Answer:
    body = call.body
    name, processing = body.get("name"), body.get("processingType")
    if not isinstance(name, str) or not name or processing not in PROCESSING:
        raise bad_request("Invalid input JSON: name and processingType are required")
    if any(row.name == name for row in call.store.lists.held.values()):
        raise bad_request(f"A list named '{name}' already exists.")
    kind = call.store.collection(str(body.get("objectTypeId", ""))).kind
    made = call.store.lists.add(name, kind.type_id, processing, call.store.ms(None))
    call.store.effect("lists", made.id, "create", body)
    return 200, {"list": made.as_json()}


def members_in_join_order(call: Call) -> Answer:
    """Who is in a list, the first to join first."""
    joined = [
        {"recordId": str(id), "membershipTimestamp": iso(at)}
        for id, at in _found(call).members.items()
    ]
    limit, offset = call.limit(100, 250), call.mark("after") or 0
    following = seal(offset + limit) if offset + limit < len(joined) else None
    answer = call.page(joined[offset : offset + limit], following)
    return 200, {"total": len(joined), **answer}


def add_members(call: Call) -> Answer:
    row, ids = _found(call), _ids(call)
    added, missing = [], []
    for id in ids:
        record = call.store.find(row.object_type_id, id)
        if record is None:
            missing.append(id)
        elif record.id not in row.members:
            row.members[record.id] = call.store.ms(None)
            added.append(str(record.id))
            # A change of membership moves the record's modified time.
            call.store.touch(row.object_type_id, record.id, {})
    call.store.effect("lists", row.id, "update", {"added": added})
    # The vendor spells the first of the three differently.
    return 200, {"recordsIdsAdded": added, "recordIdsRemoved": [], "recordIdsMissing": missing}


def remove_members(call: Call) -> Answer:
    row, removed, missing = _found(call), [], []
    for id in _ids(call):
        if id.isdigit() and row.members.pop(int(id), None) is not None:
            removed.append(id)
            call.store.touch(row.object_type_id, int(id), {})
        else:
            missing.append(id)
    call.store.effect("lists", row.id, "update", {"removed": removed})
    return 200, {"recordsIdsAdded": [], "recordIdsRemoved": removed, "recordIdsMissing": missing}


def _found(call: Call) -> RecordList:
    id = call.path["id"]
    row = call.store.lists.held.get(int(id)) if id.isdigit() else None
    if row is None:
        raise not_found()
    return row


def _ids(call: Call) -> list[str]:
    if _found(call).processing not in WRITABLE:
        message = "Only lists of the processing types MANUAL and SNAPSHOT can be written."
        raise ApiError(400, message, "VALIDATION_ERROR")
    ids = call.json
    if not isinstance(ids, list) or len(ids) > MAX_ADDED:
        raise bad_request(f"Invalid input JSON: a list of at most {MAX_ADDED} ids is required")
    return [str(id) for id in ids]
