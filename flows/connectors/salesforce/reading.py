"""How rows are read page by page: queryAll, ordered by stamp and id, and single look-ups."""

from __future__ import annotations

from collections.abc import Generator
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from flows.connectors.base import (
    Page,
    Record,
    Reject,
    Stream,
    parse_time,
    sort_out,
    text_id,
)
from flows.connectors.salesforce import describing, soql
from flows.connectors.salesforce.ahead import Ahead
from flows.connectors.salesforce.place import Place
from flows.connectors.salesforce.wire import Wire
from flows.errors import Forbidden, SourceError, VendorError

NO_DOOR = (404, 405, 501)


class Reader:
    """Queries of one org, each without the columns this user may not see."""

    def __init__(self, wire: Wire, page_size: int) -> None:
        self.wire = wire
        self.dropped: dict[str, list[str]] = {}
        """Per stream, the columns this user may not see: no such column, or no permission."""
        self.unswept: dict[str, str] = {}
        """Per stream, why the list of its deletions could not be read."""
        self._all = "queryAll"
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
                door = self._all if method == "queryAll" else method
                return self.query(query, f"reading {stream.name}", method=door, lane=lane)
            except VendorError as error:
                if door == "queryAll" and error.status in NO_DOOR:
                    # What is deleted is not shown then; what lives is.
                    self._all, self.unswept[stream.name] = "query", str(error)
                    continue
                if error.code == "INVALID_TYPE":
                    raise self._hidden(stream, error) from None
                if not self._can_do_without(stream, error, also):
                    raise

    def rows(
        self,
        stream: Stream,
        where: str,
        *,
        also: str | None = None,
        method: str = "queryAll",
        lane: str = "read",
    ) -> list[Any]:
        """Select rows by their names, over as many pages as they come in. Raises: SourceError.

        A page may be smaller than asked for, and a row on the next one is no row that is gone.
        """
        body = self.select(stream, where, also=also, method=method, lane=lane)
        rows, following = list(self.records(body)), self._following(body, None)
        while following is not None:
            body = self._get(following, f"reading {stream.name}", lane)
            rows += self.records(body)
            following = self._following(body, following)
        if body.get("done") is False:
            raise self.wire.strange("a page that is not the last and names no next one")
        return rows

    def _can_do_without(self, stream: Stream, error: VendorError, also: str | None) -> bool:
        """Leave out the columns a refusal is about; False where it is about something else."""
        if error.code != "INVALID_FIELD":
            return False
        name = soql.missing_column(error)
        if name is not None:
            return self.leave_out(stream, name, also)
        try:
            known = describing.kinds(self.wire, stream.path)
        except SourceError:
            return False  # the refusal itself says more
        hidden = [name for name in self.fields(stream) if known and name not in known]
        left_out = [name for name in hidden if self.leave_out(stream, name, also)]
        return bool(left_out)

    def _hidden(self, stream: Stream, error: VendorError) -> SourceError:
        refused: SourceError = self.wire.error(
            Forbidden,
            f"{stream.path} is not there, or not for this user, while reading {stream.name}",
            status=error.status,
            code=error.code,
            answer=error.answer,
            next_step=f"Give the integration user Read on {stream.path}",
        )
        return refused

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
                where = self._behind(stream, place, where, error, is_first=following is None)
                following = None
                continue
            following, total = self._following(body, following), _total(body)
            is_cut = following is None and body.get("done") is False
            is_large = large_from is not None and total is not None and total >= large_from
            if following is not None and not is_large:
                ahead.ask(partial(self._get, following, f"reading {stream.name}", "read"))
            records, rejects = self.parted(body)
            place.passed(records)
            place.open = following is not None or is_cut
            ended = not place.open and is_all and place.finish_deep()
            if records or rejects or ended:
                yield Page(records, place.write(), rejects, total)
            if not place.open:
                return None
            if is_large:
                return place.rest(stream, where)
            if is_cut:  # it names no next page: its last row is place enough
                where = self._moved_on(stream, place, where)

    def _following(self, body: dict[str, Any], before: str | None) -> str | None:
        """Name the next page. Some answers name one beside "done": what counts is "done"."""
        following = None if body.get("done") is True else text_id(body.get("nextRecordsUrl"))
        if following is not None and "://" in following:
            # The token goes to the org's own host and to no other, whatever an answer names.
            following = urlsplit(following)._replace(scheme="", netloc="").geturl()
        if following is not None and following == before:
            raise self.wire.strange("a page whose next page is the same one")
        return following

    def _behind(
        self, stream: Stream, place: Place, where: str, error: VendorError, *, is_first: bool
    ) -> str:
        """Say where to go on after a refused page. Raises: the refusal, where that is no help."""
        rest = place.rest(stream, where)
        if error.code == "INVALID_QUERY_LOCATOR" and not is_first and rest != where:
            return rest  # locators die after some idle minutes; the last row read is place enough
        is_behind = place.last_id is not None and rest == where
        if error.code == "MALFORMED_QUERY" and is_first and is_behind and place.stamp:
            # No OR in this server's language: the rows of the last stamp come once more.
            return soql.from_moment(stream, place.stamp)
        raise error

    def _moved_on(self, stream: Stream, place: Place, where: str) -> str:
        rest = place.rest(stream, where)
        if rest == where:
            raise self.wire.strange("a page that is not the last and names no next one")
        return rest

    def parted(self, body: dict[str, Any]) -> tuple[list[Record], list[Reject]]:
        """Part the records of an answer from what only looks like one. Raises: SchemaChanged."""
        return sort_out(self.records(body), key=_id, version_at=_version_at, is_deleted=_is_deleted)

    def records(self, body: dict[str, Any]) -> list[Any]:
        """Return the rows of an answer. Raises: SchemaChanged."""
        records = body.get("records", [] if body.get("totalSize") == 0 else None)
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
