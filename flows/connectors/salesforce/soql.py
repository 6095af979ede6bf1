"""The text of our queries: conditions, literals, and the columns this user may not see."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime

from flows.connectors.base import Stream
from flows.connectors.http import explain
from flows.errors import VendorError

_MISSING = re.compile(
    r"(?:No such column|external ID field does not exist or is not accessible:)"
    r"\s*['\"]?([A-Za-z]\w*)",
    re.IGNORECASE,
)


def select(stream: Stream, fields: Iterable[str], where: str = "", order: str = "") -> str:
    """Write one query over a stream's object."""
    query = f"SELECT {', '.join(fields)} FROM {stream.path}"
    return f"{query}{f' WHERE {where}' if where else ''}{f' {order}' if order else ''}"


def from_moment(stream: Stream, moment: datetime) -> str:
    """Condition: changed at ``moment`` or later."""
    return f"{stream.stamp} >= {literal(moment)}"


def behind(stream: Stream, stamp: datetime, last_id: str) -> str:
    """Condition: everything that follows one row in the order of stamps and ids.

    Both, because any number of rows may share a stamp (airbytehq/airbyte#17148).
    """
    at = literal(stamp)
    same = f"({stream.stamp} = {at} AND Id > {quoted(last_id)})"
    return f"({same} OR {stream.stamp} > {at})"


def one_of(name: str, values: Iterable[str]) -> str:
    """Condition: the column holds one of these texts."""
    return f"{name} IN ({', '.join(quoted(value) for value in values)})"


def literal(moment: datetime) -> str:
    """Write a time. Whole seconds, unquoted: all that SOQL knows of it."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def quoted(text: str) -> str:
    """Write a text, so that nothing in it ends it."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def missing_column(words: str | VendorError) -> str | None:
    """Name the column a refusal complains of: it does not exist, or this user may not see it."""
    if isinstance(words, VendorError):
        words = explain(words.body)[1] or ""
    found = _MISSING.search(words)
    return found.group(1) if found else None
