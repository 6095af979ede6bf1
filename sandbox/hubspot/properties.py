"""Property definitions over HTTP: read, create, change, archive; and their groups."""

from __future__ import annotations

from typing import Any

from sandbox.hubspot.call import Answer, Call, batch, inputs_of
from sandbox.hubspot.schema import (
    PROPERTY_NAME,
    ApiError,
    Property,
    already_exists,
    bad_request,
    not_found,
)

MAX_UNIQUE = 10
FIELD_TYPES = {
    "bool": ("booleancheckbox", "calculation_equation"),
    "date": ("date",),
    "datetime": ("date",),
    "enumeration": ("booleancheckbox", "checkbox", "radio", "select", "calculation_equation"),
    "number": ("number", "calculation_equation"),
    "string": ("file", "html", "phonenumber", "text", "textarea", "calculation_equation"),
    "phone_number": ("phonenumber",),
}


def list_properties(call: Call) -> Answer:
    held = call.collection
    shown = held.archived_properties if call.flag("archived") else held.properties
    return 200, {"results": [prop.as_json() for prop in shown.values()]}


def get_property(call: Call) -> Answer:
    return 200, _found(call).as_json()


def read_properties(call: Call) -> Answer:
    known, rows, missing = call.collection.properties, [], []
    for item in inputs_of(call):
        prop = known.get(str(item.get("name")))
        if prop is None:
            missing.append(str(item.get("name")))
        else:
            rows.append(prop.as_json())
    errors = [
        {
            "status": "error",
            "category": "OBJECT_NOT_FOUND",
            "message": f"The properties {', '.join(missing)} do not exist.",
            "context": {"name": missing},
        }
    ]
    return batch(call, 200, rows, errors if missing else [])


def create_property(call: Call) -> Answer:
    prop = _defined(call, call.body)
    if prop is None:
        taken = already_exists("property", call.body.get("name"), "PROPERTY")
        raise ApiError(409, taken.pop("message"), **taken)
    return 201, prop.as_json()


def create_properties(call: Call) -> Answer:
    rows, errors = [], []
    for item in inputs_of(call):
        prop = _defined(call, item)
        if prop is None:
            taken = already_exists("property", item.get("name"), "PROPERTY")
            errors.append({"status": "error", **taken})
        else:
            rows.append(prop.as_json())
    return batch(call, 201, rows, errors)


def update_property(call: Call) -> Answer:
    prop, body = _found(call), call.body
    if prop.read_only:
        raise bad_request(f"The definition of {prop.name} is read only.")
    kind, field_type = body.get("type", prop.type), body.get("fieldType", prop.field_type)
    _check_kind(kind, field_type, body.get("options", prop.options))
    if "options" in body:
        # The complete list replaces the one held: an option left out is gone.
        prop.options = _options(body["options"])
    if (group := body.get("groupName", prop.group)) not in call.collection.groups:
        raise bad_request(f"Property group {group} does not exist")
    prop.type, prop.field_type, prop.group = kind, field_type, group
    prop.label = body.get("label", prop.label)
    prop.description = body.get("description", prop.description)
    prop.updated = call.store.ms(None)
    call.store.effect("properties", prop.name, "update", body)
    return 200, prop.as_json()


def archive_property(call: Call) -> Answer:
    _archive(call, _found(call))
    return 204, None


def archive_properties(call: Call) -> Answer:
    for item in inputs_of(call):
        prop = call.collection.properties.get(str(item.get("name")))
        if prop is not None:
            _archive(call, prop)
    return 204, None


def list_groups(call: Call) -> Answer:
    return 200, {"results": [_group(call, name) for name in sorted(call.collection.groups)]}


def get_group(call: Call) -> Answer:
    if call.path["name"] not in call.collection.groups:
        raise not_found()
    return 200, _group(call, call.path["name"])


def create_group(call: Call) -> Answer:
    name = call.body.get("name")
    if not isinstance(name, str) or not PROPERTY_NAME.match(name):
        raise bad_request("Invalid property group name")
    if name in call.collection.groups:
        taken = already_exists("property group", name, "PROPERTY_GROUP")
        raise ApiError(409, taken.pop("message"), **taken)
    call.collection.groups[name] = str(call.body.get("label", name))
    call.store.effect("property_groups", name, "create", call.body)
    return 201, _group(call, name)


def _group(call: Call, name: str) -> dict[str, Any]:
    label = call.collection.groups[name]
    return {"name": name, "label": label, "displayOrder": -1, "archived": False}


def _found(call: Call) -> Property:
    prop = call.collection.properties.get(call.path["name"])
    if prop is None:
        raise not_found()
    return prop


def _archive(call: Call, prop: Property) -> None:
    if not prop.custom:
        raise bad_request(f"{prop.name} is a HubSpot property and cannot be archived.")
    call.store.remove_property(call.object, prop.name)
    call.store.effect("properties", prop.name, "delete", {})


def _defined(call: Call, item: dict[str, Any]) -> Property | None:
    """The property an input defines, added to the object; None when the name is taken."""
    name, held = item.get("name"), call.collection
    if not isinstance(name, str) or not PROPERTY_NAME.match(name):
        raise bad_request(f"Invalid property name: {name}")
    for field in ("label", "groupName", "type", "fieldType"):
        if not isinstance(item.get(field), str):
            raise bad_request(f"Invalid input JSON: {field} is required")
    if item["groupName"] not in held.groups:
        raise bad_request(f"Property group {item['groupName']} does not exist")
    _check_kind(item["type"], item["fieldType"], item.get("options") or [])
    if name in held.properties:
        return None
    if item.get("hasUniqueValue") and held.custom_unique() >= MAX_UNIQUE:
        raise bad_request(f"At most {MAX_UNIQUE} properties of an object may have unique values.")
    call.store.define_property(
        call.object,
        name,
        type=item["type"],
        field_type=item["fieldType"],
        label=item["label"],
        group=item["groupName"],
        description=item.get("description", ""),
        unique=bool(item.get("hasUniqueValue")),
        options=_options(item.get("options") or []),
    )
    call.store.effect("properties", name, "create", item)
    return held.properties[name]


def _check_kind(kind: Any, field_type: Any, options: Any) -> None:
    if kind not in FIELD_TYPES:
        raise bad_request(f"Invalid property type: {kind}")
    if field_type not in FIELD_TYPES[kind]:
        raise bad_request(f"Invalid fieldType {field_type} for a property of type {kind}")
    if kind == "bool" and {option.get("value") for option in options} != {"true", "false"}:
        raise bad_request("Booleans require the two options true and false")


def _options(given: Any) -> list[dict[str, Any]]:
    if not isinstance(given, list) or not all(
        isinstance(item, dict) and item.get("value") and item.get("label") for item in given
    ):
        raise bad_request("Invalid input JSON: every option needs a label and a value")
    if len({item["value"] for item in given}) < len(given):
        raise bad_request("Option values must be unique")
    return [
        {"description": "", "hidden": False, "displayOrder": order, **item}
        for order, item in enumerate(given)
    ]
