"""The Tooling API, as far as custom fields go: make, list, change and drop them."""

from __future__ import annotations

from typing import Any

from sandbox.salesforce.call import Answer, Call, an_object
from sandbox.salesforce.customize import ACTIVITIES, NAME, TYPES
from sandbox.salesforce.errors import SalesforceError, not_found
from sandbox.salesforce.plan import Plan
from sandbox.salesforce.querying import answered, planned
from sandbox.salesforce.schema import CUSTOM_FIELD, Field, SObject
from sandbox.salesforce.values import Row, full_id, wire_time

# Objects an administrator can give fields to; an activity's field is made on "Activity".
OWNERS = ("Lead", "Contact", "Account", "Opportunity", "Campaign", "User", "Activity")
# Of these only one row may be asked for at a time.
COSTLY = ("FullName", "Metadata")
TYPE_NAMES = {"string": "Text", "textarea": "LongTextArea"} | {
    wire: given for given, wire in TYPES.items() if given not in ("Text", "TextArea")
}
LENGTHS = {"Text": 255, "LongTextArea": 131_072}


def tooling_view(name: str) -> SObject | None:
    """Return what the Tooling API lets a query see."""
    return CUSTOM_FIELD if name.lower() == "customfield" else None


def tooling_query(call: Call) -> Answer:
    """Answer a query over CustomField."""
    plan = planned(call.store, call.query.get("q", ""), tooling_view)
    costly = [path.field.name for path in plan.selected if path.field.name in COSTLY]
    if not costly:
        return answered(call, plan, root="tooling/sobjects")
    rows = call.store.select(plan, include_deleted=False)
    if len(rows) > 1:
        raise SalesforceError(
            "MALFORMED_QUERY",
            "When retrieving results with Metadata or FullName fields, the query qualifications "
            f"must specify no more than one row for retrieval. Result size: {len(rows)}",
        )
    return 200, {
        "size": len(rows),
        "totalSize": len(rows),
        "done": True,
        "queryLocator": None,
        "entityTypeName": "CustomField",
        "records": [_chosen(call, plan, row) for row in rows],
    }


def _chosen(call: Call, plan: Plan, row: Row) -> Row:
    whole = _whole(call, row)
    names = [path.field.name for path in plan.selected if not path.through]
    return {"attributes": whole["attributes"]} | {name: whole.get(name) for name in names}


def create_field(call: Call) -> Answer:
    """Make a field; nobody sees it before somebody grants it."""
    body = an_object(call.body)
    owner, name = _full_name(str(body.get("FullName") or ""))
    metadata = body.get("Metadata")
    if not isinstance(metadata, dict):
        raise SalesforceError("REQUIRED_FIELD_MISSING", "Required fields are missing: [Metadata]")
    for sobject in call.store.customize.owners(owner):
        if sobject.field(name):
            raise SalesforceError(
                "DUPLICATE_DEVELOPER_NAME",
                f"There is already a field named {name.removesuffix('__c')} on {owner}.",
                ["DeveloperName"],
            )
    made = _read(name, metadata)
    id_ = call.store.customize.add(owner, made, is_open=False)
    call.store.effects.append(
        {
            "system": "salesforce",
            "object": "CustomField",
            "id": id_,
            "action": "create",
            "fields": {"FullName": f"{owner}.{name}"},
            "at": wire_time(call.store.clock.now()),
            "by": call.store.integration_user_id,
        }
    )
    return 201, {"id": id_, "success": True, "errors": [], "warnings": [], "infos": []}


def get_field(call: Call) -> Answer:
    """Answer one field with its metadata."""
    return 200, _whole(call, _row(call))


def update_field(call: Call) -> Answer:
    """Change a field's metadata; its type and name stay."""
    row = _row(call)
    metadata = an_object(call.body).get("Metadata")
    if not isinstance(metadata, dict):
        raise SalesforceError("REQUIRED_FIELD_MISSING", "Required fields are missing: [Metadata]")
    owner, name = row["TableEnumOrId"], f"{row['DeveloperName']}__c"
    known = _known(call, row)
    made = _read(name, {"type": TYPE_NAMES[known.type], **metadata})
    if made.type != known.type:
        raise SalesforceError("INVALID_FIELD", "The type of a field cannot be changed here.")
    changes = ("length", "values", "restricted", "external_id", "unique", "precision", "scale",
               "given_label")  # fmt: skip
    call.store.customize.alter(owner, name, **{each: getattr(made, each) for each in changes})
    return 204, None


def delete_field(call: Call) -> Answer:
    """Drop a field and what it held."""
    row = _row(call)
    call.store.customize.remove(row["TableEnumOrId"], f"{row['DeveloperName']}__c")
    return 204, None


def _row(call: Call) -> Row:
    found = call.store.custom_fields.rows.get(full_id(call.params["id"]) or "")
    if found is None:
        raise not_found()
    return found


def _known(call: Call, row: Row) -> Field:
    sobject = call.store.customize.owners(row["TableEnumOrId"])[0]
    known = sobject.field(f"{row['DeveloperName']}__c")
    if known is None:
        raise not_found()
    return known


def _whole(call: Call, row: Row) -> Row:
    known = _known(call, row)
    url = f"{call.root}/tooling/sobjects/CustomField/{row['Id']}"
    whole: Row = {"attributes": {"type": "CustomField", "url": url}}
    whole |= {name: row.get(name) for name in CUSTOM_FIELD.fields}
    whole["FullName"] = f"{row['TableEnumOrId']}.{known.name}"
    whole["Metadata"] = _metadata(known)
    return whole


def _metadata(known: Field) -> Row:
    told: Row = {
        "type": TYPE_NAMES[known.type],
        "label": known.label,
        "required": known.required,
        "length": known.length or None,
        "precision": known.precision or None,
        "scale": known.scale if known.precision else None,
        "externalId": known.external_id,
        "unique": known.unique,
    }
    if known.type == "picklist":
        values = [{"valueName": value, "label": value, "default": False} for value in known.values]
        told["valueSet"] = {
            "restricted": known.restricted,
            "valueSetDefinition": {"sorted": False, "value": values},
        }
    return told


def _full_name(full: str) -> tuple[str, str]:
    """Return object and field of a full name. Raises SalesforceError for one that cannot be."""
    owner, _, name = full.partition(".")
    if owner in ACTIVITIES:
        raise SalesforceError(
            "INVALID_TYPE", f"Cannot create a field on {owner}: custom fields belong to Activity."
        )
    if owner not in OWNERS:
        raise SalesforceError("INVALID_TYPE", f"Entity of name {owner or full} not found.")
    if not NAME.fullmatch(name) or len(name) > 43:
        raise SalesforceError(
            "FIELD_INTEGRITY_EXCEPTION",
            f"The Field Name can only contain underscores and alphanumeric characters: {name}",
            ["FullName"],
        )
    return owner, name


def _read(name: str, metadata: Row) -> Field:
    """Return the field that some metadata describes. Raises SalesforceError for half of one."""
    kind = str(metadata.get("type") or "")
    if kind not in TYPES:
        raise SalesforceError(
            "INVALID_TYPE", f"'{kind}' is not a valid value for the enum 'FieldType'"
        )
    if not metadata.get("label"):
        raise _missing("label")
    length = _length(kind, metadata)
    precision, scale = metadata.get("precision"), metadata.get("scale")
    if kind in ("Number", "Currency", "Percent") and (precision is None or scale is None):
        raise _missing("precision" if precision is None else "scale")
    if kind == "Checkbox" and metadata.get("defaultValue") is None:
        raise _missing("defaultValue")
    values = _values(kind, metadata)
    return Field(
        name=name,
        type=TYPES[kind],
        length=length,
        required=bool(metadata.get("required")),
        external_id=bool(metadata.get("externalId")),
        unique=bool(metadata.get("unique")),
        restricted=kind == "Picklist" and bool(_value_set(metadata).get("restricted")),
        values=values,
        precision=_whole_number(precision or 0),
        scale=_whole_number(scale or 0),
        given_label=str(metadata["label"]),
    )


def _length(kind: str, metadata: Row) -> int:
    if kind not in LENGTHS:
        return {"TextArea": 255, "Picklist": 255, "Email": 80, "Phone": 40, "Url": 255}.get(kind, 0)
    length = metadata.get("length")
    if length is None:
        raise _missing("length")
    if kind == "LongTextArea" and metadata.get("visibleLines") is None:
        raise _missing("visibleLines")
    least = 256 if kind == "LongTextArea" else 1
    if not least <= _whole_number(length) <= LENGTHS[kind]:
        raise SalesforceError(
            "NUMBER_OUTSIDE_VALID_RANGE", f"Length must be from {least} to {LENGTHS[kind]}."
        )
    return _whole_number(length)


def _whole_number(given: Any) -> int:
    try:
        return int(given)
    except (ValueError, TypeError):
        raise SalesforceError("JSON_PARSER_ERROR", f"{given!r} is no whole number") from None


def _missing(name: str) -> SalesforceError:
    return SalesforceError(
        "FIELD_INTEGRITY_EXCEPTION", f"Required field is missing: {name}", [name]
    )


def _value_set(metadata: Row) -> Row:
    found: Any = metadata.get("valueSet")
    return found if isinstance(found, dict) else {}


def _values(kind: str, metadata: Row) -> tuple[str, ...]:
    if kind != "Picklist":
        return ()
    offered = (_value_set(metadata).get("valueSetDefinition") or {}).get("value")
    if offered is None:
        raise _missing("valueSet")
    if not isinstance(offered, list) or not all(isinstance(each, dict) for each in offered):
        raise SalesforceError("JSON_PARSER_ERROR", "value must be a list of CustomValue")
    names = [each.get("valueName") or each.get("fullName") for each in offered]
    return tuple(str(name) for name in names if name)
