"""Associations version 4, and their dated paths."""

from __future__ import annotations

from typing import Any

from sandbox.hubspot.activity import seal, unseal
from sandbox.hubspot.call import Answer, Call, batch, inputs_of
from sandbox.hubspot.links import Types, label_of, types_between
from sandbox.hubspot.schema import bad_request, not_found

MAX_READS = 1_000
MAX_CREATES = 2_000
MAX_PER_INPUT = 500


def _ends(call: Call) -> tuple[str, str]:
    one = call.store.collection(call.path["object"]).kind.name
    return one, call.store.collection(call.path["other"]).kind.name


def _to(linked: dict[int, Types], after: int = 0) -> list[dict[str, Any]]:
    return [
        {
            "toObjectId": id,  # a number on the wire, whatever the specification says
            "associationTypes": [
                {"category": "HUBSPOT_DEFINED", "typeId": type_id, "label": label_of(type_id)}
                for type_id in types
            ],
        }
        for id, types in sorted(linked.items())
        if id > after
    ]


def get_associations(call: Call) -> Answer:
    one, other = _ends(call)
    record = call.record()
    linked = call.store.links.of(one, record.id, other)
    limit, after = call.limit(500, 500), call.mark("after") or 0
    rows = _to(linked, after)
    following = seal(rows[limit - 1]["toObjectId"]) if len(rows) > limit else None
    return 200, call.page(rows[:limit], following)


def put_association(call: Call) -> Answer:
    one, other = _ends(call)
    to = call.store.find(other, call.path["to"])
    if to is None:
        raise not_found()
    types = [item.get("associationTypeId") for item in call.json] if call.raw else []
    record = call.record()
    if (one, record.id) == (other, to.id):
        raise bad_request(_to_itself(to.id)["message"])
    if not set(types) <= set(types_between(one, other)):
        raise bad_request(f"Invalid association types from {one} to {other}: {types}")
    call.store.associate(one, record.id, other, to.id, types)
    call.store.effect(one, record.id, "update", {f"association.{other}": str(to.id)})
    return 200, {
        "fromObjectTypeId": call.store.collection(one).kind.type_id,
        "fromObjectId": record.id,
        "toObjectTypeId": call.store.collection(other).kind.type_id,
        "toObjectId": to.id,
        "labels": [],
    }


def read_associations(call: Call) -> Answer:
    one, other = _ends(call)
    singular = call.store.collection(one).kind.singular
    target = call.store.collection(other).kind.singular
    rows: list[Any] = []
    errors: list[dict[str, Any]] = []
    for item in inputs_of(call, MAX_READS):
        id = str(item.get("id", ""))
        record = call.store.find(one, id)
        linked = call.store.links.of(one, record.id, other) if record else {}
        if linked:
            rows.append(_page({"from": {"id": id}}, _to(linked, _mark(item))))
        elif not id.isdigit():
            errors.append(_invalid(id))
        else:
            # "No associations" is an error entry, not an empty list.
            errors.append(
                {
                    "status": "error",
                    "category": "OBJECT_NOT_FOUND",
                    "subCategory": "crm.associations.NO_ASSOCIATIONS_FOUND",
                    "message": f"No {target} is associated with {singular} {id}.",
                    "context": {
                        "fromObjectId": [id],
                        "fromObjectType": [singular],
                        "toObjectType": [target],
                    },
                }
            )
    return batch(call, 200, rows, errors)


def _page(row: dict[str, Any], to: list[dict[str, Any]]) -> dict[str, Any]:
    row["to"] = to[:MAX_PER_INPUT]
    if len(to) > MAX_PER_INPUT:
        row["paging"] = {"next": {"after": seal(to[MAX_PER_INPUT - 1]["toObjectId"])}}
    return row


def _mark(item: dict[str, Any]) -> int:
    after = item.get("after")
    mark = unseal(str(after)) if after else 0
    if mark is None:
        raise bad_request("Invalid after value")
    return mark


def list_labels(call: Call) -> Answer:
    one, other = _ends(call)
    rows = [
        {"category": "HUBSPOT_DEFINED", "typeId": type_id, "label": label_of(type_id)}
        for type_id in types_between(one, other)
    ]
    return 200, {"results": rows}


def drop_association(call: Call) -> Answer:
    one, other = _ends(call)
    record, to = call.record(), call.store.find(other, call.path["to"])
    if to is not None:
        call.store.links.remove(one, record.id, other, to.id)
        call.store.effect(one, record.id, "update", {f"association.{other}": None})
    return 204, None


def archive_labels(call: Call) -> Answer:
    one, other = _ends(call)
    for item in inputs_of(call, MAX_CREATES):
        first = call.store.find(one, _id_of(item.get("from")))
        second = call.store.find(other, _id_of(item.get("to")))
        if first is not None and second is not None:
            types = [kind.get("associationTypeId") for kind in item.get("types") or []]
            call.store.links.unlabel(one, first.id, other, second.id, types)
    return 204, None


def create_associations(call: Call) -> Answer:
    return _linked(call, 201)


def associate_default(call: Call) -> Answer:
    return _linked(call, 200)


def archive_associations(call: Call) -> Answer:
    one, other = _ends(call)
    for item in inputs_of(call, MAX_CREATES):
        first = call.store.find(one, _id_of(item.get("from")))
        for end in item.get("to") or []:
            second = call.store.find(other, _id_of(end))
            if first is not None and second is not None:
                call.store.links.remove(one, first.id, other, second.id)
                fields = {f"association.{other}": None}
                call.store.effect(one, first.id, "update", fields)
    return 204, None


def _linked(call: Call, status: int) -> Answer:
    one, other = _ends(call)
    rows, errors = [], []
    for item in inputs_of(call, MAX_CREATES):
        ids = _id_of(item.get("from")), _id_of(item.get("to"))
        first, second = call.store.find(one, ids[0]), call.store.find(other, ids[1])
        # Unlike elsewhere these entries carry neither context nor links.
        if first is None or second is None:
            errors.append(_invalid(ids[0] if first is None else ids[1]))
            continue
        if (one, first.id) == (other, second.id):
            errors.append(_to_itself(first.id))
            continue
        types = [kind.get("associationTypeId") for kind in item.get("types") or []]
        if not set(types) <= set(types_between(one, other)):
            raise bad_request(f"Invalid association types from {one} to {other}: {types}")
        call.store.associate(one, first.id, other, second.id, types)
        call.store.effect(one, first.id, "update", {f"association.{other}": str(second.id)})
        rows.append({"fromObjectId": first.id, "toObjectId": second.id, "labels": []})
    return batch(call, status, rows, errors)


def _id_of(end: Any) -> str:
    return str(end.get("id", "")) if isinstance(end, dict) else ""


def _to_itself(id: int) -> dict[str, Any]:
    return {
        "status": "error",
        "category": "VALIDATION_ERROR",
        "subCategory": "crm.associations.INVALID_IDENTIFIER",
        "message": f"Object {id} cannot be associated to itself ({id})",
    }


def _invalid(id: str) -> dict[str, Any]:
    return {
        "status": "error",
        "category": "VALIDATION_ERROR",
        "subCategory": "crm.associations.INVALID_IDENTIFIER",
        "message": f"{id} is not a valid ID",
    }
