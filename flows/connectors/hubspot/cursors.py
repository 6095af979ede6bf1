"""What HubSpot's cursors are made of: epoch milliseconds, look-backs, and the newest stamp seen."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from flows.connectors.base import Record, millis, text_id

MINUTE = 60_000
EPOCH = 1000  # a search from epoch 0 answers 500
_ZERO = datetime(1970, 1, 1, tzinfo=UTC)


def id_of(item: dict[str, Any]) -> str | None:
    """Return the id of a record."""
    return text_id(item.get("id"))


def number(state: dict[str, Any], name: str) -> int | None:
    """Return a number of a stored cursor, None where it is something else."""
    value = state.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def start_of(since: int | None, until: int, look_back: int) -> int:
    """Say where to begin reading. A cursor beyond now would read nothing for ever."""
    return EPOCH if since is None else max(min(since, until) - look_back, EPOCH)


def newest_of(records: list[Record], known: int | None, until: int) -> int | None:
    """Return the newest stamp seen so far, in milliseconds.

    A stamp in the future is the record's mistake and must not carry the cursor away.
    """
    # Below the next millisecond: stamps are cut to milliseconds, not rounded.
    end = _ZERO + timedelta(milliseconds=until + 1)
    seen = max((r.version_at for r in records if r.version_at and r.version_at < end), default=None)
    if seen is None:
        return known
    return millis(seen) if known is None else max(known, millis(seen))
