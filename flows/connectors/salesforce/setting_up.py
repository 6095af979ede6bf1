"""Our fields made in an org, and the permission set that shows them to us.

A field made by the API is invisible until a permission set grants it
(https://salesforce.stackexchange.com/questions/208307), so one named Baton does, and the user we
run as gets it. Needs Customize Application and Manage Users, once; a sync needs neither.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from typing import Any

from flows.connectors.base import Change, CustomField, text_id
from flows.connectors.salesforce import describing
from flows.connectors.salesforce.fields import METADATA, metadata, misfit, seen_on, too_short
from flows.connectors.salesforce.soql import quoted
from flows.connectors.salesforce.wire import Wire
from flows.errors import Forbidden, SourceError, VendorError

NAME = "Baton"
MAKE = "Let an administrator run it once, or give the user Customize Application"
GRANT = "Let an administrator run it once, or give the user Manage Users and Assign Permission Sets"


def set_up(wire: Wire, fields: Sequence[CustomField]) -> Iterator[Change]:
    """Make what is missing, and tell of each thing. Raises: SourceError."""
    described = _described(wire, fields)
    hidden: list[CustomField] = []
    granted: list[CustomField] = []
    for field in fields:
        known = described.get(seen_on(field), {}).get(field.name)
        change = _made(wire, field) if known is None else _judged(field, known)
        if known is None and change.status == "present":
            hidden.append(field)  # told when it can be seen
        else:
            yield change
        if change.status != "refused":
            granted.append(field)
    permission_set = yield from _permission_set(wire)
    if permission_set is None:
        yield from (_unseen(field) for field in hidden)
        return
    yield from _permissions(wire, permission_set, granted)
    yield from _assignment(wire, permission_set)
    described = _described(wire, hidden)
    for field in hidden:
        known = described.get(seen_on(field), {}).get(field.name)
        yield _unseen(field) if known is None else _judged(field, known)


def _described(wire: Wire, fields: Sequence[CustomField]) -> dict[str, dict[str, dict[str, Any]]]:
    found = describing.fetch(wire, [seen_on(field) for field in fields], "")
    return {name: describing.by_name(described) for name, described in found.items()}


def _made(wire: Wire, field: CustomField) -> Change:
    address = f"{field.object_name}.{field.name}"
    try:
        wire.object(
            "POST",
            f"{wire.root}/tooling/sobjects/CustomField",
            f"creating the field {address}",
            body={"FullName": address, "Metadata": metadata(field)},
        )
    except (VendorError, Forbidden) as error:
        if error.retryable:
            raise
        # A second attempt, after a lost answer, meets the field of the first one.
        if error.code in ("DUPLICATE_DEVELOPER_NAME", "DUPLICATE_VALUE"):
            return Change(f"field {address}", "present", "it could not be seen")
        return Change(f"field {address}", "refused", f"{error.answer}. {MAKE}")
    return Change(f"field {address}", "created", str(METADATA[field.kind]["type"]))


def _judged(field: CustomField, known: dict[str, Any]) -> Change:
    what = f"field {field.object_name}.{field.name}"
    wrong = misfit(field, known)
    if wrong is None:
        return Change(what, "present", too_short(field, known) or "")
    return Change(
        what,
        "refused",
        f"{wrong}. Nothing was changed: rename it in Setup, then run again",
    )


def _unseen(field: CustomField) -> Change:
    return Change(
        f"field {field.object_name}.{field.name}",
        "refused",
        f"it exists, and this user may not see it. {GRANT}",
    )


def _rows(wire: Wire, query: str, doing: str) -> list[dict[str, Any]]:
    body = wire.object("GET", f"{wire.root}/query", doing, params={"q": query})
    rows = body.get("records")
    return [row for row in (rows if isinstance(rows, list) else []) if isinstance(row, dict)]


def _permission_set(wire: Wire) -> Generator[Change, None, str | None]:
    """Find or make the permission set; returns its id, None where it is refused."""
    what = f"permission set {NAME}"
    doing = f"looking for the {what}"
    try:
        rows = _rows(wire, f"SELECT Id FROM PermissionSet WHERE Name = {quoted(NAME)}", doing)
        if rows and text_id(rows[0].get("Id")):
            yield Change(what, "present")
            return text_id(rows[0]["Id"])
        body = wire.object(
            "POST",
            f"{wire.root}/sobjects/PermissionSet",
            f"creating the {what}",
            body={"Name": NAME, "Label": NAME, "Description": "The fields Baton reads and writes."},
            repeatable=False,
        )
    except (VendorError, Forbidden) as error:
        yield _refused(what, error)
        return None
    yield Change(what, "created")
    return text_id(body.get("id"))


def _permissions(
    wire: Wire, permission_set: str, fields: Sequence[CustomField]
) -> Iterator[Change]:
    held = {
        str(row.get("Field")): row
        for row in _rows(
            wire,
            "SELECT Id, Field, PermissionsRead, PermissionsEdit FROM FieldPermissions "
            f"WHERE ParentId = {quoted(permission_set)}",
            "reading the field permissions",
        )
    }
    for field in fields:
        address = f"{seen_on(field)}.{field.name}"
        row, what = held.get(address, {}), f"access to {address}"
        if row.get("PermissionsRead") is True and row.get("PermissionsEdit") is True:
            yield Change(what, "present")
            continue
        try:
            _grant(wire, permission_set, seen_on(field), address, text_id(row.get("Id")))
        except (VendorError, Forbidden) as error:
            yield _refused(what, error)
        else:
            yield Change(what, "granted")


def _grant(wire: Wire, permission_set: str, sobject: str, address: str, row: str | None) -> None:
    rights = {"PermissionsRead": True, "PermissionsEdit": True}
    path, doing = f"{wire.root}/sobjects/FieldPermissions", f"granting access to {address}"
    if row:
        wire.call("PATCH", f"{path}/{row}", doing, body=rights)
        return
    body = {"ParentId": permission_set, "SobjectType": sobject, "Field": address, **rights}
    try:
        wire.call("POST", path, doing, body=body)
    except VendorError as error:
        # Already there: the answer to a first attempt was lost.
        if error.code not in ("DUPLICATE_VALUE", "DUPLICATES_DETECTED"):
            raise


def _assignment(wire: Wire, permission_set: str) -> Iterator[Change]:
    user, _ = wire.identity()
    what = f"permission set {NAME} for user {user}"
    where = f"AssigneeId = {quoted(user)} AND PermissionSetId = {quoted(permission_set)}"
    try:
        if _rows(wire, f"SELECT Id FROM PermissionSetAssignment WHERE {where}", f"reading {what}"):
            yield Change(what, "present")
            return
        wire.call(
            "POST",
            f"{wire.root}/sobjects/PermissionSetAssignment",
            f"assigning {what}",
            body={"AssigneeId": user, "PermissionSetId": permission_set},
        )
    except (VendorError, Forbidden) as error:
        is_there = error.code == "DUPLICATE_VALUE"
        yield Change(what, "present") if is_there else _refused(what, error)
        return
    yield Change(what, "granted")


def _refused(what: str, error: SourceError) -> Change:
    if error.retryable:
        raise error
    return Change(what, "refused", f"{error.answer or error.message}. {GRANT}")
