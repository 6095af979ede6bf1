"""The door to the warehouse: open it, land rows in the journal, run dbt, publish a copy.

One process owns the file (DuckDB lets no second one in, not even to read), so a run holds a
lease on the home directory first, dbt runs inside this process, and everyone else reads the
published copy. The warehouse can always be rebuilt; what cannot is in the ledger.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

import duckdb

from flows import publishing
from flows.errors import PolicyError, WarehouseBusy, WarehouseError, mask
from flows.settings import dbt_environment, restore_environment

if TYPE_CHECKING:
    import pandas as pd  # type: ignore[import-untyped, unused-ignore]
    from dbt.cli.main import dbtRunner
    from dbt.contracts.graph.manifest import Manifest

    from flows.connectors.base import Page, Record, Reject

ROOT = Path(__file__).resolve().parent.parent
DBT_PROJECT = ROOT / "dbt_project"
# A commit costs a disk flush, which so many rows or bytes share, whichever comes first; what is
# landed together is held several times over while it is hashed, compared and read as JSON.
LANDING_ROWS, LANDING_BYTES = 5_000, 16 * 1024 * 1024
# What was landed is not read again before the rooms are built; left alone, DuckDB keeps all of it
# in memory, and a first pull of a million would cost what a million weigh.
LANDING_MEMORY = "256MB"
# One record heavier than a landing cannot be cut, and to be read as JSON it takes four times its
# weight; the heaviest answer a connector takes is 64 MB.
HEAVY_MEMORY = "512MB"
POLICY = ("path:seeds/policy", "path:models/policy", "path:tests/policy")
# Tests of other rooms that look something up in a policy table wait for those rooms.
ONLY_THESE = ("--indirect-selection", "cautious")
_PARSED: dict[str, Manifest] = {}
NO_LOG = ("--log-level", "none", "--log-level-file", "none")
QUIET = ("--quiet", "--no-write-json", "--no-use-colors", *NO_LOG)


@dataclass(slots=True)
class Landed:
    """What one pull brought: records answered, new versions among them, and what was set aside."""

    pulled: int = 0
    landed: int = 0
    rejects: list[Reject] = field(default_factory=list)


class Lease:
    """One writer at a time on one home directory. Released by the system when the process dies."""

    def __init__(self, home: Path, wait: float) -> None:
        self._path, self._wait = home / "lease", wait
        self._file: IO[str] | None = None

    def __enter__(self) -> Lease:
        """Take it. Raises: WarehouseBusy naming the holder after the wait."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        file = self._path.open("a+", encoding="utf-8")
        deadline = time.monotonic() + self._wait
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    file.seek(0)
                    holder = file.read().strip() or "another process"
                    file.close()
                    raise WarehouseBusy(
                        f"the stores are in use by {holder}",
                        holder=holder,
                        state="Nothing was changed",
                        next_step="Wait for it to end, or stop it",
                    ) from None
                time.sleep(0.2)
        file.truncate(0)
        file.write(f"process {os.getpid()}")
        file.flush()
        self._file = file
        return self

    def __exit__(self, *_: object) -> None:
        """Give it back."""
        if self._file is not None:
            self._file.truncate(0)
            self._file.close()
            self._file = None


class Warehouse:
    """Both stores, open for writing, and dbt in the same process.

    Use it under a ``Lease``. Threads may land at the same time: landing is one transaction after
    another, which is what makes ``_seq`` an order.
    """

    def __init__(self, home: Path) -> None:
        home.mkdir(parents=True, exist_ok=True)
        self.home = home.resolve()
        self._lock = threading.RLock()
        self._runner: dbtRunner | None = None
        self._manifest: Manifest | None = None
        self._seq: int | None = None
        self._landings = 0
        self._before_landing: tuple[Any, ...] = ()
        try:
            self.connection = duckdb.connect(str(self.home / "warehouse.duckdb"))
        except duckdb.IOException as error:
            raise WarehouseBusy(
                "the warehouse is open in another process",
                answer=str(error).splitlines()[0],
                next_step="Close it there; readers use the published copy (`baton sql`)",
            ) from error
        self.connection.execute("set TimeZone = 'UTC'")
        # A checkpoint rewrites the open end of every table it meets; at the default of 16 MB a
        # first pull spends half of its landing time on that.
        self.connection.execute("set checkpoint_threshold = '128MB'")
        path = str(self.home / "ledger.duckdb").replace("'", "''")
        self.connection.execute(f"attach if not exists '{path}' as ledger")
        self._environment = dbt_environment(self.home)

    def close(self) -> None:
        """Write everything to the files and let go of them."""
        with contextlib.suppress(duckdb.Error):
            self.connection.execute("checkpoint")
            self.connection.execute("checkpoint ledger")
        self.connection.close()
        if self._runner is not None:
            # dbt keeps a connection of its own, and with it the file, until it is told otherwise.
            from dbt.adapters.duckdb.connections import DuckDBConnectionManager

            DuckDBConnectionManager.close_all_connections()  # type: ignore[no-untyped-call]
        restore_environment(self._environment)

    def __enter__(self) -> Warehouse:
        """Nothing more to open."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()

    # --- asking -------------------------------------------------------------------------------

    def rows(self, query: str, parameters: Sequence[Any] = ()) -> list[dict[str, Any]]:
        """Return what a query returns, one dictionary per row."""
        with self._lock:
            cursor = self.connection.execute(query, parameters)
            names = [column[0] for column in cursor.description]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def value(self, query: str, parameters: Sequence[Any] = ()) -> Any:
        """Return the first value of the first row, or None."""
        with self._lock:
            row = self.connection.execute(query, parameters).fetchone()
        return None if row is None else row[0]

    def frames(self, query: str, rows: int) -> Iterator[pd.DataFrame]:
        """Yield what a query returns as dataframes of at most ``rows`` rows."""
        total = int(self.value(f"select count(*) from ({query})"))
        for start in range(0, total, rows):
            with self._lock:
                frame = self.connection.execute(f"{query} limit {rows} offset {start}").df()
            yield frame

    def execute(self, statement: str, parameters: Sequence[Any] = ()) -> None:
        """Run a statement."""
        with self._lock:
            self.connection.execute(statement, parameters)

    # --- the journal --------------------------------------------------------------------------

    def cursor_of(self, address: str) -> str | None:
        """Return where the next pull of a stream goes on."""
        found: str | None = self.value(
            "select cursor from raw.cursors where address = ?", [address]
        )
        return found

    def land(
        self,
        address: str,
        pages: Iterable[Page],
        run_id: str,
        as_of: datetime,
        progress: Callable[[Landed, int | None], None] = lambda _landed, _total: None,
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
            tables = self.rows(
                "select table_name from duckdb_tables() where schema_name = 'raw' "
                "and database_name = current_database() and contains(table_name, '__')"
            )
            union = " union all ".join(
                f"select max(_seq) as seq from raw.{table['table_name']}" for table in tables
            )
            self._seq = int(self.value(f"select coalesce(max(seq), 0) from ({union})") or 0)
        return self._seq

    @property
    def seq(self) -> int:
        """The highest arrival number landed."""
        with self._lock:
            return self._next_seq()

    def mark_built(self, run_id: str, as_of: datetime, suite_hash: str) -> None:
        """Remember that the rooms now contain everything landed: the next run starts from here."""
        self.execute(
            "insert into raw.builds by name select ? as seq, ?::timestamp as as_of, ? as run_id, "
            "policy_version, ? as suite_hash, ? as models_hash from policy.policy_version",
            [self.seq, as_of, run_id, suite_hash, _models_hash()],
        )

    @property
    def is_built(self) -> bool:
        """Whether the rooms were built by the models as they are; others make everything anew."""
        last = self.value("select arg_max(models_hash, as_of) from raw.builds")
        return bool(last == _models_hash())

    # --- dbt ----------------------------------------------------------------------------------

    def prepare(self) -> None:
        """Create the source tables that are missing, from the sources' YAML."""
        self.dbt("run-operation", "create_missing_sources")

    def dbt(self, *arguments: str) -> Any:
        """Run dbt in this process. Raises: WarehouseError with dbt's own first words."""
        result = self._invoke(*arguments)
        if not result.success:
            raise WarehouseError(
                f"dbt {arguments[0]} failed",
                answer=_dbt_words(result, self._violation),
                state="Nothing was written to any system after it",
                next_step=f"Run `dbt {arguments[0]}` in dbt_project/ to see the whole message",
            )
        return result.result

    def _invoke(self, *arguments: str) -> Any:
        self._parse()
        assert self._runner is not None
        cache = ("--no-populate-cache",) if arguments[0] in ("run", "build", "test") else ()
        with self._lock:
            return self._runner.invoke([*arguments, *_places(), *QUIET, *cache])

    def _parse(self) -> Manifest:
        """Return the project as it was when this warehouse was opened: edits count from the next.

        A process that stays up parses again only when one of the project's files has changed.
        """
        from dbt.cli.main import dbtRunner

        if self._manifest is None:
            state = _project_state()
            if state not in _PARSED:
                parsed = dbtRunner().invoke(["parse", *_places(), *QUIET])
                if not parsed.success:
                    raise WarehouseError(
                        "the dbt project cannot be read", answer=_dbt_words(parsed)
                    )
                _PARSED.clear()
                _PARSED[state] = cast("Manifest", parsed.result)
            self._manifest = _PARSED[state]
            self._runner = dbtRunner(manifest=self._manifest)
        return self._manifest

    def _violation(self, test: Any) -> str:
        """Name the first row that fails a test: file, row, what is wrong and what mends it.

        A guard's own query says so in its columns. A test of one column returns the value it
        does not like, so the row is looked up by it. Empty where nothing can be said.
        """
        query = str(getattr(test, "compiled_code", None) or "").rstrip("; \n")
        with contextlib.suppress(duckdb.Error):
            found = self.rows(f"select * from ({query}) limit 1")
            if found and "cure" in found[0]:
                return str("{file}, row {row_id}: {problem}. {cure}".format(**found[0]))
            column = getattr(test, "column_name", None)
            tested = self._parse().nodes.get(str(getattr(test, "attached_node", None)))
            if not found or not column or not tested:
                return ""
            value = next(iter(found[0].values()))
            row = self.rows(
                f"select * from {tested.schema}.{tested.name} "
                f'where "{column}"::varchar is not distinct from ? limit 1',
                [None if value is None else str(value)],
            )
            where = tested.name + (".csv" if str(tested.resource_type) == "seed" else "")
            which = f", row {next(iter(row[0].values()))}" if row else ""
            what = _PROBLEMS.get(test.test_metadata.name, "fails " + test.test_metadata.name)
            return f"{where}{which}: {column} {what.format(value)}"
        return ""

    def nodes(self, folder: str, access: str | None = None) -> list[dict[str, Any]]:
        """Name the models under ``models/<folder>``, each after those it reads.

        Returns dictionaries of ``name``, ``schema`` and ``sources`` (the tables it reads).
        """
        manifest = self._parse()
        found = {
            key: node
            for key, node in manifest.nodes.items()
            if key.startswith("model.")
            and node.original_file_path.startswith(f"models/{folder}")
            and (access is None or str(getattr(node, "access", "")).endswith(access))
        }
        ordered: list[str] = []

        def place(key: str) -> None:
            if key in ordered:
                return
            for parent in manifest.nodes[key].depends_on_nodes:
                if parent in manifest.nodes and parent.startswith("model."):
                    place(parent)
            ordered.append(key)

        for key in sorted(found):
            place(key)
        return [
            {
                "name": found[key].name,
                "schema": found[key].schema,
                "sources": [
                    manifest.sources[parent].relation_name
                    for parent in found[key].depends_on_nodes
                    if parent.startswith("source.")
                ],
            }
            for key in ordered
            if key in found
        ]

    # --- policy -------------------------------------------------------------------------------

    def take_over_policy(self, as_of: datetime) -> str | None:
        """Build policy and its guards when a policy file changed; returns why it was refused.

        Until the guards pass the last good policy stays in force, and None is returned only for a
        policy that is accepted. Raises: PolicyError when it is refused and none was good before.
        """
        files = _policy_hash()
        last = self.rows("select * from raw.policy_loads order by load_number desc limit 1")
        if last and last[0]["status"] == "loading":
            self._restore_policy()  # a crash in the middle: nothing half loaded is ever used
        elif last and last[0]["status"] == "accepted" and last[0]["files_hash"] == files:
            return None
        self._keep_policy()
        self._policy_load(files, "loading", None, as_of)
        result = self._invoke("build", "--select", *POLICY, *ONLY_THESE)
        if result.success:
            self._policy_load(files, "accepted", None, as_of)
            return None
        message = _dbt_words(result, self._violation)
        restored = self._restore_policy()
        self._policy_load(files, "refused", message, as_of)
        if not restored:
            raise PolicyError(
                "the policy was refused and there is no earlier one to keep",
                answer=message,
                state="Nobody was scored",
                next_step="Mend the row in dbt_project/seeds/policy/ and run again",
            )
        return message

    def _policy_load(self, files: str, status: str, message: str | None, as_of: datetime) -> None:
        self.execute(
            "insert into raw.policy_loads select coalesce(max(load_number), 0) + 1, ?, ?, ?, ? "
            "from raw.policy_loads",
            [files, status, message, as_of],
        )

    def _policy_tables(self, schema: str) -> list[str]:
        return [
            row["table_name"]
            for row in self.rows(
                "select table_name from duckdb_tables() where schema_name = ? "
                "and database_name = current_database()",
                [schema],
            )
        ]

    def _keep_policy(self) -> None:
        if not self.value("select count(*) from raw.policy_loads where status = 'accepted'"):
            return
        self.execute("create schema if not exists policy_kept")
        for table in self._policy_tables("policy"):
            self.execute(f"create or replace table policy_kept.{table} as from policy.{table}")

    def _restore_policy(self) -> bool:
        tables = self._policy_tables("policy_kept")
        for table in tables:
            self.execute(f"create or replace table policy.{table} as from policy_kept.{table}")
        return bool(tables)

    # --- the published copy -------------------------------------------------------------------

    def publish(self, as_of: datetime) -> Path:
        """Publish the doors as they are now; see ``publishing.publish``."""
        doors = [
            (node["schema"], node["name"])
            for folder in ("people", "scoring", "routing", "lifecycle", "reporting")
            for node in self.nodes(folder, access="public")
        ]
        with self._lock:
            return publishing.publish(self.connection, self.home, doors, as_of)


# What a failing test of one column means, after its value.
_PROBLEMS = {
    "unique": "{} is there more than once",
    "not_null": "is empty",
    "not_blank": "is blank",
    "accepted_values": "{} is none of the values allowed",
    "relationships": "{} is not known where it is looked up",
}


class Reader:
    """One store, open to be read by a person: it writes nothing and reaches nothing else."""

    def __init__(self, path: Path) -> None:
        try:
            self._connection = duckdb.connect(str(path), read_only=True)
        except duckdb.IOException as error:
            raise WarehouseBusy(
                f"{path.name} cannot be read now",
                answer=str(error).splitlines()[0],
                next_step="Try again in a moment",
            ) from error
        # In this order: a zone is an extension, and no extension is loaded behind a closed door.
        for setting in (
            "TimeZone = 'UTC'",
            "enable_external_access = false",
            "lock_configuration = true",
        ):
            self._connection.execute(f"set {setting}")

    def rows(self, query: str, parameters: Sequence[Any] = ()) -> list[dict[str, Any]]:
        """Return what a query returns, one dictionary per row."""
        names, rows = self.table(query, parameters)
        return [dict(zip(names, row, strict=True)) for row in rows]

    def table(
        self, query: str, parameters: Sequence[Any] = ()
    ) -> tuple[list[str], list[tuple[Any, ...]]]:
        """Return the names of the columns, and the rows. Raises: WarehouseError, DuckDB's words."""
        try:
            cursor = self._connection.execute(query, parameters)
            return [column[0] for column in cursor.description or ()], cursor.fetchall()
        except duckdb.Error as error:
            raise WarehouseError("the query cannot be answered", answer=str(error)) from None

    def statements(self, text: str) -> list[str]:
        """Name the kind of each statement in a text: SELECT, INSERT … Raises: WarehouseError."""
        try:
            return [one.type.name for one in self._connection.extract_statements(text)]
        except duckdb.Error as error:
            raise WarehouseError("the query cannot be read", answer=str(error)) from None

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    def __enter__(self) -> Reader:
        """Nothing more to open."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()


def published(home: Path) -> Reader:
    """Open the copy that readers may use. Raises: WarehouseError where no run has published one."""
    pointer = home / "published" / "current"
    if not pointer.is_file():
        raise WarehouseError(
            f"nothing has been published in {home} yet", next_step="Run `baton sync` first"
        )
    return Reader(pointer.parent / pointer.read_text().strip())


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


def _places() -> tuple[str, ...]:
    return ("--project-dir", str(DBT_PROJECT), "--profiles-dir", str(DBT_PROJECT))


def _files(*patterns: str) -> Iterator[Path]:
    for pattern in patterns:
        yield from sorted(DBT_PROJECT.glob(pattern))


def _project_state() -> str:
    """Name the state of the project's files, so that an edit is parsed and nothing else is."""
    state = hashlib.sha256()
    for path in _files(
        "*.yml", "models/**/*.*", "macros/**/*.sql", "tests/**/*.*", "seeds/**/*.yml"
    ):
        stat = path.stat()
        state.update(f"{path}{stat.st_mtime_ns}{stat.st_size}".encode())
    return state.hexdigest()


def _models_hash() -> str:
    content = hashlib.sha256()
    for path in _files("dbt_project.yml", "models/**/*.sql", "macros/**/*.sql"):
        content.update(path.name.encode() + path.read_bytes())
    # What is demanded of a lead counts too: a new expectation is a question to every lead.
    for path in sorted((ROOT / "expectations").glob("*.yml")):
        content.update(path.name.encode() + path.read_bytes())
    return content.hexdigest()[:16]


def _policy_hash() -> str:
    content = hashlib.sha256()
    # Macros too: they are how a policy is read, and its examples are judged by them.
    for path in _files(
        "seeds/policy/*", "models/policy/*", "tests/policy/*", "tests/generic/*", "macros/*.sql"
    ):
        content.update(path.name.encode() + path.read_bytes())
    return content.hexdigest()[:16]


def _dbt_words(result: Any, violation: Callable[[Any], str] = lambda _node: "") -> str:
    """Say in one line what dbt found wrong, by ``violation`` or else in dbt's own words."""
    if result.exception is not None:
        return mask(" ".join(str(result.exception).split()))[:400]
    failed = []
    for one in getattr(result.result, "results", []):
        if str(one.status) not in ("error", "fail"):
            continue
        said = violation(one.node) if str(one.status) == "fail" else ""
        # The first paragraph names the file and the line; what follows lists the reader's options.
        first = re.split(r"\n\s*\n", str(one.message).strip())[0]
        failed.append(said or f"{getattr(one.node, 'name', '?')}: {' '.join(first.split())}")
    more = f" (and {len(failed) - 3} more)" if len(failed) > 3 else ""
    return mask("; ".join(failed[:3]))[:900] + more or "no message"
