"""What was recorded of a person before a merge stands under the key of then, and is told."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from flows.story import read_story, story_lines
from flows.warehouse import published
from tests.flows.story.one_lead import DRAWN, publish

# The key of salesforce:lead:2, which is a record of L1 by now.
RECORDED = (
    "ops.decisions",
    "ops.assignments",
    "ops.clock_moves",
    "ops.receipts",
    "ops.enrichment_calls",
    "quality.context_checks",
)
UNDER_THE_OLD_KEY = [f"update {table} set lead_key = 'L2'" for table in RECORDED]
MOVED = """
insert into ops.clock_moves values ('L1:mql', 'L1', '2026-11-23 16:00', '2026-11-23 16:30',
    '2026-11-23 17:00', 'edited', 'p1', '2026-11-22 09:00')
"""


def _story(home: Path, who: str, as_of: date | None, *more: str) -> dict[str, Any]:
    home.mkdir()
    publish(home, DRAWN.credits_after, *more)
    with published(home) as reader:
        return read_story(reader, who, "Ben", as_of)


def _without_keys(told: Any) -> Any:
    if isinstance(told, dict):
        return {name: _without_keys(value) for name, value in told.items() if name != "lead_key"}
    return [_without_keys(one) for one in told] if isinstance(told, list) else told


@pytest.mark.parametrize("as_of", [None, date(2026, 11, 23)])
@pytest.mark.parametrize("who", ["L1", "L2"])
def test_nothing_is_lost_by_a_merge(tmp_path: Path, who: str, as_of: date | None) -> None:
    before = _story(tmp_path / "before", "L1", as_of, MOVED)
    after = _story(tmp_path / "after", who, as_of, MOVED, *UNDER_THE_OLD_KEY)
    for part in ("decisions", "assignments", "written", "lookups"):
        assert len(after[part]) == 1, part
    assert after["context"]["status"] == "incomplete"
    assert after["assignments"][0]["clock"]["moves"]
    assert _without_keys(after) == _without_keys(before)


def test_the_key_something_was_recorded_under_is_told(tmp_path: Path) -> None:
    told = "\n".join(story_lines(_story(tmp_path / "home", "L1", None, *UNDER_THE_OLD_KEY)))
    assert "policy p1, run run1) as L2" in told
    assert "Owner: Ava Morgan, given 2026-11-22 07:00 as L2" in told
    assert "as L1" not in told


def test_what_is_another_persons_is_not_told(tmp_path: Path) -> None:
    apart = "update people.people set lead_key = 'L2' where record_id = '2'"
    story = _story(tmp_path / "home", "L1", None, *UNDER_THE_OLD_KEY, apart)
    parts = ("decisions", "assignments", "written", "lookups")
    assert [story[part] for part in parts] == [[], [], [], []]
    assert story["context"]["status"] == "unchecked"


GIVEN_IN_THE_SAME_RUN = """
insert into ops.assignments by name
select * replace ('L2:mql' as assignment_key, 'L2' as lead_key, '005B' as owner_id,
    2 as draw_number)
from ops.assignments
"""


def test_two_clocks_that_began_in_one_run_stay_two(tmp_path: Path) -> None:
    story = _story(tmp_path / "home", "L1", None, MOVED, GIVEN_IN_THE_SAME_RUN)
    assert [(row["lead_key"], len(row["clock"]["moves"])) for row in story["assignments"]] == [
        ("L1", 1),
        ("L2", 0),
    ]
