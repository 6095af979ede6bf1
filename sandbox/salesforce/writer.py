"""Writes that arrive by API: checked like Salesforce checks them, undone together when asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from sandbox.salesforce.checks import check_required, check_value, read
from sandbox.salesforce.errors import AmbiguousError, SalesforceError, not_found
from sandbox.salesforce.permissions import check_access
from sandbox.salesforce.rules import DuplicateHeader
from sandbox.salesforce.schema import SObject
from sandbox.salesforce.values import Row, full_id, wire_time

if TYPE_CHECKING:
    from sandbox.salesforce.store import SalesforceStore

Undo = list[Callable[[], None]]


class Writer:
    """One request's writes.

    ``undo`` is where each of them leaves its way back; several requests that stand or fall
    together share one.
    """

    def __init__(
        self, store: SalesforceStore, headers: Mapping[str, str], undo: Undo | None = None
    ) -> None:
        self.store = store
        self.user = store.integration_user_id
        self.now = store.clock.now()
        self.duplicates = DuplicateHeader.read(headers.get("sforce-duplicate-rule-header", ""))
        self._assigned_to = _assigned_to(store, headers.get("sforce-auto-assign", "TRUE"))
        self._undo: Undo = [] if undo is None else undo

    def create(self, sobject: SObject, body: Row) -> str:
        """Check and add one record. Raises SalesforceError."""
        self._may_write(sobject, "create")
        fields = self._checked(sobject, body, None)
        check_access(self.store, sobject.name, fields, None)
        self._assign(sobject, fields)
        whole = self.store.table(sobject.name).defaults | fields
        self.store.rules.check_validation(sobject.name, whole)
        self.store.rules.check_duplicates(sobject.name, whole, self.duplicates)
        marks = self.store.marks()
        made = self.store.insert(sobject.name, fields, at=self.now, by=self.user)
        self._note(sobject, made, "create", fields)
        self._undo.append(lambda: self._forget(sobject, made, marks))
        return made

    def update(self, sobject: SObject, id_: str, body: Row, *, is_row: bool = False) -> None:
        """Check and change one record. Raises SalesforceError."""
        self._may_write(sobject, "update")
        row = self._living(sobject, id_, is_row=is_row)
        if row.get("IsConverted"):
            raise SalesforceError("CANNOT_UPDATE_CONVERTED_LEAD", "cannot reference converted lead")
        fields = self._checked(sobject, body, row)
        check_access(self.store, sobject.name, fields, row)
        self._assign(sobject, fields)
        self.store.rules.check_validation(sobject.name, row | fields)
        before, marks = dict(row), self.store.marks()
        self.store.update(sobject.name, id_, fields, at=self.now, by=self.user)
        self._note(sobject, id_, "update", fields)
        self._undo.append(lambda: self._restore(sobject, row, before, marks))

    def upsert(
        self, sobject: SObject, name: str, value: Any, body: Row, *, update_only: bool = False
    ) -> tuple[str, bool]:
        """Update the record with this external id or create it; return its id and if it is new."""
        self.store.rules.raise_scripted(str(value))
        found = self.store.by_key(sobject.name, name, value)
        if len(found) > 1:
            raise AmbiguousError(sobject.name, found)
        if found:
            self.update(sobject, found[0], body)
            return found[0], False
        if name == "Id":
            raise SalesforceError("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id")
        if update_only:
            raise not_found()
        return self.create(sobject, {**body, name: value}), True

    def delete(
        self, sobject: SObject, id_: str, *, is_row: bool = False, is_hard: bool = False
    ) -> None:
        """Put one record into the bin, or past it. Raises SalesforceError."""
        self._may_write(sobject, "delete")
        row = self._living(sobject, id_, is_row=is_row)
        self.store.rules.raise_scripted(id_)
        before, marks = dict(row), self.store.marks()
        if is_hard:
            self.store.purge(sobject.name, id_)
        else:
            self.store.delete(sobject.name, id_, self.now, self.user)
        self._note(sobject, id_, "delete", {})
        self._undo.append(lambda: self._restore(sobject, row, before, marks))

    def roll_back(self) -> None:
        """Undo everything this request wrote, newest first."""
        while self._undo:
            self._undo.pop()()

    def _assign(self, sobject: SObject, fields: Row) -> None:
        if sobject.name == "Lead" and self._assigned_to:
            fields["OwnerId"] = self._assigned_to

    def _note(self, sobject: SObject, id_: str, action: str, fields: Row) -> None:
        self.store.effects.append(
            {
                "system": "salesforce",
                "object": sobject.name,
                "id": id_,
                "action": action,
                "fields": fields,
                "at": wire_time(self.now),
                "by": self.user,
            }
        )

    def _forget(self, sobject: SObject, id_: str, marks: dict[str, int]) -> None:
        self.store.forget(sobject.name, id_)
        self._undone(marks)

    def _restore(self, sobject: SObject, row: Row, before: Row, marks: dict[str, int]) -> None:
        self.store.restore(sobject.name, row, before)
        self._undone(marks)

    def _undone(self, marks: dict[str, int]) -> None:
        self.store.cut(marks)
        self.store.effects.pop()

    def _may_write(self, sobject: SObject, verb: str) -> None:
        if not sobject.is_writable:
            raise SalesforceError(
                "INVALID_TYPE_FOR_OPERATION",
                f"entity type {sobject.name} does not support {verb}",
            )

    def _living(self, sobject: SObject, id_: str, *, is_row: bool) -> Row:
        """Return the row, or refuse: a row's own address answers 404, a collection a code."""
        row = self.store.table(sobject.name).rows.get(id_)
        if row is None and is_row:
            raise not_found()
        if row is None:
            raise SalesforceError("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id")
        if row.get("IsDeleted"):
            raise SalesforceError(
                "ENTITY_IS_DELETED", "entity is deleted", status=404 if is_row else 400
            )
        return row

    def _checked(self, sobject: SObject, body: Row, row: Row | None) -> Row:
        """Return the fields to store. Raises SalesforceError with the first rule broken."""
        fields: Row = {}
        for name, value in body.items():
            if name == "attributes":
                continue
            known = sobject.field(name)
            if known is None:
                raise SalesforceError(
                    "INVALID_FIELD", f"No such column '{name}' on sobject of type {sobject.name}"
                )
            if known.read_only:
                raise SalesforceError(
                    "INVALID_FIELD_FOR_INSERT_UPDATE",
                    f"Unable to create/update fields: {known.name}. Please check the security "
                    "settings of this field and verify that it is read/write for your profile or "
                    "permission set.",
                    [known.name],
                )
            fields[known.name] = read(known, value)
        check_required(sobject, fields, row)
        for name, value in fields.items():
            if value is not None:
                check_value(self.store, sobject, sobject.fields[name], value, row)
        if row is not None:
            self.store.rules.raise_scripted(row["Id"])
        return fields


def _assigned_to(store: SalesforceStore, header: str) -> str | None:
    """Return who the assignment rule makes the owner; the header says TRUE, FALSE or a rule."""
    wanted = header.strip()
    if wanted.upper() == "FALSE":
        return None
    if wanted.upper() != "TRUE" and full_id(wanted) is None:
        raise SalesforceError("MALFORMED_ID", f"malformed id {wanted}")
    return store.rules.assignment_owner_id
