"""How a story is laid out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


def when(moment: Any) -> str:
    """Say a moment to the minute."""
    return f"{moment:%Y-%m-%d %H:%M}" if moment else "unknown time"


def section(title: str, lines: Iterable[str], none: str = "none") -> list[str]:
    """Lay lines out under their title, with a word where there are none."""
    return ["", title, *([f"  {line}" for line in lines] or [f"  {none}"])]


def minute(text: str) -> str:
    """Cut a time that stands in a document to the minute."""
    return text[:16].replace("T", " ")
