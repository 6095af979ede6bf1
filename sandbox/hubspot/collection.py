"""All records of one object: by id, by unique value, archived, merged away."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING

from sandbox.hubspot.definitions import standard_properties
from sandbox.hubspot.record import Props, Record
from sandbox.hubspot.schema import ObjectType, Property
from sandbox.hubspot.search import SearchIndex

if TYPE_CHECKING:
    from sandbox.clock import Clock


class Collection:
    """All records of one object."""

    def __init__(
        self, kind: ObjectType, clock: Clock, lag: float, custom_fields: bool = True
    ) -> None:
        self.kind = kind
        self.properties = standard_properties(kind, custom_fields)
        self.archived_properties: dict[str, Property] = {}
        # Group name to label.
        self.groups = {
            prop.group: prop.group.removesuffix("information").capitalize()
            for prop in self.properties.values()
        }
        self.records: dict[int, Record] = {}
        self.archived: dict[int, Record] = {}
        self.merged_into: dict[int, int] = {}
        self.unique: dict[str, dict[str, int]] = {
            prop.name: {} for prop in self.properties.values() if prop.unique
        }
        self.index = SearchIndex(kind, self.properties, self.unique, clock, lag)
        self._ids: list[int] = []
        self._ids_sorted = True

    def custom_unique(self) -> int:
        """How many custom properties have unique values."""
        return sum(prop.unique and prop.custom for prop in self.properties.values())

    def resolve(self, id: int) -> int:
        """The surviving id of a merged-away one; any other id is its own."""
        while id in self.merged_into:
            id = self.merged_into[id]
        return id

    def ids(self, *, archived: bool = False) -> list[int]:
        if archived:
            return sorted(self.archived)
        if not self._ids_sorted:
            self._ids.sort()
            self._ids_sorted = True
        return self._ids

    def put(self, record: Record, at: int) -> None:
        """Make this the record's present version."""
        if not isinstance(record.props, Props):
            record.props = Props(record.props)
        old = self.records.get(record.id)
        if old is None:
            if self._ids and record.id < self._ids[-1]:
                self._ids_sorted = False
            self._ids.append(record.id)
        for name, holders in self.unique.items():
            before = old and old.props.get(name)
            after = record.props.get(name)
            if before != after:
                if before:
                    holders.pop(normal(before), None)
                if after:
                    holders[normal(after)] = record.id
        for address in (record.props.get("hs_additional_emails") or "").split(";"):
            # A secondary address is taken as well: a create with it is a conflict.
            if address and "email" in self.unique:
                self.unique["email"].setdefault(normal(address), record.id)
        self.records[record.id] = record
        self.index.changed(record.id, record, at)

    def drop(self, id: int, at: int) -> Record:
        """Take a record out of lists and search."""
        record = self.records.pop(id)
        ids = self.ids()
        del ids[bisect_left(ids, id)]
        for name, holders in self.unique.items():
            if value := record.props.get(name):
                holders.pop(normal(value), None)
        for address in (record.props.get("hs_additional_emails") or "").split(";"):
            self.unique.get("email", {}).pop(normal(address), None)
        self.index.changed(id, None, at)
        return record


def normal(value: str) -> str:
    """How values of unique properties compare; one already in that form is given back itself."""
    plain = value.strip().lower()
    return value if plain == value else plain
