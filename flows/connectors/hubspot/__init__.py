"""HubSpot: contacts, owners, forms and their submissions, page views, e-mail opens and clicks.

API: dated versions (``2026-09``), or the old ``v3`` paths until September 2027.
Limits: 190 calls in 10 seconds per private app; search 5 a second per account, shared by all apps
(https://developers.hubspot.com/docs/developer-tooling/platform/usage-guidelines). Its 429 carries
no Retry-After. Credential: one bearer token (service key or private app), never renewed by us.

| stream           | read with                         | cursor                     | key          |
|------------------|-----------------------------------|----------------------------|--------------|
| owners, forms    | list, whole each time             | none                       | id           |
| contacts         | search, keyset on hs_object_id    | lastmodifieddate - 5 min   | id           |
| form_submissions | newest first, per form            | submittedAt - 1 h per form | conversionId |
| page_events      | event occurrences, ascending      | occurredAt - 1 h           | id           |
| email_events     | OPEN and CLICK in one window      | created - 1 day            | id:created   |
| email_campaigns  | by id, once per campaign          | the ids read               | id           |
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

import httpx

from flows.connectors.base import Page, Receipt, Row, Stream, read_cursor
from flows.connectors.http import Patience
from flows.connectors.hubspot import reading, writing
from flows.connectors.hubspot.wire import CONTACT_PROPERTIES, STREAMS, Wire

__all__ = ["CONTACT_PROPERTIES", "STREAMS", "HubSpot"]


class HubSpot:
    """The HubSpot account behind one token."""

    system = "hubspot"
    streams: tuple[Stream, ...] = STREAMS

    def __init__(
        self,
        *,
        base_url: str,
        token: str,
        api_version: str = "2026-09",
        timeout: float = 30.0,
        requests_per_10s: int = 190,
        searches_per_second: int = 5,
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
            client=client,
            patience=patience,
        )
        # Found by email_events, read by email_campaigns; None until the former has run here.
        self._campaigns: set[str] | None = None

    def check(self) -> None:
        """Read one contact: proves address, token and the scope that matters."""
        self._wire.get(self._wire.stream("contacts").path, "checking the credential", limit=1)

    def pull(self, stream: Stream, cursor: str | None, now: datetime) -> Iterator[Page]:
        """Yield what changed since ``cursor``. Second run: re-reads the look-back only."""
        wire, state = self._wire, read_cursor(cursor)
        if stream.name == "contacts":
            yield from reading.contacts(wire, stream, state, now)
        elif stream.name == "form_submissions":
            yield from reading.submissions(wire, stream, state, now)
        elif stream.name == "page_events":
            yield from reading.page_events(wire, stream, state, now)
        elif stream.name == "email_events":
            if self._campaigns is None:
                self._campaigns = set()
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
