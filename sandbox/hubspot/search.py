"""HubSpot's search: a lagging index over one object, filters, one sort, an offset up to 10,000.

What clients trip over is here on purpose: a changed row stays in its old state for ``lag``
seconds, ``after`` is an offset, and offsets end at 10,000.
"""

from __future__ import annotations

import math
import re
import time
from bisect import bisect_left, bisect_right, insort
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from sandbox.hubspot.schema import ApiError, ObjectType, Property, bad_request, parse_ms, to_ms

if TYPE_CHECKING:
    from sandbox.clock import Clock

MAX_RESULTS = 10_000
MAX_LIMIT = 200
MAX_GROUPS, MAX_FILTERS_PER_GROUP, MAX_FILTERS = 5, 6, 18
MAX_QUERY = 3_000
# A modified time and an id share one integer, so that a plain sorted list is the index.
ID_BITS = 48
ID_MASK = (1 << ID_BITS) - 1
BULK = 256
CACHED_SEARCHES = 8

Test = Callable[["Record"], bool]


class Record:
    """One version of one CRM record; a change makes a new one, so the index can keep the old."""

    __slots__ = ("archived", "created", "id", "modified", "props")

    def __init__(
        self,
        id: int,
        props: dict[str, str | None],
        created: int,
        modified: int,
        archived: int | None = None,
    ) -> None:
        self.id = id
        self.props = props
        self.created = created
        self.modified = modified
        self.archived = archived


@dataclass(slots=True)
class _Filter:
    prop: Property
    operator: str
    test: Test
    low: float = float("-inf")
    high: float = float("inf")
    exact: frozenset[str] | None = None

    @property
    def is_range(self) -> bool:
        return self.low != float("-inf") or self.high != float("inf")


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
        self.clock = clock
        self.lag = lag
        self.version = 0
        self._rows: dict[int, Record] = {}
        self._ids: list[int] = []
        self._by_modified: list[int] = []
        self._ready: list[tuple[int, Record | None]] = []
        self._waiting: deque[tuple[float, int, int, Record | None]] = deque()
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

    def _settle(self) -> None:
        """Show every change whose lag has passed, on the real clock or on the sandbox's.

        Either clock will do: a frozen sandbox must not hide rows for ever, and a test that
        advances the clock by an hour must not sleep.
        """
        real, now = time.monotonic(), to_ms(self.clock.now())
        while self._waiting:
            real_at, at, id, record = self._waiting[0]
            if real - real_at < self.lag and now - at < self.lag * 1000:
                break
            self._waiting.popleft()
            self._ready.append((id, record))
            self._waiting_ids[id] -= 1
            if not self._waiting_ids[id]:
                del self._waiting_ids[id]
        if not self._ready:
            return
        self.version += 1
        if len(self._ready) > BULK:
            self._rebuild()
        else:
            for id, record in self._ready:
                self._apply(id, record)
        self._ready.clear()

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
        self._settle()
        limit = _limit(body.get("limit", 10))
        offset = _offset(body.get("after", 0))
        if offset + limit > MAX_RESULTS:
            # The text is not documented; status and category are.
            raise bad_request(
                "There was a problem with the request.",
                errors=[{"message": "Paging is limited to the first 10,000 results."}],
            )
        groups = self._groups(body.get("filterGroups") or [])
        query = body.get("query") or ""
        if len(query) > MAX_QUERY:
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
            key = orjson.dumps([_key(groups, query), low_high(low, high), sort.name, descending])
            ordered = self._in_order(key, matches.ids[first:last], sort, descending)
            page = ordered[offset : offset + limit]
        following = offset + limit
        return total, [self._rows[id] for id in page], following if following < total else None

    def _matches(self, groups: list[list[_Filter]], query: str) -> _Matches:
        key = orjson.dumps(_key(groups, query))
        found = self._cache.get(key)
        if found is None:
            test = self._test(groups, query)
            ids = sorted(id for id in self._candidates(groups, query) if test(self._rows[id]))
            found = self._cache[key] = _Matches(test, ids)
            if len(self._cache) > CACHED_SEARCHES:
                self._cache.popitem(last=False)
        self._cache.move_to_end(key)
        return found

    def _candidates(self, groups: list[list[_Filter]], query: str) -> Iterable[int]:
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

    def _group_candidates(self, group: list[_Filter]) -> Iterable[int] | None:
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

    def _test(self, groups: list[list[_Filter]], query: str) -> Test:
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
            value_of = self._value_of(sort)
            valued = [(value, id) for id in ids if (value := value_of(self._rows[id])) is not None]
            # Ties keep id order in both directions; rows without a value come last.
            valued.sort(key=lambda pair: pair[0], reverse=descending)
            ordered = [id for _, id in valued]
            if len(ordered) < len(ids):
                present = set(ordered)
                ordered += [id for id in ids if id not in present]
            held = self._sorted[key] = (self.version, ordered)
            if len(self._sorted) > CACHED_SEARCHES:
                self._sorted.popitem(last=False)
        return held[1]

    # -- reading the request -------------------------------------------------------------------

    def _sort(self, sorts: list[Any]) -> tuple[Property, bool]:
        if len(sorts) > 1:
            raise bad_request("There was a problem with the request.", errors=_only("one sort"))
        if not sorts:
            return self.properties["hs_object_id"], False
        rule = sorts[0]
        if isinstance(rule, str):
            rule = {
                "propertyName": rule.lstrip("-"),
                "direction": "DESCENDING" if rule.startswith("-") else "ASCENDING",
            }
        return self._property(rule.get("propertyName")), rule.get("direction") == "DESCENDING"

    def _property(self, name: Any) -> Property:
        try:
            return self.properties[name]
        except (KeyError, TypeError):
            raise bad_request(
                "There was a problem with the request.",
                errors=[
                    {
                        "message": f"property '{name}' does not exist",
                        "code": "PROPERTY_DOESNT_EXIST",
                        "context": {"propertyName": [str(name)]},
                    }
                ],
            ) from None

    def _groups(self, groups: list[Any]) -> list[list[_Filter]]:
        if not _are_objects(groups) or not all(
            _are_objects(group.get("filters") or []) for group in groups
        ):
            raise bad_request("Invalid input JSON: filterGroups")
        sizes = [len(group.get("filters") or []) for group in groups]
        if (
            len(groups) > MAX_GROUPS
            or max(sizes, default=0) > MAX_FILTERS_PER_GROUP
            or sum(sizes) > MAX_FILTERS
        ):
            raise bad_request(
                "There was a problem with the request.",
                errors=_only(f"{MAX_GROUPS} groups of {MAX_FILTERS_PER_GROUP} filters"),
            )
        return [
            [self._filter(item) for item in group.get("filters") or []]
            for group in groups
            if group.get("filters")
        ]

    def _value_of(self, prop: Property) -> Callable[[Record], Any]:
        name = prop.name
        if name == "hs_object_id":
            return lambda record: record.id
        if name == self.kind.modified:
            return lambda record: record.modified
        if name == self.kind.created:
            return lambda record: record.created
        convert = _comparable(prop)

        def value_of(record: Record) -> Any:
            text = record.props.get(name)
            return None if text is None else convert(text)

        return value_of

    def _filter(self, item: dict[str, Any]) -> _Filter:
        prop = self._property(item.get("propertyName"))
        operator = str(item.get("operator", "")).upper()
        value_of, convert = self._value_of(prop), _comparable(prop)

        def given(field: str) -> Any:
            value = item.get(field)
            if value is None:
                raise bad_request(
                    "There was a problem with the request.",
                    errors=[{"message": f"operator {operator} requires a {field}"}],
                )
            converted = convert(str(value))
            if converted is None:
                raise bad_request(
                    "There was a problem with the request.",
                    errors=[{"message": f"{value} is not a valid value of {prop.name}"}],
                )
            if prop.name == self.kind.modified and converted == 0:
                # Epoch 0 as a date bound is answered with 500 by the real service.
                raise ApiError(500, "internal error")
            return converted

        build = _OPERATORS.get(operator)
        if build is None:
            raise bad_request(f"Invalid input JSON: unknown operator {operator or 'null'}")
        return build(prop, operator, value_of, given, item)


def low_high(low: float, high: float) -> list[str]:
    """Bounds as text: JSON has no infinity."""
    return [str(low), str(high)]


def _are_objects(items: Any) -> bool:
    return isinstance(items, list) and all(isinstance(item, dict) for item in items)


def _only(what: str) -> list[dict[str, str]]:
    return [{"message": f"only {what} allowed"}]


def _remove(items: list[int], value: int) -> None:
    at = bisect_left(items, value)
    if at < len(items) and items[at] == value:
        del items[at]


def _edge(ms: float, *, above: bool = False) -> int:
    bounded = max(-(2**50), min(2**50, ms))
    return (int(bounded) + above) << ID_BITS


def _limit(value: Any) -> int:
    if not isinstance(value, int | str) or not str(value).isdigit() or int(value) < 1:
        raise bad_request("There was a problem with the request.", errors=_only("positive limits"))
    if int(value) > MAX_LIMIT:
        raise bad_request(
            "There was a problem with the request.", errors=_only(f"limits up to {MAX_LIMIT}")
        )
    return int(value)


def _offset(value: Any) -> int:
    text = str(value)
    if not text.isdigit():
        raise bad_request("There was a problem with the request.", errors=_only("integer offsets"))
    return int(text)


def _key(groups: list[list[_Filter]], query: str) -> list[Any]:
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
    groups: list[list[_Filter]],
) -> tuple[float, float, list[list[_Filter]]]:
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


def _comparable(prop: Property) -> Callable[[str], Any]:
    """How a property's values compare: numbers and times by value, text without case."""
    if prop.type == "number":
        return _number
    if prop.type in ("date", "datetime"):
        return parse_ms
    return str.lower


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


# -- operators: each builds a filter from (property, operator, value_of, given, item) --------------


def _says(test: Test, words: Any) -> Test:
    test.says = words  # type: ignore[attr-defined]
    return test


def _range(prop: Property, operator: str, value_of: Any, given: Any, item: Any) -> _Filter:
    numeric = prop.type in ("number", "date", "datetime")
    lower, upper = operator in ("GT", "GTE", "BETWEEN"), operator in ("LT", "LTE", "BETWEEN")
    low = given("value") if lower else None
    high = given("highValue" if operator == "BETWEEN" else "value") if upper else None
    strict = operator in ("GT", "LT")
    if numeric and strict and all(bound is None or bound == int(bound) for bound in (low, high)):
        # Ids and milliseconds are whole: "above n" is "from n + 1" and can use an index. Other
        # numbers may have a fraction, so the bounds serve look-ups only and the test decides.
        whole = prop.type != "number" or prop.name == "hs_object_id"
        step = 1 if whole else 0
    else:
        step = 0

    def test(record: Record) -> bool:
        value = value_of(record)
        if value is None:
            return False
        if low is not None and (value <= low if strict else value < low):
            return False
        return not (high is not None and (value >= high if strict else value > high))

    built = _Filter(prop, operator, _says(test, [low, high]))
    if numeric:
        built.low = built.low if low is None else low + step
        built.high = built.high if high is None else high - step
    return built


def _equals(prop: Property, operator: str, value_of: Any, given: Any, item: Any) -> _Filter:
    wanted = given("value")
    several = prop.field_type == "checkbox"

    def equal(record: Record) -> bool:
        value = value_of(record)
        return value == wanted or (several and value is not None and wanted in value.split(";"))

    if operator == "NEQ":
        # A record without a value is neither equal nor unequal: HubSpot leaves it out.
        return _Filter(
            prop,
            operator,
            _says(lambda record: value_of(record) is not None and not equal(record), wanted),
        )
    exact = frozenset({str(item["value"]).strip().lower()})
    return _Filter(prop, operator, _says(equal, wanted), exact=exact)


def _one_of(prop: Property, operator: str, value_of: Any, given: Any, item: Any) -> _Filter:
    values = item.get("values")
    if not isinstance(values, list) or not values:
        raise bad_request(
            "There was a problem with the request.",
            errors=[{"message": f"operator {operator} requires values"}],
        )
    texts = [str(value) for value in values]
    if prop.type in ("number", "date", "datetime"):
        wanted = frozenset(_comparable(prop)(text) for text in texts) - {None}
    elif prop.type == "enumeration":
        wanted = frozenset(text.lower() for text in texts)
    else:
        # String values are lower-cased in the index and the request's are not: IN finds nothing
        # for a value with a capital letter, as documented.
        wanted = frozenset(texts)
    if operator == "NOT_IN":

        def absent(record: Record) -> bool:
            value = value_of(record)
            return value is not None and value not in wanted

        return _Filter(prop, operator, _says(absent, sorted(texts)))
    exact = frozenset(texts)
    return _Filter(
        prop, operator, _says(lambda record: value_of(record) in wanted, None), exact=exact
    )


def _presence(prop: Property, operator: str, value_of: Any, given: Any, item: Any) -> _Filter:
    wanted = operator == "HAS_PROPERTY"
    return _Filter(prop, operator, lambda record: (value_of(record) is not None) is wanted)


def _tokens(prop: Property, operator: str, value_of: Any, given: Any, item: Any) -> _Filter:
    text = str(given("value"))
    words = [
        re.compile(re.escape(word).replace(r"\*", ".*"))
        for word in re.findall(r"[\w*]+", text.lower())
    ]
    positive = operator == "CONTAINS_TOKEN"

    def test(record: Record) -> bool:
        value = value_of(record)
        if value is None:
            return False
        tokens = re.findall(r"\w+", str(value).lower())
        contains = all(any(word.fullmatch(token) for token in tokens) for word in words)
        return contains is positive

    return _Filter(prop, operator, _says(test, text))


_OPERATORS: dict[str, Callable[..., _Filter]] = {
    **dict.fromkeys(("LT", "LTE", "GT", "GTE", "BETWEEN"), _range),
    **dict.fromkeys(("EQ", "NEQ"), _equals),
    **dict.fromkeys(("IN", "NOT_IN"), _one_of),
    **dict.fromkeys(("HAS_PROPERTY", "NOT_HAS_PROPERTY"), _presence),
    **dict.fromkeys(("CONTAINS_TOKEN", "NOT_CONTAINS_TOKEN"), _tokens),
}
