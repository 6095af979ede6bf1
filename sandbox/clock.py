"""One clock for the whole sandbox, so that a test can move a business day in a moment."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta


class Clock:
    """Real time plus an offset; frozen, it stands still until it is set or advanced."""

    def __init__(self, now: datetime | None = None, *, frozen: bool = False) -> None:
        self._lock = threading.Lock()
        self._offset = timedelta(0)
        self._stands_at = datetime.now(UTC) if frozen else None
        if now is not None:
            self.set(now)

    def now(self) -> datetime:
        """Return the sandbox's present moment, aware and in UTC."""
        with self._lock:
            return self._stands_at or datetime.now(UTC) + self._offset

    def set(self, moment: datetime) -> None:
        """Make ``moment`` the present; a naive value is read as UTC."""
        aware = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
        with self._lock:
            self._offset = aware - datetime.now(UTC)
            if self._stands_at is not None:
                self._stands_at = aware

    def advance(self, seconds: float) -> None:
        """Move the present by ``seconds``; a negative number goes back."""
        self.set(self.now() + timedelta(seconds=seconds))

    @property
    def frozen(self) -> bool:
        """Whether time stands still."""
        return self._stands_at is not None

    @frozen.setter
    def frozen(self, value: bool) -> None:
        moment = self.now()
        with self._lock:
            self._stands_at = moment if value else None
        if not value:
            self.set(moment)


def hubspot_time(moment: datetime) -> str:
    """Return a moment as HubSpot writes it."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def salesforce_time(moment: datetime) -> str:
    """Return a moment as Salesforce writes it."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.000+0000")
