"""What the org's own people set up against a write: validation rules, duplicate rules, locks.

All of it meets writes that arrive by API; the population and the reps pass by.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.salesforce.conditions import Conditions
from sandbox.salesforce.errors import LOCKED, SalesforceError
from sandbox.salesforce.soql import parse
from sandbox.salesforce.values import Row, full_id, must_be_id

if TYPE_CHECKING:
    from sandbox.salesforce.conditions import Test
    from sandbox.salesforce.records import Records

IN_TRIGGER = (
    "LeadTrigger: execution of BeforeUpdate\n\ncaused by: System.DmlException: Update failed. "
    "First exception on row 0 with id {0}; first error: UNABLE_TO_LOCK_ROW, unable to obtain "
    "exclusive access to this record or 1 records: {0}: []\n\n(System Code)\n"
)
ACTIONS = ("Alert", "Block")


@dataclass(frozen=True, slots=True)
class ValidationRule:
    """A write that makes ``when`` true of the record is refused with ``message``."""

    name: str
    object: str
    test: Test
    message: str
    field: str | None


@dataclass(frozen=True, slots=True)
class DuplicateRule:
    """A new record whose fields equal those of another one is refused, or only with a flag."""

    name: str
    object: str
    fields: tuple[str, ...]
    action: str
    message: str


@dataclass(frozen=True, slots=True)
class DuplicateHeader:
    """What ``Sforce-Duplicate-Rule-Header`` asks for."""

    allow_save: bool = False
    details: bool = False

    @classmethod
    def read(cls, text: str) -> DuplicateHeader:
        """Read ``allowSave=true; includeRecordDetails=false``; what is not said is false."""
        said = {
            name.strip().lower(): value.strip().lower() == "true"
            for name, _, value in (
                part.partition("=") for part in text.replace(",", ";").split(";")
            )
        }
        return cls(said.get("allowsave", False), said.get("includerecorddetails", False))


class Rules:
    """The rules in force and the errors waiting for single records."""

    def __init__(self, records: Records) -> None:
        self.records = records
        self.assignment_owner_id: str | None = None
        self.validations: dict[str, ValidationRule] = {}
        self.duplicates: dict[str, DuplicateRule] = {}
        self._scripted: dict[str, list[SalesforceError]] = {}

    def script(
        self, key: str, code: str, message: str, times: int = 1, fields: tuple[str, ...] = ()
    ) -> None:
        """Refuse the next writes of one record (or of one external id) with this error."""
        waiting = self._scripted.setdefault(full_id(key) or key, [])
        waiting.extend([SalesforceError(code, message, fields)] * times)

    def lock(self, id: str, times: int = 1, *, in_trigger: bool = False) -> None:
        """Let the next writes of one record meet somebody else's lock."""
        known = must_be_id(id)
        if in_trigger:
            code = "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY"
            self.script(known, code, IN_TRIGGER.format(known), times)
        else:
            self.script(known, "UNABLE_TO_LOCK_ROW", LOCKED.format(known), times)

    def raise_scripted(self, key: str) -> None:
        """Raise the error waiting for this record, once for each time it was scripted."""
        waiting = self._scripted.get(key)
        if waiting:
            raise waiting.pop(0)

    def add_validation(
        self, name: str, object: str, when: str, message: str, field: str | None = None
    ) -> None:
        """Put a validation rule in force; ``when`` is a SOQL condition that must not hold."""
        query = parse(f"SELECT Id FROM {object} WHERE {when}")
        if query.where is None:
            raise ValueError("A validation rule needs a condition.")
        conditions = Conditions(query, self._view, self.records.find, self.records.clock.now())
        self.validations[name] = ValidationRule(
            name, conditions.sobject.name, conditions.test(query.where), message, field
        )

    def _view(self, name: str):  # type: ignore[no-untyped-def]
        known = {each.lower(): each for each in self.records.schema}.get(name.lower())
        return self.records.schema[known] if known else None

    def add_duplicate(
        self, name: str, object: str, fields: list[str], action: str, message: str
    ) -> None:
        """Put a duplicate rule in force: all of ``fields`` equal means the same person."""
        if action not in ACTIONS:
            raise ValueError(
                f"A duplicate rule's action is {' or '.join(ACTIONS)}; not {action!r}."
            )
        table = self.records.table(object)
        for field in fields:
            if field not in table.sobject.fields:
                raise ValueError(f"Salesforce {object} has no field {field!r}.")
            if field not in table.unique:
                table.index_field(field)
        self.duplicates[name] = DuplicateRule(name, object, tuple(fields), action, message)

    def check_validation(self, object: str, row: Row) -> None:
        """Raise FIELD_CUSTOM_VALIDATION_EXCEPTION for the first rule the row breaks."""
        for rule in self.validations.values():
            if rule.object == object and rule.test(row):
                fields = [rule.field] if rule.field else []
                raise SalesforceError("FIELD_CUSTOM_VALIDATION_EXCEPTION", rule.message, fields)

    def check_duplicates(self, object: str, row: Row, header: DuplicateHeader) -> None:
        """Raise DUPLICATES_DETECTED when the row resembles another one and may not be saved."""
        for rule in self.duplicates.values():
            if rule.object != object or (rule.action == "Alert" and header.allow_save):
                continue
            found = self._like(rule, row)
            if found:
                raise SalesforceError(
                    "DUPLICATES_DETECTED",
                    rule.message,
                    details={"duplicateResult": _result(rule, found, header)},
                )

    def _like(self, rule: DuplicateRule, row: Row) -> list[Row]:
        wanted = {name: str(row.get(name) or "").lower() for name in rule.fields}
        if not all(wanted.values()):
            return []
        first = rule.fields[0]
        return [
            other
            for other in self.records.table(rule.object).by_keys(first, (wanted[first],))
            if other["Id"] != row.get("Id")
            and not other.get("IsDeleted")
            and all(str(other.get(name) or "").lower() == text for name, text in wanted.items())
        ]


def _result(rule: DuplicateRule, found: list[Row], header: DuplicateHeader) -> Row:
    return {
        "allowSave": rule.action == "Alert",
        "duplicateRule": rule.name,
        "duplicateRuleEntityType": rule.object,
        "errorMessage": rule.message,
        "matchResults": [
            {
                "entityType": rule.object,
                "errors": [],
                "matchEngine": "FuzzyMatchEngine",
                "matchRecords": [_match(rule, row, header) for row in found],
                "rule": f"Standard_{rule.object}_Match_Rule_v1_0",
                "size": len(found),
                "success": True,
            }
        ],
    }


def _match(rule: DuplicateRule, row: Row, header: DuplicateHeader) -> Row:
    record: Row = {
        "attributes": {
            "type": rule.object,
            "url": f"/services/data/v62.0/sobjects/{rule.object}/{row['Id']}",
        },
        "Id": row["Id"],
    }
    if header.details:
        record |= {name: row.get(name) for name in ("Name", *rule.fields)}
    return {
        "additionalInformation": [],
        "fieldDiffs": [],
        "matchConfidence": 100.0,
        "record": record,
    }
