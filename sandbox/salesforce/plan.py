"""What a query asks for, ready to run: which rows can match, in which order, up to where."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sandbox.salesforce.conditions import Conditions, Path, Test, View
from sandbox.salesforce.schema import TEXTS, SObject
from sandbox.salesforce.soql import Aggregate, Comparison, Condition, Junction, parse
from sandbox.salesforce.values import Find, Row


@dataclass(slots=True)
class Plan:
    """A query ready to run.

    ``low`` and ``high`` bound the object's stamp (both inclusive texts), ``ids`` and ``keyed`` name
    the only rows that can match; all are hints, ``test`` is the truth (None: everything matches).
    """

    sobject: SObject
    counts_rows: bool
    aggregates: tuple[tuple[Path, Aggregate], ...]
    grouped: tuple[Path, ...]
    test: Test | None
    low: str | None
    high: str | None
    ids: frozenset[str] | None
    keyed: tuple[str, frozenset[str]] | None
    order: tuple[tuple[Path, bool, bool], ...]
    limit: int | None
    offset: int
    selected: tuple[Path, ...]
    group_order: tuple[tuple[str, bool, bool], ...] = ()

    @property
    def follows_stamp(self) -> bool:
        """Whether the wanted order is the one of the SystemModstamp index."""
        names = [(path.field.name, down) for path, down, _ in self.order if not path.through]
        return len(names) == len(self.order) and names in (
            [(self.sobject.stamp, False)],
            [(self.sobject.stamp, False), ("Id", False)],
        )


class _Planner(Conditions):
    def plan(self) -> Plan:
        query = self.query
        has_groups = bool(query.aggregates or query.grouped)
        made = Plan(
            sobject=self.sobject,
            counts_rows=query.counts_rows,
            aggregates=tuple((self.path(a.path, a.at), a) for a in query.aggregates),
            grouped=tuple(self.path(name, at) for name, at in query.grouped),
            test=self.test(query.where) if query.where else None,
            low=None,
            high=None,
            ids=None,
            keyed=None,
            order=() if has_groups else tuple(self._order()),
            limit=query.limit,
            offset=query.offset,
            selected=tuple(self.path(name, at) for name, at in query.fields),
        )
        if has_groups:
            made.group_order = tuple((k.path, k.descending, k.nulls_last) for k in query.order)
        if query.where:
            self._hint(made, query.where)
        return made

    def _order(self) -> Iterator[tuple[Path, bool, bool]]:
        for key in self.query.order:
            path = self.path(key.path, key.at)
            if path.field.is_long:
                self._refuse(key.at, f"field '{key.path}' can not be sorted in a query call")
            yield path, key.descending, key.nulls_last

    def _hint(self, plan: Plan, where: Condition) -> None:
        """Find what narrows the rows before the test runs."""
        plan.low, plan.high, is_exact = self._bounds(where)
        if is_exact:
            plan.test = None  # the index range alone is the answer
        parts = where.parts if isinstance(where, Junction) and where.word == "AND" else (where,)
        for part in parts:
            if isinstance(part, Comparison) and part.operator in ("=", "IN"):
                self._keys(plan, part)

    def _keys(self, plan: Plan, part: Comparison) -> None:
        path = self.path(part.path, part.at)
        wanted = part.value.members or (part.value,)
        if path.through or any(value.kind != "string" for value in wanted):
            return
        if path.field.name == "Id":
            plan.ids = frozenset(self.value(path.field, v, part) for v in wanted)
        elif path.field.external_id or path.field.unique:
            keys = frozenset(self.value(path.field, v, part) for v in wanted)
            plan.keyed = (path.field.name, keys)

    def _bounds(self, node: Condition) -> tuple[str | None, str | None, bool]:
        """Return lowest and highest stamp a match can have, and whether that says it all."""
        if isinstance(node, Comparison):
            return self._bound(node)
        if node.word == "NOT":
            return None, None, False
        found = [self._bounds(part) for part in node.parts]
        lows, highs = [low for low, _, _ in found], [high for _, high, _ in found]
        if node.word == "AND":
            low = max((each for each in lows if each), default=None)
            high = min((each for each in highs if each), default=None)
            return low, high, all(is_exact for _, _, is_exact in found)
        # A keyset over (stamp, Id) is an OR: it reaches from the lowest part on.
        low = None if None in lows else min(each for each in lows if each)
        high = None if None in highs else max(each for each in highs if each)
        return low, high, False

    def _bound(self, node: Comparison) -> tuple[str | None, str | None, bool]:
        path = self.path(node.path, node.at)
        is_stamp = path.field.name == self.sobject.stamp and not path.through
        if not is_stamp or node.value.kind != "datetime":
            return None, None, False
        stamp = self.value(path.field, node.value, node)
        if node.operator == "=":
            return stamp, stamp, True
        if node.operator in (">=", ">"):
            return stamp, None, node.operator == ">="
        if node.operator in ("<=", "<"):
            return None, stamp, node.operator == "<="
        return None, None, False


def compile_query(text: str, *, view: View, find: Find, now: datetime) -> Plan:
    """Parse a query and resolve every name in it. Raises SoqlError."""
    return _Planner(parse(text), view, find, now).plan()


def sort_rows(rows: list[Row], plan: Plan, find: Find) -> None:
    """Put rows into the plan's order, in place; nulls come first unless the query says last."""
    for path, descending, nulls_last in reversed(plan.order):
        get = path.getter(find)
        folds = path.field.type in TEXTS
        # With reverse=True the larger rank comes first, so the rank of null turns round as well.
        null_rank = 1 if nulls_last is not descending else -1

        def key(
            row: Row, get: Any = get, folds: bool = folds, null_rank: int = null_rank
        ) -> tuple[Any, ...]:
            held = get(row)
            if held is None:
                return (null_rank,)
            return (0, held.lower() if folds else held)

        rows.sort(key=key, reverse=descending)
