"""A clock is counted out as a rep would count it, in any zone, over any change of the clock."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flows.policy import Policy
from flows.story.clocks import Calendar, count
from flows.warehouse import Reader

HOURS = [("01:30", "04:00"), ("09:00", "18:00")]
ZONES = ["America/New_York", "Europe/Berlin", "Australia/Sydney", "Australia/Lord_Howe", "UTC"]
AT = datetime.fromisoformat
MINUTE = timedelta(minutes=1)


def _store(path: Path, tables: dict[str, list[dict[str, Any]]]) -> None:
    with duckdb.connect(str(path)) as store:
        store.execute("create schema ops")
        store.execute(
            "create table ops.policy_versions (policy_version text, policy_table text, "
            "policy_row json)"
        )
        for table, rows in tables.items():
            for row in rows:
                store.execute(
                    "insert into ops.policy_versions values ('p', ?, ?::json)", [table, row]
                )


def _hours(zone: str, weekdays: range, hours: list[tuple[str, str]]) -> list[dict[str, Any]]:
    return [
        {"calendar_id": zone, "time_zone": zone, "weekday": day, "opens": opens, "closes": closes}
        for day in weekdays
        for opens, closes in hours
    ]


@pytest.fixture(scope="module")
def calendar(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Calendar]]:
    """Calendars by name: every zone open at night and by day; an office with its holidays."""
    path = tmp_path_factory.mktemp("policy") / "policy.duckdb"
    office = _hours("Europe/Paris", range(1, 6), [("09:00:00", "18:00:00")])
    hours = [row for zone in ZONES for row in _hours(zone, range(1, 8), HOURS)] + office
    days = [
        {"calendar_id": "Europe/Paris", "holiday_date": "2026-12-24", "opens": "09:00:00",
         "closes": "12:00:00", "reason": "Christmas Eve"},
        {"calendar_id": "Europe/Paris", "holiday_date": "2026-12-25", "opens": None,
         "closes": None, "reason": "Christmas"},
    ]  # fmt: skip
    _store(path, {"business_hours": hours, "holidays": days})
    with Reader(path) as reader:
        yield lambda calendar_id: Calendar(Policy(reader, "p"), calendar_id)


def test_two_hours_that_begin_on_a_friday_evening_end_on_monday(
    calendar: Callable[[str], Calendar],
) -> None:
    paris = calendar("Europe/Paris")
    counted = count(paris, "business_hours", 120, AT("2026-11-20 16:30"))
    assert [
        (paris.local(one.opens_at), paris.local(one.closes_at)) for one in counted.stretches
    ] == [
        (AT("2026-11-20 17:30"), AT("2026-11-20 18:00")),
        (AT("2026-11-23 09:00"), AT("2026-11-23 10:30")),
    ]
    assert counted.due_at == AT("2026-11-23 09:30")


def test_part_days_count_with_their_hours_and_shut_days_are_named(
    calendar: Callable[[str], Calendar],
) -> None:
    paris = calendar("Europe/Paris")
    counted = count(paris, "business_hours", 240, AT("2026-12-24 10:30"))
    assert [one.note for one in counted.stretches] == ["Christmas Eve", None]
    assert counted.shut == [(date(2026, 12, 25), "Christmas")]
    assert counted.due_at == AT("2026-12-28 11:30")


def test_the_next_business_day_begins_where_its_office_opens(
    calendar: Callable[[str], Calendar],
) -> None:
    paris = calendar("Europe/Paris")
    # 23:30 UTC on Sunday is Monday there: the next day is Tuesday.
    counted = count(paris, "next_business_day", 60, AT("2026-11-22 23:30"))
    assert counted.due_at == AT("2026-11-24 09:00")


def test_a_wall_clock_needs_no_calendar(calendar: Callable[[str], Calendar]) -> None:
    nowhere = calendar("nowhere")
    assert nowhere.time_zone is None
    started_at = AT("2026-11-22 23:30")
    assert count(nowhere, "wall", 90, started_at).due_at == AT("2026-11-23 01:00")
    assert count(nowhere, "business_hours", 90, started_at).due_at is None


def _by_the_minute(zone: str, minutes: int, started_at: datetime) -> datetime:
    """Count by looking at the clock on the wall once a minute."""
    now = started_at
    while minutes:
        wall = now.replace(tzinfo=UTC).astimezone(ZoneInfo(zone))
        minutes -= any(opens <= f"{wall:%H:%M}" < closes for opens, closes in HOURS)
        now += MINUTE
    return now


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    zone=st.sampled_from(ZONES),
    # Days on which one of these zones changes its clock, and the days around.
    day=st.sampled_from([date(2026, 3, 7), date(2026, 3, 28), date(2026, 4, 4), date(2026, 10, 3),
                         date(2026, 10, 24), date(2026, 10, 31)]),
    start=st.integers(min_value=0, max_value=2880),
    minutes=st.integers(min_value=1, max_value=1500),
)  # fmt: skip
def test_a_count_is_what_looking_at_the_wall_every_minute_gives(
    calendar: Callable[[str], Calendar], zone: str, day: date, start: int, minutes: int
) -> None:
    started_at = datetime.combine(day, datetime.min.time()) + start * MINUTE
    counted = count(calendar(zone), "business_hours", minutes, started_at)
    assert counted.due_at == _by_the_minute(zone, minutes, started_at)
    assert sum((one.length for one in counted.stretches), timedelta()) == minutes * MINUTE
