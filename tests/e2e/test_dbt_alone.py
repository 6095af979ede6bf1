"""``dbt build`` without Python: for the data team, on nothing and on a copy of production."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.stage import OF_THE_RUN, STORES, Stage, differences, run_dbt, told


def test_dbt_build_passes_on_an_empty_directory(tmp_path: Path) -> None:
    built = run_dbt(tmp_path, "build")
    assert built.returncode == 0, built.stdout[-3000:]
    assert "ERROR=0" in built.stdout


@pytest.mark.slow
def test_dbt_build_on_a_copy_of_a_used_home_passes_and_changes_no_row(
    set_up: Callable[..., Stage], tmp_path: Path
) -> None:
    stage = set_up(leads=150)
    stage.sync()
    stage.arrive(4)
    stage.sync()
    used = stage.copy(tmp_path / "used")
    built = run_dbt(used, "build")
    assert built.returncode == 0, built.stdout[-3000:]
    for store in STORES:
        found = differences(stage.home, used, store=store, ignore=OF_THE_RUN)
        assert not found, told(found)
