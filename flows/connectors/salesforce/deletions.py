"""Rows that are gone from the bin too: queryAll no longer shows them, a list of deletions does."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from flows.connectors.base import (
    Page,
    Record,
    Stream,
    dump,
    millis,
    parse_time,
    text_id,
)
from flows.connectors.http import slices
from flows.connectors.salesforce import soql
from flows.connectors.salesforce.place import SLACK, Place
from flows.connectors.salesforce.reading import Reader
from flows.errors import VendorError

OBJECTS = frozenset({"Lead", "Contact", "Account", "Opportunity", "Task", "Event"})
# The list reaches 15 days back, and its first minute is already going.
REACH = int(timedelta(days=15).total_seconds() - 600) * 1000
# It wants start and end at least a minute apart.
SHORTEST = 120_000
IDS = 200


def is_due(stream: Stream, place: Place) -> bool:
    """Whether this pull reads the list of deletions: with the hourly look-back."""
    since = place.deleted_at
    is_time = since is not None and place.until - since >= SHORTEST
    return stream.path in OBJECTS and place.deep is not None and is_time


def sweep(reader: Reader, stream: Stream, place: Place) -> Iterator[Page]:
    """Yield rows deleted since the last sweep that this and earlier pulls did not bring.

    The bin may be emptied between two pulls, and a hard delete never passes through it. A row
    still to be read lands as it is, with what it says of a merge; only one that is nowhere any
    more lands as a tombstone. Raises: SourceError.
    """
    start = max(place.deleted_at or 0, place.until - REACH)
    gone, covered = _listed(reader, stream, start, place.until)
    known = place.bin if place.bin is not None else {}
    for ids in slices([name for name in gone if name not in known], IDS):
        rows = reader.rows(stream, soql.one_of("Id", ids))
        records, rejects = reader.parted({"records": rows})
        there = {record.key for record in records}
        absent = [name for name in ids if name not in there]
        # Without the list of what came before, an absent row may be one that landed with its
        # MasterRecordId: that knowledge is worth more than a tombstone.
        tombs = [_tombstone(name, gone[name]) for name in absent] if place.bin is not None else []
        yield Page([*records, *tombs], None, rejects)
    place.deleted_at = covered
    place.bin = {name: at for name, at in known.items() if at >= covered - SLACK}


def _listed(
    reader: Reader, stream: Stream, start: int, end: int
) -> tuple[dict[str, str | None], int]:
    """Return the ids deleted in a window, with the vendor's times, and how far the list reaches."""
    gone: dict[str, str | None] = {}
    windows, covered = deque([(start, end)]), start
    while windows:
        low, high = windows.popleft()
        try:
            body = _ask(reader, stream, low, high)
        except VendorError as error:
            middle = (low + high) // 2
            if error.code != "EXCEEDED_ID_LIMIT" or middle - low < SHORTEST // 2:
                raise
            windows.extendleft(((middle, high), (low, middle)))
            continue
        items = body.get("deletedRecords")
        for item in items if isinstance(items, list) else []:
            name = text_id(item.get("id")) if isinstance(item, dict) else None
            if name:
                gone[name] = item.get("deletedDate")
        # What the vendor's own list does not cover yet comes with the next sweep.
        reached = parse_time(body.get("latestDateCovered"))
        covered = max(covered, min(millis(reached), high) if reached else high - SLACK)
    return gone, covered


def _ask(reader: Reader, stream: Stream, low: int, high: int) -> dict[str, Any]:
    wire = reader.wire
    return wire.object(
        "GET",
        f"{wire.root}/sobjects/{stream.path}/deleted/",
        f"reading which {stream.name} were deleted",
        lane="read",
        params={"start": _moment(low), "end": _moment(high)},
    )


def _moment(at: int) -> str:
    return datetime.fromtimestamp(at / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S+00:00")


def _tombstone(name: str, at: str | None) -> Record:
    payload = dump({"Id": name, "IsDeleted": True, "deletedDate": at})
    return Record(name, parse_time(at), payload, is_deleted=True)
