"""Salesforce on loopback: the records, their rules, and the REST API in front of them.

Speaks OAuth client credentials, query and queryAll with locators, single rows, external-id upserts
and sObject collections, written from the vendor's documents. What integrations trip over is in
here on purpose: sessions end, ``allOrNone:false`` answers 200 with failed rows inside, converted
leads cannot be written, and an assignment rule takes the owner away unless told not to.

The store's own methods (``insert``, ``update`` …) are the population's and the reps' way in: they
check names only, and leave no effect. What arrives by HTTP is checked in full and is an effect.
Limits: 100,000 calls in 24 hours, 2,000 rows a page, 200 records a collection, 16 KiB of address.
Source: REST API developer guide; object reference for Sales Cloud.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from bisect import bisect_left, bisect_right
from collections import Counter, OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import groupby, islice
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from sandbox.soql import (
    NUMBERS,
    OBJECT_NAMES,
    OBJECT_OF_PREFIX,
    SCHEMA,
    Field,
    Plan,
    Row,
    SObject,
    SoqlError,
    builder,
    compile_query,
    full_id,
    parse_time,
    sort_rows,
    wire_time,
)

if TYPE_CHECKING:
    from sandbox.clock import Clock
    from sandbox.world import World

API_VERSIONS = tuple(f"{number}.0" for number in range(31, 69))
RETIRED_BELOW = 31.0
PAGE_SIZE = 2000
SMALLEST_PAGE = 200
COLLECTION_SIZE = 200
MAX_CHUNKS = 10
MAX_ADDRESS = 16_384
DAILY_LIMIT = 100_000
OPEN_CURSORS = 10
CURSOR_IDLE = timedelta(minutes=15)
DELETED_WINDOW = timedelta(days=15)
ORGANIZATION_ID = "00D000000000001"
MERGEABLE = ("Lead", "Contact", "Account")
EMAIL = re.compile(r"[^\s@<>(),;:\"\[\]]+@[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?\.[A-Za-z]{2,}")
DEFAULTS: dict[str, Row] = {
    "Lead": {"Status": "Open - Not Contacted", "IsUnreadByOwner": True},
    "Task": {"Status": "Not Started", "Priority": "Normal", "TaskSubtype": "Task"},
    "Event": {"EventSubtype": "Event"},
    "User": {"IsActive": True, "UserType": "Standard", "TimeZoneSidKey": "UTC"},
}
# (probability, forecast category, closed, won) of the stages of a new org
STAGES = {
    "Prospecting": (10.0, "Pipeline", False, False),
    "Qualification": (10.0, "Pipeline", False, False),
    "Needs Analysis": (20.0, "Pipeline", False, False),
    "Value Proposition": (50.0, "Pipeline", False, False),
    "Id. Decision Makers": (60.0, "Pipeline", False, False),
    "Perception Analysis": (70.0, "Pipeline", False, False),
    "Proposal/Price Quote": (75.0, "Pipeline", False, False),
    "Negotiation/Review": (90.0, "Pipeline", False, False),
    "Closed Won": (100.0, "Closed", True, True),
    "Closed Lost": (0.0, "Omitted", True, False),
}
# Where a record hangs on another: what a merge moves from the loser to the winner.
CHILDREN = {
    "Lead": (("Task", "WhoId"), ("Event", "WhoId")),
    "Contact": (("Task", "WhoId"), ("Event", "WhoId"), ("OpportunityContactRole", "ContactId")),
    "Account": (("Contact", "AccountId"), ("Opportunity", "AccountId"), ("Task", "WhatId")),
}


class SalesforceError(Exception):
    """A refusal: ``errorCode`` at the top of an answer, ``statusCode`` inside a collection."""

    def __init__(
        self, code: str, message: str, fields: Iterable[str] = (), status: int = 400
    ) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.fields = list(fields)
        self.status = status


NOT_FOUND = ("NOT_FOUND", "The requested resource does not exist")
LOCKED = "unable to obtain exclusive access to this record or 1 records: {}"


# --- the store ---------------------------------------------------------------------------------


@dataclass(slots=True)
class _Table:
    """The rows of one object, with an index by SystemModstamp and one per external id.

    ``keys`` holds "<stamp><id>", sorted, ``ordered`` the rows in the same order; a row in ``fresh``
    is in neither until the next tidy.
    """

    sobject: SObject
    rows: dict[str, Row] = field(default_factory=dict)
    keys: list[str] = field(default_factory=list)
    ordered: list[Row] = field(default_factory=list)
    fresh: set[str] = field(default_factory=set)
    unique: dict[str, dict[str, list[str]]] = field(default_factory=dict)
    has_bin: bool = False  # whether any row was ever deleted: most tables need no look
    defaults: Row = field(default_factory=dict)

    def lift(self, row: Row) -> None:
        """Take a row out of the order, before its stamp moves or it goes."""
        if row["Id"] in self.fresh:
            return
        place = bisect_left(self.keys, row["SystemModstamp"] + row["Id"])
        del self.keys[place], self.ordered[place]
        self.fresh.add(row["Id"])

    def tidy(self) -> None:
        """Bring the order up to date."""
        fresh = [self.rows[id_]["SystemModstamp"] + id_ for id_ in self.fresh]
        if len(fresh) > 500:
            # Two sorted runs: sorting them together is a merge.
            self.keys += sorted(fresh)
            self.keys.sort()
            self.ordered = [self.rows[key[28:]] for key in self.keys]
        else:
            for key in fresh:
                place = bisect_left(self.keys, key)
                self.keys.insert(place, key)
                self.ordered.insert(place, self.rows[key[28:]])
        self.fresh.clear()

    def between(self, low: str | None, high: str | None) -> list[Row]:
        """Return the rows whose stamp lies between two texts, both included, in order."""
        self.tidy()
        first = bisect_left(self.keys, low) if low else 0
        last = bisect_right(self.keys, high + "~") if high else len(self.keys)
        return self.ordered[first:last]


@dataclass(slots=True)
class _Cursor:
    """What a locator stands for: the rows of one query, in order."""

    rows: list[Row]
    build: Callable[[Row], Row]
    page_size: int
    used_at: datetime


class SalesforceStore:
    """Every record of the org. Callers hold the world's lock."""

    def __init__(
        self,
        clock: Clock,
        client_id: str,
        client_secret: str,
        integration_user_id: str,
        api_versions: Iterable[str] = API_VERSIONS,
        *,
        limits: bool = True,
        daily_limit: int = DAILY_LIMIT,
        token_ttl: float = 7200.0,
        page_size: int = PAGE_SIZE,
    ) -> None:
        self.clock = clock
        self.client_id = client_id
        self.client_secret = client_secret
        self.integration_user_id = _id(integration_user_id)
        self.api_versions = tuple(api_versions)
        self.limits = limits
        self.daily_limit = daily_limit
        self.token_ttl = token_ttl
        self.page_size = page_size
        self.organization_id = _id(ORGANIZATION_ID)
        self.effects: list[dict[str, Any]] = []
        self.assignment_owner_id: str | None = None
        self._tables = {name: _table(sobject) for name, sobject in SCHEMA.items()}
        self._numbers: Counter[str] = Counter()
        self._activities: dict[str, list[str]] = {}
        self._hidden: dict[str, str] = {}
        self._scripted: dict[str, list[SalesforceError]] = {}
        self._tokens: dict[str, datetime] = {}
        self._calls: Counter[int] = Counter()
        self._cursors: OrderedDict[str, _Cursor] = OrderedDict()
        self.insert("Organization", {"Name": "Lumenfold"}, id=self.organization_id)

    # -- the population's and the reps' way in --

    def insert(
        self,
        object: str,
        fields: Row,
        *,
        at: datetime | None = None,
        id: str | None = None,
        by: str | None = None,
    ) -> str:
        """Add a record as it stands and return its id; audit fields may be given too.

        Raises ValueError for an object or field the org does not have.
        """
        table = self._table(object)
        stamp = wire_time(at or self.clock.now())
        given = {
            known.name: _held(known, value) for known, value in _known_fields(table.sobject, fields)
        }
        row: Row = {"Id": _id(id) if id else self._mint(table.sobject)}
        if row["Id"] in table.rows:
            raise ValueError(f"Salesforce already holds {object} {row['Id']}.")
        row |= table.defaults
        if "OwnerId" in table.sobject.fields:
            row["OwnerId"] = by or self.integration_user_id
        row |= {name: value for name, value in given.items() if value is not None}
        actor = by or self._person(row)
        row.setdefault("CreatedDate", stamp)
        row.setdefault("CreatedById", actor)
        row.setdefault("LastModifiedDate", stamp)
        row.setdefault("LastModifiedById", actor)
        row.setdefault("SystemModstamp", stamp)
        self._derive(table.sobject, row, given, stamp)
        table.rows[row["Id"]] = row
        table.fresh.add(row["Id"])
        self._index(table, row)
        if object in ("Task", "Event"):
            self._hang(row)
        return row["Id"]

    def update(
        self,
        object: str,
        id: str,
        fields: Row,
        *,
        at: datetime | None = None,
        by: str | None = None,
    ) -> None:
        """Change a record as a person would; None empties a field."""
        table = self._table(object)
        row = table.rows[_id(id)]
        stamp = wire_time(at or self.clock.now())
        given = {
            known.name: _held(known, value) for known, value in _known_fields(table.sobject, fields)
        }
        given.pop("SystemModstamp", None)  # moves with every change, never by hand
        self._unindex(table, row)
        for name, value in given.items():
            if value is None and table.sobject.fields[name].type == "boolean":
                value = False
            row[name] = value
        self._derive(table.sobject, row, given, stamp)
        self._stamp(table, row, stamp, by or self._person(row))
        row |= {name: given[name] for name in ("LastModifiedById",) if given.get(name)}
        self._index(table, row)
        if object in ("Task", "Event") and given.keys() & {"WhoId", "Status", "ActivityDate"}:
            self._hang(row)

    def delete(
        self, object: str, id: str, at: datetime | None = None, by: str | None = None
    ) -> None:
        """Put a record into the bin: ``query`` no longer shows it, ``queryAll`` does."""
        table = self._table(object)
        row = table.rows[_id(id)]
        row["IsDeleted"] = table.has_bin = True
        self._stamp(table, row, wire_time(at or self.clock.now()), by or self._person(row))

    def undelete(self, object: str, id: str, at: datetime | None = None) -> None:
        """Take a record out of the bin again."""
        table = self._table(object)
        row = table.rows[_id(id)]
        row["IsDeleted"] = False
        self._stamp(table, row, wire_time(at or self.clock.now()), self._person(row))

    def merge(
        self,
        object: str,
        winner: str,
        loser: str,
        at: datetime | None = None,
        by: str | None = None,
    ) -> None:
        """Merge two records: the loser is deleted and points at the winner, its children move.

        Nothing on the winner says what it swallowed; only its modification time moves.
        """
        if object not in MERGEABLE:
            raise ValueError(f"Salesforce merges {', '.join(MERGEABLE)}; not {object}.")
        table = self._table(object)
        kept, lost = table.rows[_id(winner)], table.rows[_id(loser)]
        stamp = wire_time(at or self.clock.now())
        actor = by or self._person(kept)
        lost["MasterRecordId"] = kept["Id"]
        self.delete(object, lost["Id"], at, actor)
        for child, name in CHILDREN[object]:
            self._move_children(child, name, lost["Id"], kept["Id"], stamp)
        self._stamp(table, kept, stamp, actor)

    def convert(
        self,
        lead_id: str,
        account_id: str,
        contact_id: str,
        opportunity_id: str | None = None,
        at: datetime | None = None,
        by: str | None = None,
    ) -> None:
        """Mark a lead as converted into records that exist; its activities move to the contact.

        The contact does not learn the lead's id: only the lead points forward.
        """
        table = self._tables["Lead"]
        row = table.rows[_id(lead_id)]
        moment = at or self.clock.now()
        row |= {
            "IsConverted": True,
            "ConvertedDate": moment.astimezone(UTC).date().isoformat(),
            "ConvertedAccountId": _id(account_id),
            "ConvertedContactId": _id(contact_id),
            "ConvertedOpportunityId": _id(opportunity_id) if opportunity_id else None,
            "Status": "Closed - Converted",
        }
        stamp = wire_time(moment)
        self._stamp(table, row, stamp, by or self._person(row))
        for child in ("Task", "Event"):
            self._move_children(child, "WhoId", row["Id"], _id(contact_id), stamp)

    def set_assignment_rule(self, default_owner_id: str | None) -> None:
        """Make the Lead assignment rule give every lead to this owner; None switches it off."""
        self.assignment_owner_id = _id(default_owner_id) if default_owner_id else None

    def hide_until(self, id: str, moment: datetime) -> None:
        """Let a row commit late: no query shows it before ``moment``, its stamp stays older."""
        self._hidden[_id(id)] = wire_time(moment)

    def script_error(self, id: str, code: str, message: str, times: int = 1) -> None:
        """Refuse the next writes of one record (or of one external id) with this error."""
        self._scripted.setdefault(full_id(id) or id, []).extend(
            [SalesforceError(code, message)] * times
        )

    def lock_row(self, id: str, times: int = 1) -> None:
        """Let the next writes of one record meet somebody else's lock."""
        self.script_error(id, "UNABLE_TO_LOCK_ROW", LOCKED.format(_id(id)), times)

    def settle(self) -> None:
        """Build the indexes now, so that the first query of a big org is as quick as the rest."""
        for table in self._tables.values():
            table.tidy()

    def expire_sessions(self) -> None:
        """End every session: the next call with an old token answers 401."""
        self._tokens.clear()

    def get(self, object: str, id: str) -> Row | None:
        """Return a copy of a record, deleted or not."""
        found = self._table(object).rows.get(full_id(id) or "")
        return None if found is None else self._whole(object, found)

    def all(self, object: str) -> list[Row]:
        """Return copies of all records of an object, deleted ones included, oldest id first."""
        return [self._whole(object, row) for row in self._table(object).rows.values()]

    # -- reading --

    def find(self, id: str) -> Row | None:
        """Return the record an id points at, whatever its object."""
        name = OBJECT_OF_PREFIX.get(id[:3])
        return self._tables[name].rows.get(id) if name else None

    def by_key(self, object: str, name: str, value: Any) -> list[str]:
        """Return the ids of living records with this external id; case does not matter."""
        if name == "Id":
            found = self.find(full_id(str(value)) or "")
            return [found["Id"]] if found and not found.get("IsDeleted") else []
        table = self._tables[object]
        held = table.unique[name].get(str(value).lower(), ())
        return [id_ for id_ in held if not table.rows[id_].get("IsDeleted")]

    def select(self, plan: Plan, *, include_deleted: bool) -> list[Row]:
        """Run a plan and return its rows, in order."""
        rows = self._candidates(plan)
        if not include_deleted and self._tables[plan.sobject.name].has_bin:
            rows = [row for row in rows if not row.get("IsDeleted")]
        if self._hidden:
            now = wire_time(self.clock.now())
            rows = [row for row in rows if self._hidden.get(row["Id"], "") <= now]
        end = None if plan.limit is None else plan.offset + plan.limit
        is_ordered = not plan.order or (
            plan.follows_stamp and plan.ids is None and plan.keyed is None
        )
        if plan.test is not None and is_ordered:
            return list(islice(filter(plan.test, rows), plan.offset, end))
        if plan.test is not None:
            rows = list(filter(plan.test, rows))
        if not is_ordered:
            sort_rows(rows, plan, self.find)
        return rows[plan.offset : end]

    def _candidates(self, plan: Plan) -> list[Row]:
        table = self._tables[plan.sobject.name]
        if plan.ids is not None:
            return [table.rows[id_] for id_ in plan.ids if id_ in table.rows]
        if plan.keyed is not None:
            name, values = plan.keyed
            return [table.rows[id_] for v in values for id_ in table.unique[name].get(v, ())]
        if plan.low is None and plan.high is None and not plan.follows_stamp:
            return list(table.rows.values())
        return table.between(plan.low, plan.high)

    # -- bookkeeping --

    def _table(self, name: str) -> _Table:
        if name not in self._tables:
            raise ValueError(f"The Salesforce sandbox has no object {name!r}.")
        return self._tables[name]

    def _mint(self, sobject: SObject) -> str:
        table = self._tables[sobject.name]
        while True:
            self._numbers[sobject.name] += 1
            made = _id(sobject.prefix + _base62(self._numbers[sobject.name]).rjust(12, "0"))
            if made not in table.rows:
                return made

    def _person(self, row: Row) -> str:
        owner = row.get("OwnerId") or ""
        return owner if owner.startswith("005") else self.integration_user_id

    def _stamp(self, table: _Table, row: Row, stamp: str, actor: str | None = None) -> None:
        table.lift(row)
        row["SystemModstamp"] = stamp
        if actor is not None:
            row["LastModifiedDate"] = stamp
            row["LastModifiedById"] = actor

    def _index(self, table: _Table, row: Row) -> None:
        table.has_bin = table.has_bin or bool(row.get("IsDeleted"))
        for name, index in table.unique.items():
            if row.get(name):
                index.setdefault(row[name].lower(), []).append(row["Id"])

    def _unindex(self, table: _Table, row: Row) -> None:
        for name, index in table.unique.items():
            held = index.get((row.get(name) or "").lower(), [])
            if row["Id"] in held:
                held.remove(row["Id"])

    def _hang(self, row: Row) -> None:
        """Remember an activity with its person, and date the person's last activity."""
        who = row.get("WhoId")
        if not who:
            return
        held = self._activities.setdefault(who, [])
        if row["Id"] not in held:
            held.append(row["Id"])
        day = row.get("ActivityDate") or (row.get("CompletedDateTime") or "")[:10]
        person = self.find(who)
        # The person's SystemModstamp does not move: nobody edited the person.
        if person is not None and day and (row["Id"][:3] == "00U" or row.get("IsClosed")):
            person["LastActivityDate"] = max(person.get("LastActivityDate") or "", day)

    def _move_children(self, child: str, name: str, old: str, new: str, stamp: str) -> None:
        table = self._tables[child]
        if name == "WhoId":
            ids = [id_ for id_ in self._activities.get(old, ()) if id_ in table.rows]
        else:
            ids = [id_ for id_, row in table.rows.items() if row.get(name) == old]
        for id_ in ids:
            row = table.rows[id_]
            if row.get(name) == old:
                row[name] = new
                self._stamp(table, row, stamp)
                if name == "WhoId":
                    self._hang(row)

    def _derive(self, sobject: SObject, row: Row, given: Row, stamp: str) -> None:
        """Fill what Salesforce computes, unless the population says otherwise."""
        if sobject.name in ("Lead", "Contact", "User"):
            parts = (row.get("FirstName"), row.get("LastName"))
            row["Name"] = " ".join(part for part in parts if part) or None
        elif sobject.name == "Task":
            row["IsClosed"] = row["Status"] == "Completed"
            row["IsHighPriority"] = row["Priority"] == "High"
            if not row["IsClosed"]:
                row["CompletedDateTime"] = None
            elif not row.get("CompletedDateTime"):
                row["CompletedDateTime"] = stamp
        elif sobject.name == "Event":
            _derive_event(row)
        elif sobject.name == "Opportunity" and given.keys() & {"StageName", "CloseDate"}:
            _derive_opportunity(row, given)

    def _whole(self, object: str, row: Row) -> Row:
        return {name: row.get(name) for name in self._tables[object].sobject.fields}

    # -- sessions, quota and cursors --

    def open_session(self) -> str:
        """Return a new access token."""
        token = f"{self.organization_id[:15]}!AQ{secrets.token_urlsafe(48)}"
        self._tokens[token] = self.clock.now() + timedelta(seconds=self.token_ttl)
        return token

    def knows_session(self, token: str) -> bool:
        """Return whether a token is good, and prolong it: the timeout counts idle time."""
        until = self._tokens.get(token)
        now = self.clock.now()
        if until is None or until <= now:
            self._tokens.pop(token, None)
            return False
        self._tokens[token] = now + timedelta(seconds=self.token_ttl)
        return True

    def count_call(self) -> int:
        """Count one API call and return how many the last 24 hours saw."""
        hour = int(self.clock.now().timestamp() // 3600)
        self._calls[hour] += 1
        for old in [known for known in self._calls if not hour - 24 < known <= hour]:
            del self._calls[old]
        return self._calls.total()

    @property
    def calls_today(self) -> int:
        """How many API calls the last 24 hours saw."""
        hour = int(self.clock.now().timestamp() // 3600)
        return sum(count for known, count in self._calls.items() if hour - 24 < known <= hour)

    def open_cursor(self, rows: list[Row], build: Callable[[Row], Row], page_size: int) -> str:
        """Keep the rows of a query for its next pages; the least used of too many is dropped."""
        locator = f"0r8{secrets.token_hex(6)}AAA"
        self._cursors[locator] = _Cursor(rows, build, page_size, self.clock.now())
        while len(self._cursors) > OPEN_CURSORS:
            self._cursors.popitem(last=False)
        return locator

    def cursor(self, locator: str) -> _Cursor | None:
        """Return an open cursor, or None when it never was or has been idle for too long."""
        held = self._cursors.get(locator)
        now = self.clock.now()
        if held is None or now - held.used_at > CURSOR_IDLE:
            self._cursors.pop(locator, None)
            return None
        held.used_at = now
        self._cursors.move_to_end(locator)
        return held


def _table(sobject: SObject) -> _Table:
    flags = {known.name: False for known in sobject.fields.values() if known.type == "boolean"}
    return _Table(
        sobject,
        unique={known.name: {} for known in sobject.fields.values() if known.external_id},
        defaults=flags | DEFAULTS.get(sobject.name, {}),
    )


def _id(value: str) -> str:
    found = full_id(value)
    if found is None:
        raise ValueError(f"{value!r} is no Salesforce id: 15 or 18 letters and digits.")
    return found


def _base62(number: int) -> str:
    digits = ""
    while number:
        number, rest = divmod(number, 62)
        digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"[rest] + digits
    return digits


def _known_fields(sobject: SObject, fields: Row) -> Iterator[tuple[Field, Any]]:
    for name, value in fields.items():
        known = sobject.fields.get(name) or sobject.field(name)
        if known is None:
            raise ValueError(f"Salesforce {sobject.name} has no field {name!r}.")
        yield known, value


def _held(known: Field, value: Any) -> Any:
    """Return a value as the store holds it: wire text for times, 18 letters for ids."""
    if value is None or value == "":
        return None
    if known.type == "datetime":
        return wire_time(value if isinstance(value, datetime) else parse_time(value))
    if known.type == "date":
        if isinstance(value, datetime):
            return value.astimezone(UTC).date().isoformat()
        return value.isoformat() if isinstance(value, date) else str(value)[:10]
    if known.type in ("reference", "id"):
        return _id(value)
    if known.type == "boolean":
        return bool(value)
    if known.type == "int":
        return int(value)
    if known.type in NUMBERS:
        return float(value)
    return str(value)


def _derive_event(row: Row) -> None:
    start = row.get("StartDateTime") or row.get("ActivityDateTime")
    if not start:
        return
    row["StartDateTime"] = row["ActivityDateTime"] = start
    row["ActivityDate"] = start[:10]
    minutes = row.get("DurationInMinutes")
    end = row.get("EndDateTime")
    if end:
        row["DurationInMinutes"] = int((parse_time(end) - parse_time(start)).total_seconds() // 60)
    elif minutes is not None:
        row["EndDateTime"] = wire_time(parse_time(start) + timedelta(minutes=minutes))


def _derive_opportunity(row: Row, given: Row) -> None:
    probability, category, is_closed, is_won = STAGES.get(
        row.get("StageName") or "", (50.0, "Pipeline", False, False)
    )
    computed = {
        "Probability": probability,
        "ForecastCategory": category,
        "ForecastCategoryName": category,
        "IsClosed": is_closed,
        "IsWon": is_won,
    }
    row |= {name: value for name, value in computed.items() if given.get(name) is None}
    if row.get("CloseDate"):
        row["FiscalYear"] = int(row["CloseDate"][:4])
        row["FiscalQuarter"] = (int(row["CloseDate"][5:7]) + 2) // 3


# --- writes that arrive by HTTP ----------------------------------------------------------------


class _Writer:
    """One request's writes: checked like Salesforce checks them, undone together when asked."""

    def __init__(self, store: SalesforceStore, request: Request) -> None:
        self.store = store
        self.user = store.integration_user_id
        header = request.headers.get("sforce-auto-assign", "TRUE")
        self.assigns = header.strip().upper() != "FALSE"
        self.now = store.clock.now()
        self._undo: list[Callable[[], None]] = []

    def create(self, sobject: SObject, body: Row) -> str:
        """Check and add one record. Raises SalesforceError."""
        self._may_write(sobject, "create")
        fields = self._checked(sobject, body, None)
        if sobject.name == "Lead" and self.assigns and self.store.assignment_owner_id:
            fields["OwnerId"] = self.store.assignment_owner_id
        made = self.store.insert(sobject.name, fields, at=self.now, by=self.user)
        self._note(sobject, made, "create", fields)
        self._undo.append(lambda: self._forget(sobject, made))
        return made

    def update(self, sobject: SObject, id_: str, body: Row, *, is_row: bool = False) -> None:
        """Check and change one record. Raises SalesforceError."""
        self._may_write(sobject, "update")
        row = self._living(sobject, id_, is_row=is_row)
        if row.get("IsConverted"):
            raise SalesforceError("CANNOT_UPDATE_CONVERTED_LEAD", "cannot reference converted lead")
        fields = self._checked(sobject, body, row)
        if sobject.name == "Lead" and self.assigns and self.store.assignment_owner_id:
            fields["OwnerId"] = self.store.assignment_owner_id
        before = dict(row)
        self.store.update(sobject.name, id_, fields, at=self.now, by=self.user)
        self._note(sobject, id_, "update", fields)
        self._undo.append(lambda: self._restore(sobject, row, before))

    def upsert(
        self, sobject: SObject, name: str, value: Any, body: Row, *, update_only: bool = False
    ) -> tuple[str, bool]:
        """Update the record with this external id or create it; return its id and if it is new."""
        self._script(str(value))
        found = self.store.by_key(sobject.name, name, value)
        if len(found) > 1:
            raise _AmbiguousError(sobject, found)
        if found:
            self.update(sobject, found[0], body)
            return found[0], False
        if name == "Id":
            raise SalesforceError("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id")
        if update_only:
            raise SalesforceError(*NOT_FOUND, status=404)
        return self.create(sobject, {**body, name: value}), True

    def delete(self, sobject: SObject, id_: str, *, is_row: bool = False) -> None:
        """Put one record into the bin. Raises SalesforceError."""
        self._may_write(sobject, "delete")
        row = self._living(sobject, id_, is_row=is_row)
        self._script(id_)
        before = dict(row)
        self.store.delete(sobject.name, id_, self.now, self.user)
        self._note(sobject, id_, "delete", {})
        self._undo.append(lambda: self._restore(sobject, row, before))

    def roll_back(self) -> None:
        """Undo everything this request wrote, newest first."""
        while self._undo:
            self._undo.pop()()

    def _note(self, sobject: SObject, id_: str, action: str, fields: Row) -> None:
        self.store.effects.append(
            {
                "system": "salesforce",
                "object": sobject.name,
                "id": id_,
                "action": action,
                "fields": fields,
                "at": wire_time(self.now),
                "by": self.user,
            }
        )

    def _forget(self, sobject: SObject, id_: str) -> None:
        table = self.store._table(sobject.name)
        row = table.rows[id_]
        table.lift(row)
        table.fresh.discard(id_)
        del table.rows[id_]
        self.store._unindex(table, row)
        held = self.store._activities.get(row.get("WhoId") or "", [])
        if id_ in held:
            held.remove(id_)
        self.store.effects.pop()

    def _restore(self, sobject: SObject, row: Row, before: Row) -> None:
        table = self.store._table(sobject.name)
        self.store._unindex(table, row)
        self.store._stamp(table, row, before["SystemModstamp"])
        row.clear()
        row.update(before)
        self.store._index(table, row)
        self.store.effects.pop()

    def _may_write(self, sobject: SObject, verb: str) -> None:
        if not sobject.is_writable:
            raise SalesforceError(
                "INVALID_TYPE_FOR_OPERATION",
                f"entity type {sobject.name} does not support {verb}",
            )

    def _living(self, sobject: SObject, id_: str, *, is_row: bool) -> Row:
        """Return the row, or refuse: a row's own address answers 404, a collection a code."""
        row = self.store._table(sobject.name).rows.get(id_)
        if row is None and is_row:
            raise SalesforceError(*NOT_FOUND, status=404)
        if row is None:
            raise SalesforceError("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id")
        if row.get("IsDeleted"):
            raise SalesforceError(
                "ENTITY_IS_DELETED", "entity is deleted", status=404 if is_row else 400
            )
        return row

    def _script(self, key: str) -> None:
        waiting = self.store._scripted.get(key)
        if waiting:
            raise waiting.pop(0)

    def _checked(self, sobject: SObject, body: Row, row: Row | None) -> Row:
        """Return the fields to store. Raises SalesforceError with the first rule broken."""
        fields: Row = {}
        for name, value in body.items():
            if name == "attributes":
                continue
            known = sobject.field(name)
            if known is None:
                raise SalesforceError(
                    "INVALID_FIELD", f"No such column '{name}' on sobject of type {sobject.name}"
                )
            if known.read_only:
                raise SalesforceError(
                    "INVALID_FIELD_FOR_INSERT_UPDATE",
                    f"Unable to create/update fields: {known.name}. Please check the security "
                    "settings of this field and verify that it is read/write for your profile or "
                    "permission set.",
                    [known.name],
                )
            fields[known.name] = _read(known, value)
        self._require(sobject, fields, row)
        for name, value in fields.items():
            if value is not None:
                self._check_value(sobject, sobject.fields[name], value, row)
        if row is not None:
            self._script(row["Id"])
        return fields

    def _require(self, sobject: SObject, fields: Row, row: Row | None) -> None:
        missing = [
            known.name
            for known in sobject.fields.values()
            if known.required
            and (fields.get(known.name) is None if row is None or known.name in fields else False)
        ]
        if sobject.name == "Event" and row is None:
            given = {name for name, value in fields.items() if value is not None}
            if not given & {"StartDateTime", "ActivityDateTime"}:
                missing.append("ActivityDateTime")
            if not given & {"EndDateTime", "DurationInMinutes"}:
                missing.append("DurationInMinutes")
        if missing:
            raise SalesforceError(
                "REQUIRED_FIELD_MISSING",
                f"Required fields are missing: [{', '.join(missing)}]",
                missing,
            )

    def _check_value(self, sobject: SObject, known: Field, value: Any, row: Row | None) -> None:
        if known.length and isinstance(value, str) and len(value) > known.length:
            raise SalesforceError(
                "STRING_TOO_LONG",
                f"{known.label}: data value too large: {value} (max length={known.length})",
                [known.name],
            )
        if known.type == "email" and not EMAIL.fullmatch(value):
            raise SalesforceError(
                "INVALID_EMAIL_ADDRESS",
                f"{known.label}: invalid email address: {value}",
                [known.name],
            )
        if known.restricted and value not in known.restricted:
            raise SalesforceError(
                "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
                f"{known.label}: bad value for restricted picklist field: {value}",
                [known.name],
            )
        if known.type in NUMBERS and abs(value) >= (10**9 if known.type == "int" else 10**16):
            raise SalesforceError(
                "NUMBER_OUTSIDE_VALID_RANGE",
                f"{known.label}: value outside of valid range on numeric field: {value}",
                [known.name],
            )
        if known.refers_to:
            self._check_reference(sobject, known, value, row)
        if known.external_id:
            others = self.store.by_key(sobject.name, known.name, value)
            taken = [id_ for id_ in others if row is None or id_ != row["Id"]]
            if taken:
                raise SalesforceError(
                    "DUPLICATE_VALUE",
                    f"duplicate value found: {known.name} duplicates value on record with id: "
                    f"{taken[0][:15]}",
                )

    def _check_reference(self, sobject: SObject, known: Field, value: str, row: Row | None) -> None:
        if OBJECT_OF_PREFIX.get(value[:3]) not in known.refers_to:
            raise SalesforceError(
                "MALFORMED_ID",
                f"{known.label}: id value of incorrect type: {value}",
                [known.name],
            )
        target = self.store.find(value)
        if target is None:
            raise SalesforceError(
                "INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id", [known.name]
            )
        if target.get("IsDeleted"):
            raise SalesforceError("ENTITY_IS_DELETED", "entity is deleted", [known.name])
        if target.get("IsConverted"):
            raise SalesforceError(
                "CANNOT_UPDATE_CONVERTED_LEAD", "cannot reference converted lead", [known.name]
            )
        is_change = row is None or row.get(known.name) != value
        # Keeping an inactive owner is allowed, giving a record to one is not.
        if known.name == "OwnerId" and is_change and target.get("IsActive") is False:
            raise SalesforceError(
                "INACTIVE_OWNER_OR_USER",
                f"operation performed with inactive user [{value[:15]}] as owner of "
                f"{sobject.name.lower()}",
            )


class _AmbiguousError(SalesforceError):
    """More than one record carries the external id: answered with 300 and their addresses."""

    def __init__(self, sobject: SObject, ids: list[str]) -> None:
        super().__init__("DUPLICATE_EXTERNAL_ID", f"more than one record found for {sobject.name}")
        self.status = 300
        self.object_name = sobject.name
        self.ids = ids


def _read(known: Field, value: Any) -> Any:
    """Return a JSON value as the store holds it. Raises SalesforceError when its type is wrong."""
    if isinstance(value, str):
        value = value.strip()  # Salesforce trims, and an empty text is no value
    if value is None or value == "":
        return None
    try:
        if known.type == "boolean":
            if isinstance(value, bool):
                return value
            return {"true": True, "false": False}[str(value).lower()]
        if known.type == "date":
            # A datetime given for a date is cut to its day.
            return date.fromisoformat(str(value)[:10]).isoformat()
        if known.type == "datetime":
            return wire_time(parse_time(str(value)))
        if known.type in NUMBERS:
            number = float(value)
            if isinstance(value, bool) or number != number or number in (1e999, -1e999):
                raise ValueError
            if known.type == "int" and not number.is_integer():
                raise ValueError
            return int(number) if known.type == "int" else number
    except (ValueError, TypeError, KeyError, OverflowError):
        kind = {"datetime": "datetime", "date": "date", "boolean": "boolean"}.get(
            known.type, "int" if known.type == "int" else "double"
        )
        raise SalesforceError(
            "JSON_PARSER_ERROR",
            f"Cannot deserialize instance of {kind} from VALUE_STRING value {value} or request "
            "may be missing a required field at [line:1, column:1]",
        ) from None
    if isinstance(value, dict | list):
        raise SalesforceError(
            "JSON_PARSER_ERROR",
            f"Cannot deserialize instance of {known.type} from START_OBJECT value or request may "
            "be missing a required field at [line:1, column:1]",
        )
    if known.refers_to:
        found = full_id(str(value))
        if found is None:
            raise SalesforceError(
                "MALFORMED_ID", f"{known.label}: id value of incorrect type: {value}", [known.name]
            )
        return found
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


# --- the REST API ------------------------------------------------------------------------------

Answer = tuple[int, Any]


def _json(status: int, body: Any, headers: dict[str, str] | None = None) -> Response:
    content = b"" if body is None else orjson.dumps(body)
    return Response(
        content, status, headers, media_type=None if body is None else "application/json"
    )


def _base(request: Request) -> str:
    return str(request.base_url).rstrip("/")


class _Api:
    """The HTTP handlers; each runs wholly under the world's lock."""

    def __init__(self, world: World) -> None:
        self.world = world

    @property
    def store(self) -> SalesforceStore:
        return self.world.salesforce

    def rest(
        self, handle: Callable[[Request, Any], Answer], *, has_body: bool = False
    ) -> Callable[[Request], Awaitable[Response]]:
        """Wrap a handler in what every REST call shares: version, session, quota, error array."""

        async def endpoint(request: Request) -> Response:
            raw = await request.body() if has_body or request.method in ("POST", "PATCH") else b""
            with self.world.lock:
                headers: dict[str, str] = {}
                try:
                    self._admit(request, headers)
                    body = _parsed(request, raw) if request.method in ("POST", "PATCH") else None
                    status, answer = handle(request, body)
                except SoqlError as refusal:
                    answer = [{"message": refusal.message, "errorCode": refusal.code}]
                    status = 400
                except _AmbiguousError as several:
                    answer = [self._row_url(request, several.object_name, i) for i in several.ids]
                    status = 300
                except SalesforceError as refusal:
                    answer = [_top_error(refusal)]
                    status = refusal.status
                return _json(status, answer, headers)

        return endpoint

    def _admit(self, request: Request, headers: dict[str, str]) -> None:
        size = len(str(request.url)) + sum(len(k) + len(v) + 4 for k, v in request.headers.raw)
        if size > MAX_ADDRESS:
            raise SalesforceError("URI_TOO_LONG", "The URI is longer than allowed.", status=414)
        version = request.path_params.get("version")
        if version is not None and version not in self.store.api_versions:
            if re.fullmatch(r"\d+\.0", version) and float(version) < RETIRED_BELOW:
                raise SalesforceError(
                    "UNSUPPORTED_API_VERSION", "The requested API version was retired", status=410
                )
            raise SalesforceError(*NOT_FOUND, status=404)
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme and scheme.lower() not in ("bearer", "oauth"):
            raise SalesforceError("INVALID_AUTH_HEADER", "INVALID_HEADER_TYPE", status=401)
        if not self.store.knows_session(token.strip()):
            raise SalesforceError("INVALID_SESSION_ID", "Session expired or invalid", status=401)
        store = self.store
        if store.limits and store.calls_today >= store.daily_limit:
            headers["Sforce-Limit-Info"] = f"api-usage={store.calls_today}/{store.daily_limit}"
            raise SalesforceError(
                "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.", status=403
            )
        headers["Sforce-Limit-Info"] = f"api-usage={store.count_call()}/{store.daily_limit}"

    def _row_url(self, request: Request, name: str, id_: str) -> str:
        return f"/services/data/v{request.path_params['version']}/sobjects/{name}/{id_}"

    # -- sign-in and identity --

    async def token(self, request: Request) -> Response:
        form = dict(parse_qsl((await request.body()).decode("utf-8", "replace")))
        client_id, secret = form.get("client_id", ""), form.get("client_secret", "")
        scheme, _, packed = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "basic":
            try:
                client_id, _, secret = base64.b64decode(packed).decode().partition(":")
            except ValueError:
                return _oauth_error("invalid_client", "invalid client credentials")
        with self.world.lock:
            store = self.store
            if form.get("grant_type") != "client_credentials":
                return _oauth_error("unsupported_grant_type", "grant type not supported")
            if not hmac.compare_digest(client_id.encode(), store.client_id.encode()):
                return _oauth_error("invalid_client_id", "client identifier invalid")
            if not hmac.compare_digest(secret.encode(), store.client_secret.encode()):
                return _oauth_error("invalid_client", "invalid client credentials")
            user = store.find(store.integration_user_id)
            if user is not None and not user["IsActive"]:
                return _oauth_error("inactive_user", "user is inactive")
            issued = str(int(store.clock.now().timestamp() * 1000))
            identity = self._identity_url(request)
            signed = hmac.digest(secret.encode(), (identity + issued).encode(), hashlib.sha256)
            return _json(
                200,
                {
                    "access_token": store.open_session(),
                    "signature": base64.b64encode(signed).decode(),
                    "scope": "api",
                    "instance_url": _base(request),
                    "id": identity,
                    "token_type": "Bearer",
                    "issued_at": issued,
                    "api_instance_url": _base(request),
                },
            )

    def _identity_url(self, request: Request) -> str:
        store = self.store
        return f"{_base(request)}/id/{store.organization_id}/{store.integration_user_id}"

    async def userinfo(self, request: Request) -> Response:
        with self.world.lock:
            token = request.headers.get("authorization", "").partition(" ")[2]
            if not self.store.knows_session(token.strip()):
                return PlainTextResponse("Bad_OAuth_Token", 403)
            user = self.store.find(self.store.integration_user_id) or {}
            return _json(
                200,
                {
                    "sub": self._identity_url(request),
                    "user_id": self.store.integration_user_id,
                    "organization_id": self.store.organization_id,
                    "preferred_username": user.get("Username"),
                    "name": user.get("Name"),
                    "email": user.get("Email"),
                    "zoneinfo": user.get("TimeZoneSidKey"),
                    "active": user.get("IsActive", True),
                    "user_type": "STANDARD",
                    "urls": {"rest": f"{_base(request)}/services/data/v{{version}}/"},
                },
            )

    async def versions(self, request: Request) -> Response:
        """List the API versions; the one call that needs no session."""
        return _json(
            200,
            [
                {"label": _release(v), "url": f"/services/data/v{v}", "version": v}
                for v in self.store.api_versions
            ],
        )

    # -- reading --

    def query(self, request: Request, _: Any) -> Answer:
        store, version = self.store, request.path_params["version"]
        plan = compile_query(
            request.query_params.get("q", ""), find=store.find, now=store.clock.now()
        )
        rows = store.select(plan, include_deleted="/queryAll" in request.url.path)
        if plan.count == "rows":
            return 200, {"totalSize": len(rows), "done": True, "records": []}
        if plan.count == "aggregate":
            get = plan.selected[0].getter(store.find)
            counted = sum(get(row) is not None for row in rows)
            record = {"attributes": {"type": "AggregateResult"}, "expr0": counted}
            return 200, {"totalSize": 1, "done": True, "records": [record]}
        size = self._page_size(request)
        build = builder(plan, version, store.find)
        locator = store.open_cursor(rows, build, size) if len(rows) > size else ""
        return 200, self._page(version, rows, build, size, locator, 0)

    def more(self, request: Request, _: Any) -> Answer:
        locator, _, place = request.path_params["locator"].rpartition("-")
        cursor = self.store.cursor(locator)
        if cursor is None or not place.isdigit() or int(place) >= len(cursor.rows):
            raise SalesforceError("INVALID_QUERY_LOCATOR", "invalid query locator")
        version = request.path_params["version"]
        return 200, self._page(
            version, cursor.rows, cursor.build, cursor.page_size, locator, int(place)
        )

    def _page_size(self, request: Request) -> int:
        """Return the page size: the header is a hint between 200 and the most a page holds."""
        most = self.store.page_size
        hint = re.search(r"batchSize\s*=\s*(\d+)", request.headers.get("sforce-query-options", ""))
        if hint is None:
            return most
        return min(most, max(min(SMALLEST_PAGE, most), int(hint.group(1))))

    def _page(
        self,
        version: str,
        rows: list[Row],
        build: Callable[[Row], Row],
        size: int,
        locator: str,
        start: int,
    ) -> Row:
        end = start + size
        page: Row = {"totalSize": len(rows), "done": end >= len(rows)}
        if not page["done"]:
            page["nextRecordsUrl"] = f"/services/data/v{version}/query/{locator}-{end}"
        page["records"] = [build(row) for row in rows[start:end]]
        return page

    def get_row(self, request: Request, _: Any) -> Answer:
        sobject = _sobject(request)
        id_ = _path_id(sobject, request.path_params["id"])
        row = self.store._table(sobject.name).rows.get(id_)
        if row is None:
            raise SalesforceError(*NOT_FOUND, status=404)
        if row.get("IsDeleted"):
            raise SalesforceError("ENTITY_IS_DELETED", "entity is deleted", status=404)
        return 200, self._record(request, sobject, row, request.query_params.get("fields"))

    def _record(
        self, request: Request, sobject: SObject, row: Row, fields: str | list[str] | None
    ) -> Row:
        if isinstance(fields, str):
            fields = [name.strip() for name in fields.split(",") if name.strip()]
        names = ["Id", *(fields or sobject.fields)]
        unknown = [name for name in names if sobject.field(name) is None]
        if unknown:
            raise SalesforceError(
                "INVALID_FIELD",
                f"No such column '{unknown[0]}' on entity '{sobject.name}'. If you are attempting "
                "to use a custom field, be sure to append the '__c' after the custom field name. "
                "Please reference your WSDL or the describe call for the appropriate names.",
            )
        canonical = [sobject.names[name.lower()] for name in names]
        url = self._row_url(request, sobject.name, row["Id"])
        return {"attributes": {"type": sobject.name, "url": url}} | {
            name: row.get(name) for name in canonical
        }

    def get_by_key(self, request: Request, _: Any) -> Answer:
        sobject = _sobject(request)
        known = _external(sobject, request.path_params["field"])
        found = self.store.by_key(sobject.name, known, request.path_params["value"])
        if not found:
            raise SalesforceError(*NOT_FOUND, status=404)
        if len(found) > 1:
            raise _AmbiguousError(sobject, found)
        row = self.store._table(sobject.name).rows[found[0]]
        return 200, self._record(request, sobject, row, request.query_params.get("fields"))

    def retrieve(self, request: Request, body: Any) -> Answer:
        """Answer many rows of one object in the order asked; null for one that is not there."""
        sobject = _sobject(request)
        if body is None:
            ids = request.query_params.get("ids", "").split(",")
            fields = request.query_params.get("fields", "").split(",")
        else:
            ids, fields = body.get("ids") or [], body.get("fields") or []
        _limit_size(len(ids), most=2000)
        rows = [self.store._table(sobject.name).rows.get(full_id(id_) or "") for id_ in ids]
        return 200, [
            None
            if row is None or row.get("IsDeleted")
            else self._record(request, sobject, row, fields)
            for row in rows
        ]

    def deleted(self, request: Request, _: Any) -> Answer:
        """Answer the ids binned within a span, at most 15 days back."""
        sobject, start, end = _sobject(request), *_span(request)
        now = self.store.clock.now()
        if start < now - DELETED_WINDOW:
            raise SalesforceError("INVALID_REPLICATION_DATE", "startDate before org's deleted date")
        records = [
            {"id": row["Id"], "deletedDate": row["SystemModstamp"]}
            for row in self._within(sobject, start, end)
            if row.get("IsDeleted")
        ]
        return 200, {
            "deletedRecords": records,
            "earliestDateAvailable": wire_time(now - DELETED_WINDOW),
            "latestDateCovered": wire_time(min(end, now).replace(second=0)),
        }

    def updated(self, request: Request, _: Any) -> Answer:
        """Answer the ids of living records that changed within a span."""
        sobject, start, end = _sobject(request), *_span(request)
        found = self._within(sobject, start, end)
        return 200, {
            "ids": [row["Id"] for row in found if not row.get("IsDeleted")],
            "latestDateCovered": wire_time(min(end, self.store.clock.now()).replace(second=0)),
        }

    def _within(self, sobject: SObject, start: datetime, end: datetime) -> list[Row]:
        low, high = wire_time(start), wire_time(end)
        rows = self.store._table(sobject.name).rows.values()
        return [row for row in rows if low <= row["SystemModstamp"] < high]

    def list_objects(self, request: Request, _: Any) -> Answer:
        objects = [self._about(request, sobject) for sobject in SCHEMA.values()]
        return 200, {"encoding": "UTF-8", "maxBatchSize": COLLECTION_SIZE, "sobjects": objects}

    def describe(self, request: Request, _: Any) -> Answer:
        sobject = _sobject(request)
        fields = [_described(known) for known in sobject.fields.values()]
        return 200, self._about(request, sobject) | {"fields": fields}

    def _about(self, request: Request, sobject: SObject) -> Row:
        root = f"/services/data/v{request.path_params['version']}/sobjects/{sobject.name}"
        return {
            "name": sobject.name,
            "label": sobject.name,
            "keyPrefix": sobject.prefix,
            "custom": False,
            "queryable": True,
            "retrieveable": True,
            "replicateable": True,
            "createable": sobject.is_writable,
            "updateable": sobject.is_writable,
            "deletable": sobject.is_writable,
            "mergeable": sobject.name in MERGEABLE,
            "urls": {
                "sobject": root,
                "describe": f"{root}/describe",
                "rowTemplate": f"{root}/{{ID}}",
            },
        }

    def limits(self, request: Request, _: Any) -> Answer:
        most, used = self.store.daily_limit, self.store.calls_today
        full = {name: {"Max": 15_000, "Remaining": 15_000} for name in ("DailyBulkApiBatches",)}
        return 200, {"DailyApiRequests": {"Max": most, "Remaining": max(0, most - used)}} | full

    # -- writing single rows --

    def create_row(self, request: Request, body: Any) -> Answer:
        made = _Writer(self.store, request).create(_sobject(request), _an_object(body))
        return 201, {"id": made, "success": True, "errors": []}

    def update_row(self, request: Request, body: Any) -> Answer:
        sobject = _sobject(request)
        id_ = _path_id(sobject, request.path_params["id"])
        _refuse_in_body(_an_object(body), "Id")
        _Writer(self.store, request).update(sobject, id_, body, is_row=True)
        return 204, None

    def delete_row(self, request: Request, _: Any) -> Answer:
        sobject = _sobject(request)
        id_ = _path_id(sobject, request.path_params["id"])
        _Writer(self.store, request).delete(sobject, id_, is_row=True)
        return 204, None

    def upsert_row(self, request: Request, body: Any) -> Answer:
        sobject = _sobject(request)
        known = _external(sobject, request.path_params["field"])
        _refuse_in_body(_an_object(body), "Id")
        _refuse_in_body(body, known)
        id_, is_new = _Writer(self.store, request).upsert(
            sobject,
            known,
            request.path_params["value"],
            body,
            update_only=request.query_params.get("updateOnly", "").lower() == "true",
        )
        if not is_new and float(request.path_params["version"]) < 46:
            return 204, None
        answer = {"id": id_, "success": True, "errors": [], "created": is_new}
        return (201 if is_new else 200), answer

    # -- writing collections --

    def create_many(self, request: Request, body: Any) -> Answer:
        def one(writer: _Writer, record: Row, _: int) -> Row:
            made = writer.create(_typed(record), _without_id(record))
            return {"id": made, "success": True, "errors": []}

        return self._collect(request, body, one)

    def update_many(self, request: Request, body: Any) -> Answer:
        records = _records(body)
        ids = [full_id(str(_id_in(record))) if _id_in(record) else None for record in records]

        def one(writer: _Writer, record: Row, place: int) -> Row:
            sobject, id_ = _typed(record), ids[place]
            if not _id_in(record):
                raise SalesforceError("MISSING_ARGUMENT", "Id not specified in an update call")
            if id_ is None or not id_.startswith(sobject.prefix):
                raise SalesforceError(
                    "MALFORMED_ID",
                    f"{sobject.name} ID: id value of incorrect type: {_id_in(record)}",
                    ["Id"],
                )
            if id_ in ids[:place]:
                raise SalesforceError("DUPLICATE_VALUE", f"duplicate id in list: {id_}")
            writer.update(sobject, id_, _without_id(record))
            return {"id": id_, "success": True, "errors": []}

        return self._collect(request, body, one)

    def upsert_many(self, request: Request, body: Any) -> Answer:
        sobject = _sobject(request)
        known = _external(sobject, request.path_params["field"])
        records = [{name.lower(): v for name, v in record.items()} for record in _records(body)]
        keys = [str(record.get(known.lower()) or "").strip().lower() for record in records]
        times = Counter(keys)

        def one(writer: _Writer, record: Row, place: int) -> Row:
            if _typed(record).name != sobject.name:
                raise SalesforceError(
                    "INVALID_TYPE", f"All records of this request must be of type {sobject.name}"
                )
            if not keys[place]:
                raise SalesforceError("MISSING_ARGUMENT", f"{known} not specified")
            if times[keys[place]] > 1:
                raise SalesforceError(
                    "DUPLICATE_VALUE", f"Duplicate external id specified: {keys[place]}", [known]
                )
            value = next(v for name, v in record.items() if name.lower() == known.lower())
            rest = {name: v for name, v in record.items() if name.lower() not in (known.lower(),)}
            id_, is_new = writer.upsert(sobject, known, str(value).strip(), rest)
            return {"id": id_, "success": True, "errors": [], "created": is_new}

        return self._collect(request, body, one)

    def delete_many(self, request: Request, _: Any) -> Answer:
        ids = [id_ for id_ in request.query_params.get("ids", "").split(",") if id_]
        body = {
            "allOrNone": request.query_params.get("allOrNone", "false").lower() == "true",
            "records": [{"id": id_} for id_ in ids],
        }

        def one(writer: _Writer, record: Row, _: int) -> Row:
            id_ = full_id(record["id"])
            name = OBJECT_OF_PREFIX.get((id_ or "")[:3])
            if id_ is None or name is None:
                raise SalesforceError("MALFORMED_ID", f"bad id {record['id']}", ["Id"])
            writer.delete(SCHEMA[name], id_)
            return {"id": id_, "success": True, "errors": []}

        return self._collect(request, body, one)

    def _collect(
        self, request: Request, body: Any, one: Callable[[_Writer, Row, int], Row]
    ) -> Answer:
        """Write each record on its own and answer one result per record, in their order."""
        records = _records(body)
        writer = _Writer(self.store, request)
        results: list[Row] = []
        has_failed = False
        for place, record in enumerate(records):
            try:
                results.append(one(writer, record, place))
            except SalesforceError as refusal:
                if refusal.code == "JSON_PARSER_ERROR":
                    # The request is read before any of it is done: one bad value stops it all.
                    writer.roll_back()
                    raise
                has_failed = True
                results.append({"success": False, "errors": [_inner_error(refusal)]})
        if has_failed and body.get("allOrNone") is True:
            writer.roll_back()
            rolled = SalesforceError(
                "ALL_OR_NONE_OPERATION_ROLLED_BACK",
                "Record rolled back because not all records were valid and the request was using "
                "AllOrNone header",
            )
            results = [
                {"success": False, "errors": [_inner_error(rolled)]} if made["success"] else made
                for made in results
            ]
        return 200, results


def _parsed(request: Request, raw: bytes) -> Any:
    if "json" not in request.headers.get("content-type", ""):
        raise SalesforceError(
            "UNSUPPORTED_MEDIA_TYPE",
            "Content type specified in the request is not supported: use application/json",
            status=415,
        )
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError:
        raise SalesforceError(
            "JSON_PARSER_ERROR", "Unexpected character in the JSON body"
        ) from None


def _span(request: Request) -> tuple[datetime, datetime]:
    """Return the start and end asked for; the vendor ignores their seconds."""
    try:
        start, end = (
            parse_time(request.query_params[name].replace(" ", "+")).replace(second=0)
            for name in ("start", "end")
        )
    except (KeyError, ValueError):
        raise SalesforceError("INVALID_REPLICATION_DATE", "start and end are required") from None
    if start >= end:
        raise SalesforceError("INVALID_REPLICATION_DATE", "startDate before endDate")
    return start, end


def _an_object(body: Any) -> Row:
    if not isinstance(body, dict):
        raise SalesforceError("JSON_PARSER_ERROR", "The HTTP entity body must be a JSON object")
    return body


def _records(body: Any) -> list[Row]:
    records = _an_object(body).get("records")
    if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
        raise SalesforceError("JSON_PARSER_ERROR", "records must be a list of sObjects")
    _limit_size(len(records), most=COLLECTION_SIZE)
    kinds = [(record.get("attributes") or {}).get("type") for record in records]
    if len(list(groupby(kinds))) > MAX_CHUNKS:
        raise SalesforceError(
            "LIMIT_EXCEEDED",
            f"Cannot have more than {MAX_CHUNKS} chunks in a single operation. Please rearrange "
            "the data to reduce chunking.",
        )
    return records


def _limit_size(count: int, *, most: int) -> None:
    if count > most:
        raise SalesforceError(
            "EXCEEDED_ID_LIMIT",
            f"record limit reached. cannot submit more than {most} records in this call",
        )


def _typed(record: Row) -> SObject:
    named = (record.get("attributes") or {}).get("type")
    known = OBJECT_NAMES.get(str(named or "").lower())
    if known is None:
        raise SalesforceError("INVALID_TYPE", f"sObject type '{named or ''}' is not supported.")
    return SCHEMA[known]


def _id_in(record: Row) -> Any:
    return record.get("id") or record.get("Id")


def _without_id(record: Row) -> Row:
    return {name: value for name, value in record.items() if name.lower() != "id"}


def _refuse_in_body(body: Row, name: str) -> None:
    if any(given.lower() == name.lower() for given in body):
        raise SalesforceError(
            "INVALID_FIELD", f"The {name} field should not be specified in the sobject data."
        )


def _sobject(request: Request) -> SObject:
    known = OBJECT_NAMES.get(request.path_params["object"].lower())
    if known is None:
        raise SalesforceError(*NOT_FOUND, status=404)
    return SCHEMA[known]


def _path_id(sobject: SObject, given: str) -> str:
    found = full_id(given)
    if found is None or not found.startswith(sobject.prefix):
        raise SalesforceError(
            "NOT_FOUND",
            f"Provided external ID field does not exist or is not accessible: {given}",
            status=404,
        )
    return found


def _external(sobject: SObject, given: str) -> str:
    known = sobject.field(given)
    if known is None or not (known.external_id or known.name == "Id"):
        raise SalesforceError(
            "NOT_FOUND",
            f"Provided external ID field does not exist or is not accessible: {given}",
            status=404,
        )
    return known.name


def _top_error(refusal: SalesforceError) -> Row:
    error: Row = {"message": refusal.message, "errorCode": refusal.code}
    return error | ({"fields": refusal.fields} if refusal.fields else {})


def _inner_error(refusal: SalesforceError) -> Row:
    return {"statusCode": refusal.code, "message": refusal.message, "fields": refusal.fields}


def _oauth_error(error: str, description: str) -> Response:
    return _json(400, {"error": error, "error_description": description})


def _release(version: str) -> str:
    season = ("Winter", "Spring", "Summer")[(int(float(version)) - 62) % 3]
    year = 25 + (int(float(version)) - 62) // 3
    return f"{season} '{year:02d}"


def _described(known: Field) -> Row:
    return {
        "name": known.name,
        "label": known.label,
        "type": known.type,
        "length": known.length,
        "custom": known.name.endswith("__c"),
        "createable": not known.read_only,
        "updateable": not known.read_only,
        "nillable": not known.required and known.type not in ("id", "boolean"),
        "filterable": not known.is_long,
        "sortable": not known.is_long,
        "externalId": known.external_id,
        "unique": known.external_id,
        "idLookup": known.external_id or known.type in ("id", "email"),
        "referenceTo": list(known.refers_to),
        "relationshipName": known.relationship,
        "restrictedPicklist": bool(known.restricted),
        "picklistValues": [
            {"value": value, "label": value, "active": True, "defaultValue": False}
            for value in known.restricted
        ],
    }


def salesforce_app(world: World) -> Starlette:
    """Return the org of this world as an ASGI app; its address is the ``instance_url``."""
    api = _Api(world)
    with world.lock:
        world.salesforce.settle()
    root = "/services/data/v{version}"
    objects = f"{root}/sobjects"
    many = f"{root}/composite/sobjects"
    rest = api.rest

    async def not_found(request: Request, _: Exception) -> Response:
        return _json(404, [_top_error(SalesforceError(*NOT_FOUND))])

    async def not_allowed(request: Request, _: Exception) -> Response:
        message = f"HTTP Method '{request.method}' not allowed. Allowed are the documented ones."
        return _json(405, [_top_error(SalesforceError("METHOD_NOT_ALLOWED", message))])

    def row(path: str, **verbs: Callable[[Request, Any], Answer]) -> list[Route]:
        return [Route(path, rest(handle), methods=[verb]) for verb, handle in verbs.items()]

    return Starlette(
        routes=[
            Route("/services/oauth2/token", api.token, methods=["POST"]),
            Route("/services/oauth2/userinfo", api.userinfo, methods=["GET", "POST"]),
            Route("/id/{organization}/{user}", api.userinfo),
            Route("/services/data", api.versions),
            Route("/services/data/", api.versions),
            *row(f"{root}/query", GET=api.query),
            *row(f"{root}/query/", GET=api.query),
            *row(f"{root}/queryAll", GET=api.query),
            *row(f"{root}/queryAll/", GET=api.query),
            *row(f"{root}/query/{{locator}}", GET=api.more),
            *row(f"{root}/queryAll/{{locator}}", GET=api.more),
            *row(f"{root}/limits", GET=api.limits),
            *row(many, POST=api.create_many, PATCH=api.update_many, DELETE=api.delete_many),
            *row(f"{many}/{{object}}", GET=api.retrieve, POST=api.retrieve),
            *row(f"{many}/{{object}}/{{field}}", PATCH=api.upsert_many),
            *row(objects, GET=api.list_objects),
            *row(f"{objects}/{{object}}", POST=api.create_row, GET=api.describe),
            *row(f"{objects}/{{object}}/describe", GET=api.describe),
            *row(f"{objects}/{{object}}/deleted", GET=api.deleted),
            *row(f"{objects}/{{object}}/deleted/", GET=api.deleted),
            *row(f"{objects}/{{object}}/updated", GET=api.updated),
            *row(f"{objects}/{{object}}/updated/", GET=api.updated),
            *row(
                f"{objects}/{{object}}/{{id}}",
                GET=api.get_row,
                PATCH=api.update_row,
                DELETE=api.delete_row,
            ),
            *row(
                f"{objects}/{{object}}/{{field}}/{{value:path}}",
                GET=api.get_by_key,
                PATCH=api.upsert_row,
            ),
        ],
        exception_handlers={404: not_found, 405: not_allowed},
    )
