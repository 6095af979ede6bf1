"""The published copy is brought up to date, whatever shape the tables had when it was made."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from flows.publishing import publish
from flows.warehouse import Warehouse, published

START = datetime(2026, 1, 5, 10, tzinfo=UTC).replace(tzinfo=None)
DOOR = ("lifecycle", "lead_lifecycle")


class Home:
    """A home with one door of two leads and one ledger table."""

    def __init__(self, warehouse: Warehouse) -> None:
        self.warehouse, self.now = warehouse, START
        for statement in (
            "create schema if not exists people",
            "create schema if not exists lifecycle",
            "create or replace table people.leads_touched (lead_key varchar, as_of timestamp)",
            "create or replace table lifecycle.lead_lifecycle as "
            "select * from (values ('L1', 'mql'), ('L2', 'lead')) as t (lead_key, stage)",
            "create or replace table ledger.ops.assignments (lead_key varchar, as_of timestamp)",
        ):
            warehouse.execute(statement)

    def run(self, touched: str | None = None, **assigned: Any) -> None:
        """Publish a run that touches a lead and assigns another."""
        self.now += timedelta(minutes=5)
        self.warehouse.execute("delete from people.leads_touched")
        if touched:
            self.warehouse.execute(
                "insert into people.leads_touched values (?, ?)", [touched, self.now]
            )
        if assigned:
            values = {**assigned, "as_of": self.now}
            marks = ", ".join(f'? as "{name}"' for name in values)
            self.warehouse.execute(
                f"insert into ledger.ops.assignments by name select {marks}", list(values.values())
            )
        publish(self.warehouse.connection, self.warehouse.home, [DOOR], self.now)

    def read(self, table: str) -> list[dict[str, Any]]:
        with published(self.warehouse.home) as reader:
            return reader.rows(f"from {table} order by lead_key")


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    with Warehouse(tmp_path) as warehouse:
        warehouse.prepare()
        yield Home(warehouse)


def test_both_copies_catch_up_though_each_is_two_runs_old(home: Home) -> None:
    for number in range(5):
        home.warehouse.execute(
            f"update lifecycle.lead_lifecycle set stage = 'stage {number}' where lead_key = 'L1'"
        )
        home.run("L1", lead_key=f"L{number}")
        assert home.read("lifecycle.lead_lifecycle")[0]["stage"] == f"stage {number}"
        held = [row["lead_key"] for row in home.read("ops.assignments")]
        assert held == [f"L{one}" for one in range(number + 1)]


def test_tables_that_got_a_column_since_are_copied_with_it(home: Home) -> None:
    for number in range(2):
        home.run("L1", lead_key=f"L{number}")
    home.warehouse.execute("alter table ledger.ops.assignments add column cause varchar")
    home.warehouse.execute("alter table lifecycle.lead_lifecycle add column owner_id varchar")
    for number in range(2, 4):
        home.run("L1", lead_key=f"L{number}", cause="absent")
        causes = [row["cause"] for row in home.read("ops.assignments")]
        assert causes == [None, None, *["absent"] * (number - 1)]
        assert [row["owner_id"] for row in home.read("lifecycle.lead_lifecycle")] == [None, None]


def test_columns_in_another_order_keep_their_values(home: Home) -> None:
    home.run("L1", lead_key="L1")
    home.run("L1")
    home.warehouse.execute(
        "create or replace table ledger.ops.assignments as "
        "select as_of, lead_key from ledger.ops.assignments"
    )
    home.run("L1", lead_key="L2")
    assert [row["lead_key"] for row in home.read("ops.assignments")] == ["L1", "L2"]


def test_a_copy_that_cannot_be_made_leaves_the_one_in_use(home: Home) -> None:
    home.run("L1", lead_key="L1")
    home.warehouse.execute("drop table lifecycle.lead_lifecycle")
    with pytest.raises(duckdb.CatalogException):
        home.run("L1", lead_key="L2")
    assert [row["lead_key"] for row in home.read("ops.assignments")] == ["L1"]
