"""One pull of one stream: a job under way, then what changed, then what was deleted for good."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from flows.connectors.base import Page, Stream
from flows.connectors.salesforce import deletions
from flows.connectors.salesforce.bulk_query import BulkQuery
from flows.connectors.salesforce.place import Place
from flows.connectors.salesforce.reading import Reader
from flows.errors import Forbidden, SchemaChanged, Unreachable, VendorError

# A job that is lost, or failed for one more column, is made anew; in the end REST reads.
JOBS = 5


def pull(
    reader: Reader, bulk: BulkQuery, stream: Stream, cursor: str | None, now: datetime
) -> Iterator[Page]:
    """Yield what changed since ``cursor``. Raises: SourceError.

    Second run: the look-back again. Interrupted at any page: the rest, from its cursor.
    """
    place = Place.of(cursor, now)
    if place.bulk is not None:
        yield from bulk.pages(stream, place)
    where = place.start(stream)
    is_swept = deletions.is_due(stream, place)
    is_all = not is_swept and place.owed is None
    yield from _window(reader, bulk, stream, place, where, is_all=is_all)
    if place.owed is not None:
        where = place.settle(stream)
        yield from _window(reader, bulk, stream, place, where, is_all=not is_swept)
    if is_swept:
        yield from _swept(reader, stream, place)
    was_plain, place.plain = place.plain, False
    if place.finish_deep() or was_plain:
        yield Page([], place.write())


def _window(
    reader: Reader, bulk: BulkQuery, stream: Stream, place: Place, where: str, *, is_all: bool
) -> Iterator[Page]:
    """Read what changed page by page; what its first page shows to be large, by a job.

    Every answer states how many rows the whole window has, so nothing is counted beforehand.
    """
    # 0 stands for never, as the settings say.
    large_from: int | None = bulk.bulk_from or None
    for _ in range(JOBS):
        large_from = None if place.plain else large_from
        try:
            rest = yield from reader.pages(
                stream, place, where, is_all=is_all, large_from=large_from
            )
        except VendorError as error:
            if place.plain and error.code == "QUERY_TIMEOUT":
                # Too large to be sorted after all: the next run tries a job again.
                place.plain = False
                yield Page([], place.write())
            raise
        if rest is None:
            return
        where = rest
        if not bulk.start(stream, place, where):
            large_from = None
        elif (yield from bulk.pages(stream, place)):
            return
    yield from reader.pages(stream, place, where, is_all=is_all)


def _swept(reader: Reader, stream: Stream, place: Place) -> Iterator[Page]:
    try:
        yield from deletions.sweep(reader, stream, place)
    except (VendorError, Forbidden, SchemaChanged, Unreachable) as error:
        # An object the org does not replicate, a user who may not ask, a page for people instead of
        # an answer: everything else of this stream is read, and the next sweep asks from the same
        # place.
        reader.unswept[stream.name] = str(error)
