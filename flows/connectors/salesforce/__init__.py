"""Salesforce Sales Cloud: users, leads, contacts, accounts, opportunities, activities.

API: REST and Bulk 2.0, version a setting (62.0 by default); OAuth client credentials on the My
Domain host, or JWT bearer. Limits: daily calls per org, shared with every other integration
(``Sforce-Limit-Info``); 2,000 rows a page, 200 records a collection call
(https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/).

| stream           | read with                                  | cursor                        |
|------------------|--------------------------------------------|-------------------------------|
| identity         | the token's ``id`` address: who we are     | none                          |
| users, leads, …  | queryAll, ordered by SystemModstamp and Id | SystemModstamp - 10 min, once |
|                  | a long window with many rows: a Bulk job   | an hour - 130 min; job and    |
|                  | once an hour: the list of deletions        | locator; latestDateCovered    |

Rows are recognised by Id. Deleted and merged ones come as IsDeleted (with MasterRecordId); one
that left the bin before it was seen comes as ``{"Id", "IsDeleted": true, "deletedDate"}``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

import httpx

from flows.connectors.base import (
    Change,
    CustomField,
    Field,
    Finding,
    Page,
    Receipt,
    Record,
    Row,
    Stream,
    dump,
)
from flows.connectors.http import Patience, slices
from flows.connectors.salesforce import (
    bulk_write,
    describing,
    examining,
    pulling,
    setting_up,
    soql,
    writing,
)
from flows.connectors.salesforce.auth import Login
from flows.connectors.salesforce.bulk_query import BulkQuery
from flows.connectors.salesforce.fields import CUSTOM_FIELDS
from flows.connectors.salesforce.reading import Reader
from flows.connectors.salesforce.streams import STREAMS, sobject
from flows.connectors.salesforce.wire import Wire

__all__ = ["CUSTOM_FIELDS", "STREAMS", "Salesforce"]

FIND = 100


class Salesforce:
    """The Salesforce org behind one client id, as the user that client runs as."""

    system = "salesforce"
    streams: tuple[Stream, ...] = STREAMS
    bulk_writes_from: int | None = bulk_write.BULK_FROM
    custom_fields: tuple[CustomField, ...] = CUSTOM_FIELDS

    def __init__(
        self,
        *,
        login_url: str,
        client_id: str,
        client_secret: str = "",
        private_key: str | None = None,
        username: str | None = None,
        audience: str = "https://login.salesforce.com",
        api_version: str = "62.0",
        timeout: float = 30.0,
        page_size: int = 2000,
        bulk_from: int = 250_000,
        daily_share: float = 0.8,
        client: httpx.Client | None = None,
        patience: Patience | None = None,
    ) -> None:
        """Point at an org; no call is made.

        ``private_key`` is PEM text, or the path of a file that holds it; with ``username`` it
        stands for the secret. ``bulk_from`` is in rows, ``daily_share`` from 0 to 1.
        """
        self._wire = Wire(
            login_url=login_url,
            login=Login(client_id, client_secret, private_key, username, audience),
            api_version=api_version,
            timeout=timeout,
            daily_share=daily_share,
            client=client,
            patience=patience,
        )
        self.budget = self._wire.budget
        self._reader = Reader(self._wire, page_size)
        self._bulk = BulkQuery(self._reader, bulk_from)
        self.dropped_fields: dict[str, list[str]] = self._reader.dropped
        """Per stream, the columns this user may not see: no such column, or no permission."""
        self.unswept: dict[str, str] = self._reader.unswept
        """Per stream, why the list of its deletions could not be read."""

    @property
    def usage(self) -> tuple[int, int] | None:
        """Daily calls used and allowed, as the last answer stated them."""
        usage = self.budget.usage
        return None if usage is None else (usage.used, usage.allowed)

    def check(self) -> None:
        """Mint a token and read one user. Raises: SourceError."""
        query = "SELECT Id FROM User LIMIT 1"
        self._reader.query(query, "checking the credential", lane="")

    def close(self) -> None:
        """Give back connections."""
        self._wire.close()

    def describe(self) -> dict[str, list[Field]]:
        """Name the fields of each object we read, in one call. Raises: SourceError."""
        named = {stream.name: stream.path for stream in self.streams if stream.path}
        described = describing.fetch(self._wire, list(named.values()))
        found = {
            name: describing.fields(described[path])
            for name, path in named.items()
            if path in described
        }
        return {name: fields for name, fields in found.items() if fields}

    def pull(self, stream: Stream, cursor: str | None, now: datetime) -> Iterator[Page]:
        """Yield rows oldest first; a large window in any order, by a Bulk job.

        Second run: the ten minutes before the cursor come again, and once an hour two hours. An
        interrupted pull goes on behind its last landed row, or page of the job.
        Raises: SourceError.
        """
        if stream.name == "identity":
            yield self._identity()
        else:
            yield from pulling.pull(self._reader, self._bulk, stream, cursor, now)

    def push(self, object_name: str, key: str, rows: Sequence[Row]) -> Iterator[Receipt]:
        """Update rows that carry an ``Id``, upsert the others by the external id ``key``.

        Second run: the same values are written again, nothing is created twice. Auto-assignment
        is always switched off, so the owner that was written is the owner that stays.
        """
        return writing.push(self._wire, sobject(object_name), key, rows)

    def find(self, object_name: str, key: str, keys: Iterable[str]) -> dict[str, dict[str, Any]]:
        """Read living rows by ``key``, to settle what an unknown receipt left open."""
        stream = next(s for s in STREAMS if s.path == sobject(object_name))
        found: dict[str, dict[str, Any]] = {}
        for some in slices(list(dict.fromkeys(keys)), FIND):
            rows = self._reader.rows(
                stream, soql.one_of(key, some), also=key, method="query", lane="write"
            )
            found.update({str(row.get(key)): row for row in rows if isinstance(row, dict)})
        return found

    def examine(self) -> Iterator[Finding]:
        """Look at token, version, budget, permissions and our fields. Never raises."""
        return examining.examine(self._wire, self.streams, self.custom_fields)

    def set_up(self) -> Iterator[Change]:
        """Create our fields and grant them to the user we run as; yield what was done.

        Second run: everything is there already. A field of another type is never changed.
        Raises: SourceError where the org cannot be asked at all.
        """
        return setting_up.set_up(self._wire, self.custom_fields)

    def _identity(self) -> Page:
        user, organization = self._wire.identity()
        who = {
            "user_id": user,
            "organization_id": organization,
            "instance_url": self._wire.instance,
        }
        return Page([Record(user, None, dump(who))], None)
