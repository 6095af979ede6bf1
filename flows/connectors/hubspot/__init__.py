"""HubSpot: contacts, companies, deals, meetings, owners, forms, page views, opens and clicks.

API: dated versions (``2026-09``), or the old ``v3`` paths until September 2027.
Limits: 190 calls in 10 seconds per private app; search 5 a second per account, shared by all apps
(https://developers.hubspot.com/docs/developer-tooling/platform/usage-guidelines). Its 429 carries
no Retry-After. Credential: one bearer token (service key or private app), never renewed by us.

| stream           | read with                            | cursor                      | key     |
|------------------|--------------------------------------|-----------------------------|---------|
| owners, forms    | list, whole each time                | none                        | id      |
| contacts         | list at first, then search by id     | lastmodifieddate - 5 min    | id      |
| companies        | the same                             | hs_lastmodifieddate - 5 min | id      |
| deals, meetings  | the same, and associations beside it | hs_lastmodifieddate - 5 min | id      |
| form_submissions | newest first, per form               | submittedAt - 1 h, per form | its own |
| page_events      | event occurrences, ascending         | occurredAt - 1 h            | id      |
| email_events     | OPEN and CLICK in one window         | created - 1 day             | id+time |
| email_campaigns  | by id, once per campaign             | the ids read                | id      |
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

import httpx

from flows.connectors.base import (
    Change,
    Field,
    Finding,
    Page,
    Receipt,
    Row,
    Stream,
    read_cursor,
)
from flows.connectors.http import Patience
from flows.connectors.hubspot import examining, fields, objects, reading, setting_up, writing
from flows.connectors.hubspot.fields import CUSTOM_FIELDS
from flows.connectors.hubspot.streams import CONTACT_PROPERTIES, STREAMS, stream_of
from flows.connectors.hubspot.wire import Wire

__all__ = ["CONTACT_PROPERTIES", "CUSTOM_FIELDS", "STREAMS", "HubSpot"]


class HubSpot:
    """The HubSpot account behind one token."""

    system = "hubspot"
    streams: tuple[Stream, ...] = STREAMS
    bulk_writes_from: int | None = None

    def __init__(
        self,
        *,
        base_url: str,
        token: str,
        api_version: str = "2026-09",
        timeout: float = 30.0,
        requests_per_10s: int = 190,
        searches_per_second: int = 5,
        daily_share: float = 0.8,
        client: httpx.Client | None = None,
        patience: Patience | None = None,
    ) -> None:
        self._wire = Wire(
            base_url=base_url,
            token=token,
            version=api_version,
            timeout=timeout,
            requests_per_10s=requests_per_10s,
            searches_per_second=searches_per_second,
            daily_share=daily_share,
            client=client,
            patience=patience,
        )
        # Found by email_events, read by email_campaigns.
        self._campaigns = reading.Campaigns()
        self.budget = self._wire.budget
        self.dropped_fields: dict[str, list[str]] = {}
        """Per stream, properties of ours that ``describe`` did not find: run baton setup-crm."""

    @property
    def usage(self) -> tuple[int, int] | None:
        """Calls of the day used and allowed, by all apps, as the last answer stated them."""
        usage = self.budget.usage
        return None if usage is None else (usage.used, usage.allowed)

    def check(self) -> None:
        """Read one contact: proves address, token and the scope that matters."""
        self._wire.get(stream_of("contacts").path, "checking the credential", limit=1)

    def describe(self) -> dict[str, list[Field]]:
        """Name the properties of contacts, companies, deals and meetings.

        HubSpot passes over unknown names in a search without a word: only here does it show that
        one is gone. Raises: SourceError; an optional object that is not granted is left out.
        """
        found = fields.describe(self._wire)
        self.dropped_fields = fields.missing_of_ours(found)
        return found

    def examine(self) -> Iterator[Finding]:
        """Look at credential, version, scopes, fields, stages and the day's calls. Reads only."""
        return examining.examine(self._wire)

    def set_up(self) -> Iterator[Change]:
        """Create our properties. Second run: all are present, and nothing is sent.

        A property that exists with another type is refused, never changed. Never raises for what
        HubSpot refuses.
        """
        return setting_up.set_up(self._wire)

    def pull(self, stream: Stream, cursor: str | None, now: datetime) -> Iterator[Page]:
        """Yield what changed since ``cursor``. Second run: re-reads the look-back only."""
        wire, state = self._wire, read_cursor(cursor)
        if stream.fields:
            yield from objects.changed(wire, stream, state, now)
        elif stream.name == "form_submissions":
            yield from reading.submissions(wire, stream, state, now)
        elif stream.name == "page_events":
            yield from reading.page_events(wire, stream, state, now)
        elif stream.name == "email_events":
            yield from reading.email_events(wire, stream, state, now, self._campaigns)
        elif stream.name == "email_campaigns":
            yield from reading.email_campaigns(wire, stream, state, now, self._campaigns)
        else:
            yield from reading.whole(wire, stream)

    def push(self, object_name: str, key: str, rows: Sequence[Row]) -> Iterator[Receipt]:
        """Update records by id; one receipt per row.

        Second run: the same values are written again, nothing else happens. ``returned`` holds the
        properties as HubSpot now shows them: it answers 200 to a backward move of
        ``lifecyclestage`` and does nothing, which only this comparison can tell.
        """
        return writing.push(self._wire, object_name, key, rows)

    def find(self, object_name: str, key: str, keys: Iterable[str]) -> dict[str, dict[str, Any]]:
        """Read records by id or by a unique property, to settle what an unknown receipt left open.

        Absent ones are left out. Asked with a merged-away id, HubSpot answers with the survivor,
        which is then found under both ids.
        """
        return writing.find(self._wire, object_name, key, keys)

    def close(self) -> None:
        """Give back connections."""
        self._wire.close()
