"""Who may see and write which field: the profile of the integration user, and its permission sets.

A field made over the API is closed to everybody until a FieldPermissions row of a permission set
that is assigned to the user opens it. What the org came with is open.
"""

from __future__ import annotations

from dataclasses import replace

from sandbox.salesforce.records import Records
from sandbox.salesforce.schema import OBJECT_NAMES, SObject

NONE, READ, EDIT = 0, 1, 2
LEVELS = {"none": NONE, "read": READ, "edit": EDIT}


class Access:
    """What the integration user sees of the schema."""

    def __init__(self, records: Records) -> None:
        self.records = records
        self._profile: dict[tuple[str, str], int] = {}
        self._views: dict[str, SObject] = {}
        for name in ("FieldPermissions", "PermissionSetAssignment"):
            records.table(name).changed = self.forget

    def forget(self) -> None:
        """Look anew: a field, a permission or an assignment changed."""
        self._views.clear()

    def set_profile(self, object: str, field: str, level: str) -> None:
        """Say what the user's profile alone allows: ``none``, ``read`` or ``edit``."""
        known = self.records.table(object).sobject.field(field)
        if known is None:
            raise ValueError(f"Salesforce {object} has no field {field!r}.")
        if level not in LEVELS:
            raise ValueError(f"A field is open for none, read or edit; not {level!r}.")
        self._profile[object, known.name] = LEVELS[level]
        self.forget()

    def drop(self, object: str, field: str) -> None:
        """Forget a field that is gone."""
        self._profile.pop((object, field), None)
        permissions = self.records.table("FieldPermissions")
        for row in permissions.all():
            if row.get("Field") == f"{object}.{field}":
                permissions.remove(row)
        self.forget()

    def view(self, name: str) -> SObject | None:
        """Return an object as the integration user sees it; None for one there is not."""
        known = OBJECT_NAMES.get(name.lower())
        if known is None:
            return None
        if known not in self._views:
            self._views[known] = self._seen(self.records.table(known).sobject)
        return self._views[known]

    def _seen(self, sobject: SObject) -> SObject:
        granted = self._granted(sobject.name)
        fields = []
        for known in sobject.fields.values():
            level = self._profile.get((sobject.name, known.name), EDIT)
            level = max(level, granted.get(known.name, NONE))
            if level == READ:
                fields.append(replace(known, read_only=True))
            elif level == EDIT:
                fields.append(known)
        return sobject.seen(fields)

    def _granted(self, object: str) -> dict[str, int]:
        user = self.records.integration_user_id
        sets = {
            row["PermissionSetId"]
            for row in self.records.table("PermissionSetAssignment").all()
            if row.get("AssigneeId") == user
        }
        granted: dict[str, int] = {}
        for row in self.records.table("FieldPermissions").all():
            if row["SobjectType"] == object and row["ParentId"] in sets:
                name = row["Field"].partition(".")[2]
                level = EDIT if row["PermissionsEdit"] else READ if row["PermissionsRead"] else NONE
                granted[name] = max(granted.get(name, NONE), level)
        return granted
