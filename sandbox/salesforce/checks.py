"""What a value must be: its type on the way in, then its length, form, list and range."""

from __future__ import annotations

import re
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING, Any

from sandbox.salesforce.errors import SalesforceError
from sandbox.salesforce.schema import NUMBERS, OBJECT_OF_PREFIX, Field, SObject
from sandbox.salesforce.values import Row, full_id, parse_time, wire_time

if TYPE_CHECKING:
    from sandbox.salesforce.records import Records

EMAIL = re.compile(r"[^\s@<>(),;:\"\[\]]+@[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?\.[A-Za-z]{2,}")


def read(known: Field, value: Any) -> Any:
    """Return a JSON value as the store holds it. Raises SalesforceError when its type is wrong."""
    if isinstance(value, str):
        value = value.strip()  # Salesforce trims, and an empty text is no value
    if value is None or value == "":
        return None
    try:
        return _typed(known, value)
    except (ValueError, TypeError, KeyError, OverflowError):
        kind = known.type if known.type in ("datetime", "date", "boolean", "int") else "double"
        raise SalesforceError(
            "JSON_PARSER_ERROR",
            f"Cannot deserialize instance of {kind} from VALUE_STRING value {value} or request "
            "may be missing a required field at [line:1, column:1]",
        ) from None


def _typed(known: Field, value: Any) -> Any:
    if known.type == "boolean":
        if isinstance(value, bool):
            return value
        return {"true": True, "false": False}[str(value).lower()]
    if known.type == "date":
        # A datetime given for a date is cut to its day.
        return date.fromisoformat(str(value)[:10]).isoformat()
    if known.type == "datetime":
        return wire_time(parse_time(str(value)))
    if known.type in NUMBERS:
        return _number(known, value)
    if isinstance(value, dict | list):
        raise SalesforceError(
            "JSON_PARSER_ERROR",
            f"Cannot deserialize instance of {known.type} from START_OBJECT value or request may "
            "be missing a required field at [line:1, column:1]",
        )
    if known.refers_to:
        found = full_id(str(value))
        if found is None:
            raise SalesforceError(
                "MALFORMED_ID", f"{known.label}: id value of incorrect type: {value}", [known.name]
            )
        return found
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _number(known: Field, value: Any) -> float:
    number = float(value)
    if isinstance(value, bool) or number != number or number in (1e999, -1e999):
        raise ValueError("not a number")
    if known.type == "int" and not number.is_integer():
        raise ValueError("not a whole number")
    if known.type == "int":
        return int(number)
    if not known.precision or abs(number) >= _bound(known):
        return number
    return float(Decimal(repr(number)).quantize(Decimal(1).scaleb(-known.scale), ROUND_HALF_UP))


def check_value(
    records: Records, sobject: SObject, known: Field, value: Any, row: Row | None
) -> None:
    """Raise SalesforceError when a value of the right type cannot stand in this field."""
    if known.length and isinstance(value, str) and len(value) > known.length:
        raise SalesforceError(
            "STRING_TOO_LONG",
            f"{known.label}: data value too large: {value} (max length={known.length})",
            [known.name],
        )
    if known.type == "email" and not EMAIL.fullmatch(value):
        raise SalesforceError(
            "INVALID_EMAIL_ADDRESS",
            f"{known.label}: invalid email address: {value}",
            [known.name],
        )
    if known.restricted and (value not in known.values or value in known.inactive):
        raise SalesforceError(
            "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
            f"{known.label}: bad value for restricted picklist field: {value}",
            [known.name],
        )
    if known.type in NUMBERS and abs(value) >= _bound(known):
        raise SalesforceError(
            "NUMBER_OUTSIDE_VALID_RANGE",
            f"{known.label}: value outside of valid range on numeric field: {value}",
            [known.name],
        )
    if known.refers_to:
        _check_reference(records, sobject, known, value, row)
    if known.unique:
        _check_unique(records, sobject, known, value, row)


def _bound(known: Field) -> int:
    if known.precision:
        return int(10 ** (known.precision - known.scale))
    return 10**9 if known.type == "int" else 10**16


def _check_unique(
    records: Records, sobject: SObject, known: Field, value: Any, row: Row | None
) -> None:
    others = records.by_key(sobject.name, known.name, value)
    taken = [id_ for id_ in others if row is None or id_ != row["Id"]]
    if taken:
        raise SalesforceError(
            "DUPLICATE_VALUE",
            f"duplicate value found: {known.name} duplicates value on record with id: "
            f"{taken[0][:15]}",
        )


def _check_reference(
    records: Records, sobject: SObject, known: Field, value: str, row: Row | None
) -> None:
    if OBJECT_OF_PREFIX.get(value[:3]) not in known.refers_to:
        raise SalesforceError(
            "MALFORMED_ID",
            f"{known.label}: id value of incorrect type: {value}",
            [known.name],
        )
    target = records.find(value)
    if target is None:
        raise SalesforceError(
            "INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id", [known.name]
        )
    if target.get("IsDeleted"):
        raise SalesforceError("ENTITY_IS_DELETED", "entity is deleted", [known.name])
    if target.get("IsConverted"):
        raise SalesforceError(
            "CANNOT_UPDATE_CONVERTED_LEAD", "cannot reference converted lead", [known.name]
        )
    is_change = row is None or row.get(known.name) != value
    # Keeping an inactive owner is allowed, giving a record to one is not.
    if known.name == "OwnerId" and is_change and target.get("IsActive") is False:
        raise SalesforceError(
            "INACTIVE_OWNER_OR_USER",
            f"operation performed with inactive user [{value[:15]}] as owner of "
            f"{sobject.name.lower()}",
        )


def check_required(sobject: SObject, fields: Row, row: Row | None) -> None:
    """Raise REQUIRED_FIELD_MISSING when a new record lacks a field or an old one loses it."""
    missing = [
        known.name
        for known in sobject.fields.values()
        if known.required
        and (fields.get(known.name) is None if row is None or known.name in fields else False)
    ]
    if sobject.name == "Event" and row is None:
        given = {name for name, value in fields.items() if value is not None}
        if not given & {"StartDateTime", "ActivityDateTime"}:
            missing.append("ActivityDateTime")
        if not given & {"EndDateTime", "DurationInMinutes"}:
            missing.append("DurationInMinutes")
    if missing:
        raise SalesforceError(
            "REQUIRED_FIELD_MISSING",
            f"Required fields are missing: [{', '.join(missing)}]",
            missing,
        )
