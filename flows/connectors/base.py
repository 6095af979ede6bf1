"""What every connector takes and gives: streams, pages, rows and receipts."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal, Protocol, runtime_checkable

import orjson

from flows.connectors.budget import Budget
from flows.errors import SourceError

Row = dict[str, Any]
"""One row of a ``sync_`` view. A value of None means "leave alone" and is never sent."""

Status = Literal["accepted", "rejected", "unknown"]


@dataclass(frozen=True, slots=True)
class Stream:
    """One kind of record a system holds; it lands in ``raw.<system>__<name>``.

    An ``is_optional`` stream may be refused by an account that has not bought it or not granted
    it: the run says so and goes on without.
    """

    name: str
    path: str = ""
    key: str = "id"
    stamp: str | None = None
    fields: tuple[str, ...] = ()
    is_optional: bool = False


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a stream, as the vendor describes it; ``kind`` is the vendor's word.

    ``options`` are the values a restricted field takes, empty for a field that takes any.
    """

    name: str
    kind: str
    label: str = ""
    options: tuple[str, ...] = ()
    is_writable: bool = True


@dataclass(slots=True)
class Record:
    """One version of one record; ``payload`` is the vendor's object whole, as JSON bytes.

    Not frozen, though nobody changes one: there are millions, and frozen costs three times as much.
    """

    key: str
    version_at: datetime | None
    payload: bytes
    is_deleted: bool = False


@dataclass(frozen=True, slots=True)
class Reject:
    """Something inside a good page that is no record; it goes to quarantine, the page goes on."""

    key: str
    reason: str
    payload: bytes


@dataclass(frozen=True, slots=True)
class Page:
    """What one call brought.

    ``cursor`` is safe to store in the transaction that lands the page; None keeps the old one.
    ``total`` is the vendor's own count for the whole pull, where it states one.
    """

    records: list[Record]
    cursor: str | None
    rejects: list[Reject] = field(default_factory=list)
    total: int | None = None


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of one row. ``returned`` are the values the vendor says it now holds.

    ``refused_field`` names the field whose value is not among those the vendor takes: that is a
    change of its schema (or of our policy), not of the record.
    """

    key: str
    status: Status
    vendor_id: str | None = None
    reason: str | None = None
    returned: dict[str, Any] | None = None
    refused_field: str | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing a doctor looked at, how it stands, and the cure where it is not well.

    ``check`` is an address: ``salesforce.field Lead.baton_score__c``. A ``warning`` lets a sync
    run with less; ``broken`` stops it, or a part of what it is for.
    """

    check: str
    status: Literal["ok", "warning", "broken"]
    detail: str
    cure: str | None = None


@dataclass(frozen=True, slots=True)
class CustomField:
    """A field of ours a CRM object must have; ``kind`` is our word, each connector has its own.

    ``length`` is in characters, for text only.
    """

    object_name: str
    name: str
    label: str
    kind: Literal["text", "long_text", "number", "datetime"]
    description: str
    length: int = 255
    is_unique: bool = False


@dataclass(frozen=True, slots=True)
class Change:
    """One thing a set-up made (``created``, ``granted``), found (``present``) or could not make."""

    what: str
    status: Literal["created", "granted", "present", "refused"]
    detail: str = ""


@runtime_checkable
class Connector(Protocol):
    """One outside system. Knows nothing of Prefect, the warehouse or the settings.

    ``bulk_writes_from`` is the number of rows from which on one large push costs less than many
    small ones; None where there is no such door.
    """

    system: str
    streams: tuple[Stream, ...]
    budget: Budget
    bulk_writes_from: int | None

    def check(self) -> None:
        """Prove that address and credential work. Raises: SourceError."""

    def describe(self) -> dict[str, list[Field]]:
        """Name the fields of each stream that has any, the same ones for the same account.

        A stream the vendor does not describe to us is left out. Raises: SourceError.
        """

    def pull(self, stream: Stream, cursor: str | None, now: datetime) -> Iterator[Page]:
        """Yield what changed since ``cursor``, oldest cursor first, up to ``now``."""

    def push(self, object_name: str, key: str, rows: Sequence[Row]) -> Iterator[Receipt]:
        """Write rows; yield exactly one receipt per row, in no promised order."""

    def examine(self) -> Iterator[Finding]:
        """Look at everything this system must grant us. Reads only, and never raises."""

    def close(self) -> None:
        """Give back connections; a closed connector is not used again."""


@runtime_checkable
class SetsUp(Protocol):
    """A CRM whose administration is open to us: it can be given the fields we write."""

    def set_up(self) -> Iterator[Change]:
        """Make what is missing and grant it to us. Second run: everything is present.

        What exists otherwise than we need it is refused and left as it is. Raises: SourceError.
        """


class BatchRefused(Exception):  # noqa: N818 - an event between two functions, not an error
    """The vendor refused a whole call; which row is to blame is not known yet."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def dump(value: Any) -> bytes:
    """Write JSON bytes. Raises: TypeError for text that is not valid Unicode."""
    return orjson.dumps(value)


def fallback_key(value: Any) -> str:
    """Name something that carries no usable id, so that a second pull gives the same name."""
    return "sha256:" + hashlib.sha256(repr(value).encode("utf-8", "backslashreplace")).hexdigest()


def sort_out(
    items: Iterable[Any],
    *,
    key: Callable[[dict[str, Any]], str | None],
    version_at: Callable[[dict[str, Any]], datetime | None] = lambda _: None,
    is_deleted: Callable[[dict[str, Any]], bool] = lambda _: False,
    wrap: Callable[[dict[str, Any]], Any] | None = None,
) -> tuple[list[Record], list[Reject]]:
    """Part the records of a page from what only looks like one."""
    records: list[Record] = []
    rejects: list[Reject] = []
    for item in items:
        if not isinstance(item, dict):
            rejects.append(_reject(item, None, "not a JSON object"))
            continue
        name = key(item)
        if name is None:
            rejects.append(_reject(item, None, "no usable id"))
            continue
        try:
            payload = orjson.dumps(item if wrap is None else wrap(item))
        except TypeError:
            rejects.append(_reject(item, name, "text that is not valid Unicode"))
            continue
        records.append(Record(name, version_at(item), payload, is_deleted(item)))
    return records, rejects


def _reject(item: Any, name: str | None, reason: str) -> Reject:
    text = repr(item) if not isinstance(item, dict | list | str) else ""
    try:
        payload = dump(item)
    except TypeError:
        # Lone surrogates: kept readable, because a person will look at it in quarantine.
        payload = dump(repr(item).encode("utf-8", "backslashreplace").decode())
    return Reject(
        name or fallback_key(item), f"{reason}{f': {text[:40]}' if text else ''}", payload
    )


def text_id(value: Any) -> str | None:
    """Return an id as text; None for everything that cannot be one."""
    if isinstance(value, str):
        return value.strip() or None
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else None


def parse_time(value: Any) -> datetime | None:
    """Read any time these vendors write: ISO text with or without colon, or epoch milliseconds.

    None for what is no time at all: an impossible date is the record's problem, not the page's.
    """
    try:
        # Text first: nearly all of them are, and there is one for every record.
        if isinstance(value, str):
            if value.isdigit() and len(value) >= 10:
                return datetime.fromtimestamp(int(value) / 1000, UTC)
            moment = datetime.fromisoformat(value)
            if moment.tzinfo is UTC:
                return moment
            return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return datetime.fromtimestamp(value / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return None


def millis(moment: datetime) -> int:
    """Epoch milliseconds of an aware time, exactly."""
    delta = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (delta.days * 86_400 + delta.seconds) * 1000 + delta.microseconds // 1000


def iso(moment: datetime) -> str:
    """UTC with milliseconds and a Z, the one form every vendor here accepts."""
    if moment.tzinfo is None:
        # Out of the stores, where every time is UTC and none says so.
        moment = moment.replace(tzinfo=UTC)
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def read_cursor(cursor: str | None) -> dict[str, Any]:
    """Open a stored cursor. An unreadable one means a whole pull: costly, and loses nothing."""
    try:
        state = orjson.loads(cursor) if cursor else {}
    except orjson.JSONDecodeError:
        return {}
    return state if isinstance(state, dict) else {}


def write_cursor(**state: Any) -> str:
    """Close a cursor to text, the same text for the same state."""
    return orjson.dumps(state, option=orjson.OPT_SORT_KEYS).decode()


def batches(rows: Iterable[Row], size: int, names: Sequence[str]) -> list[list[Row]]:
    """Cut rows into calls so that no call names one record twice, and order per record holds.

    HubSpot refuses the whole call for a repeated id, Salesforce the second row.
    ``names`` are the columns that identify a record.
    """
    calls: list[list[Row]] = []
    last_call: dict[tuple[str, Any], int] = {}
    first_open = 0
    for row in rows:
        marks = [(name, row[name]) for name in names if row.get(name) is not None]
        index = max([first_open, *(last_call[mark] + 1 for mark in marks if mark in last_call)])
        while index < len(calls) and len(calls[index]) >= size:
            index += 1
        if index == len(calls):
            calls.append([])
        calls[index].append(row)
        last_call.update(dict.fromkeys(marks, index))
        while first_open < len(calls) and len(calls[first_open]) >= size:
            first_open += 1
    return calls


def deliver(
    calls: Iterable[list[Row]], key: str, send: Callable[[list[Row]], list[Receipt]]
) -> Iterator[Receipt]:
    """Send call after call and answer for every row, whatever happens.

    A refused call is halved until the offending rows stand alone. When the other side is gone
    or the credential fails, the rows in flight are unknown (they may have been applied) or
    rejected, and the rest is not sent at all: hammering a vendor that is down helps nobody.
    """
    queue = deque(calls)
    broken: SourceError | None = None
    while queue:
        rows = queue.popleft()
        if broken is not None:
            reason = f"not sent: {broken}"
            yield from (Receipt(str(row.get(key)), "rejected", reason=reason) for row in rows)
            continue
        try:
            yield from send(rows)
        except BatchRefused as refused:
            if len(rows) == 1:
                yield Receipt(str(rows[0].get(key)), "rejected", reason=refused.reason)
            else:
                middle = len(rows) // 2
                queue.extendleft((rows[middle:], rows[:middle]))
        except SourceError as error:
            broken = error
            status: Status = "unknown" if error.ambiguous else "rejected"
            yield from (Receipt(str(row.get(key)), status, reason=str(error)) for row in rows)
