"""Calendars against a person who looks at the clock on the wall once a minute and keeps a tally."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache, cached_property
from zoneinfo import ZoneInfo

import duckdb
import jinja2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.house import DBT

pytestmark = pytest.mark.timeout(120)

TEXT = (DBT / "macros" / "calendars.sql").read_text(encoding="utf-8")
RENDER = jinja2.Environment()
RENDER.globals["ref"] = lambda name: name
MACROS = RENDER.from_string(TEXT).module

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
SPAN = timedelta(days=18)
# One that never changes its clock, one ahead by quarters, and changes north and south.
ZONES = (
    "Europe/Berlin",
    "America/New_York",
    "Australia/Sydney",
    "America/Santiago",
    "Asia/Kolkata",
    "Pacific/Chatham",
)
# Days around the changes of two years, on both sides of the equator.
DAYS = tuple(
    datetime(year, month, day, tzinfo=UTC)
    for year in (2025, 2026)
    for month, day in (
        (3, 4),
        (3, 24),
        (4, 1),
        (4, 3),
        (9, 4),
        (9, 22),
        (10, 1),
        (10, 22),
        (10, 30),
    )
)
Window = tuple[int, int]  # minutes of the day, from and until


@cache
def shown_on_the_wall(zone: str, begins: datetime) -> list[datetime]:
    """What the clock on the wall shows at each minute of the span."""
    there = ZoneInfo(zone)
    return [(begins + MINUTE * number).astimezone(there) for number in range(int(SPAN / MINUTE))]


@dataclass(frozen=True)
class Calendar:
    """A zone, the hours of each weekday, and days of their own."""

    zone: str
    begins: datetime
    week: tuple[tuple[Window, ...], ...]
    own: tuple[tuple[int, tuple[Window, ...]], ...]

    def own_days(self) -> dict[date, tuple[Window, ...]]:
        return {(self.begins + DAY * number).date(): hours for number, hours in self.own}

    @property
    def wall(self) -> list[datetime]:
        return shown_on_the_wall(self.zone, self.begins)

    @cached_property
    def is_open(self) -> list[bool]:
        own = self.own_days()
        found = []
        for shown in self.wall:
            hours = own.get(shown.date(), self.week[shown.weekday()])
            at = shown.hour * 60 + shown.minute
            found.append(any(opens <= at < closes for opens, closes in hours))
        return found

    def due(self, start: int, clock: str, minutes: int) -> datetime | None:
        """When a clock begun at a minute runs out, by counting; None where the span ends first."""
        if clock == "wall":
            return self.begins + MINUTE * (start + minutes)
        after = self.wall[start].date() if clock == "next_business_day" else date.min
        for at in range(start, len(self.is_open)):
            if self.is_open[at] and self.wall[at].date() > after:
                after = date.min
                minutes -= 1
                if minutes == 0:
                    return self.begins + MINUTE * (at + 1)
        return None


@st.composite
def hours_of_a_day(draw: st.DrawFn) -> tuple[Window, ...]:
    """Up to two windows, quarter past midnight and midnight itself among them."""
    edges = draw(st.lists(st.integers(0, 96), unique=True, min_size=0, max_size=4).map(sorted))
    pairs = zip(edges[::2], edges[1::2], strict=False)
    return tuple((opens * 15, closes * 15) for opens, closes in pairs)


calendars = st.builds(
    Calendar,
    st.sampled_from(ZONES),
    st.sampled_from(DAYS),
    st.tuples(*[hours_of_a_day()] * 7),
    st.lists(
        st.tuples(st.integers(0, 15), hours_of_a_day()), max_size=3, unique_by=lambda day: day[0]
    ).map(tuple),
)
starts = st.integers(0, 9 * 1440)
clocks = st.sampled_from(["wall", "business_hours", "next_business_day"])
marks = st.tuples(calendars, st.lists(st.tuples(starts, clocks, st.integers(1, 2000)), max_size=9))
spans = st.tuples(calendars, st.lists(st.lists(starts, min_size=3, max_size=3), max_size=9))


def moment(value: int) -> str:
    """Minutes of a day as DuckDB's TIME, in which a day may end at 24:00."""
    return f"{value // 60:02}:{value % 60:02}:00"


def opened(of: list[Calendar]) -> duckdb.DuckDBPyConnection:
    """The two policy tables of some calendars, each named by its place in the list."""
    hours, days = [], []
    for number, calendar in enumerate(of):
        for weekday, windows in enumerate(calendar.week, 1):
            for opens, closes in windows:
                hours.append((str(number), calendar.zone, weekday, moment(opens), moment(closes)))
        # A calendar has a zone, though it may never be open in it but on a day of its own.
        hours.append((str(number), calendar.zone, 0, "00:00:00", "00:00:00"))
        for day, windows in calendar.own_days().items():
            for opens, closes in windows or [(None, None)]:
                edges = [None if edge is None else moment(edge) for edge in (opens, closes)]
                days.append((f"{number}:{day}", str(number), day, *edges))
    connection = duckdb.connect()
    connection.execute("set TimeZone = 'UTC'")
    connection.execute(
        "create table business_hours "
        "(calendar_id text, time_zone text, weekday integer, opens time, closes time)"
    )
    connection.execute(
        "create table holidays "
        "(holiday_id text, calendar_id text, holiday_date date, opens time, closes time)"
    )
    connection.executemany("insert into business_hours values (?, ?, ?, ?, ?)", hours)
    if days:
        connection.executemany("insert into holidays values (?, ?, ?, ?, ?)", days)
    return connection


def windows_of(calendar: Calendar) -> str:
    begins = f"timestamp '{calendar.begins:%Y-%m-%d %H:%M:%S}'"
    return str(MACROS.open_windows(begins, f"({begins} + to_days({SPAN.days}))"))


def naive(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(tzinfo=None)


@settings(deadline=None, max_examples=25)
@given(marks)
def test_a_clock_runs_out_when_the_tally_says_so(
    told: tuple[Calendar, list[tuple[int, str, int]]],
) -> None:
    calendar, asked = told
    with opened([calendar]) as connection:
        connection.execute(
            "create table marks (mark_key integer, calendar_id text, clock text, "
            "starts_at timestamp, minutes integer)"
        )
        for number, (start, clock, minutes) in enumerate(asked):
            at = naive(calendar.begins + MINUTE * start)
            row = [number, "0", clock, at, minutes]
            connection.execute("insert into marks values (?, ?, ?, ?, ?)", row)
        connection.execute(f"create table windows as select * from {windows_of(calendar)}")
        found = dict(
            connection.execute(f"select * from {MACROS.clocks_out('marks', 'windows')}").fetchall()
        )
    for number, (start, clock, minutes) in enumerate(asked):
        due = calendar.due(start, clock, minutes)
        if due is not None:
            assert found[number] == naive(due), (start, clock, minutes)


@settings(deadline=None, max_examples=25)
@given(spans, st.integers(0, 59))
def test_open_time_is_the_tally_and_adds_up_and_is_never_negative(
    told: tuple[Calendar, list[list[int]]], seconds: int
) -> None:
    calendar, asked = told
    parts = []
    for moments in asked:
        first, second, third = sorted(moments)
        parts += [(first, second), (second, third), (first, third)]
    with opened([calendar]) as connection:
        connection.execute(
            "create table spans "
            "(span_key integer, calendar_id text, from_at timestamp, until_at timestamp)"
        )
        for number, (begins, ends) in enumerate(parts):
            at = [naive(calendar.begins + MINUTE * edge) for edge in (begins, ends)]
            # The same spans again, off the full minute.
            late = [edge + timedelta(seconds=seconds) for edge in at]
            for key, edges in ((number, at), (number + 1000, late)):
                connection.execute("insert into spans values (?, ?, ?, ?)", [key, "0", *edges])
        connection.execute(f"create table windows as select * from {windows_of(calendar)}")
        found = dict(
            connection.execute(f"select * from {MACROS.open_time('spans', 'windows')}").fetchall()
        )
    for number, (begins, ends) in enumerate(parts):
        assert found[number] == pytest.approx(sum(calendar.is_open[begins:ends]))
    assert all(open_minutes >= 0 for open_minutes in found.values())
    for start in [*range(0, len(parts), 3), *range(1000, 1000 + len(parts), 3)]:
        assert found[start] + found[start + 1] == pytest.approx(found[start + 2])


@pytest.mark.parametrize(
    ("zone", "start", "due"),
    [
        # An hour is skipped in Berlin, and one comes twice in Sydney, on the same night or another.
        (
            "Europe/Berlin",
            datetime(2026, 3, 29, 0, tzinfo=UTC),
            datetime(2026, 3, 29, 4, tzinfo=UTC),
        ),
        (
            "Europe/Berlin",
            datetime(2026, 10, 25, 0, tzinfo=UTC),
            datetime(2026, 10, 25, 4, tzinfo=UTC),
        ),
        (
            "Australia/Sydney",
            datetime(2026, 4, 4, 13, tzinfo=UTC),
            datetime(2026, 4, 4, 17, tzinfo=UTC),
        ),
        (
            "America/Santiago",
            datetime(2026, 9, 6, 3, tzinfo=UTC),
            datetime(2026, 9, 6, 7, tzinfo=UTC),
        ),
        (
            "Pacific/Chatham",
            datetime(2026, 9, 26, 12, tzinfo=UTC),
            datetime(2026, 9, 26, 16, tzinfo=UTC),
        ),
    ],
)
def test_where_it_is_always_open_four_hours_are_four_hours(
    zone: str, start: datetime, due: datetime
) -> None:
    begins = datetime.combine(start.date() - DAY, time(), UTC)
    calendar = Calendar(zone, begins, (((0, 1440),),) * 7, ())
    assert calendar.due(int((start - begins) / MINUTE), "business_hours", 240) == due
    with opened([calendar]) as connection:
        marks = (
            f"(select 1 as mark_key, '0' as calendar_id, 'business_hours' as clock, "
            f"timestamp '{naive(start)}' as starts_at, 240 as minutes)"
        )
        connection.execute(f"create table windows as select * from {windows_of(calendar)}")
        found = connection.execute(f"select * from {MACROS.clocks_out(marks, 'windows')}")
        assert found.fetchall() == [(1, naive(due))]
