"""A large window read by a Bulk API 2.0 job: a few calls for what REST would page through.

No ORDER BY: a job that sorts cannot be split by the org and is slower by orders of magnitude, so
rows come in any order. The cursor therefore keeps the old stamp, the job and the locator; the
stamp moves when the last page is there, and a lost job starts the window again.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any

from flows.connectors.base import Page, Record, Stream, millis, text_id
from flows.connectors.salesforce import describing, jobs, rows, soql
from flows.connectors.salesforce.ahead import Ahead
from flows.connectors.salesforce.place import Place
from flows.connectors.salesforce.reading import Reader
from flows.errors import Forbidden, SchemaChanged, SourceError, Unreachable, VendorError

# Of the widest rows we read, a page stays under the largest answer we take.
PAGE_ROWS = 10_000

Download = tuple[str | None, list[str], list[list[str]]]


class _Gone(Exception):  # noqa: N818 - an event between two functions, not an error
    """The job, or the place in its results, is no longer known."""


@dataclass(slots=True)
class BulkQuery:
    """Reads windows of at least ``bulk_from`` rows by jobs; smaller ones are left to REST."""

    reader: Reader
    bulk_from: int
    page_rows: int = PAGE_ROWS
    _kinds: dict[str, dict[str, str]] = field(default_factory=dict)

    def start(self, stream: Stream, place: Place, where: str) -> bool:
        """Create the job of a window and put it into ``place``.

        Returns False where Bulk does not take this query: REST does. Raises: SourceError.
        """
        wire = self.reader.wire
        # Up to our present: a row that changes while the job runs belongs to the next pull.
        window = f"{stream.stamp} <= {soql.literal(place.now)}"
        where = f"{where} AND {window}" if where else window
        doing = f"creating a bulk query of {stream.name}"
        while True:
            query = soql.select(stream, self.reader.fields(stream), where)
            job = {"operation": "queryAll", "query": query}
            try:
                if not self._described(stream).keys() >= set(self.reader.fields(stream)):
                    return False  # "true" of a column of no known type would stay a text
                name = jobs.create(wire, "query", job, doing, "bulk")
            except (VendorError, Forbidden, SchemaChanged, Unreachable) as error:
                if self.reader.leave_out(stream, soql.missing_column(_said(error))):
                    continue
                # An object or column Bulk does not know, the API switched off, the day's jobs
                # used up, a page for people: whatever it is, REST brings the same rows.
                return False
            place.bulk = {"job": name, "until": place.until, "rows": 0}
            return True

    def pages(self, stream: Stream, place: Place) -> Generator[Page, None, bool]:
        """Yield the rows of the job in ``place`` from where it stands, and end it.

        Returns False where the window has to be read again, because the job is gone.
        Raises: SourceError.
        """
        assert place.bulk is not None
        name, found = str(place.bulk["job"]), dict(place.bulk)
        is_taken_up = _count(found, "until") < place.until
        yield Page([], place.write())  # from here on, another run can go on with it
        try:
            yield from self._results(stream, place, self._ended(stream, place, name))
        except _Gone:
            place.bulk = None
            yield Page([], place.write())
            return False
        except Unreachable:
            if not is_taken_up or place.bulk != found:
                raise
            # The second run that gets not one page of it: it never ends, or cannot be fetched.
            jobs.abort(self.reader.wire, "query", name)
            place.bulk, place.plain = None, True
            yield Page([], place.write())
            return False
        jobs.delete(self.reader.wire, "query", name)
        return True

    def _described(self, stream: Stream) -> dict[str, str]:
        """Return the types of the columns; a CSV has none, and text alone is not what REST says."""
        if stream.path not in self._kinds:
            self._kinds[stream.path] = describing.kinds(self.reader.wire, stream.path, "bulk")
        return self._kinds[stream.path]

    def _types(self, stream: Stream) -> dict[str, str]:
        try:
            return self._described(stream)
        except (VendorError, SchemaChanged):
            return {}  # REST needs none

    def _ended(self, stream: Stream, place: Place, name: str) -> dict[str, Any]:
        try:
            return jobs.wait(self.reader.wire, "query", name, _doing(stream), "bulk")
        except VendorError as error:
            raise _gone(error) from None

    def _results(self, stream: Stream, place: Place, job: dict[str, Any]) -> Iterator[Page]:
        assert place.bulk is not None
        if job.get("state") != "JobComplete":
            yield from self._failed(stream, place, job)
        expected = _total(job)
        kinds, locator = self._types(stream), text_id(place.bulk.get("locator"))
        job_id, is_empty = str(place.bulk["job"]), expected == 0
        with Ahead[Download]() as ahead:
            while True:
                fetch = partial(self._download, stream, job_id, locator, is_empty)
                following, header, lines = ahead.take(fetch)
                if following is not None:
                    if following == locator:
                        raise self.reader.wire.strange("a result whose next page is the same one")
                    ahead.ask(partial(self._download, stream, job_id, following))
                if not kinds.keys() >= set(header):
                    place.plain = True
                    raise _Gone
                shaped = rows.shaper(stream, header, kinds, self.reader.wire.root)(lines)
                records, rejects = self.reader.parted({"records": shaped})
                place.bulk |= {"rows": _count(place.bulk, "rows") + len(lines)}
                place.bulk |= {"locator": following, "seen": _newest(records, place.bulk)}
                place.bury(records)
                if following is None:
                    break
                yield Page(records, place.write(), rejects, expected)
                locator = following
        if expected is not None and place.bulk["rows"] < expected:
            yield from self._incomplete(stream, place, expected)
        self._arrive(place)
        yield Page(records, place.write(), rejects, expected)

    def _download(
        self, stream: Stream, job: str, locator: str | None, is_empty: bool = False
    ) -> Download:
        """Fetch one page whole: a download cut short looks like one that is complete.

        Returns the locator behind it, None on the last page, and its header and rows.
        """
        wire = self.reader.wire
        params = {"maxRecords": str(self.page_rows), **({"locator": locator} if locator else {})}
        for _ in range(jobs.DOWNLOADS):
            try:
                answer = wire.call(
                    "GET",
                    f"{wire.root}/jobs/query/{job}/results",
                    _doing(stream),
                    lane="bulk",
                    params=params,
                    headers={"Accept": "text/csv"},
                    as_bytes=True,
                )
            except VendorError as error:
                raise _gone(error) from None
            found = jobs.whole_table(answer.body)
            if is_empty and not answer.body:
                return None, ["Id"], []  # not even a header, where there is no row
            stated = answer.headers.get("sforce-numberofrecords", "")
            if not found or (stated.isdecimal() and int(stated) != len(found) - 1):
                continue  # simple-salesforce#572
            header, *lines = found
            if "Id" not in header:
                raise wire.strange(f"a bulk result of {stream.name} without Ids")
            # The last page says so with the literal word.
            following = answer.headers.get("sforce-locator", "null")
            return None if following in ("null", "") else following, header, lines
        raise wire.error(
            Unreachable, f"{jobs.DOWNLOADS} downloads were cut short while {_doing(stream)}"
        )

    def _failed(self, stream: Stream, place: Place, job: dict[str, Any]) -> Iterator[Page]:
        """End a job that did not complete; a column it may not see is left out next time."""
        said = jobs.words(job)
        is_mended = self.reader.leave_out(stream, soql.missing_column(said))
        place.bulk, place.plain = None, not is_mended
        yield Page([], place.write())
        if is_mended:
            raise _Gone
        raise self.reader.wire.error(
            VendorError,
            f"job {job.get('id')} ended as {job.get('state')} while {_doing(stream)}",
            code=str(job.get("state")),
            answer=said,
            state="What it was to bring was not read",
            next_step="The next run reads this window without Bulk; if it lasts, a higher "
            "BATON_SALESFORCE_BULK_FROM does so at once",
        )

    def _incomplete(self, stream: Stream, place: Place, expected: int) -> Iterator[Page]:
        got = _count(place.bulk or {}, "rows")
        place.bulk, place.plain = None, True
        yield Page([], place.write())
        raise self.reader.wire.error(
            Unreachable,
            f"only {got} of {expected} rows came while {_doing(stream)}",
            state="The rows that came are kept",
            next_step="The next run reads this window again, without Bulk",
        )

    def _arrive(self, place: Place) -> None:
        bulk = place.bulk or {}
        seen = datetime.fromtimestamp(_count(bulk, "seen") / 1000, UTC)
        if _count(bulk, "seen") and (place.stamp is None or seen > place.stamp):
            place.stamp = seen
        place.last_id, place.open, place.bulk = None, False, None


def _newest(records: list[Record], bulk: dict[str, Any]) -> int:
    # A stamp in the future is the row's mistake and must not carry the cursor away.
    until = _count(bulk, "until")
    stamps = (millis(record.version_at) for record in records if record.version_at)
    return max([_count(bulk, "seen"), *(stamp for stamp in stamps if stamp <= until)])


def _total(job: dict[str, Any]) -> int | None:
    total = job.get("numberRecordsProcessed")
    return total if isinstance(total, int) and not isinstance(total, bool) else None


def _count(state: dict[str, Any], name: str) -> int:
    value = state.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def _said(error: SourceError) -> str:
    return f"{error.body} {error.answer}"


def _gone(error: VendorError) -> Exception:
    # 404 after a week, or when somebody deleted it; 400 for a locator of another job.
    return _Gone() if error.status in (400, 404) else error


def _doing(stream: Stream) -> str:
    return f"reading {stream.name} in bulk"
