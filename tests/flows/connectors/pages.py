"""What a pull brought, in short: its keys, its payloads, the cursor it left."""

from __future__ import annotations

import json
from typing import Any

from flows.connectors.base import Page


def keys(pages: list[Page]) -> list[str]:
    return [record.key for page in pages for record in page.records]


def payloads(pages: list[Page]) -> dict[str, dict[str, Any]]:
    return {r.key: json.loads(r.payload) for page in pages for r in page.records}


def cursor_of(pages: list[Page]) -> str | None:
    return next((page.cursor for page in reversed(pages) if page.cursor), None)


def last_cursor(pages: list[Page]) -> str:
    cursor = cursor_of(pages)
    assert cursor is not None, "no page has a cursor"
    return cursor
