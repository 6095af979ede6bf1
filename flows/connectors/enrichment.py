"""What every enrichment provider takes and gives: one lookup, one answer, never an exception."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Protocol, runtime_checkable

Kind = Literal["person", "company"]

Status = Literal[
    "found",  # the body holds something
    "missing",  # the provider knows nobody of this name
    "pending",  # it is looking: the same call is made again later, and costs nothing more
    "invalid",  # it will never look this up
    "refused",  # it serves nobody with this key, plan or address: a person has to act
    "throttled",  # too many calls; nothing was looked up
    "unreached",  # the call never left this machine, or arrived nowhere
    "unknown",  # it may have been looked up and paid for; the answer is lost
]
FREE: tuple[Status, ...] = ("refused", "throttled", "unreached")
"""Answers to calls that bought nothing: the same call may be made again."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one call. ``body`` is the provider's object whole, as it came.

    ``reason`` is the provider's word and status, without the person or key it was about.
    ``again_at`` is when the provider says it answers again, UTC, where it says so.
    """

    status: Status
    body: dict[str, Any] | None = None
    reason: str | None = None
    again_at: datetime | None = None


@runtime_checkable
class Provider(Protocol):
    """One source of what is known about people and companies. Knows no store and no settings."""

    system: str

    def look_up(self, kind: Kind, lookup: str) -> Answer:
        """Ask once, by e-mail address (person, with the company) or by domain (company).

        Never raises for what the other side does: whatever came back is an ``Answer``.
        """

    def close(self) -> None:
        """Give back what is held; a closed provider is not used again."""
