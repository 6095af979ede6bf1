"""sObject collections: up to 200 records in one call, each with a result of its own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from sandbox.salesforce.call import Answer, Call, external_field, kind_of, records_in
from sandbox.salesforce.errors import SalesforceError, inner_error
from sandbox.salesforce.schema import OBJECT_OF_PREFIX, SObject
from sandbox.salesforce.values import Row, full_id
from sandbox.salesforce.writer import Writer

One = Callable[[Writer, Row, int], Row]


def create_many(call: Call) -> Answer:
    """Create records of any objects."""

    def one(writer: Writer, record: Row, _: int) -> Row:
        made = writer.create(_typed(call, record), _without_id(record))
        return {"id": made, "success": True, "errors": []}

    return _collect(call, call.body, one)


def update_many(call: Call) -> Answer:
    """Change records of any objects, each by its id."""
    records = records_in(call.body)
    ids = [full_id(str(_id_in(record))) if _id_in(record) else None for record in records]

    def one(writer: Writer, record: Row, place: int) -> Row:
        sobject, id_ = _typed(call, record), ids[place]
        if not _id_in(record):
            raise SalesforceError("MISSING_ARGUMENT", "Id not specified in an update call")
        if id_ is None or not id_.startswith(sobject.prefix):
            raise SalesforceError(
                "MALFORMED_ID",
                f"{sobject.name} ID: id value of incorrect type: {_id_in(record)}",
                ["Id"],
            )
        if id_ in ids[:place]:
            raise SalesforceError("DUPLICATE_VALUE", f"duplicate id in list: {id_}")
        writer.update(sobject, id_, _without_id(record))
        return {"id": id_, "success": True, "errors": []}

    return _collect(call, call.body, one)


def upsert_many(call: Call) -> Answer:
    """Update or create records of one object by an external id."""
    sobject = call.sobject()
    known = external_field(sobject, call.params["field"])
    records = [{name.lower(): v for name, v in record.items()} for record in records_in(call.body)]
    keys = [str(record.get(known.lower()) or "").strip().lower() for record in records]
    times = Counter(keys)

    def one(writer: Writer, record: Row, place: int) -> Row:
        if _typed(call, record).name != sobject.name:
            raise SalesforceError(
                "INVALID_TYPE", f"All records of this request must be of type {sobject.name}"
            )
        if not keys[place]:
            raise SalesforceError("MISSING_ARGUMENT", f"{known} not specified")
        if times[keys[place]] > 1:
            raise SalesforceError(
                "DUPLICATE_VALUE", f"Duplicate external id specified: {keys[place]}", [known]
            )
        value = next(v for name, v in record.items() if name.lower() == known.lower())
        rest = {name: v for name, v in record.items() if name.lower() != known.lower()}
        id_, is_new = writer.upsert(sobject, known, str(value).strip(), rest)
        return {"id": id_, "success": True, "errors": [], "created": is_new}

    return _collect(call, call.body, one)


def delete_many(call: Call) -> Answer:
    """Delete records of any objects."""
    ids = [id_ for id_ in call.query.get("ids", "").split(",") if id_]
    body = {
        "allOrNone": call.query.get("allOrNone", "false").lower() == "true",
        "records": [{"id": id_} for id_ in ids],
    }

    def one(writer: Writer, record: Row, _: int) -> Row:
        id_ = full_id(record["id"])
        name = OBJECT_OF_PREFIX.get((id_ or "")[:3])
        if id_ is None or name is None:
            raise SalesforceError("MALFORMED_ID", f"bad id {record['id']}", ["Id"])
        writer.delete(call.sobject(name), id_)
        return {"id": id_, "success": True, "errors": []}

    return _collect(call, body, one)


def _collect(call: Call, body: Any, one: One) -> Answer:
    """Write each record on its own and answer one result per record, in their order."""
    records = records_in(body)
    # A collection undoes only what it wrote itself, even inside a composite call.
    writer = Writer(call.store, call.headers)
    results: list[Row] = []
    has_failed = False
    for place, record in enumerate(records):
        try:
            results.append(one(writer, record, place))
        except SalesforceError as refusal:
            if refusal.code == "JSON_PARSER_ERROR":
                # The request is read before any of it is done: one bad value stops it all.
                writer.roll_back()
                raise
            has_failed = True
            results.append({"success": False, "errors": [inner_error(refusal)]})
    if has_failed and body.get("allOrNone") is True:
        writer.roll_back()
        results = [_rolled_back() if made["success"] else made for made in results]
    elif call.undo is not None:
        call.undo.append(writer.roll_back)
    return 200, results


def _rolled_back() -> Row:
    refusal = SalesforceError(
        "ALL_OR_NONE_OPERATION_ROLLED_BACK",
        "Record rolled back because not all records were valid and the request was using "
        "AllOrNone header",
    )
    return {"success": False, "errors": [inner_error(refusal)]}


def _typed(call: Call, record: Row) -> SObject:
    named = kind_of(record)
    known = call.store.access.view(named)
    if known is None:
        raise SalesforceError("INVALID_TYPE", f"sObject type '{named}' is not supported.")
    return known


def _id_in(record: Row) -> Any:
    return record.get("id") or record.get("Id")


def _without_id(record: Row) -> Row:
    return {name: value for name, value in record.items() if name.lower() != "id"}
