"""How each HubSpot stream is read. Times inside cursors are epoch milliseconds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
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
from flows.connectors.hubspot.wire import Wire, next_page
from flows.errors import VendorError

MINUTE = 60_000
LOOK_BACK, EVENT_LOOK_BACK, EMAIL_LOOK_BACK = 5 * MINUTE, 60 * MINUTE, 24 * 60 * MINUTE
# Search has shown records an hour late (estuary/connectors#1861): once an hour the window reaches
# back further, and archived contacts, which search never shows, are listed.
DEEP_EVERY, DEEP_LOOK_BACK = 60 * MINUTE, 120 * MINUTE
EPOCH = 1000  # a search from epoch 0 answers 500
SEARCH_LIMIT, SUBMISSION_LIMIT, EMAIL_LIMIT = 200, 50, 1000
ARCHIVED_PROPERTIES = "email,lastmodifieddate,hs_merged_object_ids,baton_lead_key"


def whole(wire: Wire, stream: Stream) -> Iterator[Page]:
    """Read a small list from start to end."""
    # Owners who left appear only among the archived; forms that are not HubSpot's own only when
    # their types are asked for.
    asked: tuple[dict[str, Any], ...] = ({"formTypes": ["hubspot", "captured", "flow"]},)
    if stream.name == "owners":
        asked = ({"archived": "false"}, {"archived": "true"})
    for params in asked:
        for items in wire.listed(stream.path, f"listing {stream.name}", **params):
            records, rejects = sort_out(items, key=_id, version_at=_time("updatedAt"))
            yield Page(records, None, rejects)


def contacts(wire: Wire, stream: Stream, state: dict[str, Any], now: datetime) -> Iterator[Page]:
    """Read changed contacts, window by window, each from its lowest id to its highest."""
    if _number(state, "last_id") is not None and _number(state, "until"):
        # The last pull was cut off: finish its window, then read the newest.
        yield from _window(wire, stream, state)
        state = {"since": state.get("max_seen"), "deep_at": state.get("deep_at")}
    since, deep_at, until = _number(state, "since"), _number(state, "deep_at"), millis(now)
    deep = deep_at is None or until - deep_at >= DEEP_EVERY
    state = {
        "since": _start(since, until, DEEP_LOOK_BACK if deep else LOOK_BACK),
        "until": until,
        "last_id": 0,
        "max_seen": since,
        "deep_at": deep_at,
    }
    yield from _window(wire, stream, state)
    if deep:
        yield from _archived(wire, stream)
        state["deep_at"] = until
    # Never "now": only what was seen, else a late record falls between two windows.
    yield Page([], write_cursor(since=state["max_seen"], deep_at=state["deep_at"]))


def _window(wire: Wire, stream: Stream, state: dict[str, Any]) -> Iterator[Page]:
    """Read one fixed window of time, ordered by id, and keep ``state`` up with what was read.

    Each call restarts behind the last id, so search's cap of 10,000 is never met, and a million
    records with one modification time are no special case (airbytehq/airbyte#43317).
    """
    total: int | None = None
    while True:
        window = {
            "propertyName": stream.stamp,
            "operator": "BETWEEN",
            "value": str(state["since"] or EPOCH),
            "highValue": str(state["until"]),
        }
        behind = {
            "propertyName": "hs_object_id",
            "operator": "GT",
            "value": str(state["last_id"]),
        }
        body = wire.call(
            "POST",
            f"{stream.path}/search",
            "searching contacts",
            body={
                "filterGroups": [{"filters": [window, behind]}],
                "sorts": [{"propertyName": "hs_object_id", "direction": "ASCENDING"}],
                "properties": list(stream.fields),
                "limit": SEARCH_LIMIT,
            },
            lane="search",
        )
        items = wire.items(body, "searching contacts")
        total = body.get("total") if total is None else total
        records, rejects = sort_out(items, key=_id, version_at=_contact_time)
        # The account may cap a page below our limit: a short page with a next one is not the last.
        last = not items or (len(items) < SEARCH_LIMIT and next_page(body) is None)
        highest = max((int(r.key) for r in records if r.key.isdecimal()), default=0)
        if not last and highest <= state["last_id"]:
            raise wire.strange(stream.name, "a full page without a new id")
        state["last_id"] = max(state["last_id"], highest)
        state["max_seen"] = _newest(records, state["max_seen"], state["until"])
        if items:
            yield Page(records, write_cursor(**state), rejects, total)
        if last:
            return


def _archived(wire: Wire, stream: Stream) -> Iterator[Page]:
    """List archived contacts, which HubSpot keeps for 90 days and offers without a date filter."""
    asked = {"archived": "true", "properties": ARCHIVED_PROPERTIES}
    for items in wire.listed(stream.path, "listing archived contacts", **asked):
        records, rejects = sort_out(
            items, key=_id, version_at=_time("archivedAt"), is_deleted=lambda _: True
        )
        if items:
            yield Page(records, None, rejects)


def submissions(wire: Wire, stream: Stream, state: dict[str, Any], now: datetime) -> Iterator[Page]:
    """Read each form from its newest submission back to its own cursor.

    One cursor for all forms would lose the rows of a form that is read late (tap-hubspot does).
    """
    cursors = dict(state["forms"]) if isinstance(state.get("forms"), dict) else {}
    forms = [record.key for page in whole(wire, wire.stream("forms")) for record in page.records]
    for form in forms:
        since = _number(cursors, form)
        stop = since and min(since, millis(now)) - EVENT_LOOK_BACK
        newest, held = since, None
        for records, rejects in _form_pages(wire, stream, form, stop):
            if held is not None:
                yield held
            newest = _newest(records, newest, millis(now))
            held = Page(records, None, rejects)
        if held is None or not (held.records or held.rejects):
            continue
        # Newest first: only a form read to its end may move its cursor, with its last page.
        if newest:
            cursors[form] = newest
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
    newest, until = _number(state, "since"), millis(now)
    asked = {"objectType": "contact", "eventType": "e_visited_page", "sort": "occurredAt"}
    asked["occurredBefore"] = iso(now)
    if newest is not None:
        start = _start(newest, until, EVENT_LOOK_BACK)
        asked["occurredAfter"] = iso(datetime.fromtimestamp(start / 1000, UTC))
    for items in wire.listed(stream.path, "reading page views", **asked):
        records, rejects = sort_out(items, key=_id, version_at=_time("occurredAt"))
        newest = _newest(records, newest, until)
        if items:
            # Ascending, so every landed page may move the cursor.
            yield Page(records, write_cursor(since=newest) if newest else None, rejects)


def email_events(
    wire: Wire, stream: Stream, state: dict[str, Any], now: datetime, campaigns: set[str]
) -> Iterator[Page]:
    """Read opens and clicks; put the campaigns they belong to into ``campaigns``."""
    newest = _number(state, "since")
    start = _start(newest, millis(now), EMAIL_LOOK_BACK)
    for items in _email_pages(wire, stream, start, now):
        records, rejects = sort_out(items, key=_email_key, version_at=_time("created"))
        newest = _newest(records, newest, millis(now))
        campaigns |= _campaign_ids(items)
        if items:
            yield Page(records, None, rejects)
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
    wire: Wire, stream: Stream, state: dict[str, Any], now: datetime, found: set[str] | None
) -> Iterator[Page]:
    """Read each campaign that an event named, once."""
    known = set(state["ids"]) if isinstance(state.get("ids"), list) else set()
    if found is None:
        # Pulled without email_events before it: look for the ids in the events ourselves.
        start = _start(_number(state, "since"), millis(now), EMAIL_LOOK_BACK)
        found = set()
        for items in _email_pages(wire, wire.stream("email_events"), start, now):
            found |= _campaign_ids(items)
    since = _number(state, "since")
    for campaign in sorted(found - known):
        items = []
        try:
            items = [wire.get(f"{stream.path}/{campaign}", "reading a campaign")]
        except VendorError as error:
            # Deleted since: its events keep the id, and nobody can name it any more.
            if error.status != 404:
                raise
        known.add(campaign)
        records, rejects = sort_out(items, key=_id)
        yield Page(records, write_cursor(ids=sorted(known), since=since), rejects)
    if found:
        yield Page([], write_cursor(ids=sorted(known), since=millis(now)))


def _id(item: dict[str, Any]) -> str | None:
    return text_id(item.get("id"))


def _email_key(item: dict[str, Any]) -> str | None:
    # HubSpot's ids of e-mail events are unique only together with their time.
    name = _id(item)
    return f"{name}:{item.get('created')}" if name else None


def _time(field: str) -> Callable[[dict[str, Any]], datetime | None]:
    return lambda item: parse_time(item.get(field))


def _contact_time(item: dict[str, Any]) -> datetime | None:
    properties = item.get("properties")
    stamp = properties.get("lastmodifieddate") if isinstance(properties, dict) else None
    return parse_time(stamp or item.get("updatedAt"))


def _campaign_ids(items: list[Any]) -> set[str]:
    ids = (text_id(item.get("emailCampaignId")) for item in items if isinstance(item, dict))
    return {name for name in ids if name}


def _number(state: dict[str, Any], name: str) -> int | None:
    value = state.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _start(since: int | None, until: int, look_back: int) -> int:
    # A cursor beyond now would read nothing for ever.
    return EPOCH if since is None else max(min(since, until) - look_back, EPOCH)


def _newest(records: list[Record], known: int | None, until: int) -> int | None:
    # A stamp in the future is the record's mistake and must not carry the cursor away.
    stamps = [millis(r.version_at) for r in records if r.version_at]
    return max([s for s in stamps if s <= until] + ([known] if known else []), default=None)


def _is_before(record: Record, stop: int | None) -> bool:
    return bool(stop and record.version_at and millis(record.version_at) < stop)
