"""A reader asks what a copy holds before it reads what only newer ones have."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from flows.warehouse import Reader


@pytest.mark.parametrize(
    ("asked", "is_held"),
    [
        (("ops.runs",), True),
        (("ops.of_runs",), True),
        (("ops.runs", "as_of"), True),
        (("ops.runs", "summary"), False),
        (("quality.runs",), False),
        (("ops.receipts",), False),
    ],
)
def test_a_table_a_view_and_a_column_are_held_or_not(
    tmp_path: Path, asked: tuple[str, ...], is_held: bool
) -> None:
    with duckdb.connect(str(tmp_path / "copy.duckdb")) as store:
        store.execute("create schema ops; create table ops.runs (as_of timestamp)")
        store.execute("create view ops.of_runs as from ops.runs")
    with Reader(tmp_path / "copy.duckdb") as reader:
        assert reader.holds(*asked) is is_held
