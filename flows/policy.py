"""The decision tables as they were at a moment, from what the ledger keeps of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date, datetime, time
from typing import Any

from flows.warehouse import Reader

Row = dict[str, Any]

# Later than anything that is recorded: what is known now.
ALWAYS = datetime.combine(date.max, time())


class Policy:
    """One version of the policy; a table that version did not have is empty."""

    def __init__(self, reader: Reader, version: str | None) -> None:
        self._reader = reader
        self.version = version
        self._tables: dict[str, list[Row]] = {}

    def rows(self, table: str) -> list[Row]:
        """Return the rows of a decision table."""
        if table not in self._tables:
            self._tables[table] = [
                json.loads(row["policy_row"])
                for row in self._reader.rows(
                    "select policy_row::varchar as policy_row from ops.policy_versions "
                    "where policy_table = ? and policy_version = ?",
                    [table, self.version],
                )
            ]
        return self._tables[table]

    def row(self, table: str, key: str, value: Any) -> Row:
        """Return the one row of a decision table that has a key; empty where there is none."""
        return next((row for row in self.rows(table) if row[key] == value), {})


def policy_at(reader: Reader, moment: datetime = ALWAYS) -> Policy:
    """Return the policy in force at a moment."""
    version = None
    if reader.holds("ops.policies_in_force"):
        version = _newest(reader, ["ops.policies_in_force"], moment)
    return Policy(reader, version or _as_named(reader, moment))


def _as_named(reader: Reader, moment: datetime) -> str | None:
    """Return the version named last, for a day before changes of the policy were recorded.

    Rows of a version are kept once, when it is in force first; that an older one came back is
    known by the decisions and clocks that name it.
    """
    named = ["ops.policy_versions", "ops.decisions"]
    if reader.holds("ops.clock_moves"):
        named.append("ops.clock_moves")
    return _newest(reader, named, moment)


def _newest(reader: Reader, tables: Sequence[str], moment: datetime) -> str | None:
    union = " union all ".join(f"select policy_version, as_of from {table}" for table in tables)
    found = reader.rows(
        f"select arg_max(policy_version, as_of) as version from ({union}) where as_of <= ?",
        [moment],
    )
    version: str | None = found[0]["version"]
    return version
