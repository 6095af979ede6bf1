"""HubSpot's objects and properties: what exists, what may be written, how values look.

The properties of a standard account stand in ``definitions.py``.
Sources: HubSpot developer documentation, "Properties" and "CRM objects"; the official OpenAPI.
"""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import orjson

EMAIL = re.compile(r"^[^@\s]+@[^@\s]+\.[^@\s]+$")
STAGES = [
    "subscriber",
    "lead",
    "marketingqualifiedlead",
    "salesqualifiedlead",
    "opportunity",
    "customer",
    "evangelist",
    "other",
]
PROPERTY_NAME = re.compile(r"^[a-z][a-z0-9_]*$")


class ApiError(Exception):
    """An answer that is not a success, in HubSpot's envelope; every field but two is optional."""

    def __init__(
        self,
        status: int,
        message: str,
        category: str | None = None,
        headers: dict[str, str] | None = None,
        **extra: Any,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers or {}
        self.body: dict[str, Any] = {
            "status": "error",
            "message": message,
            "correlationId": str(uuid.uuid4()),
        }
        if category:
            self.body["category"] = category
        self.body.update(extra)


def not_found() -> ApiError:
    return ApiError(404, "resource not found")


def already_exists(what: str, name: Any, kind: str) -> dict[str, Any]:
    """The error of a second definition under one name."""
    return {
        "category": "OBJECT_ALREADY_EXISTS",
        "subCategory": f"Properties.{kind}_WITH_NAME_EXISTS",
        "message": f"A {what} named '{name}' already exists.",
        "context": {"name": [str(name)]},
    }


def bad_request(message: str, **extra: Any) -> ApiError:
    return ApiError(400, message, "VALIDATION_ERROR", **extra)


def iso(ms: int) -> str:
    """Epoch milliseconds as HubSpot prints them: milliseconds are left out when they are zero.

    A page of two hundred records prints four hundred of them: days and times of day are kept.
    """
    seconds, rest = divmod(ms, 1000)
    day, second = divmod(seconds, 86_400)
    text = _day(day) + _time_of_day(second)
    return f"{text}.{rest:03d}Z" if rest else f"{text}Z"


@lru_cache(maxsize=16_384)
def _day(number: int) -> str:
    return datetime.fromtimestamp(number * 86_400, UTC).isoformat()[:11]


@lru_cache(maxsize=86_400)
def _time_of_day(second: int) -> str:
    return f"{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}"


def to_ms(moment: datetime) -> int:
    """A moment as whole milliseconds; a naive one is taken as UTC."""
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    delta = aware - datetime(1970, 1, 1, tzinfo=UTC)
    return (delta.days * 86_400 + delta.seconds) * 1000 + delta.microseconds // 1000


@lru_cache(maxsize=65_536)
def parse_ms(text: str) -> int | None:
    """Epoch milliseconds from the two spellings HubSpot accepts (digits, ISO 8601), else None."""
    value = text.strip()
    if value.lstrip("-").isdigit():
        return int(value)
    try:
        return to_ms(datetime.fromisoformat(value))
    except ValueError:
        return None


@dataclass(slots=True)
class Property:
    """One property definition. ``external`` options live elsewhere (owners)."""

    name: str
    type: str = "string"
    field_type: str = "text"
    label: str = ""
    group: str = ""
    description: str = ""
    read_only: bool = False
    unique: bool = False
    external: bool = False
    custom: bool = False
    options: list[dict[str, Any]] = field(default_factory=list)
    created: int = 0
    updated: int = 0
    archived: int | None = None

    @property
    def values(self) -> list[str]:
        ordered = sorted(self.options, key=lambda option: option.get("displayOrder", 0))
        return [option["value"] for option in ordered]

    def as_json(self) -> dict[str, Any]:
        return {
            "createdAt": iso(self.created),
            "updatedAt": iso(self.updated),
            **({"createdUserId": "4001", "updatedUserId": "4001"} if self.custom else {}),
            "name": self.name,
            "label": self.label,
            "type": self.type,
            "fieldType": self.field_type,
            "description": self.description,
            "groupName": self.group,
            "options": self.options,
            "displayOrder": -1,
            "calculated": self.field_type.startswith("calculation"),
            "externalOptions": self.external,
            "archived": self.archived is not None,
            **({} if self.archived is None else {"archivedAt": iso(self.archived)}),
            # E-mail addresses are unique, and real accounts do not say so.
            "hasUniqueValue": self.unique and self.custom,
            "hidden": False,
            "dataSensitivity": "non_sensitive",
            "hubspotDefined": not self.custom,
            "formField": not self.read_only,
            **({"referencedObjectType": "OWNER"} if self.name == "hubspot_owner_id" else {}),
            "modificationMetadata": {
                "archivable": self.custom,
                "readOnlyDefinition": not self.custom,
                "readOnlyOptions": False,
                "readOnlyValue": self.read_only,
            },
        }

    def clean(self, value: Any) -> str | None:
        """The stored form of a written value; ``""`` clears. Raises: InvalidValueError."""
        text = as_text(value)
        if text == "":
            return None
        if self.name == "email":
            text = text.strip().lower()
            if not EMAIL.match(text):
                raise InvalidValueError("INVALID_EMAIL", f"Email address {text} is invalid")
        elif self.type == "number":
            try:
                float(text)
            except ValueError:
                raise InvalidValueError(
                    "INVALID_INTEGER", f"{text} was not a valid number."
                ) from None
        elif self.type in ("date", "datetime"):
            text = self._clean_time(text)
        elif self.options and self.type in ("enumeration", "bool"):
            allowed = self.values
            parts = text.split(";") if self.field_type == "checkbox" else [text]
            if any(part not in allowed for part in parts if part):
                listed = ", ".join(allowed)
                raise InvalidValueError(
                    "INVALID_OPTION", f"{text} was not one of the allowed options: [{listed}]"
                )
        elif len(text) > 65_536:
            raise InvalidValueError("INVALID_LENGTH", "Property value exceeds 65536 characters.")
        return text

    def _clean_time(self, text: str) -> str:
        ms = parse_ms(text)
        if ms is None:
            raise InvalidValueError("INVALID_DATE", f"{text} was not a valid timestamp.")
        try:
            printed = iso(ms)
        except (OverflowError, ValueError, OSError):
            raise InvalidValueError("INVALID_DATE", f"{text} was not a valid timestamp.") from None
        if self.type == "datetime":
            return printed
        if ms % 86_400_000:
            raise InvalidValueError("INVALID_DATE", f"{text} is not at midnight UTC.")
        return printed[:10]


class InvalidValueError(Exception):
    """A written value breaks the property's definition."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def as_text(value: Any) -> str:
    # Clients send numbers and booleans; HubSpot keeps and returns strings only.
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value
    return orjson.dumps(value).decode()


def invalid_properties(problems: list[tuple[str, str, str]]) -> ApiError:
    """One 400 for all refused values of a request; ``message`` embeds a JSON list as text."""
    listed = [
        {"isValid": False, "message": message, "error": code, "name": name}
        for name, code, message in problems
    ]
    return bad_request(
        f"Property values were not valid: {orjson.dumps(listed).decode()}",
        context={"propertyName": [name for name, _, _ in problems]},
        errors=[
            {"message": message, "code": code, "in": None, "context": {"propertyName": [name]}}
            for name, code, message in problems
        ],
    )


@dataclass(frozen=True, slots=True)
class ObjectType:
    """One CRM object. Only contacts are searched by ``lastmodifieddate``: every other object has
    ``hs_lastmodifieddate``, and the wrong one matches nothing, silently."""

    name: str
    type_id: str
    singular: str
    modified: str = "hs_lastmodifieddate"
    created: str = "createdate"
    shown: tuple[str, ...] = ()
    searched: tuple[str, ...] = ()
    required: tuple[str, ...] = ()
    mergeable: bool = False

    @property
    def defaults(self) -> tuple[str, ...]:
        return (*self.shown, self.created, self.modified, "hs_object_id")


OBJECT_TYPES = {
    kind.name: kind
    for kind in (
        ObjectType(
            "contacts",
            "0-1",
            "contact",
            modified="lastmodifieddate",
            shown=("email", "firstname", "lastname"),
            searched=("firstname", "lastname", "email", "phone", "company"),
            mergeable=True,
        ),
        ObjectType(
            "companies",
            "0-2",
            "company",
            shown=("name", "domain"),
            searched=("name", "domain", "website", "phone"),
            mergeable=True,
        ),
        ObjectType(
            "deals",
            "0-3",
            "deal",
            shown=("dealname", "amount", "closedate", "pipeline", "dealstage"),
            searched=("dealname",),
            mergeable=True,
        ),
        ObjectType(
            "tickets", "0-5", "ticket", shown=("subject",), searched=("subject",), mergeable=True
        ),
        ObjectType(
            "tasks",
            "0-27",
            "task",
            created="hs_createdate",
            searched=("hs_task_subject",),
            required=("hs_timestamp",),
        ),
        ObjectType(
            "notes",
            "0-46",
            "note",
            created="hs_createdate",
            searched=("hs_note_body",),
            required=("hs_timestamp",),
        ),
        ObjectType(
            "meetings",
            "0-47",
            "meeting",
            created="hs_createdate",
            searched=("hs_meeting_title",),
            required=("hs_timestamp",),
        ),
        ObjectType(
            "calls",
            "0-48",
            "call",
            created="hs_createdate",
            searched=("hs_call_title",),
            required=("hs_timestamp",),
        ),
        ObjectType(
            "emails",
            "0-49",
            "email",
            created="hs_createdate",
            searched=("hs_email_subject",),
            required=("hs_timestamp",),
        ),
        ObjectType(
            "leads",
            "0-136",
            "lead",
            shown=("hs_lead_name",),
            created="hs_createdate",
            searched=("hs_lead_name",),
            required=("hs_lead_name",),
        ),
    )
}
_SPELLINGS = {
    spelling: kind
    for kind in OBJECT_TYPES.values()
    for spelling in (kind.name, kind.singular, kind.type_id)
}


def object_type(spelling: str) -> ObjectType:
    """The object a path names, in any of its three spellings. Raises: ApiError 400."""
    try:
        return _SPELLINGS[spelling.lower()]
    except KeyError:
        raise bad_request(f"Unable to infer object type from: {spelling}") from None


def options(values: list[str], labels: list[str] | None = None) -> list[dict[str, Any]]:
    return [
        {
            "label": label,
            "value": value,
            "description": "",
            "displayOrder": order,
            "hidden": False,
        }
        for order, (value, label) in enumerate(zip(values, labels or values, strict=True))
    ]
