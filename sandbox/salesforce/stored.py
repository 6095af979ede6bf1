"""The tables of one org: what is in them, and how a query finds it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Any

from sandbox.salesforce.derive import DEFAULTS
from sandbox.salesforce.history import history_table
from sandbox.salesforce.objects import HISTORIES
from sandbox.salesforce.plan import Plan, sort_rows
from sandbox.salesforce.schema import CUSTOM_FIELD, OBJECT_OF_PREFIX, SObject, new_schema
from sandbox.salesforce.table import HistoryTable, Table
from sandbox.salesforce.values import Row, full_id, must_be_id, numbered_id, wire_time

if TYPE_CHECKING:
    from sandbox.clock import Clock


class Stored:
    """Every record of one org, by object, and how queries find them."""

    def __init__(self, clock: Clock, integration_user_id: str, *, custom_fields: bool) -> None:
        self.clock = clock
        self.integration_user_id = must_be_id(integration_user_id)
        self.schema = new_schema(custom_fields=custom_fields)
        self._tables = {name: _table(sobject) for name, sobject in self.schema.items()}
        # What the Tooling API lists; it is no object of the REST API.
        self.custom_fields = Table(CUSTOM_FIELD, {})
        self._numbers: Counter[str] = Counter()
        # Whose activities there are: a merge and a conversion move them.
        self._activities: dict[str, list[str]] = {}
        self._hidden: dict[str, str] = {}
        # (when, id) of what went past the bin, by object: the log of deletions still knows it.
        self.purged: dict[str, list[tuple[str, str]]] = {}

    def hide_until(self, id: str, moment: datetime) -> None:
        """Let a row commit late: no query shows it before ``moment``, its stamp stays older."""
        self._hidden[must_be_id(id)] = wire_time(moment)

    def settle(self) -> None:
        """Build the indexes now, so that the first query of a big org is as quick as the rest."""
        for table in self._tables.values():
            table.tidy()

    # -- reading --

    def get(self, object: str, id: str) -> Row | None:
        """Return a copy of a record, deleted or not."""
        found = self.table(object).rows.get(full_id(id) or "")
        return None if found is None else self._whole(object, found)

    def all(self, object: str) -> list[Row]:
        """Return copies of all records of an object, deleted ones included, oldest id first."""
        return [self._whole(object, row) for row in self.table(object).all()]

    def find(self, id: str) -> Row | None:
        """Return the record an id points at, whatever its object."""
        name = OBJECT_OF_PREFIX.get(id[:3])
        return self._tables[name].rows.get(id) if name else None

    def by_key(self, object: str, name: str, value: Any) -> list[str]:
        """Return the ids of living records with this external id; case does not matter."""
        if name == "Id":
            found = self.find(full_id(str(value)) or "")
            return [found["Id"]] if found and not found.get("IsDeleted") else []
        rows = self.table(object).by_keys(name, (str(value).lower(),))
        return [row["Id"] for row in rows if not row.get("IsDeleted")]

    def select(self, plan: Plan, *, include_deleted: bool) -> list[Row]:
        """Run a plan and return its rows, in order."""
        table = self.table(plan.sobject.name)
        rows, is_ordered = candidates(table, plan)
        tests: list[Callable[[Row], bool]] = []
        if not include_deleted and table.has_bin:
            tests.append(lambda row: not row.get("IsDeleted"))
        if self._hidden:
            now, hidden = wire_time(self.clock.now()), self._hidden
            tests.append(lambda row: hidden.get(row["Id"], "") <= now)
        if plan.test is not None:
            tests.append(plan.test)
        start, end = plan.offset, None if plan.limit is None else plan.offset + plan.limit
        if plan.aggregates or plan.grouped:
            start, end = 0, None  # there the limit is about groups
        chosen: Iterator[Row] = iter(rows)
        for test in tests:
            chosen = filter(test, chosen)
        if is_ordered:
            return list(islice(chosen, start, end))
        found = list(chosen)
        sort_rows(found, plan, self.find)
        return found[start:end]

    # -- bookkeeping --

    def table(self, name: str) -> Table:
        """Return the rows of an object. Raises ValueError when the org does not have it."""
        if name == "CustomField":
            return self.custom_fields
        if name not in self._tables:
            raise ValueError(f"The Salesforce sandbox has no object {name!r}.")
        return self._tables[name]

    def marks(self) -> dict[str, int]:
        """Return how long each history is, for ``cut``."""
        return {name: len(log.entries) for name, log in self._logs()}

    def cut(self, marks: dict[str, int]) -> None:
        """Forget what the histories noted since ``marks``."""
        for name, log in self._logs():
            del log.entries[marks[name] :]

    def _logs(self) -> Iterator[tuple[str, HistoryTable]]:
        for name in HISTORIES:
            table = self._tables[name]
            if isinstance(table, HistoryTable):
                yield name, table

    def _mint(self, sobject: SObject) -> str:
        rows = self.table(sobject.name).rows
        while True:
            self._numbers[sobject.name] += 1
            made = numbered_id(sobject.prefix, self._numbers[sobject.name])
            if made not in rows:
                return made

    def person(self, row: Row) -> str:
        """Return who acts when nobody is named: the owner, if that is a user."""
        owner = row.get("OwnerId") or ""
        return owner if owner.startswith("005") else self.integration_user_id

    def stamp(self, table: Table, row: Row, stamp: str, actor: str | None = None) -> None:
        """Move a row's SystemModstamp, and say who changed it when somebody did."""
        table.lift(row)
        row["SystemModstamp"] = stamp
        if actor is not None:
            row["LastModifiedDate"] = stamp
            row["LastModifiedById"] = actor

    def _whole(self, object: str, row: Row) -> Row:
        return {name: row.get(name) for name in self.table(object).sobject.fields}


def _table(sobject: SObject) -> Table:
    if sobject.name in HISTORIES:
        return history_table(sobject)
    flags = {known.name: False for known in sobject.fields.values() if known.type == "boolean"}
    return Table(sobject, flags | DEFAULTS.get(sobject.name, {}))


def candidates(table: Table, plan: Plan) -> tuple[list[Row], bool]:
    """Return the rows a plan can match, and whether they are in its order already."""
    if plan.ids is not None:
        return table.by_ids(plan.ids), not plan.order
    if plan.keyed is not None:
        return table.by_keys(*plan.keyed), not plan.order
    if plan.low is None and plan.high is None and not plan.follows_stamp:
        return table.all(), not plan.order
    return table.between(plan.low, plan.high), not plan.order or plan.follows_stamp
