"""The rows of one object, and how they are found: by id, by external id, by time."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any

from sandbox.salesforce.schema import SObject
from sandbox.salesforce.values import Row, numbered_id

# With fewer new rows than this, each is put into its place; with more, all are sorted again.
FEW = 500


def _place(row: Row) -> tuple[str, str]:
    return row["SystemModstamp"], row["Id"]


def _sort_key(row: Row) -> str:
    # One text instead of a pair: a million of them sort in half the time.
    return f"{row['SystemModstamp']}{row['Id']}"


class Table:
    """The rows of one object, in order of (SystemModstamp, Id) and by unique field.

    A row in ``fresh`` is not in ``ordered`` until the next tidy.
    """

    def __init__(self, sobject: SObject, defaults: Row) -> None:
        self.sobject = sobject
        self.defaults = defaults
        self.rows: dict[str, Row] = {}
        self.ordered: list[Row] = []
        self.fresh: set[str] = set()
        self.unique: dict[str, dict[str, list[str]]] = {
            known.name: {} for known in sobject.fields.values() if known.unique or known.external_id
        }
        # Told whenever a row comes, changes or goes; field-level security looks anew.
        self.changed: Callable[[], None] | None = None
        self.has_bin = False  # whether any row was ever deleted: most tables need no look

    def add(self, row: Row) -> None:
        """Take in a row nobody knows yet."""
        self.rows[row["Id"]] = row
        self.fresh.add(row["Id"])
        self.index(row)

    def remove(self, row: Row) -> None:
        """Forget a row, as if it never was."""
        self.lift(row)
        self.fresh.discard(row["Id"])
        del self.rows[row["Id"]]
        self.unindex(row)

    def lift(self, row: Row) -> None:
        """Take a row out of the order, before its stamp moves or it goes."""
        if row["Id"] in self.fresh:
            return
        del self.ordered[bisect_left(self.ordered, _place(row), key=_place)]
        self.fresh.add(row["Id"])

    def lift_many(self, ids: Collection[str]) -> None:
        """Take many rows out of the order at once."""
        self.ordered = [row for row in self.ordered if row["Id"] not in ids]
        self.fresh.update(ids)

    def tidy(self) -> None:
        """Bring the order up to date."""
        if not self.fresh:
            return
        fresh = [self.rows[id_] for id_ in self.fresh]
        if len(fresh) > FEW:
            self.ordered += fresh
            self.ordered.sort(key=_sort_key)
        else:
            for row in fresh:
                insort(self.ordered, row, key=_place)
        self.fresh.clear()

    def between(self, low: str | None, high: str | None) -> list[Row]:
        """Return the rows whose stamp lies between two texts, both included, in order."""
        self.tidy()
        first = bisect_left(self.ordered, low, key=_stamp) if low else 0
        last = bisect_right(self.ordered, high, key=_stamp) if high else len(self.ordered)
        return self.ordered[first:last]

    def by_ids(self, ids: Iterable[str]) -> list[Row]:
        """Return the rows of these ids, as far as they are there."""
        return [self.rows[id_] for id_ in ids if id_ in self.rows]

    def by_keys(self, name: str, values: Iterable[str]) -> list[Row]:
        """Return the rows whose unique field holds one of these texts, in small letters."""
        index = self.unique[name]
        return [self.rows[id_] for value in values for id_ in index.get(value, ())]

    def all(self) -> list[Row]:
        """Return every row, in the order of coming."""
        return list(self.rows.values())

    def index(self, row: Row) -> None:
        """Note a row that came or changed under its unique fields."""
        if self.changed is not None:
            self.changed()
        self.has_bin = self.has_bin or bool(row.get("IsDeleted"))
        for name, index in self.unique.items():
            if row.get(name):
                index.setdefault(str(row[name]).lower(), []).append(row["Id"])

    def unindex(self, row: Row) -> None:
        """Undo ``index``, before a unique field changes or the row goes."""
        if self.changed is not None:
            self.changed()
        for name, index in self.unique.items():
            held = index.get(str(row.get(name) or "").lower(), [])
            if row["Id"] in held:
                held.remove(row["Id"])

    def index_field(self, name: str) -> None:
        """Start an index by one field over the rows there are."""
        index: dict[str, list[str]] = {}
        for row in self.rows.values():
            if row.get(name):
                index.setdefault(str(row[name]).lower(), []).append(row["Id"])
        self.unique[name] = index


def _stamp(row: Row) -> str:
    stamp: str = row["SystemModstamp"]
    return stamp


class HistoryTable(Table):
    """A log of changes, kept as plain tuples: an org of a million leads has millions of them."""

    def __init__(self, sobject: SObject, columns: tuple[str, ...]) -> None:
        super().__init__(sobject, {})
        self.columns = columns
        self.entries: list[tuple[Any, ...]] = []

    def note(self, stamp: str, *values: Any) -> None:
        """Add an entry: when, then the values of the columns."""
        self.entries.append((stamp, *values))

    def _rows(self, low: str = "", high: str = "~") -> Iterator[Row]:
        prefix, columns = self.sobject.prefix, self.columns
        for number, (stamp, *values) in enumerate(self.entries, 1):
            if low <= stamp <= high:
                row: Row = {"Id": numbered_id(prefix, number), "CreatedDate": stamp}
                row["IsDeleted"] = False
                row.update(zip(columns, values, strict=True))
                yield row

    def between(self, low: str | None, high: str | None) -> list[Row]:
        """Return the entries written between two moments, both included, in order."""
        found = list(self._rows(low or "", high or "~"))
        found.sort(key=lambda row: (row["CreatedDate"], row["Id"]))
        return found

    def by_ids(self, ids: Iterable[str]) -> list[Row]:
        """Return the entries of these ids."""
        wanted = set(ids)
        return [row for row in self._rows() if row["Id"] in wanted]

    def all(self) -> list[Row]:
        """Return every entry, oldest first."""
        return self.between(None, None)
