"""What sales promised, counted out by the minute from the policy's CSVs.

None of Baton's SQL or Python is used: a clock is the minutes of a calendar, looked at one by one.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from tests.house import POLICY

MINUTE = timedelta(minutes=1)
GRID = timedelta(minutes=5)


def rows(table: str) -> list[dict[str, str]]:
    """Return the rows of a decision table as they are written."""
    with (POLICY / f"{table}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


class Agreement:
    """The policy as its owners wrote it, with what was edited since."""

    def __init__(self) -> None:
        self.reps = {row["user_id"]: row for row in rows("reps")}
        self.tiers = sorted(rows("sla_tiers"), key=lambda row: int(row["priority"]))
        self.zones: dict[str, ZoneInfo] = {}
        self.hours: dict[str, dict[int, list[tuple[time, time]]]] = {}
        self.days: dict[tuple[str, date], list[tuple[time, time]]] = {}
        for row in rows("business_hours"):
            self.zones[row["calendar_id"]] = ZoneInfo(row["time_zone"])
            week = self.hours.setdefault(row["calendar_id"], {})
            week.setdefault(int(row["weekday"]), []).append(_window(row))
        for row in rows("holidays"):
            self.close(row["calendar_id"], date.fromisoformat(row["holiday_date"]), row)

    def close(self, calendar: str, day: date, row: dict[str, str] | None = None) -> None:
        """Make a day one of its own: closed, or with the hours of its row."""
        windows = self.days.setdefault((calendar, day), [])
        if row and row["opens"]:
            windows.append(_window(row))

    def is_open(self, calendar: str, moment: datetime) -> bool:
        """Whether people of a calendar work at a moment."""
        local = moment.astimezone(self.zones[calendar])
        usual = self.hours[calendar].get(local.isoweekday(), [])
        windows = self.days.get((calendar, local.date()), usual)
        return any(opens <= local.time() < closes for opens, closes in windows)

    def after(self, calendar: str, start: datetime, minutes: int) -> datetime:
        """The moment when so many minutes of work have passed; ``start`` is a whole minute."""
        moment = start
        while minutes:
            minutes -= self.is_open(calendar, moment)
            moment += MINUTE
        return moment

    def tier(self, trigger: str, score: int) -> dict[str, str]:
        """The first tier that fits."""
        return next(
            row
            for row in self.tiers
            if row["trigger_type"] in ("", trigger) and int(row["min_icp_score"] or 0) <= score
        )

    def backup(self, owner: str) -> str | None:
        """Who makes the first call for a rep; nobody for the one the chain ends with."""
        return self.reps[owner]["backup_user_id"] or None


def _window(row: dict[str, str]) -> tuple[time, time]:
    return time.fromisoformat(row["opens"]), time.fromisoformat(row["closes"])


def on_grid(moment: datetime) -> datetime:
    """The first run of a flow that comes every five minutes which sees a moment as past."""
    start = datetime(moment.year, moment.month, moment.day, tzinfo=UTC)
    return start + -(-(moment - start) // GRID) * GRID


@dataclass
class Promise:
    """One first-touch clock as the outside world could see it run."""

    lead_key: str
    owner: str
    since: datetime
    tier: dict[str, str]
    warn_at: datetime
    due_at: datetime
    clock_owner: str
    touched_at: datetime | None = None
    told: dict[str, tuple[str, datetime]] = field(default_factory=dict)

    @classmethod
    def made(
        cls, agreed: Agreement, lead_key: str, owner: str, since: datetime, tier: dict[str, str]
    ) -> Promise:
        """Start a clock by the owner's own hours."""
        made = cls(lead_key, owner, since, tier, since, since, owner)
        made.count(agreed)
        return made

    def count(self, agreed: Agreement) -> None:
        """Count the clock out from when it began."""
        assert self.tier["clock"] == "business_hours", self.tier
        calendar = agreed.reps[self.clock_owner]["calendar_id"]
        self.warn_at = agreed.after(calendar, self.since, int(self.tier["warn_minutes"]))
        self.due_at = agreed.after(calendar, self.since, int(self.tier["minutes"]))

    def status(self, now: datetime) -> str:
        """How the clock stands."""
        if self.touched_at is not None:
            return "met" if self.touched_at <= self.due_at else "breached"
        if now >= self.due_at:
            return "red"
        return "yellow" if now >= self.warn_at else "green"

    def expected(self, agreed: Agreement, until: datetime) -> dict[str, tuple[str, datetime]]:
        """Who had to be told what, and at which run of the clocks' flow."""
        found = {}
        warning, end = on_grid(self.warn_at), on_grid(self.due_at)
        if warning < self.due_at and warning <= until and self._waits(warning):
            found["remind"] = (self.owner, warning)
        if end <= until and self._waits(end):
            found["coach"] = (self.owner, end)
            if backup := agreed.backup(self.owner):
                found["escalate"] = (backup, end)
        return found

    def _waits(self, moment: datetime) -> bool:
        """Whether nobody has touched the lead by a moment."""
        return self.touched_at is None or self.touched_at > moment

    def as_row(self, now: datetime) -> dict[str, Any]:
        """The row the clock must have in ``lead_clocks``; times in UTC, without their zone."""
        touched = self.touched_at
        return {
            "lead_key": self.lead_key,
            "owner_id": self.owner,
            "sla_tier": self.tier["tier_id"],
            "clock_started_at": self.since.replace(tzinfo=None),
            "sla_warn_at": self.warn_at.replace(tzinfo=None),
            "sla_due_at": self.due_at.replace(tzinfo=None),
            "first_response_at": None if touched is None else touched.replace(tzinfo=None),
            "sla_status": self.status(now),
        }
