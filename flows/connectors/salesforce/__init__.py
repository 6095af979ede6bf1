"""Salesforce Sales Cloud: users, leads, contacts, accounts, opportunities, activities.

API: REST, version a setting (62.0 by default); OAuth client credentials on the My Domain host.
Limits: daily calls per org, shared with every other integration (``Sforce-Limit-Info``); 2,000
rows a page, 200 records a collection call
(https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/).

| stream           | read with                                  | cursor                  |
|------------------|--------------------------------------------|-------------------------|
| identity         | the token's ``id`` address: who we are     | none                    |
| users, leads, …  | queryAll, ordered by SystemModstamp and Id | SystemModstamp - 10 min |

Rows are recognised by Id. Deleted and merged ones come as IsDeleted (with MasterRecordId).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

import httpx

from flows.connectors.base import (
    Page,
    Receipt,
    Record,
    Row,
    Stream,
    dump,
    iso,
    millis,
    parse_time,
    read_cursor,
    sort_out,
    text_id,
    write_cursor,
)
from flows.connectors.http import Patience, explain, slices
from flows.connectors.salesforce import writing
from flows.connectors.salesforce.wire import STREAMS, Wire
from flows.errors import VendorError

__all__ = ["STREAMS", "Salesforce"]

# A commit may become visible below a stamp already read (airbytehq/airbyte#27146).
LOOK_BACK = timedelta(minutes=10)
FIND = 100
_MISSING = re.compile(r"No such column '([^']+)' on")


class Salesforce:
    """The Salesforce org behind one client id, as the user that client runs as."""

    system = "salesforce"
    streams: tuple[Stream, ...] = STREAMS

    def __init__(
        self,
        *,
        login_url: str,
        client_id: str,
        client_secret: str,
        api_version: str = "62.0",
        timeout: float = 30.0,
        page_size: int = 2000,
        client: httpx.Client | None = None,
        patience: Patience | None = None,
    ) -> None:
        self._page_size = page_size
        self._wire = Wire(
            login_url=login_url,
            client_id=client_id,
            client_secret=client_secret,
            api_version=api_version,
            timeout=timeout,
            client=client,
            patience=patience,
        )
        self.dropped_fields: dict[str, list[str]] = {}
        """Per stream, the columns this user may not see: no such column, or no permission."""

    @property
    def usage(self) -> tuple[int, int] | None:
        """Daily calls used and allowed, as the last answer stated them."""
        return self._wire.usage

    def check(self) -> None:
        """Mint a token and read one user."""
        self._rows(
            f"{self._wire.root}/query", "checking the credential", "SELECT Id FROM User LIMIT 1"
        )

    def close(self) -> None:
        """Give back connections."""
        self._wire.close()

    def push(self, object_name: str, key: str, rows: Sequence[Row]) -> Iterator[Receipt]:
        """Update rows that carry an ``Id``, upsert the others by the external id ``key``.

        Second run: the same values are written again, nothing is created twice. Auto-assignment
        is always switched off, so the owner that was written is the owner that stays.
        """
        return writing.push(self._wire, _sobject(object_name), key, rows)

    def pull(self, stream: Stream, cursor: str | None, now: datetime) -> Iterator[Page]:
        """Yield rows in the order of their stamps, so that every landed page moves the cursor.

        Second run: the ten minutes before the cursor come again. An interrupted pull goes on
        behind its last landed row.
        """
        if stream.name == "identity":
            user, organization = self._wire.identity()
            who = {
                "user_id": user,
                "organization_id": organization,
                "instance_url": self._wire.instance,
            }
            yield Page([Record(user, None, dump(who))], None)
            return
        state, until = read_cursor(cursor), millis(now)
        stamp, last_id = parse_time(state.get("stamp")), text_id(state.get("id"))
        where, following = _condition(stream, state, now), None
        while True:
            try:
                if following:
                    body = self._rows(following, f"reading {stream.name}")
                else:
                    body = self._select(stream, where, f"ORDER BY {stream.stamp}, Id")
            except VendorError as error:
                if error.code != "INVALID_QUERY_LOCATOR" or stamp is None or last_id is None:
                    raise
                # Locators die after some idle minutes; the last row read is place enough.
                where, following = _behind(stream, stamp, last_id), None
                continue
            records, rejects = sort_out(
                self._records(body),
                key=lambda item: text_id(item.get("Id")),
                version_at=lambda item: parse_time(item.get("SystemModstamp")),
                is_deleted=lambda item: item.get("IsDeleted") is True,
            )
            following = None if body.get("done", True) else text_id(body.get("nextRecordsUrl"))
            for record in reversed(records):
                # A stamp in the future is the row's mistake and must not carry the cursor away.
                if record.version_at and millis(record.version_at) <= until:
                    stamp, last_id = record.version_at, record.key
                    break
            moved: str | None = None
            if stamp is not None:
                reach = {"stamp": iso(stamp), "id": last_id, "open": following is not None}
                moved = write_cursor(**reach, read_at=until)
            if records or rejects:
                yield Page(records, moved, rejects, body.get("totalSize"))
            if following is None:
                return

    def find(self, object_name: str, key: str, keys: Iterable[str]) -> dict[str, dict[str, Any]]:
        """Read living rows by ``key``, to settle what an unknown receipt left open."""
        stream = next(s for s in STREAMS if s.path == _sobject(object_name))
        found: dict[str, dict[str, Any]] = {}
        for some in slices(list(dict.fromkeys(keys)), FIND):
            quoted = ", ".join(_quoted(name) for name in some)
            # At most one living row per unique key, so one page holds the answer.
            body = self._select(stream, f"{key} IN ({quoted})", "", also=key, method="query")
            found.update({str(r.get(key)): r for r in self._records(body) if isinstance(r, dict)})
        return found

    def _select(
        self,
        stream: Stream,
        where: str,
        order: str,
        *,
        also: str | None = None,
        method: str = "queryAll",
    ) -> dict[str, Any]:
        """Select a stream's fields, leaving out the columns this user may not see."""
        dropped = self.dropped_fields.get(stream.name, [])
        while True:
            fields = [name for name in stream.fields if name not in dropped]
            fields += [also] if also and also not in fields else []
            query = f"SELECT {', '.join(fields)} FROM {stream.path}"
            query += f" WHERE {where}" if where else ""
            try:
                return self._rows(
                    f"{self._wire.root}/{method}",
                    f"reading {stream.name}",
                    f"{query} {order}".strip(),
                )
            except VendorError as error:
                found = _MISSING.search(explain(error.body)[1] or "")
                name = found.group(1) if found else ""
                if error.code != "INVALID_FIELD" or name not in fields:
                    raise
                if name in {"Id", stream.stamp, also}:
                    raise
                dropped.append(name)
                self.dropped_fields[stream.name] = dropped

    def _rows(self, path: str, doing: str, query: str | None = None) -> dict[str, Any]:
        options = {"Sforce-Query-Options": f"batchSize={self._page_size}"}
        params = {"q": query} if query else None
        body = self._wire.call("GET", path, doing, params=params, headers=options).body
        if not isinstance(body, dict):
            raise self._wire.strange(f"no JSON object while {doing}")
        return body

    def _records(self, body: dict[str, Any]) -> list[Any]:
        records = body.get("records")
        if not isinstance(records, list):
            raise self._wire.strange("an answer without a list of records")
        return records


def _condition(stream: Stream, state: dict[str, Any], now: datetime) -> str:
    """Say from where to read: everything, from the look-back, or behind the last landed row."""
    stamp, last_id = parse_time(state.get("stamp")), text_id(state.get("id"))
    if stamp is None:
        return ""
    read_at = parse_time(state.get("read_at"))
    # Cut off close to its own present, a pull may still have late commits hiding below.
    if state.get("open") and last_id and read_at and stamp < read_at - LOOK_BACK:
        return _behind(stream, stamp, last_id)
    return f"{stream.stamp} >= {_literal(min(stamp, now) - LOOK_BACK)}"


def _behind(stream: Stream, stamp: datetime, last_id: str) -> str:
    # (stamp, Id), because any number of rows may share a stamp (airbytehq/airbyte#17148).
    at = _literal(stamp)
    same = f"({stream.stamp} = {at} AND Id > {_quoted(last_id)})"
    return f"({same} OR {stream.stamp} > {at})"


def _literal(moment: datetime) -> str:
    # Whole seconds, unquoted: all that SOQL knows of a time.
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _sobject(object_name: str) -> str:
    return "".join(part.capitalize() for part in object_name.split("_"))
