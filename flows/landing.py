"""The journal: every version of every record as it arrived, in the order of arrival.

Landing holds little in memory, whatever a record weighs and however many there are, and each
transaction moves the cursor with what it landed: a pull that is cut off goes on where it was.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import duckdb

if TYPE_CHECKING:
    from flows.connectors.base import Page, Record, Reject

# A commit costs a disk flush, which so many rows or bytes share, whichever comes first; what is
# landed together is held several times over while it is hashed, compared and read as JSON.
LANDING_ROWS, LANDING_BYTES = 5_000, 16 * 1024 * 1024
# What was landed is not read again before the rooms are built; left alone, DuckDB keeps all of it
# in memory, and a first pull of a million would cost what a million weigh.
LANDING_MEMORY = "256MB"
# One record heavier than a landing cannot be cut, and to be read as JSON it takes four times its
# weight; the heaviest answer a connector takes is 64 MB.
HEAVY_MEMORY = "512MB"


@dataclass(slots=True)
class Landed:
    """What one pull brought: records answered, new versions among them, and what was set aside."""

    pulled: int = 0
    landed: int = 0
    rejects: list[Reject] = field(default_factory=list)


Progress = Callable[[Landed, int | None], None]


def no_progress(_landed: Landed, _total: int | None) -> None:
    """Tell nobody."""


class Journal:
    """The tables of ``raw`` in one open warehouse; threads may land at the same time.

    Landing is one transaction after another, which is what makes ``_seq`` an order.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, lock: threading.RLock) -> None:
        self.connection, self._lock = connection, lock
        self._seq: int | None = None
        self._landings = 0
        self._before_landing: tuple[Any, ...] = ()

    def cursor_of(self, address: str) -> str | None:
        """Return where the next pull of a stream goes on."""
        with self._lock:
            row = self.connection.execute(
                "select cursor from raw.cursors where address = ?", [address]
            ).fetchone()
        return None if row is None else row[0]

    def land(
        self,
        address: str,
        pages: Iterable[Page],
        run_id: str,
        as_of: datetime,
        progress: Progress = no_progress,
    ) -> Landed:
        """Append pages to ``raw.<address>`` and move its cursor, in one transaction each time.

        Grain: one row per record version; a version equal to the last held one of its key is not
        new. Second run: nothing. Units: counts of records. A pull that fails keeps what it landed,
        with the cursor that belongs to it.
        """
        landed = Landed()
        waiting: list[Page] = []
        count = size = 0
        # One landing at a time, beside the fetching of the next pages: order and memory stay.
        with self._frugal(), ThreadPoolExecutor(1, "landing") as lander:
            landing: Future[None] | None = None
            try:
                for page in _portions(pages):
                    waiting.append(page)
                    count += len(page.records)
                    size += _weight(page.records)
                    if count >= LANDING_ROWS or size >= LANDING_BYTES:
                        if landing is not None:
                            landing.result()
                            progress(landed, page.total)
                        landing = lander.submit(self._land, address, waiting, run_id, as_of, landed)
                        waiting, count, size = [], 0, 0
            finally:
                if landing is not None:
                    landing.result()
                if waiting:
                    self._land(address, waiting, run_id, as_of, landed)
        return landed

    @contextlib.contextmanager
    def _frugal(self) -> Iterator[None]:
        """Hold little in memory while anything is landed; streams may be pulled side by side."""
        with self._lock:
            self._landings += 1
            if self._landings == 1:
                row = self.connection.execute(
                    "select current_setting('memory_limit'), current_setting('threads')"
                ).fetchone()
                assert row is not None
                self._before_landing = row
                self.connection.execute(f"set memory_limit = '{LANDING_MEMORY}'")
                # The fetching beside it wants a processor too, and a batch is small for two.
                self.connection.execute("set threads = 1")
        try:
            yield
        finally:
            with self._lock:
                self._landings -= 1
                if self._landings == 0:
                    # DuckDB's `reset memory_limit` names the old limit and keeps to the new one.
                    memory, threads = self._before_landing
                    self.connection.execute(f"set memory_limit = '{memory}'")
                    self.connection.execute(f"set threads = {threads}")

    def _land(
        self, address: str, pages: list[Page], run_id: str, as_of: datetime, landed: Landed
    ) -> None:
        table = "raw." + address.replace(".", "__")
        records = [record for page in pages for record in page.records]
        cursor = next((page.cursor for page in reversed(pages) if page.cursor is not None), None)
        with self._lock:
            if _weight(records) > 2 * LANDING_BYTES:
                # Until this pull ends: what is held already might not fit a smaller limit again.
                self.connection.execute(f"set memory_limit = '{HEAVY_MEMORY}'")
            self.connection.execute("begin")
            try:
                new = self._append(table, records, run_id, as_of) if records else 0
                if cursor is not None:
                    self.connection.execute("delete from raw.cursors where address = ?", [address])
                    self.connection.execute(
                        "insert into raw.cursors values (?, ?, ?, ?)",
                        [address, cursor, run_id, as_of],
                    )
                self.connection.execute("commit")
            except BaseException:
                self.connection.execute("rollback")
                self._seq = None
                raise
            self._seq = (self._seq or 0) + new
        landed.pulled += len(records)
        landed.landed += new
        for page in pages:
            landed.rejects += page.rejects

    def _append(self, table: str, records: list[Record], run_id: str, as_of: datetime) -> int:
        import pandas as pd

        incoming = pd.DataFrame(
            {
                "number": range(len(records)),
                "_key": [record.key for record in records],
                "_version_at": pd.to_datetime([_naive(record.version_at) for record in records]),
                "_is_deleted": [record.is_deleted for record in records],
                "payload": [record.payload.decode() for record in records],
            }
        )
        self.connection.register("incoming", incoming)
        row = self.connection.execute(
            _LAND.format(table=table), [self._next_seq(), as_of, run_id]
        ).fetchone()
        self.connection.unregister("incoming")
        return int(row[0]) if row else 0

    def _next_seq(self) -> int:
        if self._seq is None:
            tables = self.connection.execute(
                "select table_name from duckdb_tables() where schema_name = 'raw' "
                "and database_name = current_database() and contains(table_name, '__')"
            ).fetchall()
            union = " union all ".join(
                f"select max(_seq) as seq from raw.{row[0]}" for row in tables
            )
            row = self.connection.execute(f"select coalesce(max(seq), 0) from ({union})").fetchone()
            self._seq = int(row[0]) if row else 0
        return self._seq

    @property
    def seq(self) -> int:
        """The highest arrival number landed."""
        with self._lock:
            return self._next_seq()


_LAND = """
insert into {table}
with
    -- Without the payloads: what is sorted and compared stays small, however wide records are.
    arrived as materialized (
        select number, _key, md5(payload) as _hash
        from incoming
    ),
    held as (
        select _key, arg_max(_hash, _seq) as _hash
        from {table}
        where _key in (select _key from arrived)
        group by _key
    ),
    -- The version before is the one earlier in this batch, or the last one held.
    compared as (
        select
            arrived.*,
            coalesce(
                lag(arrived._hash) over (partition by arrived._key order by arrived.number),
                held._hash
            ) as _hash_before
        from arrived
        left join held on arrived._key = held._key
    ),
    fresh as (
        select number, _hash, $1::bigint + row_number() over (order by number) as _seq
        from compared
        where _hash is distinct from _hash_before
    )
select
    fresh._seq,
    incoming._key,
    incoming._version_at,
    $2::timestamp,
    $3::varchar,
    incoming._is_deleted,
    fresh._hash,
    incoming.payload
from incoming
inner join fresh on incoming.number = fresh.number
"""


def _weight(records: Sequence[Record]) -> int:
    return sum(len(record.payload) for record in records)


def _portions(pages: Iterable[Page]) -> Iterator[Page]:
    """Cut each page heavier than one landing; its cursor and rejects come with its last part.

    A part that is landed without its cursor comes again, and is then nothing new.
    """
    for page in pages:
        start = size = 0
        if _weight(page.records) > LANDING_BYTES:
            for number, record in enumerate(page.records):
                if start < number and size + len(record.payload) > LANDING_BYTES:
                    yield replace(page, records=page.records[start:number], cursor=None, rejects=[])
                    start, size = number, 0
                size += len(record.payload)
        yield replace(page, records=page.records[start:]) if start else page


def _naive(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.astimezone(UTC).replace(tzinfo=None)
