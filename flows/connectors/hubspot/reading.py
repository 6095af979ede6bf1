"""How owners, forms and what people did are read; the CRM objects are in ``objects``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from flows.connectors.base import (
    Page,
    Record,
    Reject,
    Stream,
    fallback_key,
    iso,
    millis,
    parse_time,
    sort_out,
    text_id,
    write_cursor,
)
from flows.connectors.hubspot.cursors import MINUTE, id_of, newest_of, number, start_of
from flows.connectors.hubspot.streams import stream_of
from flows.connectors.hubspot.wire import Wire
from flows.errors import VendorError

EVENT_LOOK_BACK, EMAIL_LOOK_BACK = 60 * MINUTE, 24 * 60 * MINUTE
SUBMISSION_LIMIT, EMAIL_LIMIT = 50, 1000


@dataclass(slots=True)
class Campaigns:
    """The campaigns that events named; all of them from ``since`` on, in epoch milliseconds.

    ``since`` is None until the events of some window were read to their end.
    """

    ids: set[str] = field(default_factory=set)
    since: int | None = None

    def complete(self, start: int) -> None:
        """Take note that the events from ``start`` on are read."""
        self.since = start if self.since is None else min(self.since, start)


def whole(wire: Wire, stream: Stream) -> Iterator[Page]:
    """Read a small list from start to end."""
    # Owners who left appear only among the archived; forms that are not HubSpot's own only when
    # their types are asked for.
    asked: tuple[dict[str, Any], ...] = ({"formTypes": ["hubspot", "captured", "flow"]},)
    if stream.name == "owners":
        asked = ({"archived": "false"}, {"archived": "true"})
    for params in asked:
        for items in wire.listed(stream.path, f"listing {stream.name}", **params):
            records, rejects = sort_out(items, key=id_of, version_at=_time("updatedAt"))
            yield Page(records, None, rejects)


def submissions(wire: Wire, stream: Stream, state: dict[str, Any], now: datetime) -> Iterator[Page]:
    """Read each form from its newest submission back to its own cursor.

    One cursor for all forms would lose the rows of a form that is read late (tap-hubspot does).
    """
    cursors = dict(state["forms"]) if isinstance(state.get("forms"), dict) else {}
    forms = [record.key for page in whole(wire, stream_of("forms")) for record in page.records]
    for form in forms:
        since = number(cursors, form)
        stop = since and min(since, millis(now)) - EVENT_LOOK_BACK
        newest, held = since, None
        for records, rejects in _form_pages(wire, stream, form, stop):
            if held is not None:
                yield held
            newest = newest_of(records, newest, millis(now))
            held = Page(records, None, rejects)
        if held is None:
            continue
        # Newest first: only a form read to its end may move its cursor, with its last page.
        if newest:
            cursors[form] = newest
        elif not held.records and not held.rejects:
            continue
        yield Page(held.records, write_cursor(forms=cursors), held.rejects)


def _form_pages(
    wire: Wire, stream: Stream, form: str, stop: int | None
) -> Iterator[tuple[list[Record], list[Reject]]]:
    def key(item: dict[str, Any]) -> str:
        # Older rows carry no conversionId.
        return text_id(item.get(stream.key)) or fallback_key(
            (form, item.get("submittedAt"), item.get("values"))
        )

    pages = wire.listed(f"{stream.path}/{form}", "reading submissions", limit=SUBMISSION_LIMIT)
    try:
        for items in pages:
            records, rejects = sort_out(
                items,
                key=key,
                version_at=_time("submittedAt"),
                wrap=lambda item: {"formId": form, "submission": item},
            )
            fresh = [r for r in records if not _is_before(r, stop)]
            yield fresh, rejects
            if len(fresh) < len(records):
                return
    except VendorError as error:
        # Comment forms answer FORM_TYPE_NOT_ALLOWED; a form may go between the list and this.
        if error.status != 404 and "FORM_TYPE_NOT_ALLOWED" not in str(error.body):
            raise


def page_events(wire: Wire, stream: Stream, state: dict[str, Any], now: datetime) -> Iterator[Page]:
    """Read page views in the order they happened. Needs Marketing Hub Enterprise."""
    newest, until = number(state, "since"), millis(now)
    asked = {"objectType": "contact", "eventType": "e_visited_page", "sort": "occurredAt"}
    asked["occurredBefore"] = iso(now)
    if newest is not None:
        start = start_of(newest, until, EVENT_LOOK_BACK)
        asked["occurredAfter"] = iso(datetime.fromtimestamp(start / 1000, UTC))
    latest, is_ascending = datetime.min.replace(tzinfo=UTC), True
    for items in wire.listed(stream.path, "reading page views", **asked):
        records, rejects = sort_out(items, key=id_of, version_at=_time("occurredAt"))
        newest = newest_of(records, newest, until)
        times = [latest, *(r.version_at for r in records if r.version_at)]
        is_ascending = is_ascending and times == sorted(times)
        latest = times[-1]
        if items:
            # Ascending, so every landed page may move the cursor.
            moved = write_cursor(since=newest) if newest and is_ascending else None
            yield Page(records, moved, rejects)
    if newest and not is_ascending:
        # Newest first, whatever was asked for: only the end shows that nothing older is left.
        yield Page([], write_cursor(since=newest))


def email_events(
    wire: Wire, stream: Stream, state: dict[str, Any], now: datetime, campaigns: Campaigns
) -> Iterator[Page]:
    """Read opens and clicks; put the campaigns they belong to into ``campaigns``."""
    newest = number(state, "since")
    start = start_of(newest, millis(now), EMAIL_LOOK_BACK)
    for items in _email_pages(wire, stream, start, now):
        records, rejects = sort_out(items, key=_email_key, version_at=_time("created"))
        newest = newest_of(records, newest, millis(now))
        campaigns.ids |= _campaign_ids(items)
        if items:
            yield Page(records, None, rejects)
    campaigns.complete(start)
    # The two kinds overlap in time: the cursor moves when both are read.
    if newest:
        yield Page([], write_cursor(since=newest))


def _email_pages(wire: Wire, stream: Stream, start: int, now: datetime) -> Iterator[list[Any]]:
    for kind in ("OPEN", "CLICK"):
        asked: dict[str, Any] = {"eventType": kind, "startTimestamp": start, "limit": EMAIL_LIMIT}
        asked["endTimestamp"] = millis(now)
        while True:
            body = wire.get(stream.path, "reading e-mail events", **asked)
            yield wire.items(body, "reading e-mail events", "events")
            offset = text_id(body.get("offset"))
            if not body.get("hasMore") or offset is None or offset == asked.get("offset"):
                break
            asked["offset"] = offset


def email_campaigns(
    wire: Wire, stream: Stream, state: dict[str, Any], now: datetime, found: Campaigns
) -> Iterator[Page]:
    """Read each campaign that an event named, once."""
    known = set(state["ids"]) if isinstance(state.get("ids"), list) else set()
    since = number(state, "since")
    start = start_of(since, millis(now), EMAIL_LOOK_BACK)
    if found.since is None or found.since > start:
        # Pulled alone, or cut off in a run whose events are landed and not read again: look for
        # the ids in the events ourselves.
        for items in _email_pages(wire, stream_of("email_events"), start, now):
            found.ids |= _campaign_ids(items)
        found.complete(start)
    for campaign in sorted(found.ids - known):
        items = []
        try:
            items = [wire.get(f"{stream.path}/{campaign}", "reading a campaign")]
        except VendorError as error:
            # Deleted since: its events keep the id, and nobody can name it any more.
            if error.status != 404:
                raise
        known.add(campaign)
        records, rejects = sort_out(items, key=id_of)
        yield Page(records, write_cursor(ids=sorted(known), since=since), rejects)
    yield Page([], write_cursor(ids=sorted(known), since=millis(now)))


def _email_key(item: dict[str, Any]) -> str | None:
    # HubSpot's ids of e-mail events are unique only together with their time.
    name = id_of(item)
    return f"{name}:{item.get('created')}" if name else None


def _time(field: str) -> Callable[[dict[str, Any]], datetime | None]:
    return lambda item: parse_time(item.get(field))


def _campaign_ids(items: list[Any]) -> set[str]:
    ids = (text_id(item.get("emailCampaignId")) for item in items if isinstance(item, dict))
    return {name for name in ids if name}


def _is_before(record: Record, stop: int | None) -> bool:
    return bool(stop and record.version_at and millis(record.version_at) < stop)
