"""Sessions, the daily quota, and the cursors behind query locators."""

from __future__ import annotations

import secrets
from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from sandbox.salesforce.errors import SalesforceError
from sandbox.salesforce.values import Row

if TYPE_CHECKING:
    from sandbox.clock import Clock

OPEN_CURSORS = 10
CURSOR_IDLE = timedelta(minutes=15)
CONCURRENT = "ConcurrentRequests (Concurrent API Requests) Limit exceeded"


@dataclass(slots=True)
class Cursor:
    """What a locator stands for: the rows of one query, in order."""

    rows: list[Row]
    build: Callable[[Row], Row]
    page_size: int
    used_at: datetime


class Quota:
    """Who is signed in, what was used, which queries are half read."""

    def __init__(
        self,
        clock: Clock,
        *,
        organization_id: str,
        limits: bool,
        daily_limit: int,
        token_ttl: float,
    ) -> None:
        self.clock = clock
        self.organization_id = organization_id
        self.limits = limits
        self.daily_limit = daily_limit
        self.token_ttl = token_ttl
        # (used, most, name) of the connected app's own share, told beside the org's when set.
        self.app_usage: tuple[int, int, str] | None = None
        self._refused: list[SalesforceError] = []
        self._tokens: dict[str, datetime] = {}
        self._calls: Counter[int] = Counter()
        self._cursors: OrderedDict[str, Cursor] = OrderedDict()
        self._key: rsa.RSAPrivateKey | None = None

    # -- sessions --

    @property
    def jwt_key(self) -> rsa.RSAPrivateKey:
        """The key the connected app signs assertions with, made when first asked for."""
        if self._key is None:
            self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        return self._key

    @property
    def jwt_private_key_pem(self) -> str:
        """The connected app's private key, as a client's settings hold it."""
        return self.jwt_key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ).decode()

    def open_session(self) -> str:
        """Return a new access token."""
        token = f"{self.organization_id[:15]}!AQ{secrets.token_hex(32)}"
        self._tokens[token] = self.clock.now() + timedelta(seconds=self.token_ttl)
        return token

    def knows_session(self, token: str) -> bool:
        """Return whether a token is good, and prolong it: the timeout counts idle time."""
        until = self._tokens.get(token)
        now = self.clock.now()
        if until is None or until <= now:
            self._tokens.pop(token, None)
            return False
        self._tokens[token] = now + timedelta(seconds=self.token_ttl)
        return True

    def expire_sessions(self) -> None:
        """End every session: the next call with an old token answers 401."""
        self._tokens.clear()

    # -- quota --

    def count_call(self, times: int = 1) -> int:
        """Count API calls and return how many the last 24 hours saw."""
        hour = int(self.clock.now().timestamp() // 3600)
        self._calls[hour] += times
        for old in [known for known in self._calls if not hour - 24 < known <= hour]:
            del self._calls[old]
        return self._calls.total()

    @property
    def calls_today(self) -> int:
        """How many API calls the last 24 hours saw."""
        hour = int(self.clock.now().timestamp() // 3600)
        return sum(count for known, count in self._calls.items() if hour - 24 < known <= hour)

    @calls_today.setter
    def calls_today(self, used: int) -> None:
        self._calls.clear()
        self.count_call(used)

    def refuse_calls(self, code: str, message: str, times: int = 1, status: int = 403) -> None:
        """Refuse the next calls whatever they ask, as an org does that is too busy."""
        self._refused.extend([SalesforceError(code, message, status=status)] * times)

    def next_refusal(self) -> SalesforceError | None:
        """Return the refusal that meets the present call, if any."""
        return self._refused.pop(0) if self._refused else None

    @property
    def limit_info(self) -> str:
        """What the header ``Sforce-Limit-Info`` says."""
        told = f"api-usage={self.calls_today}/{self.daily_limit}"
        if self.app_usage is not None:
            used, most, name = self.app_usage
            told += f"; per-app-api-usage={used}/{most}(appName={name})"
        return told

    # -- cursors --

    def open_cursor(self, rows: list[Row], build: Callable[[Row], Row], page_size: int) -> str:
        """Keep the rows of a query for its next pages; the least used of too many is dropped."""
        locator = f"0r8{secrets.token_hex(6)}AAA"
        self._cursors[locator] = Cursor(rows, build, page_size, self.clock.now())
        while len(self._cursors) > OPEN_CURSORS:
            self._cursors.popitem(last=False)
        return locator

    def cursor(self, locator: str) -> Cursor | None:
        """Return an open cursor, or None when it never was or has been idle for too long."""
        found = self._cursors.get(locator)
        now = self.clock.now()
        if found is None or now - found.used_at > CURSOR_IDLE:
            self._cursors.pop(locator, None)
            return None
        found.used_at = now
        self._cursors.move_to_end(locator)
        return found

    def expire_cursors(self) -> None:
        """Forget every half-read query: its next page answers INVALID_QUERY_LOCATOR."""
        self._cursors.clear()
