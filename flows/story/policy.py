"""The decision tables as they were at a moment, from what the ledger keeps of them."""

from __future__ import annotations

import json
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
    """Return the policy in force at a moment.

    A version is kept once, with the moment it was first in force; that an older one came back is
    known by the decisions and clocks that name it.
    """
    named = ["ops.policy_versions", "ops.decisions"]
    if reader.holds("ops.clock_moves"):
        named.append("ops.clock_moves")
    union = " union all ".join(f"select policy_version, as_of from {table}" for table in named)
    found = reader.rows(
        f"select arg_max(policy_version, as_of) as version from ({union}) where as_of <= ?",
        [moment],
    )
    return Policy(reader, found[0]["version"])
