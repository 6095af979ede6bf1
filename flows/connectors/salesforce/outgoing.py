"""What both ways of writing share: a value as JSON or as a cell, and refusals that pass."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from flows.connectors.base import Row, iso

# A trigger that met one of these reports it inside CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY.
PASSING = ("UNABLE_TO_LOCK_ROW", "Too many SOQL queries")
REFUSED_VALUE = "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"
_BAD_VALUE = re.compile(r"restricted picklist field: (.*)", re.DOTALL)


def is_passing(words: str) -> bool:
    """Whether a refusal of one row is one that waiting cures."""
    return any(telling in words for telling in PASSING)


def refused_field(row: Row, words: str, fields: Iterable[str]) -> str | None:
    """Name the column of ours whose value a restricted picklist does not take.

    ``fields`` are those the refusal names, in its own spelling. ``words`` name the field by its
    label, which is no name of ours, but they repeat the value.
    """
    held = {name.lower(): name for name, sent in row.items() if sent is not None}
    named = [held[name.strip().lower()] for name in fields if name.strip().lower() in held]
    if named:
        return named[0]
    said = _BAD_VALUE.search(words)
    same = [name for name in held.values() if said and str(row[name]) == said[1].strip()]
    return same[0] if len(same) == 1 else None


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
    # Around a cell, blanks may be taken off before it is read.
    return text.strip() not in ("", "#N/A") and "\x00" not in text
