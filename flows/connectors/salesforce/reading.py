"""How rows are read page by page: queryAll, ordered by stamp and id, and single look-ups."""

from __future__ import annotations

from collections.abc import Generator
from functools import partial
from typing import Any

from flows.connectors.base import (
    Page,
    Record,
    Reject,
    Stream,
    parse_time,
    sort_out,
    text_id,
)
from flows.connectors.salesforce import soql
from flows.connectors.salesforce.ahead import Ahead
from flows.connectors.salesforce.place import Place
from flows.connectors.salesforce.wire import Wire
from flows.errors import VendorError


class Reader:
    """Queries of one org, each without the columns this user may not see."""

    def __init__(self, wire: Wire, page_size: int) -> None:
        self.wire = wire
        self.dropped: dict[str, list[str]] = {}
        """Per stream, the columns this user may not see: no such column, or no permission."""
        self.unswept: dict[str, str] = {}
        """Per stream, why the list of its deletions could not be read."""
        self._options = {"Sforce-Query-Options": f"batchSize={page_size}"}

    def fields(self, stream: Stream) -> list[str]:
        """Name the columns of a stream that are asked for."""
        dropped = self.dropped.get(stream.name, ())
        return [name for name in stream.fields if name not in dropped]

    def leave_out(self, stream: Stream, name: str | None, also: str | None = None) -> bool:
        """Leave a column out from now on; False for one that cannot be missed."""
        if name not in self.fields(stream) or name in {"Id", stream.stamp, also}:
            return False
        self.dropped.setdefault(stream.name, []).append(str(name))
        return True

    def select(
        self,
        stream: Stream,
        where: str,
        order: str = "",
        *,
        also: str | None = None,
        method: str = "queryAll",
        lane: str = "read",
    ) -> dict[str, Any]:
        """Select a stream's fields; returns the answer's body. Raises: SourceError."""
        while True:
            fields = self.fields(stream)
            fields += [also] if also and also not in fields else []
            query = soql.select(stream, fields, where, order)
            try:
                return self.query(query, f"reading {stream.name}", method=method, lane=lane)
            except VendorError as error:
                name = soql.missing_column(error)
                if error.code != "INVALID_FIELD" or not self.leave_out(stream, name, also):
                    raise

    def query(
        self, query: str, doing: str, *, method: str = "query", lane: str = "read"
    ) -> dict[str, Any]:
        """Ask one query; returns the answer's body. Raises: SourceError."""
        path = f"{self.wire.root}/{method}"
        return self._get(path, doing, lane, params={"q": query})

    def pages(
        self,
        stream: Stream,
        place: Place,
        where: str,
        *,
        is_all: bool = True,
        large_from: int | None = None,
    ) -> Generator[Page, None, str | None]:
        """Yield rows in the order of their stamps, so that every landed page moves the cursor.

        ``is_all``: nothing follows these pages, so the last one ends an hourly look-back. A window
        of ``large_from`` rows or more is left after its first page: returns the condition of what
        is left to read, None where all of it came.
        """
        with Ahead[dict[str, Any]]() as ahead:
            return (yield from self._pages(stream, place, where, is_all, large_from, ahead))

    def _pages(
        self,
        stream: Stream,
        place: Place,
        where: str,
        is_all: bool,
        large_from: int | None,
        ahead: Ahead[dict[str, Any]],
    ) -> Generator[Page, None, str | None]:
        following: str | None = None
        order = f"ORDER BY {stream.stamp}, Id"
        while True:
            try:
                body = ahead.take(partial(self.select, stream, where, order))
            except VendorError as error:
                if error.code == "QUERY_TIMEOUT" and large_from is not None and not following:
                    return where  # too large to be sorted: a job may still read it
                if error.code != "INVALID_QUERY_LOCATOR" or not following or not place.last_id:
                    raise
                # Locators die after some idle minutes; the last row read is place enough.
                where, following = place.rest(stream, where), None
                continue
            following, total = self._following(body, following), _total(body)
            is_large = large_from is not None and total is not None and total >= large_from
            if following is not None and not is_large:
                ahead.ask(partial(self._get, following, f"reading {stream.name}", "read"))
            records, rejects = self.parted(body)
            place.passed(records)
            place.open = following is not None
            ended = following is None and is_all and place.finish_deep()
            if records or rejects or ended:
                yield Page(records, place.write(), rejects, total)
            if following is None:
                return None
            if is_large:
                return place.rest(stream, where)

    def _following(self, body: dict[str, Any], before: str | None) -> str | None:
        """Name the next page. Some answers name one beside "done": what counts is "done"."""
        following = None if body.get("done", True) else text_id(body.get("nextRecordsUrl"))
        if following is not None and following == before:
            raise self.wire.strange("a page whose next page is the same one")
        return following

    def parted(self, body: dict[str, Any]) -> tuple[list[Record], list[Reject]]:
        """Part the records of an answer from what only looks like one. Raises: SchemaChanged."""
        return sort_out(self.records(body), key=_id, version_at=_version_at, is_deleted=_is_deleted)

    def records(self, body: dict[str, Any]) -> list[Any]:
        """Return the rows of an answer. Raises: SchemaChanged."""
        records = body.get("records")
        if not isinstance(records, list):
            raise self.wire.strange("an answer without a list of records")
        return records

    def _get(self, path: str, doing: str, lane: str, params: Any = None) -> dict[str, Any]:
        return self.wire.object("GET", path, doing, lane=lane, params=params, headers=self._options)


def _id(item: dict[str, Any]) -> str | None:
    return text_id(item.get("Id"))


def _version_at(item: dict[str, Any]) -> Any:
    return parse_time(item.get("SystemModstamp"))


def _is_deleted(item: dict[str, Any]) -> bool:
    return item.get("IsDeleted") is True


def _total(body: dict[str, Any]) -> int | None:
    total = body.get("totalSize")
    return total if isinstance(total, int) else None
