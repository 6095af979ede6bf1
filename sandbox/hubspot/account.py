"""The account around the records: properties, pipelines, owners, usage."""

from __future__ import annotations

from typing import Any

from sandbox.hubspot.activity import seal
from sandbox.hubspot.call import Answer, Call, batch, inputs_of
from sandbox.hubspot.limits import TIME_ZONE, Limits
from sandbox.hubspot.schema import (
    DEAL_STAGES,
    PROPERTY_NAME,
    ApiError,
    Property,
    bad_request,
    iso,
    not_found,
    to_ms,
)


def list_properties(call: Call) -> Answer:
    return 200, {"results": [prop.as_json() for prop in call.collection.properties.values()]}


def get_property(call: Call) -> Answer:
    prop = call.collection.properties.get(call.path["name"])
    if prop is None:
        raise not_found()
    return 200, prop.as_json()


def create_property(call: Call) -> Answer:
    prop = _defined(call, call.body)
    if prop is None:
        raise ApiError(
            409,
            f"A property named '{call.body.get('name')}' already exists.",
            "OBJECT_ALREADY_EXISTS",
            subCategory="Properties.PROPERTY_WITH_NAME_EXISTS",
        )
    return 201, prop.as_json()


def create_properties(call: Call) -> Answer:
    rows, errors = [], []
    for item in inputs_of(call):
        prop = _defined(call, item)
        if prop is not None:
            rows.append(prop.as_json())
            continue
        errors.append(
            {
                "status": "error",
                "category": "OBJECT_ALREADY_EXISTS",
                "subCategory": "Properties.PROPERTY_WITH_NAME_EXISTS",
                "message": f"A property named '{item.get('name')}' already exists.",
                "context": {"name": [item.get("name")]},
            }
        )
    return batch(call, 201, rows, errors)


def update_property(call: Call) -> Answer:
    prop = call.collection.properties.get(call.path["name"])
    if prop is None:
        raise not_found()
    body = call.body
    if "options" in body:
        prop.options = body["options"]
    prop.label = body.get("label", prop.label)
    prop.description = body.get("description", prop.description)
    call.store.effect("properties", prop.name, "update", body)
    return 200, prop.as_json()


def create_group(call: Call) -> Answer:
    name = call.body.get("name")
    if not isinstance(name, str) or not PROPERTY_NAME.match(name):
        raise bad_request("Invalid property group name")
    if name in call.collection.groups:
        raise ApiError(
            409, f"A property group named '{name}' already exists.", "OBJECT_ALREADY_EXISTS"
        )
    call.collection.groups.add(name)
    call.store.effect("property_groups", name, "create", call.body)
    group = {"name": name, "label": call.body.get("label", name), "displayOrder": -1}
    return 201, {**group, "archived": False}


def list_groups(call: Call) -> Answer:
    rows = [
        {"name": name, "label": name, "displayOrder": -1, "archived": False}
        for name in sorted(call.collection.groups)
    ]
    return 200, {"results": rows}


def _defined(call: Call, item: dict[str, Any]) -> Property | None:
    """The property an input defines, added to the object; None when the name is taken."""
    name, kind = item.get("name"), item.get("type")
    if not isinstance(name, str) or not PROPERTY_NAME.match(name):
        raise bad_request(f"Invalid property name: {name}")
    if item.get("groupName") not in call.collection.groups:
        raise bad_request(f"Property group {item.get('groupName')} does not exist")
    known = ("bool", "date", "datetime", "enumeration", "number", "string", "phone_number")
    if kind not in known:
        raise bad_request(f"Invalid property type: {kind}")
    if kind == "bool" and len(item.get("options") or []) != 2:
        raise bad_request("Booleans require the two options true and false")
    if name in call.collection.properties:
        return None
    call.store.define_property(
        call.object,
        name,
        type=kind,
        field_type=item.get("fieldType", "text"),
        label=item.get("label", name),
        group=item["groupName"],
        description=item.get("description", ""),
        unique=bool(item.get("hasUniqueValue")),
        options=item.get("options") or [],
    )
    call.store.effect("properties", name, "create", item)
    return call.collection.properties[name]


def list_pipelines(call: Call) -> Answer:
    if call.object != "deals":
        return 200, {"results": []}
    epoch = "1970-01-01T00:00:00Z"
    stages = [
        {
            "id": id,
            "label": label,
            "displayOrder": order,
            "metadata": {
                "isClosed": str(id.startswith("closed")).lower(),
                "probability": chance,
            },
            "writePermissions": "CRM_PERMISSIONS_ENFORCEMENT",
            "createdAt": epoch,
            "updatedAt": epoch,
            "archived": False,
        }
        for order, (id, label, chance) in enumerate(DEAL_STAGES)
    ]
    pipeline = {
        "id": "default",
        "label": "Sales Pipeline",
        "displayOrder": 0,
        "createdAt": epoch,
        "updatedAt": epoch,
        "archived": False,
        "stages": stages,
    }
    return 200, {"results": [pipeline]}


def list_owners(call: Call) -> Answer:
    archived, email = call.flag("archived"), call.query.get("email")
    limit, after = call.limit(100, 500), call.mark("after") or 0
    found = [
        owner
        for id, owner in sorted(call.store.owners.items())
        if id > after
        and owner["archived"] is archived
        and (not email or owner["email"].lower() == email.strip().lower())
    ]
    following = seal(int(found[limit - 1]["id"])) if len(found) > limit else None
    return 200, call.page(found[:limit], following)


def get_owner(call: Call) -> Answer:
    field = "userIdIncludingInactive" if call.query.get("idProperty") == "userId" else "id"
    archived = call.flag("archived")
    for owner in call.store.owners.values():
        if str(owner[field]) == call.path["id"] and owner["archived"] is archived:
            return 200, owner
    raise not_found()


def account_details(call: Call) -> Answer:
    offset = call.store.throttle.resets_at().utcoffset()
    seconds = int(offset.total_seconds()) if offset else 0
    sign, (hours, minutes) = "-" if seconds < 0 else "+", divmod(abs(seconds) // 60, 60)
    return 200, {
        "portalId": call.store.portal_id,
        "accountType": "STANDARD",
        "timeZone": TIME_ZONE,
        "companyCurrency": "USD",
        "additionalCurrencies": [],
        "utcOffset": f"{sign}{hours:02d}:{minutes:02d}",
        "utcOffsetMilliseconds": seconds * 1000,
        "uiDomain": "app.hubspot.com",
        "dataHostingLocation": "na1",
    }


def api_usage(call: Call) -> Answer:
    limits = call.store.limits or Limits()
    usage = {
        "name": "private-apps-api-calls-daily",
        "usageLimit": limits.per_day,
        "currentUsage": call.store.throttle.requests_today,
        "collectedAt": iso(to_ms(call.store.clock.now())),
        "fetchStatus": "SUCCESS",
        "resetsAt": iso(to_ms(call.store.throttle.resets_at())),
    }
    return 200, {"results": [usage]}
