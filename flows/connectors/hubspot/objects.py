"""How contacts, companies, deals and meetings are read: a list first, then search by windows.

A first pull goes through the list where that is faster under the limits in force: 100 records a
call at 190 calls in ten seconds against 200 at five searches a second, which all apps of an
account share. The list takes its properties in the address: those of a contact make one of 1,600
characters. From a length of 5,000 on, and where somebody on the way refuses even less (414),
search reads everything instead: cutting the properties into several lists would mean joining
halves of records that changed in between.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from datetime import datetime
from typing import Any

from flows.connectors.base import (
    Page,
    Record,
    Reject,
    Stream,
    millis,
    parse_time,
    sort_out,
    text_id,
    write_cursor,
)
from flows.connectors.hubspot.associations import with_associations
from flows.connectors.hubspot.cursors import EPOCH, MINUTE, id_of, newest_of, number, start_of
from flows.connectors.hubspot.streams import ASSOCIATED
from flows.connectors.hubspot.wire import SEARCH_LIMIT, Wire, next_page
from flows.errors import VendorError

LOOK_BACK = 5 * MINUTE
# Search has shown records an hour late (estuary/connectors#1861): once an hour the window reaches
# back further, and archived records, which search never shows, are listed.
DEEP_EVERY, DEEP_LOOK_BACK = 60 * MINUTE, 120 * MINUTE
LONGEST_URL = 5_000
# The address is too long for somebody on the way, the mark is no longer known, or there is no list.
NO_LIST = (400, 404, 405, 413, 414, 431)

State = dict[str, Any]


def changed(wire: Wire, stream: Stream, state: State, now: datetime) -> Iterator[Page]:
    """Read what changed, oldest window first, each from its lowest id to its highest."""
    until, deep_at, seen = millis(now), number(state, "deep_at"), number(state, "since")
    reading = _Reading(wire, stream)
    window = _cut_off(state)
    if window is None and _by_list(wire, stream, state):
        window = yield from _listed(reading, state, until)
    if window is not None:
        yield from _searched(reading, window)
        seen = window["max_seen"]
    deep = deep_at is None or until - deep_at >= DEEP_EVERY
    if window is None or window["until"] < until:
        since = start_of(seen, until, DEEP_LOOK_BACK if deep else LOOK_BACK)
        window = _window(since, until, seen, deep_at)
        yield from _searched(reading, window)
        seen = window["max_seen"]
    if deep:
        yield from _archived(wire, stream)
        deep_at = until
    # Never "now": only what was seen, else a late record falls between two windows.
    yield Page([], write_cursor(since=seen, deep_at=deep_at))


class _Reading:
    """One pull of one stream: how its records are told from what only looks like one."""

    def __init__(self, wire: Wire, stream: Stream) -> None:
        self.wire = wire
        self.stream = stream
        self._stamp = _stamp(stream.stamp or "")
        self._refused: set[str] = set()

    def sort_out(self, items: list[Any]) -> tuple[list[Record], list[Reject]]:
        if self.stream.name in ASSOCIATED:
            items = with_associations(self.wire, self.stream.name, items, self._refused)
        return sort_out(items, key=id_of, version_at=self._stamp)


def _window(since: int, until: int, seen: int | None, deep_at: int | None) -> State:
    return {"since": since, "until": until, "last_id": 0, "max_seen": seen, "deep_at": deep_at}


def _cut_off(state: State) -> State | None:
    """Return the window a pull was cut off in; it is finished before the newest is read."""
    until, last_id = number(state, "until"), number(state, "last_id")
    if until is None or last_id is None:
        return None
    since = number(state, "since") or EPOCH
    window = _window(since, until, number(state, "max_seen"), number(state, "deep_at"))
    return window | {"last_id": last_id}


def _by_list(wire: Wire, stream: Stream, state: State) -> bool:
    if text_id(state.get("after")):
        return True
    calls_beside = len(ASSOCIATED.get(stream.name, ()))
    if number(state, "since") is not None or not wire.list_is_faster(calls_beside):
        return False
    return wire.url_length(stream.path, _asked(stream)) < LONGEST_URL


def _asked(stream: Stream) -> dict[str, str]:
    return {"archived": "false", "properties": ",".join(stream.fields)}


def _listed(reading: _Reading, state: State, until: int) -> Generator[Page, None, State]:
    """List everything by id; returns the window that search has to read afterwards.

    What changes behind the reader while it lists is found from the time the list began, which a
    pull that was cut off keeps.
    """
    stream, after = reading.stream, text_id(state.get("after"))
    began, seen = number(state, "list_from") or until, number(state, "max_seen")
    asked = _asked(stream) | ({"after": after} if after else {})
    doing = f"listing {stream.name}"
    window = _window(max(began - LOOK_BACK, EPOCH), until, seen, None)
    try:
        for items, mark in reading.wire.marked(stream.path, doing, **asked):
            records, rejects = reading.sort_out(items)
            window["max_seen"] = seen = newest_of(records, seen, until)
            place = {"after": mark, "list_from": began, "max_seen": seen} if mark else window
            yield Page(records, write_cursor(**place), rejects)
    except VendorError as error:
        if error.status not in NO_LIST:
            raise
        return _window(EPOCH, until, seen, None)
    return window


def _searched(reading: _Reading, window: State) -> Iterator[Page]:
    """Read one fixed window of time, ordered by id, and keep ``window`` up with what was read.

    Each call restarts behind the last id, so search's cap of 10,000 is never met, and a million
    records with one modification time are no special case (airbytehq/airbyte#43317).
    """
    wire, stream = reading.wire, reading.stream
    total, offset, read = None, None, 0
    while True:
        query = _query(stream, window) | ({"after": offset} if offset else {})
        body = wire.search(stream.path, f"searching {stream.name}", query)
        items = wire.items(body, f"searching {stream.name}")
        total = number(body, "total") if total is None else total
        records, rejects = reading.sort_out(items)
        window["max_seen"] = newest_of(records, window["max_seen"], window["until"])
        ids = [int(r.key) for r in records if r.key.isdecimal()]
        if offset is None and ids == sorted(ids):
            last = _is_last(reading, window, max(ids, default=0), body)
        else:
            # Not in the order asked for: behind its highest id rows may be missing, so this one
            # question is read on by offset. Beyond 10,000 that is refused, and not silent.
            read += len(items)
            last, offset = _by_offset(reading, read, offset, body)
        if items:
            yield Page(records, write_cursor(**window), rejects, total)
        if last:
            return


def _is_last(reading: _Reading, window: State, highest: int, body: dict[str, Any]) -> bool:
    """Move ``window`` behind a page, and say whether there is nothing more in it.

    A page may be capped below our limit, so a short one is the last only if nothing speaks of
    more: neither a next page nor a total beyond it.
    """
    size = len(body["results"])
    is_full = size >= SEARCH_LIMIT or (size > 0 and next_page(body) is not None)
    if highest <= window["last_id"]:
        if is_full:
            raise reading.wire.strange(reading.stream.name, "a full page without a new id")
        return True
    window["last_id"] = highest
    return not is_full and (number(body, "total") or 0) <= size


def _by_offset(
    reading: _Reading, read: int, offset: str | None, body: dict[str, Any]
) -> tuple[bool, str]:
    """Say whether a question is answered after ``read`` rows, and where else it goes on."""
    following = next_page(body)
    if following is not None and following == offset:
        raise reading.wire.strange(reading.stream.name, "the same page again")
    is_all = following is None and (number(body, "total") or 0) <= read
    return is_all or not body["results"], following or str(read)


def _query(stream: Stream, window: State) -> dict[str, Any]:
    inside = {
        "propertyName": stream.stamp,
        "operator": "BETWEEN",
        "value": str(window["since"]),
        "highValue": str(window["until"]),
    }
    behind = {"propertyName": "hs_object_id", "operator": "GT", "value": str(window["last_id"])}
    return {
        "filterGroups": [{"filters": [inside, behind]}],
        "sorts": [{"propertyName": "hs_object_id", "direction": "ASCENDING"}],
        "properties": list(stream.fields),
        "limit": SEARCH_LIMIT,
    }


def _archived(wire: Wire, stream: Stream) -> Iterator[Page]:
    """List archived records, which HubSpot keeps for 90 days and offers without a date filter."""
    keep = ("email", "hs_merged_object_ids", "baton_lead_key", stream.stamp)
    names = [name for name in stream.fields if name in keep]
    asked = {"archived": "true", "properties": ",".join(names)}
    for items in wire.listed(stream.path, f"listing archived {stream.name}", **asked):
        # Whoever passes over the question lists the living, and those must not be buried: only
        # what says of itself that it is archived is.
        gone = [item for item in items if not isinstance(item, dict) or _is_archived(item)]
        if items and not gone:
            return
        records, rejects = sort_out(
            gone, key=id_of, version_at=_archived_at, is_deleted=lambda _: True
        )
        if gone:
            yield Page(records, None, rejects)


def _is_archived(item: dict[str, Any]) -> bool:
    return item.get("archived") is True or bool(item.get("archivedAt"))


def _archived_at(item: dict[str, Any]) -> datetime | None:
    return parse_time(item.get("archivedAt"))


def _stamp(name: str) -> Callable[[dict[str, Any]], datetime | None]:
    def read(item: dict[str, Any]) -> datetime | None:
        properties = item.get("properties")
        stamp = properties.get(name) if isinstance(properties, dict) else None
        return parse_time(stamp or item.get("updatedAt"))

    return read
