"""What the org has: objects, fields, picklists; and what is left of its limits."""

from __future__ import annotations

from typing import Any

from sandbox.salesforce.call import COLLECTION_SIZE, Answer, Call
from sandbox.salesforce.derive import DEFAULTS
from sandbox.salesforce.records import MERGEABLE
from sandbox.salesforce.schema import NUMBERS, Field, SObject
from sandbox.salesforce.values import Row

SOAP_TYPES = {
    "id": "tns:ID",
    "reference": "tns:ID",
    "boolean": "xsd:boolean",
    "int": "xsd:int",
    "double": "xsd:double",
    "currency": "xsd:double",
    "percent": "xsd:double",
    "date": "xsd:date",
    "datetime": "xsd:dateTime",
}


FILLED_BY_THE_ORG = frozenset(
    {
        "OwnerId",
        "CreatedDate",
        "CreatedById",
        "LastModifiedDate",
        "LastModifiedById",
        "SystemModstamp",
    }
)


def resources(call: Call) -> Answer:
    """List what hangs on a version's root."""
    names = ("composite", "jobs", "limits", "query", "queryAll", "sobjects", "tooling")
    return 200, {name: f"{call.root}/{name}" for name in names}


def list_objects(call: Call) -> Answer:
    """List every object."""
    objects = [_about(call, call.sobject(name)) for name in call.store.schema]
    return 200, {"encoding": "UTF-8", "maxBatchSize": COLLECTION_SIZE, "sobjects": objects}


def basic(call: Call) -> Answer:
    """Answer what an object is, and nothing of its fields."""
    return 200, {"objectDescribe": _about(call, call.sobject()), "recentItems": []}


def describe(call: Call) -> Answer:
    """Answer an object with every field the user may see."""
    sobject = call.sobject()
    fields = [described(sobject, known) for known in sobject.fields.values()]
    return 200, _about(call, sobject) | {
        "fields": fields,
        "childRelationships": _children(call, sobject),
        "recordTypeInfos": [
            {
                "name": "Master",
                "available": True,
                "recordTypeId": "012000000000000AAA",
                "defaultRecordTypeMapping": True,
            }
        ],
        "listviewable": None,
        "lookupLayoutable": None,
        "searchLayoutable": True,
    }


def _children(call: Call, sobject: SObject) -> list[Row]:
    return [
        {
            "field": known.name,
            "childSObject": name,
            "relationshipName": None,
            "cascadeDelete": False,
            "deprecatedAndHidden": False,
        }
        for name in call.store.schema
        for known in call.sobject(name).fields.values()
        if sobject.name in known.refers_to
    ]


def _about(call: Call, sobject: SObject) -> Row:
    root = f"{call.root}/sobjects/{sobject.name}"
    plural = "ies" if sobject.name.endswith("y") else "s"
    is_writable = sobject.is_writable
    return {
        "name": sobject.name,
        "label": sobject.name,
        "labelPlural": sobject.name.removesuffix("y" if plural == "ies" else "") + plural,
        "keyPrefix": sobject.prefix,
        "custom": False,
        "customSetting": False,
        "activateable": False,
        "deprecatedAndHidden": False,
        "feedEnabled": is_writable,
        "layoutable": is_writable,
        "searchable": is_writable,
        "triggerable": is_writable,
        "queryable": True,
        "retrieveable": True,
        "replicateable": True,
        "createable": is_writable,
        "updateable": is_writable,
        "deletable": is_writable,
        "undeletable": "IsDeleted" in sobject.fields and is_writable,
        "mergeable": sobject.name in MERGEABLE,
        "urls": {
            "sobject": root,
            "describe": f"{root}/describe",
            "rowTemplate": f"{root}/{{ID}}",
        },
    }


def described(sobject: SObject, known: Field) -> Row:
    """Return a field as ``describe`` tells it."""
    is_text = known.type not in SOAP_TYPES
    default = DEFAULTS.get(sobject.name, {}).get(known.name)
    is_filled = (
        known.type in ("id", "boolean") or default is not None or known.name in FILLED_BY_THE_ORG
    )
    length = known.length or (18 if known.refers_to else 0)
    return {
        "name": known.name,
        "label": known.label,
        "type": known.type,
        "soapType": SOAP_TYPES.get(known.type, "xsd:string"),
        "length": length,
        "byteLength": length if known.type in ("id", "reference") else length * 3,
        "digits": 9 if known.type == "int" else 0,
        "precision": known.precision or (18 if known.type in NUMBERS - {"int"} else 0),
        "scale": known.scale,
        "custom": known.is_custom,
        "createable": not known.read_only,
        "updateable": not known.read_only,
        "nillable": not known.required and not is_filled,
        "defaultedOnCreate": is_filled,
        "defaultValue": default if known.type == "boolean" else None,
        "filterable": not known.is_long,
        "sortable": not known.is_long,
        "groupable": (is_text and not known.is_long) or known.type in ("id", "reference", "date"),
        "externalId": known.external_id,
        "unique": known.unique,
        "idLookup": known.external_id or known.type in ("id", "email"),
        "caseSensitive": False,
        "nameField": known.name == "Name",
        "namePointing": len(known.refers_to) > 1,
        "referenceTo": list(known.refers_to),
        "relationshipName": known.relationship,
        "restrictedPicklist": known.restricted,
        "picklistValues": [_offered(known, value, default) for value in known.values],
    } | _ALWAYS


def _offered(known: Field, value: str, default: Any) -> Row:
    return {
        "active": value not in known.inactive,
        "defaultValue": value == default,
        "label": value,
        "validFor": None,
        "value": value,
    }


_ALWAYS: Row = {
    "autoNumber": False,
    "calculated": False,
    "calculatedFormula": None,
    "controllerName": None,
    "defaultValueFormula": None,
    "dependentPicklist": False,
    "deprecatedAndHidden": False,
    "htmlFormatted": False,
    "inlineHelpText": None,
    "relationshipOrder": None,
    "writeRequiresMasterRead": False,
}


def limits(call: Call) -> Answer:
    """Answer what is left of each limit; asking costs a call."""
    store = call.store
    queries = store.bulk.query_limit
    left = {
        "DailyApiRequests": (store.daily_limit, store.calls_today),
        "DailyBulkApiBatches": (15_000, store.bulk.created_today("ingest")),
        "DailyBulkV2QueryFileStorageMB": (976_562, 0),
        "DailyBulkV2QueryJobs": (queries, store.bulk.created_today("query")),
        "DailyDeliveredPlatformEvents": (10_000, 0),
    }
    return 200, {
        name: {"Max": most, "Remaining": max(0, most - used)} for name, (most, used) in left.items()
    }
