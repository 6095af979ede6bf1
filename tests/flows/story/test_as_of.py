"""What was known on a day is told as it was known then, and what was not is named."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest

from flows.errors import WarehouseError
from flows.story import read_story, story_lines
from flows.warehouse import Reader, published
from tests.flows.story.one_lead import DRAWN, publish


def _told(reader: Reader, day: int) -> str:
    return "\n".join(story_lines(read_story(reader, "L1", None, date(2026, 11, day))))


def test_a_stage_learned_later_is_not_in_the_stages_of_that_day(reader: Reader) -> None:
    story = read_story(reader, "L1", None, date(2026, 11, 24))
    assert [row["lifecycle_stage"] for row in story["stages"]] == ["lead", "mql"]
    assert story["stands"]["lifecycle_stage"] == "mql"
    learned = [row["what"] for row in story["not_known_yet"] if row["kind"] == "stage"]
    assert learned == ["mql", "sql"], "that it had left mql was not known either"
    assert read_story(reader, "L1", None, date(2026, 11, 25))["stands"]["lifecycle_stage"] == "sql"


def test_before_the_decision_there_is_no_score_no_owner_and_no_message(reader: Reader) -> None:
    story = read_story(reader, "L1", None, date(2026, 11, 21))
    assert story["stands"]["lifecycle_stage"] == "lead"
    assert (story["decisions"], story["assignments"], story["written"]) == ([], [], [])
    assert story["score"] is None
    assert story["trigger"]["type"] is None
    told = "\n".join(story_lines(story))
    assert "AS IT WAS KNOWN at the end of 2026-11-21" in told
    assert "not kept: a score is kept where something is decided" in told
    assert "not handed over: it was not, by the end of that day" in told


def test_the_score_of_that_day_is_the_one_the_decision_was_taken_by(reader: Reader) -> None:
    told = _told(reader, 22)
    assert "Score then: 8 of 10, decided 2026-11-22 07:00" in told
    assert "+45  asked for a demo [demo" in told
    assert "20 fit + 45 intent = 65 points" in told


@pytest.mark.parametrize(
    ("day", "told"),
    [
        (22, "clock: green, not touched yet"),
        (23, "clock: red, not touched yet"),
        (24, "clock: breached, first touched 2026-11-24 08:00"),
    ],
)
def test_the_clock_shows_as_it_stood_at_the_end_of_the_day(
    reader: Reader, day: int, told: str
) -> None:
    assert told in _told(reader, day)


CALLED = """
update people.lead_activities set occurred_at = '2026-11-23 14:30', activity_type = '{kind}',
    channel = '{kind}'
"""
GIVEN_BY_HAND = """
insert into ops.assignments by name
select * replace (
    'L1:by_hand:1' as assignment_key, '005B' as owner_id, 2 as draw_number, 'by_hand' as cause,
    '005A' as previous_owner_id, null as credits_before, null as credits_after,
    timestamp '2026-11-23 15:00' as as_of
)
from ops.assignments
"""
STARTED_ANEW = """
insert into ops.assignments by name
select * replace (
    'L1:owner_inactive:1' as assignment_key, '005B' as owner_id, 2 as draw_number,
    'owner_inactive' as cause, '005A' as previous_owner_id, null as credits_before,
    null as credits_after, timestamp '2026-11-24 08:00' as as_of,
    timestamp '2026-11-24 08:00' as clock_since, timestamp '2026-11-24 15:30' as sla_warn_at,
    timestamp '2026-11-24 16:00' as sla_due_at
)
from ops.assignments
"""
NOT_TOUCHED_SINCE = "update lifecycle.lead_lifecycle set first_response_at = null"
PROMISED = "alter table ops.assignments add column channels varchar default 'call|meeting'"
TURNED_DOWN = """
update lifecycle.lead_stage_history set lifecycle_stage = '{stage}',
    entered_at = '{at}', known_at = '{at}' where lifecycle_stage = 'sql'
"""


def _then(home: Path, day: int, *more: str) -> dict[str, Any]:
    publish(home, DRAWN.credits_after, *more)
    with published(home) as reader:
        clock: dict[str, Any] = read_story(reader, "L1", None, date(2026, 11, day))["clock"]
    return clock


def test_a_call_in_time_counts_after_the_lead_was_given_on_with_its_clock(
    baton_home: Path,
) -> None:
    clock = _then(baton_home, 23, CALLED.format(kind="call"), GIVEN_BY_HAND)
    assert clock["status"] == "met"
    assert clock["first_response_at"] == datetime.fromisoformat("2026-11-23 14:30")


@pytest.mark.parametrize(("day", "status"), [(22, "green"), (23, "met"), (24, "red")])
def test_a_call_in_time_is_told_of_its_own_clock_after_another_has_begun(
    baton_home: Path, day: int, status: str
) -> None:
    more = (CALLED.format(kind="call"), STARTED_ANEW, NOT_TOUCHED_SINCE)
    assert _then(baton_home, day, *more)["status"] == status


@pytest.mark.parametrize(("kind", "status"), [("meeting", "met"), ("email", "red")])
def test_only_a_channel_that_was_agreed_then_counts(
    baton_home: Path, kind: str, status: str
) -> None:
    assert _then(baton_home, 23, CALLED.format(kind=kind), PROMISED)["status"] == status


@pytest.mark.parametrize("stage", ["disqualified", "recycled"])
@pytest.mark.parametrize(
    ("at", "status"), [("2026-11-23 12:00", "closed"), ("2026-11-23 18:00", "breached")]
)
def test_who_has_left_the_funnel_is_nobody_s_breach_if_in_time(
    baton_home: Path, stage: str, at: str, status: str
) -> None:
    assert _then(baton_home, 23, TURNED_DOWN.format(stage=stage, at=at))["status"] == status


def test_a_value_learned_later_is_left_away_and_named(baton_home: Path) -> None:
    learned = "update people.lead_facts set retrieved_at = '2026-11-23 12:00' where field = $$%s$$"
    publish(baton_home, DRAWN.credits_after, learned % "industry")
    with published(baton_home) as reader:
        story = read_story(reader, "L1", None, date(2026, 11, 22))
        later = read_story(reader, "L1", None, date(2026, 11, 23))
    assert story["who"]["industry"] is None
    assert story["who"]["company_name"] == "Acme"
    assert later["who"]["industry"] == "software"
    assert (
        "  value industry: learned 2026-11-23 12:00 (clearbit:company:acme.example)"
    ) in story_lines(story)


def test_a_touch_that_reached_us_late_is_named(reader: Reader) -> None:
    story = read_story(reader, "L1", None, date(2026, 11, 14))
    assert "Page 12" not in {row["asset"] for row in story["touches"]}
    assert [row["what"] for row in story["not_known_yet"] if row["kind"] == "touch"] == [
        "page view: Page 12"
    ]


def test_a_record_that_was_somebody_else_then_is_not_told(reader: Reader) -> None:
    early = read_story(reader, "L1", None, date(2026, 11, 9))
    assert [row["record_key"] for row in early["records"]] == ["hubspot:contact:1"]
    later = read_story(reader, "L1", None, date(2026, 11, 10))
    assert len(later["records"]) == 2


def test_a_day_before_anything_was_known_is_refused_with_the_first_one(reader: Reader) -> None:
    with pytest.raises(WarehouseError, match="2026-11-01: ask for that day") as error:
        read_story(reader, "L1", None, date(2026, 10, 31))
    assert "nothing was known of this lead on 2026-10-31" in str(error.value)
