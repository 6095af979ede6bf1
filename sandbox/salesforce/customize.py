"""Fields made, dropped, renamed and retyped while the org runs."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from sandbox.salesforce.access import Access
from sandbox.salesforce.derive import held
from sandbox.salesforce.records import Records
from sandbox.salesforce.schema import TEXTS, Field, SObject
from sandbox.salesforce.values import Row

NAME = re.compile(r"[A-Za-z](?:_?[A-Za-z0-9])*__c")
# A custom field of an activity is one field on two objects.
ACTIVITIES = ("Task", "Event")
TYPES = {
    "Text": "string",
    "TextArea": "textarea",
    "LongTextArea": "textarea",
    "Number": "double",
    "Currency": "currency",
    "Percent": "percent",
    "DateTime": "datetime",
    "Date": "date",
    "Checkbox": "boolean",
    "Picklist": "picklist",
    "Email": "email",
    "Phone": "phone",
    "Url": "url",
}


class Customize:
    """Changes to the object model of one org."""

    def __init__(self, records: Records, access: Access) -> None:
        self.records = records
        self.access = access
        for sobject in records.schema.values():
            for known in sobject.fields.values():
                if known.is_custom:
                    self._list(sobject, known)

    def owners(self, object: str) -> list[SObject]:
        """Return the objects a field of ``object`` stands on; Activity stands for two."""
        names = ACTIVITIES if object == "Activity" else (object,)
        return [self.records.table(name).sobject for name in names]

    def add(self, object: str, made: Field, *, is_open: bool) -> str:
        """Add a field and return its id in the Tooling API.

        ``is_open`` lets the integration user see it at once; over the API it is closed.
        """
        id_ = ""
        for sobject in self.owners(object):
            sobject.fields[made.name] = made
            sobject.settle()
            table = self.records.table(sobject.name)
            if made.unique or made.external_id:
                table.index_field(made.name)
            if made.type == "boolean":
                table.defaults[made.name] = False
                for row in table.rows.values():
                    row.setdefault(made.name, False)
            self.access.set_profile(sobject.name, made.name, "edit" if is_open else "none")
            id_ = self._list(sobject, made)
        return id_

    def remove(self, object: str, name: str) -> None:
        """Drop a field and what it held: nobody who asks for it is answered."""
        for sobject in self.owners(object):
            known = _must(sobject, name)
            del sobject.fields[known.name]
            sobject.settle()
            table = self.records.table(sobject.name)
            table.unique.pop(known.name, None)
            table.defaults.pop(known.name, None)
            for row in table.rows.values():
                row.pop(known.name, None)
            self.access.drop(sobject.name, known.name)
            for listed in self._listed(sobject, known.name):
                self.records.custom_fields.remove(listed)

    def rename(self, object: str, name: str, new: str) -> None:
        """Give a field another API name; what it held stays."""
        for sobject in self.owners(object):
            known = _must(sobject, name)
            if not NAME.fullmatch(new) or sobject.field(new):
                raise ValueError(f"{new!r} is taken, or no name of a custom field.")
            # People go on seeing it called what it was called.
            made = replace(known, name=new, given_label=known.label)
            fields = [made if f is known else f for f in sobject.fields.values()]
            sobject.fields = {each.name: each for each in fields}
            sobject.settle()
            table = self.records.table(sobject.name)
            for keyed in (table.unique, table.defaults, *table.rows.values()):
                if known.name in keyed:
                    keyed[new] = keyed.pop(known.name)
            for listed in self._listed(sobject, known.name):
                listed["DeveloperName"] = new.removesuffix("__c")
            self.access.forget()

    def retype(self, object: str, name: str, type_name: str, length: int = 0) -> None:
        """Give a field another type; what cannot be read as that type is emptied."""
        if type_name not in {*TYPES.values(), "int"}:
            raise ValueError(f"Salesforce has no field type {type_name!r}.")
        for sobject in self.owners(object):
            known = _must(sobject, name)
            made = replace(known, type=type_name, length=length, precision=0, scale=0)
            self._replace(sobject, made)
            for row in self.records.table(sobject.name).rows.values():
                if row.get(made.name) is not None:
                    row[made.name] = _as(made, row[made.name])

    def alter(self, object: str, name: str, **changes: Any) -> None:
        """Change what a field demands, for instance ``length``, ``required`` or ``read_only``."""
        for sobject in self.owners(object):
            self._replace(sobject, replace(_must(sobject, name), **changes))

    def add_value(self, object: str, name: str, value: str) -> None:
        """Offer one more value in a picklist."""
        for sobject in self.owners(object):
            known = _must(sobject, name)
            values = tuple(dict.fromkeys((*known.values, value)))
            inactive = tuple(each for each in known.inactive if each != value)
            self._replace(sobject, replace(known, values=values, inactive=inactive))

    def remove_value(self, object: str, name: str, value: str, *, is_gone: bool = False) -> None:
        """Switch a picklist value off, or take it away; records keep what they hold."""
        for sobject in self.owners(object):
            known = _must(sobject, name)
            if value not in known.values:
                raise ValueError(f"Salesforce {object}.{name} has no value {value!r}.")
            if is_gone:
                values = tuple(each for each in known.values if each != value)
                self._replace(sobject, replace(known, values=values))
            else:
                self._replace(sobject, replace(known, inactive=(*known.inactive, value)))

    def _replace(self, sobject: SObject, made: Field) -> None:
        sobject.fields[made.name] = made
        sobject.settle()
        self.access.forget()

    def _list(self, sobject: SObject, known: Field) -> str:
        """Put a field into the Tooling API's list; an activity's stands there once."""
        found = self._listed(sobject, known.name)
        if found:
            return str(found[0]["Id"])
        stamp = {"CreatedById": self.records.integration_user_id}
        row: Row = {
            "DeveloperName": known.name.removesuffix("__c"),
            "TableEnumOrId": _owner(sobject),
            "Length": known.length or None,
            "Precision": known.precision or None,
            "Scale": known.scale if known.precision else None,
        }
        return self.records.insert("CustomField", row | stamp)

    def _listed(self, sobject: SObject, name: str) -> list[Row]:
        return [
            row
            for row in self.records.custom_fields.all()
            if row["TableEnumOrId"] == _owner(sobject) and f"{row['DeveloperName']}__c" == name
        ]


def _owner(sobject: SObject) -> str:
    return "Activity" if sobject.name in ACTIVITIES else sobject.name


def _must(sobject: SObject, name: str) -> Field:
    known = sobject.field(name)
    if known is None or known.name == "Id":
        raise ValueError(f"Salesforce {sobject.name} has no field {name!r} that can be changed.")
    return known


def _as(made: Field, value: Any) -> Any:
    try:
        return str(value) if made.type in TEXTS else held(made, value)
    except (ValueError, TypeError):
        return None
