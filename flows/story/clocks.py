"""Why a first touch is due when it is: the open hours of a calendar, counted one after another.

This is the second opinion on the clocks the routing room computes in SQL: the same rules, written
again for one lead at a time, so that a rep can follow the count and a difference is seen.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from flows.policy import Policy

# As far as anybody would follow; the policy's clock_horizon_days is shorter.
FURTHEST = 366
# No zone is further from UTC than this.
FURTHEST_ZONE = timedelta(hours=15)
QUARTER = timedelta(minutes=15)


@dataclass(frozen=True)
class Stretch:
    """A stretch of open time that was counted, in UTC, and why the day is no common one."""

    opens_at: datetime
    closes_at: datetime
    note: str | None

    @property
    def length(self) -> timedelta:
        """How long it is."""
        return self.closes_at - self.opens_at


@dataclass(frozen=True)
class Counted:
    """The stretches a clock ran through, the days it was shut by name, and when it ran out."""

    stretches: list[Stretch]
    shut: list[tuple[date, str]]
    due_at: datetime | None


class Calendar:
    """The open hours of one calendar under one policy."""

    def __init__(self, policy: Policy, calendar_id: str | None) -> None:
        hours = [row for row in policy.rows("business_hours") if row["calendar_id"] == calendar_id]
        self.time_zone: str | None = min((row["time_zone"] for row in hours), default=None)
        self._zone = ZoneInfo(self.time_zone or "UTC")
        self._weekdays: dict[int, list[tuple[str, str]]] = {}
        for row in hours:
            self._weekdays.setdefault(int(row["weekday"]), []).append((row["opens"], row["closes"]))
        self._days: dict[date, list[dict[str, str | None]]] = {}
        for row in policy.rows("holidays"):
            if row["calendar_id"] == calendar_id:
                self._days.setdefault(date.fromisoformat(row["holiday_date"]), []).append(row)

    def local(self, moment: datetime) -> datetime:
        """Return a moment of UTC as the clock on the wall there shows it."""
        return moment.replace(tzinfo=UTC).astimezone(self._zone).replace(tzinfo=None)

    def shut(self, day: date) -> str | None:
        """Say why a day that would be open is shut; None where it is not."""
        own = self._days.get(day)
        if (
            own is None
            or any(row["opens"] for row in own)
            or day.isoweekday() not in self._weekdays
        ):
            return None
        return own[0]["reason"]

    def stretches(self, day: date) -> list[Stretch]:
        """Return the open stretches of a local date, in order.

        A minute is open where the clock on the wall shows an hour that is: one that is skipped in
        spring is nobody's, one that comes twice in autumn counts twice.
        """
        own = self._days.get(day)
        note = next((row["reason"] for row in own or () if row["opens"]), None)
        hours = (
            self._weekdays.get(day.isoweekday(), [])
            if own is None
            else [(str(row["opens"]), str(row["closes"])) for row in own if row["opens"]]
        )
        midnight = datetime.combine(day, time())
        found = []
        for opens, closes in hours:
            for since, until, offset in self._offsets(midnight):
                opens_at = max(since, midnight + _of_day(opens) - offset)
                closes_at = min(until, midnight + _of_day(closes) - offset)
                if opens_at < closes_at:
                    found.append(Stretch(opens_at, closes_at, note))
        return sorted(found, key=lambda stretch: stretch.opens_at)

    def _offsets(self, midnight: datetime) -> list[tuple[datetime, datetime, timedelta]]:
        """Return the stretches around a local date in which the zone keeps its offset from UTC."""
        first, last = midnight - FURTHEST_ZONE, midnight + timedelta(days=1) + FURTHEST_ZONE
        before, after = self._offset(first), self._offset(last)
        if before == after:
            return [(first, last, before)]
        # Zones change at a full quarter of an hour, once on such a day.
        low, high = 0, (last - first) // QUARTER
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (
                (middle, high)
                if self._offset(first + middle * QUARTER) == before
                else (low, middle)
            )
        change = first + high * QUARTER
        return [(first, change, before), (change, last, after)]

    def _offset(self, moment: datetime) -> timedelta:
        return self.local(moment) - moment


def count(calendar: Calendar, clock: str, minutes: float, started_at: datetime) -> Counted:
    """Count a clock out; all moments are UTC.

    ``wall`` runs always, ``business_hours`` while the calendar is open, ``next_business_day`` like
    it from the first open hour of a later day. ``due_at`` is None where a year does not suffice.
    """
    left = timedelta(minutes=minutes)
    if clock == "wall":
        due_at = started_at + left
        return Counted([Stretch(started_at, due_at, None)], [], due_at)
    counted: list[Stretch] = []
    shut: list[tuple[date, str]] = []
    for day in _days(calendar, clock, started_at):
        if why := calendar.shut(day):
            shut.append((day, why))
        for stretch in calendar.stretches(day):
            opens_at = max(stretch.opens_at, started_at)
            if opens_at >= stretch.closes_at:
                continue
            closes_at = min(stretch.closes_at, opens_at + left)
            counted.append(Stretch(opens_at, closes_at, stretch.note))
            left -= closes_at - opens_at
            if not left:
                return Counted(counted, shut, closes_at)
    return Counted(counted, shut, None)


def _days(calendar: Calendar, clock: str, started_at: datetime) -> Iterator[date]:
    today = calendar.local(started_at).date()
    first = 1 if clock == "next_business_day" else 0
    return (today + timedelta(days=after) for after in range(first, FURTHEST))


def _of_day(text: str) -> timedelta:
    hours, minutes, *seconds = (int(part) for part in str(text).split(":"))
    return timedelta(hours=hours, minutes=minutes, seconds=sum(seconds))
