"""What one vendor may be asked: a pace per class of call, and a share of the day's quota.

A quota is shared with every other integration of the account, so the vendor's own count is the
one that matters: it comes with the answers (``learn``) and needs no store of ours. Reading stops
at its share; what is left of the day belongs to the leads that are ready to be written.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from pyrate_limiter import Limiter, Rate


def rate(calls: int, seconds: float) -> Rate:
    """State a vendor's limit: so many calls in so many seconds."""
    return Rate(calls, int(seconds * 1000))


@dataclass(frozen=True, slots=True)
class Usage:
    """Calls of the current day, as the vendor counts them for everyone who calls."""

    used: int
    allowed: int


class Budget:
    """Paces calls per lane, counts them, and refuses those beyond the lane's share of the day.

    ``rates`` are the limits per class of call, None for a class without one; classes given the
    very same ``Rate`` are counted together. ``shares`` say how much of the day's quota may be used
    up (by anyone) before a class is no longer asked for, from 0 to 1; a class that is not named
    goes on until the vendor refuses.
    """

    def __init__(
        self,
        system: str,
        rates: Mapping[str, Rate | None] | None = None,
        shares: Mapping[str, float] | None = None,
    ) -> None:
        self.system = system
        self.spent: Counter[str] = Counter()
        """Calls made through this object, by class."""
        self.usage: Usage | None = None
        limits = {name: limit for name, limit in (rates or {}).items() if limit}
        made = {id(limit): Limiter(limit) for limit in limits.values()}
        self._limiters = {name: made[id(limit)] for name, limit in limits.items()}
        self._shares = dict(shares or {})

    def exhausted(self, lane: str) -> str | None:
        """Say why no more calls of this class are made today; None while there are some left."""
        share = self._shares.get(lane)
        if share is None or self.usage is None or self.usage.used < self.usage.allowed * share:
            return None
        used, allowed = self.usage.used, self.usage.allowed
        return (
            f"{used} of the day's {allowed} calls are used up, and {lane} may use {share:.0%}: "
            "the rest is kept for leads that are ready to be written"
        )

    def take(self, lane: str) -> None:
        """Wait until the class allows one more call, and count it."""
        limiter = self._limiters.get(lane)
        if limiter is not None:
            limiter.try_acquire(self.system)
        self.spent[lane] += 1

    def learn(self, used: int, allowed: int) -> None:
        """Take over what the vendor said of the day. A quota of zero or less says nothing."""
        if allowed > 0:
            self.usage = Usage(used, allowed)

    def close(self) -> None:
        """Give back the limiters."""
        for limiter in {id(limiter): limiter for limiter in self._limiters.values()}.values():
            limiter.close()
