"""Filters of a search: read from the request, refused where HubSpot refuses them."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sandbox.hubspot.record import Record
from sandbox.hubspot.schema import ApiError, ObjectType, Property, bad_request, parse_ms

MAX_GROUPS, MAX_FILTERS_PER_GROUP, MAX_FILTERS = 5, 6, 18

Test = Callable[[Record], bool]


@dataclass(slots=True)
class Filter:
    prop: Property
    operator: str
    test: Test
    low: float = float("-inf")
    high: float = float("inf")
    exact: frozenset[str] | None = None

    @property
    def is_range(self) -> bool:
        return self.low != float("-inf") or self.high != float("inf")


class FilterReader:
    """Reads the filters of a search over one object."""

    def __init__(self, kind: ObjectType, properties: dict[str, Property]) -> None:
        self.kind = kind
        self.properties = properties

    def property(self, name: Any) -> Property:
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

    def groups(self, groups: list[Any]) -> list[list[Filter]]:
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
                errors=only(f"{MAX_GROUPS} groups of {MAX_FILTERS_PER_GROUP} filters"),
            )
        return [
            [self._filter(item) for item in group.get("filters") or []]
            for group in groups
            if group.get("filters")
        ]

    def value_of(self, prop: Property) -> Callable[[Record], Any]:
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

    def _filter(self, item: dict[str, Any]) -> Filter:
        prop = self.property(item.get("propertyName"))
        operator = str(item.get("operator", "")).upper()
        value_of, convert = self.value_of(prop), _comparable(prop)

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


def _are_objects(items: Any) -> bool:
    return isinstance(items, list) and all(isinstance(item, dict) for item in items)


def only(what: str) -> list[dict[str, str]]:
    return [{"message": f"only {what} allowed"}]


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


def _range(prop: Property, operator: str, value_of: Any, given: Any, item: Any) -> Filter:
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

    built = Filter(prop, operator, _says(test, [low, high]))
    if numeric:
        built.low = built.low if low is None else low + step
        built.high = built.high if high is None else high - step
    return built


def _equals(prop: Property, operator: str, value_of: Any, given: Any, item: Any) -> Filter:
    wanted = given("value")
    several = prop.field_type == "checkbox"

    def equal(record: Record) -> bool:
        value = value_of(record)
        return value == wanted or (several and value is not None and wanted in value.split(";"))

    if operator == "NEQ":
        # A record without a value is neither equal nor unequal: HubSpot leaves it out.
        return Filter(
            prop,
            operator,
            _says(lambda record: value_of(record) is not None and not equal(record), wanted),
        )
    exact = frozenset({str(item["value"]).strip().lower()})
    return Filter(prop, operator, _says(equal, wanted), exact=exact)


def _one_of(prop: Property, operator: str, value_of: Any, given: Any, item: Any) -> Filter:
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

        return Filter(prop, operator, _says(absent, sorted(texts)))
    exact = frozenset(texts)
    return Filter(
        prop, operator, _says(lambda record: value_of(record) in wanted, None), exact=exact
    )


def _presence(prop: Property, operator: str, value_of: Any, given: Any, item: Any) -> Filter:
    wanted = operator == "HAS_PROPERTY"
    return Filter(prop, operator, lambda record: (value_of(record) is not None) is wanted)


def _tokens(prop: Property, operator: str, value_of: Any, given: Any, item: Any) -> Filter:
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

    return Filter(prop, operator, _says(test, text))


_OPERATORS: dict[str, Callable[..., Filter]] = {
    **dict.fromkeys(("LT", "LTE", "GT", "GTE", "BETWEEN"), _range),
    **dict.fromkeys(("EQ", "NEQ"), _equals),
    **dict.fromkeys(("IN", "NOT_IN"), _one_of),
    **dict.fromkeys(("HAS_PROPERTY", "NOT_HAS_PROPERTY"), _presence),
    **dict.fromkeys(("CONTAINS_TOKEN", "NOT_CONTAINS_TOKEN"), _tokens),
}
