"""Permission sets over the ordinary API: what may stand in them, and once only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.salesforce.errors import SalesforceError
from sandbox.salesforce.schema import OBJECT_NAMES
from sandbox.salesforce.values import Row

if TYPE_CHECKING:
    from sandbox.salesforce.store import SalesforceStore


def check_access(store: SalesforceStore, object: str, fields: Row, row: Row | None) -> None:
    """Raise SalesforceError for a permission that cannot be, or is there already."""
    whole = (row or {}) | fields
    if object == "FieldPermissions":
        _check_field(store, fields, whole, row)
    elif object == "PermissionSet":
        taken = {other["Name"].lower() for other in store.table(object).all() if other is not row}
        if str(whole.get("Name")).lower() in taken:
            raise SalesforceError(
                "DUPLICATE_DEVELOPER_NAME",
                f"The name {whole['Name']} is already in use.",
                ["Name"],
            )
    elif object == "PermissionSetAssignment":
        _refuse_twice(store, object, whole, row, ("PermissionSetId", "AssigneeId"))


def _check_field(store: SalesforceStore, fields: Row, whole: Row, row: Row | None) -> None:
    object_name = OBJECT_NAMES.get(str(whole.get("SobjectType")).lower())
    if object_name is None:
        raise _not_offered("Sobject Type Name", "SobjectType", whole.get("SobjectType"))
    owner, _, name = str(whole.get("Field")).partition(".")
    known = store.schema[object_name].field(name) if owner.lower() == object_name.lower() else None
    # What everybody must see cannot be granted: system fields and required ones.
    if known is None or known.required or known.name == "Id":
        raise _not_offered("Field Name", "Field", whole.get("Field"))
    if whole.get("PermissionsEdit") and not whole.get("PermissionsRead"):
        raise SalesforceError(
            "FIELD_INTEGRITY_EXCEPTION", "Edit permission depends on permission(s): Read"
        )
    if row is None:
        fields["SobjectType"], fields["Field"] = object_name, f"{object_name}.{known.name}"
    _refuse_twice(store, "FieldPermissions", whole | fields, row, ("ParentId", "Field"))


def _not_offered(label: str, name: str, value: object) -> SalesforceError:
    return SalesforceError(
        "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
        f"{label}: bad value for restricted picklist field: {value}",
        [name],
    )


def _refuse_twice(
    store: SalesforceStore, object: str, whole: Row, row: Row | None, names: tuple[str, ...]
) -> None:
    for other in store.table(object).all():
        if other is not row and all(other.get(name) == whole.get(name) for name in names):
            raise SalesforceError(
                "DUPLICATE_VALUE",
                f"duplicate value found: {names[-1]} duplicates value on record with id: "
                f"{other['Id'][:15]}",
            )
