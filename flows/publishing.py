"""The copy of the warehouse that everyone reads, made beside the one being read.

Two files take turns and a pointer names the one in use: readers never wait and never see half a
run. A copy two runs old is brought up to date by the leads touched since; what has another shape
by now is copied whole.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb


def publish(
    connection: duckdb.DuckDBPyConnection,
    home: Path,
    doors: Sequence[tuple[str, str]],
    as_of: datetime,
) -> Path:
    """Write doors, as (schema, name), and the ledger to the idle file, then name it the current.

    Returns the file. A second run with nothing new writes the same rows. Raises: duckdb.Error,
    and then the copy in use stays in use.
    """
    pointer = home / "published" / "current"
    pointer.parent.mkdir(exist_ok=True)
    now = pointer.read_text().strip() if pointer.exists() else "b.duckdb"
    idle = pointer.parent / ("b.duckdb" if now == "a.duckdb" else "a.duckdb")
    connection.execute(f"attach '{idle}' as published")
    try:
        _Copy(connection, as_of).bring_up_to_date(doors)
    except BaseException:
        with contextlib.suppress(duckdb.TransactionException):
            connection.execute("rollback")
        raise
    finally:
        connection.execute("detach published")
    part = pointer.with_suffix(".part")
    part.write_text(idle.name)
    part.replace(pointer)
    return idle


class _Copy:
    """The idle file, attached as ``published``: what it holds was right at ``since``."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, as_of: datetime) -> None:
        self._connection, self._as_of = connection, as_of
        self._run("create table if not exists published.published_runs (as_of timestamp)")
        self._since: datetime | None = self._value(
            "select max(as_of) from published.published_runs"
        )

    def bring_up_to_date(self, doors: Sequence[tuple[str, str]]) -> None:
        self._run("insert into raw.touched_log select lead_key, as_of from people.leads_touched")
        last = self._value("select max(as_of) from raw.touched_log")
        if self._since is not None and (last is None or last <= self._since):
            # Nobody was touched since this copy was made: its doors are what they are.
            doors = [door for door in doors if door[1] == "leads_touched"]
        self._run("begin")
        for schema, name in doors:
            self._copy_door(schema, name)
        for schema, name in self._run(
            "select schema_name, table_name from duckdb_tables() where database_name = 'ledger'"
        ).fetchall():
            self._copy_ledger_table(schema, name)
        self._run("insert into published.published_runs values (?)", [self._as_of])
        self._run("commit")
        self._run("delete from raw.touched_log where as_of < ?", [self._since or self._as_of])

    def _copy_door(self, schema: str, name: str) -> None:
        source = f"{schema}.{name}"
        columns = self._columns(source)
        if (
            "lead_key" not in columns
            or name == "leads_touched"  # is about the run: what it does not list is gone
            or not self._has(schema, name, columns)
        ):
            self._copy_whole(source, schema, name)
            return
        touched = (
            f"(select lead_key from raw.touched_log where as_of > timestamp '{self._since}' "
            f"or as_of = timestamp '{self._as_of:%Y-%m-%d %H:%M:%S.%f}')"
        )
        self._replace(source, schema, name, f"lead_key in {touched}")

    def _copy_ledger_table(self, schema: str, name: str) -> None:
        source = f"ledger.{schema}.{name}"
        if not self._has(schema, name, self._columns(source)):
            self._copy_whole(source, schema, name)
            return
        # A run that ended later than the copy was made has rows of the same now: replaced, not
        # doubled. Besides these, rows are only ever added.
        self._replace(source, schema, name, f"as_of >= timestamp '{self._since}'")

    def _copy_whole(self, source: str, schema: str, name: str) -> None:
        self._run(f"create schema if not exists published.{schema}")
        self._run(f"create or replace table published.{schema}.{name} as from {source}")

    def _replace(self, source: str, schema: str, name: str, condition: str) -> None:
        self._run(f"delete from published.{schema}.{name} where {condition}")
        self._run(f"insert into published.{schema}.{name} from {source} where {condition}")

    def _has(self, schema: str, name: str, columns: list[str]) -> bool:
        """Whether the copy holds the table as it is now, so that only what is new need come."""
        there = self._value(
            "select list(column_name order by column_index) from duckdb_columns() "
            "where database_name = 'published' and schema_name = ? and table_name = ?",
            [schema, name],
        )
        return self._since is not None and bool(there == columns)

    def _columns(self, source: str) -> list[str]:
        return [row[0] for row in self._run(f"describe from {source}").fetchall()]

    def _run(self, statement: str, parameters: Sequence[Any] = ()) -> duckdb.DuckDBPyConnection:
        return self._connection.execute(statement, parameters)

    def _value(self, query: str, parameters: Sequence[Any] = ()) -> Any:
        row = self._run(query, parameters).fetchone()
        return None if row is None else row[0]
