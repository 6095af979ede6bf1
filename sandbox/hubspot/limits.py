"""Request limits as HubSpot counts them, and the two shapes of its 429."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from sandbox.hubspot.schema import ApiError

if TYPE_CHECKING:
    from sandbox.clock import Clock

# The account's zone: its midnight ends the daily quota.
TIME_ZONE = "US/Eastern"


@dataclass(slots=True)
class Limits:
    """Requests allowed; the defaults are those of a private app in a Professional account."""

    per_ten_seconds: int = 190
    per_day: int = 650_000
    searches_per_second: int = 5
    form_posts_per_ten_seconds: int = 50
    oauth_per_ten_seconds: int = 110


class Window:
    """A rolling window of accepted requests, on the real clock: limits guard the wire."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._taken: deque[float] = deque()

    def used(self) -> int:
        oldest = time.monotonic() - self.seconds
        while self._taken and self._taken[0] <= oldest:
            self._taken.popleft()
        return len(self._taken)

    def take(self, allowed: int) -> bool:
        if self.used() >= allowed:
            return False
        self._taken.append(time.monotonic())
        return True


class Throttle:
    """The counters of one account."""

    def __init__(self, clock: Clock, limits: Limits | None) -> None:
        self.clock = clock
        self.limits = limits
        self.requests_today = 0
        self._day = ""
        self._requests, self._searches = Window(10.0), Window(1.0)
        self._form_posts, self._oauth_requests = Window(10.0), Window(10.0)

    def take(self, *, search: bool, oauth: bool = False) -> dict[str, str]:
        """Count a request and return its rate headers. Raises: ApiError 429.

        Calls with an OAuth token have a limit of their own, no daily one, and no headers.
        """
        limits = self.limits
        if limits is None:
            return {}
        if oauth:
            return self._take_oauth(limits, search)
        if self.used_today() >= limits.per_day:
            raise self._limited("daily", "DAILY", search)
        if search and self._searches.used() >= limits.searches_per_second:
            raise ApiError(429, "You have reached your secondly limit.", "RATE_LIMITS")
        if not self._requests.take(limits.per_ten_seconds):
            raise self._limited("ten_secondly_rolling", "TEN_SECONDLY_ROLLING", search)
        if search:
            self._searches.take(limits.searches_per_second)
        self.requests_today += 1
        return self._rate_headers(limits, search)

    def used_today(self) -> int:
        """Calls of the account's present day."""
        today = self.clock.now().astimezone(ZoneInfo(TIME_ZONE)).date().isoformat()
        if today != self._day:
            self._day, self.requests_today = today, 0
        return self.requests_today

    def use_today(self, calls: int) -> None:
        """Pretend that this many calls were made today."""
        self.used_today()
        self.requests_today = calls

    def _take_oauth(self, limits: Limits, search: bool) -> dict[str, str]:
        if search and self._searches.used() >= limits.searches_per_second:
            raise ApiError(429, "You have reached your secondly limit.", "RATE_LIMITS")
        if not self._oauth_requests.take(limits.oauth_per_ten_seconds):
            refused = self._limited("ten_secondly_rolling", "TEN_SECONDLY_ROLLING", search)
            refused.headers.clear()
            raise refused
        if search:
            self._searches.take(limits.searches_per_second)
        return {}

    def take_form_post(self) -> None:
        limits = self.limits
        if limits and not self._form_posts.take(limits.form_posts_per_ten_seconds):
            refused = self._limited("ten_secondly_rolling", "TEN_SECONDLY_ROLLING", search=True)
            refused.headers.clear()
            raise refused

    def resets_at(self) -> datetime:
        """The next midnight of the account's time zone."""
        local = self.clock.now().astimezone(ZoneInfo(TIME_ZONE))
        return (local + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)

    def _limited(self, word: str, policy: str, search: bool) -> ApiError:
        # No Retry-After: not one recorded 429 of the API carried it.
        return ApiError(
            429,
            f"You have reached your {word} limit.",
            headers={} if self.limits is None else self._rate_headers(self.limits, search),
            errorType="RATE_LIMIT",
            policyName=policy,
        )

    def _rate_headers(self, limits: Limits, search: bool) -> dict[str, str]:
        daily = {
            "X-HubSpot-RateLimit-Daily": str(limits.per_day),
            "X-HubSpot-RateLimit-Daily-Remaining": str(limits.per_day - self.requests_today),
        }
        if search:
            # Recorded: search answers carry the daily pair and nothing of the shorter limits.
            return daily
        left = limits.per_ten_seconds - self._requests.used()
        return {
            "X-HubSpot-RateLimit-Max": str(limits.per_ten_seconds),
            "X-HubSpot-RateLimit-Remaining": str(max(0, left)),
            "X-HubSpot-RateLimit-Interval-Milliseconds": "10000",
            **daily,
        }
