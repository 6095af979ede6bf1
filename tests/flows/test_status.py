"""What stands in the stores is told the way a person would say it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from flows.status import duration, summary_lines, table_lines

AVA = "005A"


@pytest.mark.parametrize(
    ("seconds", "told"), [(0, "0.0 s"), (119, "119.0 s"), (7200, "2.0 h"), (200000, "2.3 d")]
)
def test_a_duration_is_told_in_a_unit_a_person_would_choose(seconds: float, told: str) -> None:
    assert duration(seconds) == told


def test_a_table_keeps_its_columns_apart_and_cuts_long_cells() -> None:
    lines = table_lines(["name", "n"], [("a\nb", 1), ("x" * 300, None), (True, 22)])
    assert lines[0].startswith("name")
    assert lines[2].startswith("a b")
    assert lines[4].startswith("true")
    assert lines[4].endswith(" 22")
    assert max(map(len, lines)) < 110
    assert table_lines(["n"], []) == ["n", "-"]


@pytest.fixture
def a_summary() -> Callable[..., dict[str, Any]]:
    from flows.sync import Summary

    return lambda **known: Summary(**known).as_dict()


def test_a_run_is_told_with_names_and_what_needs_a_person(
    a_summary: Callable[..., dict[str, Any]],
) -> None:
    told = "\n".join(
        summary_lines(
            a_summary(
                extracted={"hubspot.contacts": 2, "hubspot.forms": 1, "salesforce.leads": 0},
                gaps=2,
                gaps_by_field={"country": 1, "phone": 3},
                assigned=2,
                owners={AVA: 1, "unknown": 1},
                skipped={"hubspot.forms": "status 403", "salesforce.tasks columns": "Phone"},
                rejected=1,
                troubles=["salesforce.lead: 1 rows rejected."],
                dry_run=True,
            ),
            {AVA: "Ava Morgan"},
        )
    )
    assert "3 new versions from hubspot" in told
    assert "from salesforce" not in told
    assert "phone 3, country 1" in told
    assert "Ava Morgan 1, unknown 1" in told
    assert "  skipped    hubspot.forms: status 403" in told
    assert "  skipped    salesforce.tasks columns: Phone" in told
    assert "1 rows rejected, 0 without an answer" in told
    assert "nothing of this was written" in told
