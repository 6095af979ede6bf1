"""Why it is hers and not his: what was recorded of everybody, the arithmetic, the clock's count."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from flows.errors import WarehouseError
from flows.story import read_story, story_lines
from flows.warehouse import Reader, published
from tests.flows.story.one_lead import AVA, BEN, DRAWN, publish

MOVED = """
insert into ops.clock_moves values ('L1:mql', 'L1', '2026-11-23 16:00', '2026-11-24 15:30',
'2026-11-24 16:00', 'edited: holidays.csv row new_york_founders', 'p2', '2026-11-22 09:00')
"""
EDITED = """
insert into ops.policy_versions
select 'p2', policy_table, policy_row, timestamp '2026-11-22 08:00' from ops.policy_versions
"""
SHUT = """
insert into ops.policy_versions values ('p2', 'holidays', '{"calendar_id": "new_york",
"holiday_date": "2026-11-23", "opens": null, "closes": null, "reason": "Founders day"}',
'2026-11-22 08:00')
"""
KEPT = """
insert into ops.assignments by name
select * replace (
    'L1:by_hand:1' as assignment_key, '005B' as owner_id, 2 as draw_number, 'by_hand' as cause,
    '005A' as previous_owner_id, null as credits_before, null as credits_after,
    timestamp '2026-11-22 08:00' as as_of
)
from ops.assignments
"""
DRAWN_SINCE = """
insert into ops.assignments by name
select * replace ('L9:mql' as assignment_key, 'L9' as lead_key, '005B' as owner_id,
    3 as draw_number, timestamp '2026-11-22 10:00' as as_of)
from ops.assignments
"""


def _told(home: Path, *more: str, rival: str | None = None) -> tuple[dict[str, Any], str]:
    publish(home, DRAWN.credits_after, *more)
    with published(home) as reader:
        story = read_story(reader, "L1", rival)
    return story, "\n".join(story_lines(story))


@pytest.mark.parametrize("rival", ["005C", "Chloe Durand", "chloe", " DURAND "])
def test_a_rep_is_found_by_id_by_name_and_by_a_part_of_it(reader: Reader, rival: str) -> None:
    assert read_story(reader, "L1", rival)["not_her"]["name"] == "Chloe Durand"


def test_who_may_not_get_it_hears_what_was_recorded(reader: Reader) -> None:
    told = "\n".join(story_lines(read_story(reader, "L1", "Chloe")))
    assert "Why not Chloe Durand" in told
    assert "given to Ava Morgan, rule west: the west has a team" in told
    assert "recorded then: not in pool west" in told


def test_who_was_in_the_draw_hears_its_arithmetic_and_when_a_lead_is_next(reader: Reader) -> None:
    story = read_story(reader, "L1", "Ben")
    (given,) = story["not_her"]["assignments"]
    assert given["stood"]["owed"] == pytest.approx(0.5)
    assert given["stood"]["due_in_draws"] == given["owner_stood"]["due_in_draws"]
    assert given["next_in_draws"] == 1
    told = "\n".join(story_lines(story))
    assert "Ben Ortiz was in the draw with weight 1: 0.500 of each lead" in told
    assert "of equals it is the first id" in told
    assert "number 1 of the next draws among the same reps" in told


def test_the_lead_that_came_next_is_named(baton_home: Path) -> None:
    _, told = _told(baton_home, DRAWN_SINCE, rival="Ben")
    assert "Ben Ortiz's next lead came 2026-11-22 10:00: L9" in told


def test_whose_it_is_hears_so(reader: Reader) -> None:
    assert "  Ava Morgan got it" in "\n".join(story_lines(read_story(reader, "L1", AVA)))


def test_a_lead_nobody_was_given_has_no_rivals(reader: Reader) -> None:
    told = "\n".join(story_lines(read_story(reader, "cold@acme.example", "Ben")))
    assert "the lead was given to nobody by Baton" in told


@pytest.mark.parametrize(
    ("rival", "words"),
    [("Zed", "Ava Morgan, Ben Ortiz, Chloe Durand"), ("", "no rep called"), ("r", "several reps")],
)
def test_a_rep_nobody_knows_or_several_have_is_told_with_the_names(
    reader: Reader, rival: str, words: str
) -> None:
    with pytest.raises(WarehouseError, match=words):
        read_story(reader, "L1", rival or " ")


def test_a_moved_clock_is_counted_by_the_policy_that_moved_it(baton_home: Path) -> None:
    story, told = _told(baton_home, EDITED, SHUT, MOVED)
    clock = story["assignments"][0]["clock"]
    assert clock["due_at"] == datetime.fromisoformat("2026-11-24 16:00")
    assert clock["counted_again"] is True
    assert "Mon 23 Nov: shut, Founders day" in told
    assert "Tue 24 Nov 09:00 to 11:00 there" in told
    assert (
        "moved 2026-11-22 09:00 from 2026-11-23 16:00 to 2026-11-24 16:00 UTC: "
        "edited: holidays.csv row new_york_founders (policy p2)"
    ) in told


def test_a_clock_that_comes_out_otherwise_is_noticed(baton_home: Path) -> None:
    story, told = _told(baton_home, "update ops.assignments set sla_due_at = '2026-11-23 17:00'")
    assert story["assignments"][0]["clock"]["counted_again"] is False
    assert "counted again just now: ANOTHER ANSWER" in told


def test_who_gets_a_lead_by_hand_goes_on_with_the_clock_of_the_one_before(baton_home: Path) -> None:
    story, told = _told(baton_home, KEPT, rival=BEN)
    first, second = story["assignments"]
    assert second["clock"]["is_kept"] is True
    assert second["clock"]["stretches"] == first["clock"]["stretches"]
    assert second["clock"]["counted_again"] is True
    assert "given again, by Ava Morgan: somebody gave it away in the CRM" in told
    assert "when the owner before got it: the clock went on" in told
    assert [row["is_owner"] for row in story["not_her"]["assignments"]] == [False, True]


def test_a_ledger_older_than_its_newest_columns_is_told_too(baton_home: Path) -> None:
    dropped = [
        f"alter table ops.assignments drop column {name}"
        for name in ("cause", "previous_owner_id", "calendar_id", "given_by", "clock_since")
    ]
    story, told = _told(baton_home, *dropped, "drop table ops.clock_moves", rival="Ben")
    assert story["assignments"][0]["clock"]["counted_again"] is True
    assert "Ben Ortiz was in the draw" in told
