"""What both ways of writing share: a value as JSON or as a cell, and refusals that pass."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from flows.connectors.base import iso

# A trigger that met one of these reports it inside CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY.
PASSING = ("UNABLE_TO_LOCK_ROW", "Too many SOQL queries")


def is_passing(words: str) -> bool:
    """Whether a refusal of one row is one that waiting cures."""
    return any(telling in words for telling in PASSING)


def value(held: Any) -> Any:
    """Return a value as JSON can hold it."""
    if isinstance(held, datetime):
        return iso(held)
    return held if isinstance(held, bool | int | float | str) else str(held)


def cell(held: Any) -> str:
    """Return a value as a cell of a Bulk upload; never an empty one, which says nothing."""
    plain = value(held)
    return str(plain).lower() if isinstance(plain, bool) else str(plain)


def fits_cell(held: Any) -> bool:
    """Whether a cell can say this: an empty text would be left alone, and #N/A empties a field."""
    text = cell(held)
    return text not in ("", "#N/A") and "\x00" not in text
