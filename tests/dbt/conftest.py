"""One home whose rooms are built and empty, for tests that ask the models' own queries."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from flows.warehouse import Warehouse

# A Monday, nine in the morning in New York.
NOW = datetime(2026, 6, 1, 13, tzinfo=UTC)


@dataclass(frozen=True)
class House:
    """An open home with the default policy, and the query of every model by its name."""

    warehouse: Warehouse
    queries: dict[str, str]

    @contextmanager
    def tried(self) -> Iterator[Warehouse]:
        """What is changed of the policy and the rooms inside is undone after it."""
        self.warehouse.execute("begin")
        try:
            yield self.warehouse
        finally:
            self.warehouse.execute("rollback")

    def fill(self, table: str, **columns: Any) -> None:
        """Insert a row; columns that are not named stay empty."""
        names = ", ".join(f'? as "{name}"' for name in columns)
        self.warehouse.execute(
            f"insert into {table} by name select {names}", list(columns.values())
        )

    def build(self, room: str, model: str) -> None:
        """Make a table anew by its model's own query."""
        self.warehouse.execute(f"create or replace table {room}.{model} as {self.queries[model]}")


@pytest.fixture(scope="session")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    home = tmp_path_factory.mktemp("house")
    queries = built(home)
    # Opened again without dbt: its one connection in this process, and the environment it reads,
    # belong to whichever test of the session runs whole syncs meanwhile.
    with Warehouse(home) as opened, pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(("BATON_", "DBT_TARGET"))]:
            patch.delenv(name)
        yield House(opened, queries)


def built(home: Path) -> dict[str, str]:
    """Build every room of an empty home; returns the query of each model."""
    with Warehouse(home) as opened:
        opened.prepare()
        opened.execute(
            "insert into ledger.ops.runs by name select ? as as_of, 'run' as run_id",
            [NOW.replace(tzinfo=None)],
        )
        opened.dbt("seed")
        results = opened.dbt("run", "--exclude", "path:models/reporting").results
        return {one.node.name: one.node.compiled_code for one in results}
