"""The object model of the CRM, and SOQL over it: parse a query, resolve its names, compile it.

A subset, chosen by what integrations send: field lists with parent paths, ``COUNT()``, ``WHERE``
with the usual operators, ``ORDER BY``, ``LIMIT``, ``OFFSET``. What lies outside is refused with
Salesforce's own words, so that a client meets the same errors as in production. No sub-queries,
no ``GROUP BY``, no aliases.

Times are held as the text that goes over the wire (``2026-01-05T10:00:00.000+0000``): its length
is fixed and it is always UTC, so comparing text compares time.
Source: SOQL and SOSL reference, REST API developer guide (objects, errors).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from operator import ge, gt, le, lt
from typing import Any, Literal, NoReturn

Row = dict[str, Any]
Find = Callable[[str], Row | None]
Test = Callable[[Row], bool]

MAX_OFFSET = 2000
MAX_LENGTH = 100_000
NUMBERS = frozenset({"int", "double", "currency", "percent"})
TEXTS = frozenset({"string", "email", "phone", "url", "picklist", "textarea"})


class SoqlError(Exception):
    """A query Salesforce would answer with 400: the code and the message it would send."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


# --- the object model --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Field:
    """One column: its type, and what may be done with it."""

    name: str
    type: str
    length: int = 0
    refers_to: tuple[str, ...] = ()
    required: bool = False
    read_only: bool = False
    external_id: bool = False
    restricted: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        plain = self.name.removesuffix("__c").replace("_", " ")
        words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", plain).removesuffix(" Id")
        words = words[:1].upper() + words[1:]
        return f"{words} ID" if self.refers_to else words

    @property
    def relationship(self) -> str | None:
        """The name a path goes through: ``Owner`` for ``OwnerId``."""
        return self.name.removesuffix("Id") if self.refers_to else None

    @property
    def is_long(self) -> bool:
        """Long text can be selected, but neither filtered nor sorted."""
        return self.type == "textarea"


@dataclass(frozen=True, slots=True)
class SObject:
    """One object: its id prefix and its fields, found by name in any case."""

    name: str
    prefix: str
    fields: dict[str, Field]
    names: dict[str, str]
    relationships: dict[str, Field]
    is_writable: bool = True

    def field(self, name: str) -> Field | None:
        known = self.names.get(name.lower())
        return None if known is None else self.fields[known]


_SYSTEM = """
    CreatedDate datetime readonly
    CreatedById reference(User) readonly
    LastModifiedDate datetime readonly
    LastModifiedById reference(User) readonly
    SystemModstamp datetime readonly
"""
_DELETABLE = "IsDeleted boolean readonly\n"
_FIELDS = {
    "User": """
        FirstName string(40)
        LastName string(80) required
        Name string(121) readonly
        Email email(128) required
        Username string(80) required
        Alias string(8)
        Title string(80)
        Department string(80)
        IsActive boolean
        UserType picklist(40) readonly
        TimeZoneSidKey picklist(40)
        UserRoleId reference(UserRole)
        ProfileId reference(Profile)
        ManagerId reference(User)
        FederationIdentifier string(512)
    """,
    "Group": """
        Name string(40) required
        DeveloperName string(80)
        Type picklist(40) readonly
        Email email(255)
    """,
    "Organization": """
        Name string(80)
        TimeZoneSidKey picklist(40)
        IsSandbox boolean readonly
        OrganizationType picklist(40) readonly
    """,
    "Lead": """
        FirstName string(40)
        LastName string(80) required
        Name string(121) readonly
        Salutation picklist(40)
        Company string(255) required
        Title string(128)
        Email email(80)
        Phone phone(40)
        MobilePhone phone(40)
        Website url(255)
        LeadSource picklist(255)
        Status picklist(255)
        Rating picklist(255)
        Industry picklist(255)
        NumberOfEmployees int
        AnnualRevenue currency
        Street string(255)
        City string(40)
        State string(80)
        PostalCode string(20)
        Country string(80)
        Description textarea(32000)
        OwnerId reference(User,Group)
        HasOptedOutOfEmail boolean
        DoNotCall boolean
        IsConverted boolean readonly
        ConvertedDate date readonly
        ConvertedAccountId reference(Account) readonly
        ConvertedContactId reference(Contact) readonly
        ConvertedOpportunityId reference(Opportunity) readonly
        IsUnreadByOwner boolean
        MasterRecordId reference(Lead) readonly
        LastActivityDate date readonly
        DisqualificationReason__c string(255)
        baton_lead_key__c string(64) external
        baton_score__c double
        baton_score_reasons__c textarea(32768)
        baton_trigger__c string(255)
        baton_trigger_at__c datetime
        baton_sla_due_at__c datetime
        baton_context_gaps__c string(255)
        baton_policy_version__c string(64)
    """,
    "Contact": """
        AccountId reference(Account)
        FirstName string(40)
        LastName string(80) required
        Name string(121) readonly
        Salutation picklist(40)
        Title string(128)
        Department string(80)
        Email email(80)
        Phone phone(40)
        MobilePhone phone(40)
        LeadSource picklist(255)
        MailingStreet string(255)
        MailingCity string(40)
        MailingState string(80)
        MailingPostalCode string(20)
        MailingCountry string(80)
        Description textarea(32000)
        OwnerId reference(User)
        ReportsToId reference(Contact)
        HasOptedOutOfEmail boolean
        DoNotCall boolean
        MasterRecordId reference(Contact) readonly
        LastActivityDate date readonly
    """,
    "Account": """
        Name string(255) required
        Website url(255)
        Phone phone(40)
        Industry picklist(255)
        NumberOfEmployees int
        AnnualRevenue currency
        BillingStreet string(255)
        BillingCity string(40)
        BillingState string(80)
        BillingPostalCode string(20)
        BillingCountry string(80)
        Type picklist(255)
        Rating picklist(255)
        AccountSource picklist(255)
        Description textarea(32000)
        ParentId reference(Account)
        OwnerId reference(User)
        MasterRecordId reference(Account) readonly
        LastActivityDate date readonly
    """,
    "Opportunity": """
        Name string(120) required
        StageName picklist(255) required
        CloseDate date required
        Amount currency
        Probability percent
        AccountId reference(Account)
        OwnerId reference(User)
        CampaignId reference(Campaign)
        Type picklist(255)
        NextStep string(255)
        LeadSource picklist(255)
        ForecastCategory picklist(40) readonly
        ForecastCategoryName picklist(255)
        FiscalQuarter int readonly
        FiscalYear int readonly
        IsClosed boolean readonly
        IsWon boolean readonly
        Description textarea(32000)
        LastActivityDate date readonly
    """,
    "OpportunityContactRole": """
        OpportunityId reference(Opportunity) required
        ContactId reference(Contact) required
        Role picklist(255)
        IsPrimary boolean
    """,
    "Campaign": """
        Name string(80) required
        Type picklist(255)
        Status picklist(255)
        IsActive boolean
        StartDate date
        EndDate date
        OwnerId reference(User)
        ParentId reference(Campaign)
    """,
    "Task": """
        WhoId reference(Lead,Contact)
        WhatId reference(Account,Opportunity,Campaign)
        OwnerId reference(User,Group)
        AccountId reference(Account) readonly
        Subject string(255)
        Status picklist(255)
        Priority picklist(255)
        ActivityDate date
        Type picklist(255)
        TaskSubtype picklist(40) one_of(Task,Email,ListEmail,Cadence,Call,LinkedIn)
        CallType picklist(40) one_of(Internal,Inbound,Outbound)
        CallDurationInSeconds int
        CallDisposition string(255)
        Description textarea(32000)
        IsClosed boolean readonly
        IsHighPriority boolean readonly
        IsArchived boolean readonly
        CompletedDateTime datetime readonly
        ReminderDateTime datetime
        IsReminderSet boolean
        baton_task_key__c string(64) external
    """,
    "Event": """
        WhoId reference(Lead,Contact)
        WhatId reference(Account,Opportunity,Campaign)
        OwnerId reference(User)
        AccountId reference(Account) readonly
        Subject string(255)
        Location string(255)
        Type picklist(255)
        StartDateTime datetime
        EndDateTime datetime
        ActivityDate date
        ActivityDateTime datetime
        DurationInMinutes int
        IsAllDayEvent boolean
        IsArchived boolean readonly
        EventSubtype picklist(40) one_of(Event)
        Description textarea(32000)
    """,
}
_PREFIXES = {
    "User": "005",
    "Group": "00G",
    "Organization": "00D",
    "Lead": "00Q",
    "Contact": "003",
    "Account": "001",
    "Opportunity": "006",
    "OpportunityContactRole": "00K",
    "Campaign": "701",
    "Task": "00T",
    "Event": "00U",
}
# These have no IsDeleted in Salesforce: a user or a queue is switched off, never binned.
_NEVER_DELETED = frozenset({"User", "Group", "Organization"})
_WORD = re.compile(r"(\w+)(?:\(([^)]*)\))?")


def _field(line: str) -> Field:
    name, kind, *flags = line.split()
    type_name, argument = _WORD.fullmatch(kind).groups()  # type: ignore[union-attr]
    allowed = next((flag for flag in flags if flag.startswith("one_of(")), "")
    return Field(
        name=name,
        type=type_name,
        length=int(argument) if argument and type_name != "reference" else 0,
        refers_to=tuple(argument.split(",")) if type_name == "reference" else (),
        required="required" in flags,
        read_only="readonly" in flags,
        external_id="external" in flags,
        restricted=tuple(allowed[len("one_of(") : -1].split(",")) if allowed else (),
    )


def _object(name: str, lines: str, *, prefix: str, is_writable: bool = True) -> SObject:
    fields = {"Id": Field("Id", "id", 18, read_only=True)}
    for line in filter(str.strip, lines.splitlines()):
        made = _field(line)
        fields[made.name] = made
    return SObject(
        name=name,
        prefix=prefix,
        fields=fields,
        names={known.lower(): known for known in fields},
        relationships={f.relationship.lower(): f for f in fields.values() if f.relationship},
        is_writable=is_writable,
    )


SCHEMA: dict[str, SObject] = {
    name: _object(
        name,
        lines + ("" if name in _NEVER_DELETED else _DELETABLE) + _SYSTEM,
        prefix=_PREFIXES[name],
        is_writable=name not in _NEVER_DELETED,
    )
    for name, lines in _FIELDS.items()
}
OBJECT_NAMES = {name.lower(): name for name in SCHEMA}
OBJECT_OF_PREFIX = {prefix: name for name, prefix in _PREFIXES.items()}
# What a path through a reference to several objects can see.
_NAME = _object(
    "Name",
    """
    Name string(121)
    FirstName string(40)
    LastName string(80)
    Email email(80)
    Title string(128)
    Phone phone(40)
    Username string(80)
    IsActive boolean
    Type picklist(40)
    """,
    prefix="",
)


def full_id(value: str) -> str | None:
    """Return the 18-character form of an id, or None when the text is no id at all.

    The last three letters say which of the first fifteen are capitals, in groups of five.
    """
    if len(value) not in (15, 18) or not value.isascii() or not value.isalnum():
        return None
    head = value[:15]
    return head + _capitals(head[:5]) + _capitals(head[5:10]) + _capitals(head[10:])


@lru_cache(maxsize=100_000)
def _capitals(five: str) -> str:
    bits = sum(1 << place for place, char in enumerate(five) if char.isupper())
    return "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"[bits]


def wire_time(moment: datetime) -> str:
    """Return a moment as Salesforce writes it: UTC, whole seconds."""
    return moment.astimezone(UTC).isoformat()[:19] + ".000+0000"


def parse_time(text: str) -> datetime:
    """Read a datetime in any form Salesforce takes. Raises ValueError."""
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


# --- parsing -----------------------------------------------------------------------------------

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
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f"}
_ESCAPES |= {char: char for char in "\"'\\_%"}
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
class Query:
    """A parsed query; names are not resolved yet."""

    text: str
    fields: tuple[tuple[str, int], ...]
    count: Literal["", "rows", "aggregate"]
    object_name: str
    object_at: int
    where: Condition | None
    order: tuple[OrderKey, ...]
    limit: int | None
    offset: int


def _fail(text: str, at: int, message: str, code: str = "MALFORMED_QUERY") -> NoReturn:
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
                _fail(self.text, at, f"line 1:{at} no viable alternative at character "
                      f"'{self.text[at]}'")  # fmt: skip
            if match.lastgroup != "space":
                yield Token(match.lastgroup or "", match.group(), at)
            at = match.end()
        yield Token("end", "<EOF>", len(self.text))

    @property
    def token(self) -> Token:
        return self.tokens[self.here]

    def unexpected(self) -> NoReturn:
        _fail(self.text, self.token.at, f"unexpected token: '{self.token.text}'")

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
        if token.kind != "name" or token.text.upper() in ("FROM", "WHERE", "ORDER", "LIMIT"):
            self.unexpected()
        self.here += 1
        return token

    def query(self) -> Query:
        self.must("SELECT")
        count: Literal["", "rows", "aggregate"] = ""
        fields: list[tuple[str, int]] = []
        if self.take("COUNT", "(", ")"):
            count = "rows"
        elif self.take("COUNT", "("):
            counted = self.name()
            fields, count = [(counted.text, counted.at)], "aggregate"
            self.must(")")
        else:
            fields = self._select_list()
        self.must("FROM")
        source = self.name()
        where = self._any() if self.take("WHERE") else None
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
            self.text, tuple(fields), count, source.text, source.at, where, order, limit, offset
        )

    def _select_list(self) -> list[tuple[str, int]]:
        fields, seen = [], set()
        while True:
            token = self.name()
            if token.text.lower() in seen:
                _fail(self.text, token.at, f"duplicate field selected: {token.text}")
            seen.add(token.text.lower())
            fields.append((token.text, token.at))
            if not self.take(","):
                return fields

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


# --- resolving and compiling -------------------------------------------------------------------


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
            current: Row | None = row
            for step in steps:
                target = current.get(step)
                current = find(target) if target else None
                if current is None:
                    return None
            return OBJECT_OF_PREFIX.get(current["Id"][:3]) if wants_type else current.get(name)

        return value


@dataclass(slots=True)
class Plan:
    """A query ready to run.

    ``low`` and ``high`` bound SystemModstamp (both inclusive texts), ``ids`` and ``keyed`` name
    the only rows that can match; all are hints, ``test`` is the truth (None: everything matches).
    """

    sobject: SObject
    count: str
    test: Test | None
    low: str | None
    high: str | None
    ids: frozenset[str] | None
    keyed: tuple[str, frozenset[str]] | None
    order: tuple[tuple[Path, bool, bool], ...]
    limit: int | None
    offset: int
    selected: tuple[Path, ...]

    @property
    def follows_stamp(self) -> bool:
        """Whether the wanted order is the one of the SystemModstamp index."""
        names = [(path.field.name, down) for path, down, _ in self.order if not path.through]
        return len(names) == len(self.order) and names in (
            [("SystemModstamp", False)],
            [("SystemModstamp", False), ("Id", False)],
        )


class _Compiler:
    def __init__(self, query: Query, find: Find, now: datetime) -> None:
        self.query = query
        self.find = find
        self.now = now
        name = OBJECT_NAMES.get(query.object_name.lower())
        if name is None:
            _fail(query.text, query.object_at,
                  f"sObject type '{query.object_name}' is not supported. If you are attempting to "
                  "use a custom object, be sure to append the '__c' after the entity name. Please "
                  "reference your WSDL or the describe call for the appropriate names.",
                  "INVALID_TYPE")  # fmt: skip
        self.sobject = SCHEMA[name]

    def path(self, text: str, at: int) -> Path:
        *parents, last = text.split(".")
        current = self.sobject
        if parents and parents[0].lower() == current.name.lower():
            parents = parents[1:]  # "Lead.Email" is allowed for "Email"
        through = []
        for parent in parents:
            step = current.relationships.get(parent.lower())
            target = step.refers_to[0] if step and len(step.refers_to) == 1 else "Name"
            if step is None or (target != "Name" and target not in SCHEMA):
                _fail(self.query.text, at,
                      f"Didn't understand relationship '{parent}' in field path. If you are "
                      "attempting to use a custom relationship, be sure to append the '__r' after "
                      "the custom relationship name. Please reference your WSDL or the describe "
                      "call for the appropriate names.", "INVALID_FIELD")  # fmt: skip
            through.append(step)
            current = _NAME if target == "Name" else SCHEMA[target]
        found = current.field(last)
        if found is None:
            _fail(self.query.text, at,
                  f"No such column '{last}' on entity '{current.name}'. If you are attempting to "
                  "use a custom field, be sure to append the '__c' after the custom field name. "
                  "Please reference your WSDL or the describe call for the appropriate names.",
                  "INVALID_FIELD")  # fmt: skip
        return Path(tuple(through), found)

    def plan(self) -> Plan:
        query = self.query
        order = []
        for key in query.order:
            path = self.path(key.path, key.at)
            if path.field.is_long:
                self._refuse(key.at, f"field '{key.path}' can not be sorted in a query call")
            order.append((path, key.descending, key.nulls_last))
        made = Plan(
            sobject=self.sobject,
            count=query.count,
            test=self.test(query.where) if query.where else None,
            low=None,
            high=None,
            ids=None,
            keyed=None,
            order=tuple(order),
            limit=query.limit,
            offset=query.offset,
            selected=tuple(self.path(name, at) for name, at in query.fields),
        )
        if query.where:
            self._hint(made, query.where)
        return made

    def _refuse(self, at: int, message: str) -> NoReturn:
        _fail(self.query.text, at, message, "INVALID_FIELD")

    def _hint(self, plan: Plan, where: Condition) -> None:
        """Find in the top-level ANDs what narrows the rows before the test runs."""
        parts = where.parts if isinstance(where, Junction) and where.word == "AND" else (where,)
        is_exact = True
        for part in parts:
            if not isinstance(part, Comparison):
                is_exact = False
                continue
            path = self.path(part.path, part.at)
            wanted = part.value.members or (part.value,)
            is_equal = part.operator in ("=", "IN") and all(v.kind == "string" for v in wanted)
            if path.through or "null" in {v.kind for v in wanted}:
                is_exact = False
            elif path.field.name == "Id" and is_equal:
                plan.ids = frozenset(self.value(path.field, v, part) for v in wanted)
                is_exact = False
            elif path.field.external_id and is_equal:
                keys = frozenset(self.value(path.field, v, part) for v in wanted)
                plan.keyed = (path.field.name, keys)
                is_exact = False
            elif path.field.name == "SystemModstamp" and part.value.kind == "datetime":
                is_exact &= self._bound(plan, part, self.value(path.field, part.value, part))
            else:
                is_exact = False
        if is_exact:
            plan.test = None  # the index range alone is the answer

    def _bound(self, plan: Plan, part: Comparison, stamp: str) -> bool:
        if part.operator in ("=", ">=", ">"):
            plan.low = max(plan.low or "", stamp)
        if part.operator in ("=", "<=", "<"):
            plan.high = min(plan.high or stamp, stamp)
        return part.operator in ("=", ">=", "<=")

    def test(self, node: Condition) -> Test:
        if isinstance(node, Comparison):
            return self._comparison(node)
        tests = [self.test(part) for part in node.parts]
        if node.word == "NOT":
            return lambda row: not tests[0](row)
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
            _fail(self.query.text, literal.at, f"Invalid datetime: {literal.text}")
        return moment.isoformat(timespec="milliseconds")[:23] + "+0000"

    def _date(self, literal: Value) -> str:
        try:
            return date.fromisoformat(literal.text).isoformat()
        except ValueError:
            _fail(self.query.text, literal.at, f"Invalid date: {literal.text}")

    def _unescape(self, literal: Value, *, keep: str = "") -> str:
        """Undo the backslashes; those before a character of ``keep`` stay (LIKE needs them)."""

        def plain(match: re.Match[str]) -> str:
            char = match.group(1)
            if char.lower() not in _ESCAPES:
                _fail(self.query.text, literal.at,
                      f"Invalid string literal {literal.text}. Illegal character sequence "
                      f"'\\{char}' in string literal.")  # fmt: skip
            return match.group() if char in keep else _ESCAPES[char.lower()]

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


def compile_query(text: str, *, find: Find, now: datetime) -> Plan:
    """Parse a query and resolve every name in it. Raises SoqlError."""
    return _Compiler(parse(text), find, now).plan()


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


def builder(plan: Plan, version: str, find: Find) -> Callable[[Row], Row]:
    """Return the function that turns a stored row into the record of the answer."""
    name = plan.sobject.name
    address = f"/services/data/v{version}/sobjects/"
    flat = [path.field.name for path in plan.selected if not path.through]
    nested: dict[str, Any] = {}
    for path in plan.selected:
        if path.through:
            _nest(nested, path.through, path)

    def build(row: Row) -> Row:
        record: Row = {"attributes": {"type": name, "url": f"{address}{name}/{row['Id']}"}}
        record.update(zip(flat, map(row.get, flat), strict=True))
        for relationship, (step, paths, deeper) in nested.items():
            record[relationship] = _parent(row, step, paths, deeper)
        return record

    def _parent(row: Row, step: Field, paths: list[Path], deeper: dict[str, Any]) -> Row | None:
        target = row.get(step.name)
        parent = find(target) if target else None
        if parent is None:
            return None
        real = OBJECT_OF_PREFIX[parent["Id"][:3]]
        # A reference to several objects answers with the type "Name", not with the real one.
        shown = "Name" if len(step.refers_to) > 1 else real
        record: Row = {"attributes": {"type": shown, "url": f"{address}{real}/{parent['Id']}"}}
        for path in paths:
            is_type = path.field.name == "Type" and shown == "Name"
            record[path.field.name] = real if is_type else parent.get(path.field.name)
        for relationship, (next_step, next_paths, next_deeper) in deeper.items():
            record[relationship] = _parent(parent, next_step, next_paths, next_deeper)
        return record

    return build


def _nest(tree: dict[str, Any], steps: tuple[Field, ...], path: Path) -> None:
    step = steps[0]
    entry = tree.setdefault(step.relationship or "", (step, [], {}))
    if len(steps) == 1:
        entry[1].append(path)
    else:
        _nest(entry[2], steps[1:], path)
