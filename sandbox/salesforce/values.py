"""Ids and times as Salesforce writes them.

Times are held as the text that goes over the wire (``2026-01-05T10:00:00.000+0000``): its length
is fixed and it is always UTC, so comparing text compares time.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

Row = dict[str, Any]
Find = Callable[[str], Row | None]


def full_id(value: str) -> str | None:
    """Return the 18-character form of an id, or None when the text is no id at all.

    The last three letters say which of the first fifteen are capitals, in groups of five.
    """
    if len(value) not in (15, 18) or not value.isascii() or not value.isalnum():
        return None
    head = value[:15]
    return head + _capitals(head[:5]) + _capitals(head[5:10]) + _capitals(head[10:])


@lru_cache(maxsize=100_000)
def _capitals(five: str) -> str:
    bits = sum(1 << place for place, char in enumerate(five) if char.isupper())
    return "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"[bits]


@lru_cache(maxsize=8192)
def must_be_id(value: str) -> str:
    """Return the 18-character form of an id. Raises ValueError when it is none."""
    found = full_id(value)
    if found is None:
        raise ValueError(f"{value!r} is no Salesforce id: 15 or 18 letters and digits.")
    return found


def base62(number: int) -> str:
    """Return a number in the digits ids are made of."""
    digits = ""
    while number:
        number, rest = divmod(number, 62)
        digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"[rest] + digits
    return digits


def numbered_id(prefix: str, number: int) -> str:
    """Return the id with this number among those of one prefix."""
    return must_be_id(prefix + base62(number).rjust(12, "0"))


def wire_time(moment: datetime) -> str:
    """Return a moment as Salesforce writes it: UTC, whole seconds."""
    return moment.astimezone(UTC).isoformat()[:19] + ".000+0000"


def parse_time(text: str) -> datetime:
    """Read a datetime in any form Salesforce takes. Raises ValueError."""
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
