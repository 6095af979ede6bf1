"""Reading SOQL: a text becomes a query whose names are not resolved yet.

A subset, chosen by what integrations send: field lists with parent paths, ``COUNT()``, aggregates
with ``GROUP BY``, ``WHERE`` with the usual operators, ``ORDER BY``, ``LIMIT``, ``OFFSET``. What
lies outside is refused with Salesforce's own words, so that a client meets the same errors as in
production. No sub-queries, no ``HAVING``, no ``TYPEOF``. Source: SOQL and SOSL reference.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, NoReturn

MAX_OFFSET = 2000
MAX_LENGTH = 100_000
AGGREGATES = ("COUNT", "COUNT_DISTINCT", "MIN", "MAX", "SUM", "AVG")


class SoqlError(Exception):
    """A query Salesforce would answer with 400: the code and the message it would send."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


_TOKEN = re.compile(
    r"""(?P<space>\s+)
    |(?P<string>'(?:\\.|[^'\\])*')
    |(?P<datetime>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?(?:Z|[+-]\d\d:?\d\d))
    |(?P<date>\d{4}-\d\d-\d\d)
    |(?P<number>[+-]?\d+(?:\.\d+)?)
    |(?P<name>[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*(?::\d+)?)
    |(?P<sign><=|>=|!=|<>|[=<>(),])""",
    re.VERBOSE | re.DOTALL,
)
ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f"}
ESCAPES |= {char: char for char in "\"'\\_%"}
_DAY_WORDS = re.compile(r"(TODAY|YESTERDAY|TOMORROW|LAST_N_DAYS:\d+|N_DAYS_AGO:\d+)", re.I)


@dataclass(frozen=True, slots=True)
class Token:
    kind: str
    text: str
    at: int


@dataclass(frozen=True, slots=True)
class Value:
    """A value as written: its kind and its text (for a list, its members)."""

    kind: str
    text: str
    at: int
    members: tuple[Value, ...] = ()


@dataclass(frozen=True, slots=True)
class Comparison:
    path: str
    at: int
    operator: str
    value: Value


@dataclass(frozen=True, slots=True)
class Junction:
    """``AND``, ``OR`` or ``NOT`` over its parts."""

    word: Literal["AND", "OR", "NOT"]
    parts: tuple[Condition, ...]


Condition = Comparison | Junction


@dataclass(frozen=True, slots=True)
class OrderKey:
    path: str
    at: int
    descending: bool = False
    nulls_last: bool = False


@dataclass(frozen=True, slots=True)
class Aggregate:
    """``MAX(Amount) most``: the function, the field, the name it answers under (or none)."""

    function: str
    path: str
    at: int
    alias: str


@dataclass(frozen=True, slots=True)
class Query:
    """A parsed query; names are not resolved yet."""

    text: str
    fields: tuple[tuple[str, int], ...]
    counts_rows: bool
    aggregates: tuple[Aggregate, ...]
    grouped: tuple[tuple[str, int], ...]
    object_name: str
    object_at: int
    where: Condition | None
    order: tuple[OrderKey, ...]
    limit: int | None
    offset: int


def fail(text: str, at: int, message: str, code: str = "MALFORMED_QUERY") -> NoReturn:
    """Raise with Salesforce's little drawing of the place."""
    start = max(0, at - 40)
    piece = text[start : at + 40].replace("\n", " ")
    caret = " " * (at - start) + "^"
    row = text.count("\n", 0, at) + 1
    column = at - (text.rfind("\n", 0, at) + 1) + 1
    raise SoqlError(code, f"\n{piece}\n{caret}\nERROR at Row:{row}:Column:{column}\n{message}")


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = list(self._scan())
        self.here = 0

    def _scan(self) -> Iterable[Token]:
        at = 0
        while at < len(self.text):
            match = _TOKEN.match(self.text, at)
            if match is None:
                fail(self.text, at, f"line 1:{at} no viable alternative at character "
                      f"'{self.text[at]}'")  # fmt: skip
            if match.lastgroup != "space":
                yield Token(match.lastgroup or "", match.group(), at)
            at = match.end()
        yield Token("end", "<EOF>", len(self.text))

    @property
    def token(self) -> Token:
        return self.tokens[self.here]

    def unexpected(self) -> NoReturn:
        fail(self.text, self.token.at, f"unexpected token: '{self.token.text}'")

    def take(self, *words: str) -> bool:
        """Step over the given words or signs when they come next."""
        ahead = self.tokens[self.here : self.here + len(words)]
        if [token.text.upper() for token in ahead] != list(words):
            return False
        self.here += len(words)
        return True

    def must(self, word: str) -> None:
        if not self.take(word):
            self.unexpected()

    def name(self) -> Token:
        token = self.token
        if token.kind != "name" or token.text.upper() in (
            "FROM",
            "WHERE",
            "GROUP",
            "ORDER",
            "LIMIT",
        ):
            self.unexpected()
        self.here += 1
        return token

    def query(self) -> Query:
        self.must("SELECT")
        fields: list[tuple[str, int]] = []
        aggregates: list[Aggregate] = []
        counts_rows = self.take("COUNT", "(", ")")
        if not counts_rows:
            self._select_list(fields, aggregates)
        self.must("FROM")
        source = self.name()
        where = self._any() if self.take("WHERE") else None
        grouped = self._grouped(fields, aggregates)
        order = self._order() if self.take("ORDER", "BY") else ()
        limit = self._whole() if self.take("LIMIT") else None
        offset = self._whole() if self.take("OFFSET") else 0
        if self.token.kind != "end":
            self.unexpected()
        if offset > MAX_OFFSET:
            raise SoqlError(
                "NUMBER_OUTSIDE_VALID_RANGE", f"Maximum SOQL offset allowed is {MAX_OFFSET}"
            )
        return Query(
            self.text, tuple(fields), counts_rows, tuple(aggregates), grouped,
            source.text, source.at, where, order, limit, offset,
        )  # fmt: skip

    def _select_list(self, fields: list[tuple[str, int]], aggregates: list[Aggregate]) -> None:
        seen = set()
        while True:
            token = self.name()
            if self.token.text == "(":
                aggregates.append(self._aggregate(token))
            elif token.text.lower() in seen:
                fail(self.text, token.at, f"duplicate field selected: {token.text}")
            else:
                seen.add(token.text.lower())
                fields.append((token.text, token.at))
            if not self.take(","):
                return

    def _aggregate(self, function: Token) -> Aggregate:
        if function.text.upper() not in AGGREGATES:
            self.unexpected()
        self.must("(")
        counted = self.name()
        self.must(")")
        is_alias = self.token.kind == "name" and self.token.text.upper() != "FROM"
        alias = self.name().text if is_alias else ""
        return Aggregate(function.text.upper(), counted.text, counted.at, alias)

    def _grouped(
        self, fields: list[tuple[str, int]], aggregates: list[Aggregate]
    ) -> tuple[tuple[str, int], ...]:
        grouped = []
        if self.take("GROUP", "BY"):
            grouped = [(token.text, token.at) for token in self._names()]
        if aggregates or grouped:
            by = {text.lower() for text, _ in grouped}
            for text, at in fields:
                if text.lower() not in by:
                    fail(self.text, at, f"Field must be grouped or aggregated: {text}")
        return tuple(grouped)

    def _names(self) -> list[Token]:
        names = [self.name()]
        while self.take(","):
            names.append(self.name())
        return names

    def _whole(self) -> int:
        token = self.token
        if token.kind != "number" or not token.text.isdigit():
            self.unexpected()
        self.here += 1
        return int(token.text)

    def _any(self) -> Condition:
        """A chain of one word. SOQL refuses AND beside OR without parentheses."""
        parts = [self._one()]
        word: Literal["AND", "OR"]
        for word in ("AND", "OR"):
            if self.token.text.upper() != word:
                continue
            while self.take(word):
                parts.append(self._one())
            if self.token.text.upper() in ("AND", "OR"):
                self.unexpected()
            return Junction(word, tuple(parts))
        return parts[0]

    def _one(self) -> Condition:
        if self.take("NOT"):
            return Junction("NOT", (self._one(),))
        if self.take("("):
            inside = self._any()
            self.must(")")
            return inside
        path = self.name()
        for words in (("NOT", "IN"), ("IN",), ("LIKE",)):
            if self.take(*words):
                value = self._literal() if words == ("LIKE",) else self._list()
                return Comparison(path.text, path.at, " ".join(words), value)
        sign = self.token
        if sign.text not in ("=", "!=", "<>", "<", "<=", ">", ">="):
            self.unexpected()
        self.here += 1
        operator = "!=" if sign.text == "<>" else sign.text
        return Comparison(path.text, path.at, operator, self._literal())

    def _literal(self) -> Value:
        token = self.token
        upper = token.text.upper()
        if token.kind == "name":
            kind = {"NULL": "null", "TRUE": "boolean", "FALSE": "boolean"}.get(upper, "")
            if not kind and _DAY_WORDS.fullmatch(upper):
                kind = "day"
            if not kind:
                self.unexpected()
        elif token.kind in ("string", "number", "date", "datetime"):
            kind = token.kind
        else:
            self.unexpected()
        self.here += 1
        return Value(kind, token.text if kind == "string" else upper, token.at)

    def _list(self) -> Value:
        start = self.token.at
        self.must("(")
        members = [self._literal()]
        while self.take(","):
            members.append(self._literal())
        self.must(")")
        return Value("list", "", start, tuple(members))

    def _order(self) -> tuple[OrderKey, ...]:
        keys = []
        while True:
            path = self.name()
            descending = self.take("DESC")
            if not descending:
                self.take("ASC")
            nulls_last = self.take("NULLS", "LAST")
            if not nulls_last:
                self.take("NULLS", "FIRST")
            keys.append(OrderKey(path.text, path.at, descending, nulls_last))
            if not self.take(","):
                return tuple(keys)


def parse(text: str) -> Query:
    """Read a query. Raises SoqlError with MALFORMED_QUERY when it is none."""
    if not text.strip():
        raise SoqlError("MALFORMED_QUERY", "A query string has to be specified")
    if len(text) > MAX_LENGTH:
        raise SoqlError("QUERY_TOO_COMPLICATED", "SOQL statements cannot be longer than 100000.")
    return _Parser(text).query()
