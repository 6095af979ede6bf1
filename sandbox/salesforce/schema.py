"""The object model of one org: objects, fields, and how both may change while it runs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from sandbox.salesforce.objects import (
    ACCESS,
    DELETABLE,
    FIELDS,
    HISTORIES,
    NEVER_DELETED,
    PICKLISTS,
    PREFIXES,
    READ_ONLY,
    SYSTEM,
)

NUMBERS = frozenset({"int", "double", "currency", "percent"})
TEXTS = frozenset({"string", "email", "phone", "url", "picklist", "textarea"})
OBJECT_OF_PREFIX = {prefix: name for name, prefix in PREFIXES.items()}
OBJECT_NAMES = {name.lower(): name for name in PREFIXES}
_WORD = re.compile(r"(\w+)(?:\(([^)]*)\))?")


@dataclass(frozen=True, slots=True)
class Field:
    """One column: its type, and what may be done with it.

    ``values`` are a picklist's values, ``inactive`` those of them that are switched off;
    ``restricted`` refuses all others. ``precision`` and ``scale`` bound a number somebody made.
    """

    name: str
    type: str
    length: int = 0
    refers_to: tuple[str, ...] = ()
    required: bool = False
    read_only: bool = False
    external_id: bool = False
    unique: bool = False
    restricted: bool = False
    values: tuple[str, ...] = ()
    inactive: tuple[str, ...] = ()
    precision: int = 0
    scale: int = 0
    given_label: str = ""

    @property
    def label(self) -> str:
        if self.given_label:
            return self.given_label
        plain = self.name.removesuffix("__c").replace("_", " ")
        words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", plain).removesuffix(" Id")
        words = words[:1].upper() + words[1:]
        return f"{words} ID" if self.refers_to else words

    @property
    def relationship(self) -> str | None:
        """The name a path goes through: ``Owner`` for ``OwnerId``."""
        return self.name.removesuffix("Id") if self.refers_to else None

    @property
    def is_long(self) -> bool:
        """Long text can be selected, but neither filtered nor sorted."""
        return self.type == "textarea"

    @property
    def is_custom(self) -> bool:
        return self.name.endswith("__c")


@dataclass(slots=True)
class SObject:
    """One object: its id prefix and its fields, found by name in any case."""

    name: str
    prefix: str
    fields: dict[str, Field]
    is_writable: bool = True
    stamp: str = "SystemModstamp"
    names: dict[str, str] = field(init=False)
    relationships: dict[str, Field] = field(init=False)

    def __post_init__(self) -> None:
        self.settle()

    def settle(self) -> None:
        """Bring the look-ups up to date with the fields."""
        self.names = {known.lower(): known for known in self.fields}
        self.relationships = {
            known.relationship.lower(): known
            for known in self.fields.values()
            if known.relationship
        }

    def field(self, name: str) -> Field | None:
        """Return the field of this name, in any case."""
        known = self.names.get(name.lower())
        return None if known is None else self.fields[known]

    def seen(self, fields: Iterable[Field]) -> SObject:
        """Return the object as somebody sees it who is shown only these fields."""
        return SObject(
            self.name,
            self.prefix,
            {known.name: known for known in fields},
            is_writable=self.is_writable,
            stamp=self.stamp,
        )


def _read(line: str) -> Field:
    name, kind, *flags = line.split()
    type_name, argument = _WORD.fullmatch(kind).groups()  # type: ignore[union-attr]
    allowed = next((flag for flag in flags if flag.startswith("one_of(")), "")
    return Field(
        name=name,
        type=type_name,
        length=int(argument) if argument and type_name != "reference" else 0,
        refers_to=tuple(argument.split(",")) if type_name == "reference" else (),
        required="required" in flags,
        read_only="readonly" in flags,
        external_id="external" in flags,
        unique="external" in flags,
        restricted=bool(allowed),
        values=tuple(allowed[len("one_of(") : -1].split(",")) if allowed else (),
    )


def _object(name: str, lines: str, prefix: str = "") -> SObject:
    fields = [Field("Id", "id", 18, read_only=True, given_label=f"{name} ID")]
    for line in filter(str.strip, lines.splitlines()):
        known = _read(line)
        if (name, known.name) in PICKLISTS:
            known = replace(known, values=PICKLISTS[name, known.name])
        fields.append(known)
    return SObject(
        name=name,
        prefix=prefix,
        fields={known.name: known for known in fields},
        is_writable=name not in READ_ONLY,
        stamp="CreatedDate" if name in HISTORIES else "SystemModstamp",
    )


def _lines(name: str) -> Iterator[str]:
    yield FIELDS[name]
    if name in HISTORIES:
        yield "IsDeleted boolean readonly\nCreatedDate datetime readonly\n"
        yield "CreatedById reference(User) readonly\n"
        return
    if name not in NEVER_DELETED:
        yield DELETABLE
    if name not in ("FieldPermissions", "QueueSobject"):
        yield SYSTEM
    else:
        yield "SystemModstamp datetime readonly\n"


def new_schema(*, custom_fields: bool = True) -> dict[str, SObject]:
    """Return the objects of a new org, with Baton's own fields or without."""
    made = {name: _object(name, "".join(_lines(name)), PREFIXES[name]) for name in FIELDS}
    if not custom_fields:
        for sobject in made.values():
            for name in [known for known in sobject.fields if known.startswith("baton_")]:
                del sobject.fields[name]
            sobject.settle()
    return made


# What a path through a reference to several objects can see.
NAME = _object(
    "Name",
    """
    Name string(121)
    FirstName string(40)
    LastName string(80)
    Email email(80)
    Title string(128)
    Phone phone(40)
    Username string(80)
    IsActive boolean
    Type picklist(40)
    """,
)
# Fields as the Tooling API lists them; its objects are not those of the REST API.
CUSTOM_FIELD = _object(
    "CustomField",
    """
    DeveloperName string(80)
    TableEnumOrId string(40)
    NamespacePrefix string(15)
    Length int
    Precision int
    Scale int
    Description string(1000)
    FullName string(255)
    Metadata textarea(32000)
    """
    + SYSTEM,
    "00N",
)
# These are for good, not for the bin: no IsDeleted, and a deleted row is gone.
IS_REMOVED = ACCESS
