"""HubSpot's search: a lagging index over one object, filters, one sort, an offset up to 10,000.

What clients trip over is here on purpose: a changed row stays in its old state for up to ``lag``
seconds, each row for its own time, and the newest stand out of order; ``after`` is an offset, and
offsets end at 10,000.
"""

from __future__ import annotations

import time
from bisect import bisect_left, bisect_right, insort
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from sandbox.hubspot.filters import Filter, FilterReader, Test, only
from sandbox.hubspot.record import Record
from sandbox.hubspot.schema import ObjectType, Property, bad_request, to_ms

if TYPE_CHECKING:
    from sandbox.clock import Clock

MAX_RESULTS = 10_000
MAX_LIMIT = 200
MAX_QUERY = 3_000
# A modified time and an id share one integer, so that a plain sorted list is the index.
ID_BITS = 48
ID_MASK = (1 << ID_BITS) - 1
BULK = 256
CACHED_SEARCHES = 8


@dataclass(slots=True)
class _Matches:
    """The ids one filter expression matches, kept true while the index moves."""

    test: Test
    ids: list[int]


class SearchIndex:
    """What search can see of one object."""

    def __init__(
        self,
        kind: ObjectType,
        properties: dict[str, Property],
        unique: dict[str, dict[str, int]],
        clock: Clock,
        lag: float,
    ) -> None:
        self.kind = kind
        self.properties = properties
        self.unique = unique
        self._reader = FilterReader(kind, properties)
        self.clock = clock
        self.lag = lag
        self.version = 0
        self._rows: dict[int, Record] = {}
        self._ids: list[int] = []
        self._by_modified: list[int] = []
        self._ready: list[tuple[int, Record | None]] = []
        self._waiting: list[tuple[float, int, int, Record | None]] = []
        self._waiting_ids: Counter[int] = Counter()
        self._cache: OrderedDict[bytes, _Matches] = OrderedDict()
        self._sorted: OrderedDict[bytes, tuple[int, list[int]]] = OrderedDict()

    # -- how changes become visible ------------------------------------------------------------

    def changed(self, id: int, record: Record | None, at: int) -> None:
        """Take note of a record's new version (None: gone); visible once the lag has passed.

        A change dated before the lag comes from the population and is visible at once.
        """
        now = to_ms(self.clock.now())
        old_news = at <= now - self.lag * 1000
        if old_news and id not in self._waiting_ids:
            self._ready.append((id, record))
            return
        self._waiting.append((time.monotonic(), now, id, record))
        self._waiting_ids[id] += 1

    def settle(self) -> None:
        """Show every change whose lag has passed, on the real clock or on the sandbox's.

        Either clock will do: a frozen sandbox must not hide rows for ever, and a test that
        advances the clock by an hour must not sleep.
        """
        if self._waiting:
            self._let_through()
        if not self._ready:
            return
        self.version += 1
        if len(self._ready) > BULK:
            self._rebuild()
        else:
            for id, record in self._ready:
                self._apply(id, record)
        self._ready.clear()

    def _let_through(self) -> None:
        """Move what has waited long enough to the changes that are ready, each row's in order."""
        real, now = time.monotonic(), to_ms(self.clock.now())
        still: list[tuple[float, int, int, Record | None]] = []
        blocked: Counter[int] = Counter()
        for row in self._waiting:
            real_at, at, id, record = row
            wait = self.lag * _share(id)
            if id in blocked or (real - real_at < wait and now - at < wait * 1000):
                still.append(row)
                blocked[id] += 1
            else:
                self._ready.append((id, record))
        self._waiting, self._waiting_ids = still, blocked

    def _rebuild(self) -> None:
        for id, record in self._ready:
            if record is None:
                self._rows.pop(id, None)
            else:
                self._rows[id] = record
        self._ids = sorted(self._rows)
        self._by_modified = sorted(
            record.modified << ID_BITS | record.id for record in self._rows.values()
        )
        self._cache.clear()

    def _apply(self, id: int, record: Record | None) -> None:
        old = self._rows.pop(id, None)
        if old is not None:
            _remove(self._by_modified, old.modified << ID_BITS | id)
            if record is None:
                _remove(self._ids, id)
        if record is not None:
            self._rows[id] = record
            insort(self._by_modified, record.modified << ID_BITS | id)
            if old is None:
                insort(self._ids, id)
        for matches in self._cache.values():
            was = old is not None and matches.test(old)
            now = record is not None and matches.test(record)
            if was and not now:
                _remove(matches.ids, id)
            elif now and not was:
                insort(matches.ids, id)

    # -- answering -----------------------------------------------------------------------------

    def search(self, body: dict[str, Any]) -> tuple[int, list[Record], int | None]:
        """Return the total, one page of records, and the next offset (None on the last page)."""
        self.settle()
        limit = _limit(body.get("limit", 10))
        offset = _offset(body.get("after", 0))
        if offset + limit > MAX_RESULTS:
            # The text is not documented; status and category are.
            raise bad_request(
                "There was a problem with the request.",
                errors=[{"message": "Paging is limited to the first 10,000 results."}],
            )
        groups = self._reader.groups(body.get("filterGroups") or [])
        query = body.get("query") or ""
        if not isinstance(query, str) or len(query) > MAX_QUERY:
            raise bad_request("There was a problem with the request.")
        low, high, groups = _split_id_range(groups)
        matches = self._matches(groups, query)
        first, last = bisect_left(matches.ids, low), bisect_right(matches.ids, high)
        total = last - first
        sort, descending = self._sort(body.get("sorts") or [])
        if sort.name == "hs_object_id":
            start = first + offset
            page = matches.ids[start : min(start + limit, last)]
            if descending:
                stop = last - offset
                page = matches.ids[max(first, stop - limit) : max(first, stop)][::-1]
        else:
            page = None
            if sort.name == self.kind.modified and total == len(matches.ids):
                page = None if descending or query else self._page_by_time(groups, offset, limit)
            if page is None:
                parts = [_key(groups, query), low_high(low, high), sort.name, descending]
                ids = matches.ids[first:last]
                ordered = self._in_order(orjson.dumps(parts), ids, sort, descending)
                page = ordered[offset : offset + limit]
        following = offset + limit
        return total, [self._rows[id] for id in page], following if following < total else None

    def _matches(self, groups: list[list[Filter]], query: str) -> _Matches:
        key = orjson.dumps(_key(groups, query))
        found = self._cache.get(key)
        if found is None:
            test = self._test(groups, query)
            ids = self._found_by_time(groups, query)
            if ids is None:
                ids = sorted(id for id in self._candidates(groups, query) if test(self._rows[id]))
            found = self._cache[key] = _Matches(test, ids)
            if len(self._cache) > CACHED_SEARCHES:
                self._cache.popitem(last=False)
        self._cache.move_to_end(key)
        return found

    def _found_by_time(self, groups: list[list[Filter]], query: str) -> list[int] | None:
        """The ids of a search for everything, or for a range of modified times and nothing else.

        These are the searches a million rows are pulled with; no row has to be looked at.
        """
        if query or len(groups) > 1 or (groups and len(groups[0]) > 1):
            return None
        if not groups:
            return self._ids.copy()
        span = self._span(groups)
        if span is None:
            return None
        if span == (0, len(self._by_modified)):
            return self._ids.copy()
        return sorted([key & ID_MASK for key in self._by_modified[slice(*span)]])

    def _span(self, groups: list[list[Filter]]) -> tuple[int, int] | None:
        """Where the rows of a search by modified time alone stand in the order of that time."""
        if not groups:
            return 0, len(self._by_modified)
        item = groups[0][0]
        if len(groups) > 1 or len(groups[0]) > 1:
            return None
        if item.prop.name != self.kind.modified or not item.is_range:
            return None
        low = bisect_left(self._by_modified, _edge(item.low))
        return low, bisect_left(self._by_modified, _edge(item.high, above=True))

    def _page_by_time(
        self, groups: list[list[Filter]], offset: int, limit: int
    ) -> list[int] | None:
        """A page in order of modified time, straight from the index; None if rows are too fresh
        to be in order."""
        span = self._span(groups)
        if span is None:
            return None
        low, high = span
        fresh = to_ms(self.clock.now()) - int(2000 * self.lag)
        if self.lag and high > low and self._by_modified[high - 1] >> ID_BITS >= fresh:
            return None
        start = low + offset
        return [key & ID_MASK for key in self._by_modified[start : min(start + limit, high)]]

    def _candidates(self, groups: list[list[Filter]], query: str) -> Iterable[int]:
        """A small superset of the matching ids where an index gives one, else every id."""
        if not groups:
            return self._ids
        found: set[int] = set()
        for group in groups:
            ids = self._group_candidates(group)
            if ids is None:
                return self._ids
            found.update(ids)
        return found

    def _group_candidates(self, group: list[Filter]) -> Iterable[int] | None:
        for item in group:
            holders = self.unique.get(item.prop.name)
            if item.exact is not None and holders is not None:
                # The holders are as of now; rows still waiting may hold the value in the index.
                ids = {holders[value] for value in item.exact if value in holders}
                return (ids | self._waiting_ids.keys()) & self._rows.keys()
            if item.exact is not None and item.prop.name == "hs_object_id":
                ids = {int(value) for value in item.exact if value.isdigit()}
                return ids & self._rows.keys()
        for item in group:
            if item.prop.name == self.kind.modified and item.is_range:
                low = bisect_left(self._by_modified, _edge(item.low))
                high = bisect_left(self._by_modified, _edge(item.high, above=True))
                return [key & ID_MASK for key in self._by_modified[low:high]]
        return None

    def _test(self, groups: list[list[Filter]], query: str) -> Test:
        tests = [[item.test for item in group] for group in groups]
        words = query.lower().split()
        searched = self.kind.searched

        def test(record: Record) -> bool:
            if tests and not any(all(check(record) for check in group) for group in tests):
                return False
            if not words:
                return True
            text = " ".join((record.props.get(name) or "").lower() for name in searched)
            return all(word in text for word in words)

        return test

    def _in_order(self, key: bytes, ids: list[int], sort: Property, descending: bool) -> list[int]:
        held = self._sorted.get(key)
        if held is None or held[0] != self.version:
            value_of = self._reader.value_of(sort)
            is_settled = True
            if sort.name == self.kind.modified and self.lag:
                value_of, is_settled = self._blurred(ids)
            valued = [(value, id) for id in ids if (value := value_of(self._rows[id])) is not None]
            # Ties keep id order in both directions; rows without a value come last.
            valued.sort(key=lambda pair: pair[0], reverse=descending)
            ordered = [id for _, id in valued]
            if len(ordered) < len(ids):
                present = set(ordered)
                ordered += [id for id in ids if id not in present]
            if not is_settled:
                return ordered
            held = self._sorted[key] = (self.version, ordered)
            if len(self._sorted) > CACHED_SEARCHES:
                self._sorted.popitem(last=False)
        return held[1]

    def _blurred(self, ids: list[int]) -> tuple[Callable[[Record], int], bool]:
        """How rows sort by modified time while replicas disagree, and whether all is calm.

        What changed within the last two lags may stand before or behind its place.
        """
        since = to_ms(self.clock.now()) - int(2000 * self.lag)
        rows, width = self._rows, 1000 * self.lag
        if all(rows[id].modified < since for id in ids):
            return (lambda record: record.modified), True

        def blurred(record: Record) -> int:
            if record.modified < since:
                return record.modified
            return record.modified + int(width * (_share(record.id) - 0.6))

        return blurred, False

    # -- reading the request -------------------------------------------------------------------

    def _sort(self, sorts: list[Any]) -> tuple[Property, bool]:
        if len(sorts) > 1:
            raise bad_request("There was a problem with the request.", errors=only("one sort"))
        if not sorts:
            return self.properties["hs_object_id"], False
        rule = sorts[0]
        if isinstance(rule, str):
            rule = {
                "propertyName": rule.lstrip("-"),
                "direction": "DESCENDING" if rule.startswith("-") else "ASCENDING",
            }
        return self._reader.property(rule.get("propertyName")), rule.get(
            "direction"
        ) == "DESCENDING"


def low_high(low: float, high: float) -> list[str]:
    """Bounds as text: JSON has no infinity."""
    return [str(low), str(high)]


def _share(id: int) -> float:
    """How much of the lag a row waits: from a fifth to all of it, always the same for an id."""
    return 0.2 + (id * 2_654_435_761 >> 7) % 801 / 1000


def _remove(items: list[int], value: int) -> None:
    at = bisect_left(items, value)
    if at < len(items) and items[at] == value:
        del items[at]


def _edge(ms: float, *, above: bool = False) -> int:
    bounded = max(-(2**50), min(2**50, ms))
    return (int(bounded) + above) << ID_BITS


def _limit(value: Any) -> int:
    if not isinstance(value, int | str) or not str(value).isdigit() or int(value) < 1:
        raise bad_request("There was a problem with the request.", errors=only("positive limits"))
    if int(value) > MAX_LIMIT:
        raise bad_request(
            "There was a problem with the request.", errors=only(f"limits up to {MAX_LIMIT}")
        )
    return int(value)


def _offset(value: Any) -> int:
    text = str(value)
    if not text.isdigit():
        raise bad_request("There was a problem with the request.", errors=only("integer offsets"))
    return int(text)


def _key(groups: list[list[Filter]], query: str) -> list[Any]:
    """What makes two filter expressions the same."""
    return [
        [
            [
                item.prop.name,
                item.operator,
                *low_high(item.low, item.high),
                sorted(item.exact or ()),
                str(getattr(item.test, "says", None)),
            ]
            for item in group
        ]
        for group in groups
    ] + [query]


def _split_id_range(
    groups: list[list[Filter]],
) -> tuple[float, float, list[list[Filter]]]:
    """Take ``hs_object_id`` ranges out of a single group.

    Clients page by ``hs_object_id GT last``: without its moving part the expression stays the
    same from page to page, and its matches are worked out once.
    """
    low, high = float("-inf"), float("inf")
    if len(groups) != 1:
        return low, high, groups
    rest = []
    for item in groups[0]:
        if item.prop.name == "hs_object_id" and item.is_range:
            low, high = max(low, item.low), min(high, item.high)
        else:
            rest.append(item)
    return low, high, [rest] if rest else []
