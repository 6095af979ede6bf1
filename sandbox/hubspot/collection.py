"""All records of one object: by id, by unique value, archived, merged away."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING

from sandbox.hubspot.schema import ObjectType, standard_properties
from sandbox.hubspot.search import Record, SearchIndex

if TYPE_CHECKING:
    from sandbox.clock import Clock


class Collection:
    """All records of one object."""

    def __init__(self, kind: ObjectType, clock: Clock, lag: float) -> None:
        self.kind = kind
        self.properties = standard_properties(kind)
        self.groups = {prop.group for prop in self.properties.values()}
        self.records: dict[int, Record] = {}
        self.archived: dict[int, Record] = {}
        self.merged_into: dict[int, int] = {}
        self.unique: dict[str, dict[str, int]] = {
            prop.name: {} for prop in self.properties.values() if prop.unique
        }
        self.index = SearchIndex(kind, self.properties, self.unique, clock, lag)
        self._ids: list[int] = []
        self._ids_sorted = True

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
    """How values of unique properties compare."""
    return value.strip().lower()
