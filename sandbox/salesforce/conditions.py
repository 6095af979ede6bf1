"""The conditions of a query: names are resolved, values checked, and a test of a row comes out."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from operator import ge, gt, le, lt
from typing import Any, NoReturn

from sandbox.salesforce.schema import NAME, NUMBERS, OBJECT_OF_PREFIX, TEXTS, Field, SObject
from sandbox.salesforce.soql import (
    ESCAPES,
    Comparison,
    Condition,
    Query,
    SoqlError,
    Value,
    fail,
)
from sandbox.salesforce.values import Find, Row, full_id, parse_time

Test = Callable[[Row], bool]
# The objects as the asking user sees them, by name in any case.
View = Callable[[str], SObject | None]


@dataclass(frozen=True, slots=True)
class Path:
    """A resolved field path: the references to follow, then the field."""

    through: tuple[Field, ...]
    field: Field

    def getter(self, find: Find) -> Callable[[Row], Any]:
        name = self.field.name
        if not self.through:
            return lambda row: row.get(name)
        steps = tuple(step.name for step in self.through)
        wants_type = name == "Type" and len(self.through[-1].refers_to) > 1

        def value(row: Row) -> Any:
            current = row
            for step in steps:
                target = current.get(step)
                parent = find(target) if target else None
                if parent is None:
                    return None
                current = parent
            return OBJECT_OF_PREFIX.get(current["Id"][:3]) if wants_type else current.get(name)

        return value


class Conditions:
    """Resolves the names of one query and turns its conditions into tests of a row."""

    def __init__(self, query: Query, view: View, find: Find, now: datetime) -> None:
        self.query = query
        self.view = view
        self.find = find
        self.now = now
        found = view(query.object_name)
        if found is None:
            fail(query.text, query.object_at,
                  f"sObject type '{query.object_name}' is not supported. If you are attempting to "
                  "use a custom object, be sure to append the '__c' after the entity name. Please "
                  "reference your WSDL or the describe call for the appropriate names.",
                  "INVALID_TYPE")  # fmt: skip
        self.sobject = found

    def path(self, text: str, at: int) -> Path:
        *parents, last = text.split(".")
        current = self.sobject
        if parents and parents[0].lower() == current.name.lower():
            parents = parents[1:]  # "Lead.Email" is allowed for "Email"
        through = []
        for parent in parents:
            step = current.relationships.get(parent.lower())
            target = self._target(step)
            if step is None or target is None:
                fail(self.query.text, at,
                      f"Didn't understand relationship '{parent}' in field path. If you are "
                      "attempting to use a custom relationship, be sure to append the '__r' after "
                      "the custom relationship name. Please reference your WSDL or the describe "
                      "call for the appropriate names.", "INVALID_FIELD")  # fmt: skip
            through.append(step)
            current = target
        found = current.field(last)
        if found is None:
            fail(self.query.text, at,
                  f"No such column '{last}' on entity '{current.name}'. If you are attempting to "
                  "use a custom field, be sure to append the '__c' after the custom field name. "
                  "Please reference your WSDL or the describe call for the appropriate names.",
                  "INVALID_FIELD")  # fmt: skip
        return Path(tuple(through), found)

    def _target(self, step: Field | None) -> SObject | None:
        if step is None:
            return None
        return self.view(step.refers_to[0]) if len(step.refers_to) == 1 else NAME

    def _refuse(self, at: int, message: str) -> NoReturn:
        fail(self.query.text, at, message, "INVALID_FIELD")

    def test(self, node: Condition) -> Test:
        if isinstance(node, Comparison):
            return self._comparison(node)
        tests = [self.test(part) for part in node.parts]
        if node.word == "NOT":
            return lambda row: not tests[0](row)
        if node.word == "AND" and len(tests) == 2:
            first, second = tests
            return lambda row: first(row) and second(row)
        if node.word == "AND":
            return lambda row: all(test(row) for test in tests)
        return lambda row: any(test(row) for test in tests)

    def _comparison(self, node: Comparison) -> Test:
        path = self.path(node.path, node.at)
        field, get = path.field, path.getter(self.find)
        if field.is_long:
            self._refuse(node.at, f"field '{node.path}' can not be filtered in a query call")
        if node.operator == "LIKE":
            return self._like(node, field, get)
        folds = field.type in TEXTS
        if node.value.kind == "day":
            return self._day(node, field, get)
        if node.operator in ("IN", "NOT IN"):
            members = {self.value(field, value, node) for value in node.value.members}
            wanted = node.operator == "IN"
            if folds:
                return lambda row: ((get(row) or "").lower() in members) is wanted
            return lambda row: (get(row) in members) is wanted
        value = self.value(field, node.value, node)
        if node.operator in ("=", "!="):
            wanted = node.operator == "="
            if folds:
                return lambda row: ((get(row) or "").lower() == (value or "")) is wanted
            return lambda row: (get(row) == value) is wanted
        if field.type == "boolean":
            raise SoqlError("INVALID_QUERY_FILTER_OPERATOR", "invalid operator on boolean field")
        compare = {"<": lt, "<=": le, ">": gt, ">=": ge}[node.operator]
        if value is None:
            return lambda row: False
        if folds:
            return lambda row: (held := get(row)) is not None and compare(held.lower(), value)
        return lambda row: (held := get(row)) is not None and compare(held, value)

    def value(self, field: Field, literal: Value, node: Comparison) -> Any:
        """Return the comparable value of a literal, or refuse its type as Salesforce does."""
        if literal.kind == "null":
            return "" if field.type in TEXTS and node.operator in ("IN", "NOT IN") else None
        kinds = {
            "boolean": ("boolean", "boolean"),
            "date": ("date", "date"),
            "datetime": ("datetime", "dateTime"),
            "id": ("string", "string"),
            "reference": ("string", "string"),
            "int": ("number", "int"),
        }
        wanted, spoken = kinds.get(
            field.type, ("number", "double") if field.type in NUMBERS else ("string", "string")
        )
        if literal.kind != wanted:
            quotes = "should be" if wanted == "string" else "should not be"
            self._refuse(
                literal.at,
                f"value of filter criterion for field '{field.name}' must be of type {spoken} "
                f"and {quotes} enclosed in quotes",
            )
        if wanted == "number":
            return float(literal.text)
        if wanted == "boolean":
            return literal.text == "TRUE"
        if wanted == "datetime":
            return self._moment(literal)
        if wanted == "date":
            return self._date(literal)
        text = self._unescape(literal)
        if field.type in ("id", "reference"):
            found = full_id(text) if text else None
            if text and found is None:
                raise SoqlError("INVALID_QUERY_FILTER_OPERATOR", f"invalid ID field: {text}")
            return found
        return text.lower()

    def _moment(self, literal: Value) -> str:
        try:
            moment = parse_time(literal.text)
        except (ValueError, OverflowError):
            fail(self.query.text, literal.at, f"Invalid datetime: {literal.text}")
        return moment.isoformat(timespec="milliseconds")[:23] + "+0000"

    def _date(self, literal: Value) -> str:
        try:
            return date.fromisoformat(literal.text).isoformat()
        except ValueError:
            fail(self.query.text, literal.at, f"Invalid date: {literal.text}")

    def _unescape(self, literal: Value, *, keep: str = "") -> str:
        """Undo the backslashes; those before a character of ``keep`` stay (LIKE needs them)."""

        def plain(match: re.Match[str]) -> str:
            char = match.group(1)
            if char.lower() not in ESCAPES:
                fail(self.query.text, literal.at,
                      f"Invalid string literal {literal.text}. Illegal character sequence "
                      f"'\\{char}' in string literal.")  # fmt: skip
            return match.group() if char in keep else ESCAPES[char.lower()]

        return re.sub(r"\\(.)", plain, literal.text[1:-1], flags=re.DOTALL)

    def _like(self, node: Comparison, field: Field, get: Callable[[Row], Any]) -> Test:
        if field.type not in TEXTS:
            raise SoqlError(
                "INVALID_QUERY_FILTER_OPERATOR", f"invalid operator on {field.type} field"
            )
        if node.value.kind != "string":
            self.value(field, node.value, node)
        wildcards = {"%": ".*", "_": "."}
        pattern = "".join(
            re.escape(piece[1:]) if piece[0] == "\\" else wildcards.get(piece, re.escape(piece))
            for piece in re.findall(
                r"\\.|.", self._unescape(node.value, keep="\\%_"), flags=re.DOTALL
            )
        )
        matches = re.compile(pattern, re.IGNORECASE | re.DOTALL).fullmatch
        return lambda row: (held := get(row)) is not None and matches(held) is not None

    def _day(self, node: Comparison, field: Field, get: Callable[[Row], Any]) -> Test:
        """Compare with a span of whole days: TODAY, LAST_N_DAYS:7 and their like."""
        if field.type not in ("date", "datetime"):
            self.value(field, node.value, node)
        today = self.now.astimezone(UTC).date()
        word, _, number = node.value.text.partition(":")
        days = {"YESTERDAY": 1, "TOMORROW": -1}.get(word, int(number or 0))
        first = today - timedelta(days=days)
        # LAST_N_DAYS:n runs from n days ago to the end of today.
        last = today if word == "LAST_N_DAYS" else first
        low, high = first.isoformat(), (last + timedelta(days=1)).isoformat()
        tests: dict[str, Callable[[str], bool]] = {
            "=": lambda held: low <= held < high,
            "!=": lambda held: not low <= held < high,
            "<": lambda held: held < low,
            "<=": lambda held: held < high,
            ">": lambda held: held >= high,
            ">=": lambda held: held >= low,
        }
        test = tests[node.operator]
        return lambda row: (held := get(row)) is not None and test(held)
