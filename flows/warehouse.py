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
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

import duckdb

from flows import publishing
from flows.errors import PolicyError, WarehouseBusy, WarehouseError, mask
from flows.landing import Journal
from flows.settings import dbt_environment, restore_environment

if TYPE_CHECKING:
    import pandas as pd  # type: ignore[import-untyped, unused-ignore]
    from dbt.cli.main import dbtRunner
    from dbt.contracts.graph.manifest import Manifest


ROOT = Path(__file__).resolve().parent.parent
DBT_PROJECT = ROOT / "dbt_project"
POLICY = ("path:seeds/policy", "path:models/policy", "path:tests/policy")
# Tests of other rooms that look something up in a policy table wait for those rooms.
ONLY_THESE = ("--indirect-selection", "cautious")
_PARSED: dict[str, Manifest] = {}
NO_LOG = ("--log-level", "none", "--log-level-file", "none")
QUIET = ("--quiet", "--no-write-json", "--no-use-colors", *NO_LOG)


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
        self.journal = Journal(self.connection, self._lock)
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

    # --- what the rooms were built of ---------------------------------------------------------

    def mark_built(self, run_id: str, as_of: datetime, suite_hash: str) -> None:
        """Remember that the rooms now contain everything landed: the next run starts from here."""
        self.execute(
            "insert into raw.builds by name select ? as seq, ?::timestamp as as_of, ? as run_id, "
            "policy_version, ? as suite_hash, ? as models_hash from policy.policy_version",
            [self.journal.seq, as_of, run_id, suite_hash, _models_hash()],
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

    def holds(self, table: str, column: str | None = None) -> bool:
        """Say whether ``schema.table`` is here, with that column; older copies may lack it."""
        schema, _, name = table.partition(".")
        query = (
            "select 1 from duckdb_columns() where schema_name = ? and table_name = ? "
            "and column_name = coalesce(?, column_name)"
        )
        return bool(self.rows(query, [schema, name, column]))

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
