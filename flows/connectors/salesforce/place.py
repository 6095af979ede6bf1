"""Where the reading of one stream stands: what its cursor holds. Times in it are UTC."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from flows.connectors.base import (
    Record,
    Stream,
    iso,
    millis,
    parse_time,
    read_cursor,
    text_id,
    write_cursor,
)
from flows.connectors.salesforce import soql

# A commit may become visible below a stamp already read (airbytehq/airbyte#27146): every pull
# looks ten minutes back, and one an hour looks back far enough for commits an hour late.
LOOK_BACK = timedelta(minutes=10)
DEEP_EVERY, DEEP_LOOK_BACK = 3_600_000, timedelta(minutes=130)
# The list of deletions ignores seconds, and its clock is not ours.
SLACK = 120_000
# Ids of deleted rows a cursor carries at most: 18 letters and a time each.
LARGEST_BIN = 2_000


@dataclass(slots=True)
class Place:
    """Position in one stream.

    ``stamp`` and ``last_id`` name the last row read, ``open`` that more rows follow it, ``read_at``
    when it was read. ``deep`` is the start of an hourly look-back under way, ``deep_at`` that of
    the last finished one. ``owed`` is from where an interrupted pull has to look back. ``bulk`` is
    a Bulk job under way. ``deleted_at`` is how far the list of deletions was read, and ``bin``
    names the deleted rows read since (id to stamp), None where they were too many to carry.
    ``plain`` says that a job failed this window, so that REST reads the rest of it.
    Numbers are epoch milliseconds.
    """

    now: datetime
    stamp: datetime | None = None
    last_id: str | None = None
    open: bool = False
    read_at: datetime | None = None
    deep: int | None = None
    deep_at: int | None = None
    bulk: dict[str, Any] | None = None
    owed: int | None = None
    deleted_at: int | None = None
    bin: dict[str, int] | None = field(default_factory=dict)
    plain: bool = False

    @classmethod
    def of(cls, cursor: str | None, now: datetime) -> Place:
        """Open a cursor. What cannot be read in it is read again from the vendor."""
        state = read_cursor(cursor)
        job, held = state.get("bulk"), state.get("bin", {})
        return cls(
            now=now,
            stamp=parse_time(state.get("stamp")),
            last_id=text_id(state.get("id")),
            open=state.get("open") is True,
            read_at=parse_time(state.get("read_at")),
            deep=_number(state.get("deep")),
            deep_at=_number(state.get("deep_at")),
            bulk=job if isinstance(job, dict) and text_id(job.get("job")) else None,
            owed=_number(state.get("owed")),
            deleted_at=_number(state.get("deleted_at")),
            plain=state.get("plain") is True,
            bin={k: v for k, v in held.items() if _number(v)} if isinstance(held, dict) else None,
        )

    @property
    def until(self) -> int:
        """The present of this pull."""
        return millis(self.now)

    def write(self) -> str:
        """Close it to a cursor."""
        state: dict[str, Any] = {"open": self.open, "read_at": self.until}
        if self.stamp is not None:
            state |= {"stamp": iso(self.stamp), "id": self.last_id}
        state |= {
            name: getattr(self, name)
            for name in ("deep", "deep_at", "bulk", "owed", "deleted_at")
            if getattr(self, name) is not None
        }
        if self.plain:
            state["plain"] = True
        if self.bin is None or len(self.bin) > LARGEST_BIN:
            state["bin"] = None
        elif self.bin:
            state["bin"] = self.bin
        return write_cursor(**state)

    def start(self, stream: Stream) -> str:
        """Begin a pull; returns the condition that says from where to read, empty for everything.

        An interrupted pull goes on behind its last row, a finished one looks back.
        """
        if self.deleted_at is None:
            # What was deleted before we looked is in the bin, or was never ours.
            self.deleted_at = self.until
        if self.stamp is None:
            self.deep = self.until
            return ""
        if self.open and self.last_id:
            if self.read_at is None or self.stamp >= self.read_at - LOOK_BACK:
                # Cut off close to its own present: late commits may still hide below this row.
                self.owed = min(self.owed or self.until, millis(self.stamp - LOOK_BACK))
            return soql.behind(stream, self.stamp, self.last_id)
        is_deep = self.deep_at is None or self.until - self.deep_at >= DEEP_EVERY
        self.deep = self.until if is_deep else None
        # A cursor beyond now would read nothing for ever.
        reach = DEEP_LOOK_BACK if is_deep else LOOK_BACK
        return soql.from_moment(stream, min(self.stamp, self.now) - reach)

    def settle(self, stream: Stream) -> str:
        """Say from where to look back for what an interrupted pull may have passed too early."""
        since = datetime.fromtimestamp((self.owed or self.until) / 1000, UTC)
        self.owed = None
        return soql.from_moment(stream, since)

    def rest(self, stream: Stream, where: str) -> str:
        """Say what is left of a window read in order: all of ``where``, if nothing moved yet."""
        if self.stamp is None or self.last_id is None:
            return where
        return soql.behind(stream, self.stamp, self.last_id)

    def passed(self, records: list[Record]) -> None:
        """Move behind a page whose rows came in the order of stamps and ids."""
        for record in reversed(records):
            # A stamp in the future is the row's mistake and must not carry the cursor away.
            if record.version_at and millis(record.version_at) <= self.until:
                self.stamp, self.last_id = record.version_at, record.key
                break
        self.bury(records)

    def bury(self, records: list[Record]) -> None:
        """Remember the deleted rows that came, so that no tombstone replaces them."""
        if self.bin is None:
            return
        for record in records:
            if record.is_deleted:
                at = self.until if record.version_at is None else millis(record.version_at)
                if at >= (self.deleted_at or 0) - SLACK:
                    self.bin[record.key] = at

    def finish_deep(self) -> bool:
        """Note that an hourly look-back reached its end; False where none was under way."""
        if self.deep is None:
            return False
        self.deep, self.deep_at = None, self.deep
        return True


def _number(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
