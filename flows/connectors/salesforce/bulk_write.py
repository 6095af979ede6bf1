"""Many rows written by Bulk API 2.0 ingest jobs, each row answered by its key.

A job carries no ``assignmentRuleId``, and Bulk knows no ``Sforce-Auto-Assign`` header: without the
id the org runs no assignment rule on the rows of a job, so the owner that is written stays.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Generator, Iterator, Sequence

from flows.connectors.base import Receipt, Row, Status
from flows.connectors.salesforce import jobs
from flows.connectors.salesforce.outgoing import (
    REFUSED_VALUE,
    cell,
    fits_cell,
    is_passing,
    refused_field,
)
from flows.connectors.salesforce.wire import Wire
from flows.errors import (
    Forbidden,
    SchemaChanged,
    SourceError,
    Unreachable,
    VendorError,
    mask,
    shorten,
)

BULK_FROM = 2_000
# The vendor takes 100 MB; the results repeat every column, and we take answers of 64 MB.
LARGEST_UPLOAD = 40_000_000
UPLOADS = 2

Left = tuple[list[Row], SourceError | None]


def push(wire: Wire, sobject: str, key: str, rows: Sequence[Row]) -> Generator[Receipt, None, Left]:
    """Write by jobs what is worth a job, and yield a receipt for each of those rows.

    Returns the rows that collections must take, and what broke the connection, if anything did.
    Those rows are: too few of one kind, what a CSV cannot say, records named twice (a job keeps
    no order), rows that met a lock, and everything where the org takes no jobs.
    """
    chunks, left = _planned(key, rows)
    broken: SourceError | None = None
    for chunk in chunks:
        if broken is not None:
            # As with calls: a vendor that is gone is not asked again and again.
            yield from _all(chunk, key, "rejected", f"not sent: {broken}")
            continue
        try:
            name = _uploaded(wire, sobject, key, chunk)
        except SourceError as error:
            # Nothing happens before a job is told that its upload is complete.
            if _takes_no_jobs(error):
                left += chunk  # no Bulk here, or not for this object: collections say what is wrong
                continue
            broken = error
            yield from _all(chunk, key, "rejected", str(error))
            continue
        try:
            answered, locked = _finished(wire, key, chunk, name)
        except SourceError as error:
            broken = error
            yield from _all(chunk, key, "unknown", str(error))
            continue
        left = locked + left
        yield from answered
    return left, broken


def _takes_no_jobs(error: SourceError) -> bool:
    if isinstance(error, Unreachable):
        return error.status is not None  # a page for people where a job should be
    return isinstance(error, VendorError | Forbidden | SchemaChanged) and not error.retryable


def _all(rows: Sequence[Row], key: str, status: Status, reason: str) -> Iterator[Receipt]:
    return (Receipt(str(row[key]), status, reason=reason) for row in rows)


def _planned(key: str, rows: Sequence[Row]) -> tuple[list[list[Row]], list[Row]]:
    """Part rows into uploads of one set of columns each, and the rows no upload takes.

    None means "leave alone", and a job has one set of columns for all of its rows: an empty cell
    would say the same, but a column that is not there cannot be misread.
    """
    if len(rows) < BULK_FROM:
        return [], list(rows)
    times = Counter((name, row[name]) for row in rows for name in {key, "Id"} if row.get(name))
    kinds: dict[tuple[str, ...], list[Row]] = {}
    left: list[Row] = []
    for row in rows:
        names = tuple(sorted(name for name, held in row.items() if held is not None))
        is_twice = any(times[(name, row.get(name))] > 1 for name in (key, "Id"))
        if is_twice or key not in names or not all(fits_cell(row[name]) for name in names):
            left.append(row)
        else:
            kinds.setdefault(names, []).append(row)
    chunks = []
    for some in kinds.values():
        if len(some) < BULK_FROM:
            left += some
        else:
            chunks += list(_cut(some))
    return chunks, left


def _cut(rows: list[Row]) -> Iterator[list[Row]]:
    """Cut rows into uploads of a size the vendor takes."""
    chunk: list[Row] = []
    head = size = sum(len(name) + 3 for name, held in rows[0].items() if held is not None)
    for row in rows:
        cells = [cell(held) for held in row.values() if held is not None]
        # A quote inside is doubled, two stand around, a comma or a line break follows.
        length = sum(len(text.encode()) + text.count('"') + 3 for text in cells)
        if chunk and size + length > LARGEST_UPLOAD:
            yield chunk
            chunk, size = [], head
        chunk.append(row)
        size += length
    yield chunk


def _csv(rows: list[Row]) -> bytes:
    names = sorted(name for name, held in rows[0].items() if held is not None)
    text = io.StringIO(newline="")
    # Bare, a carriage return would end a row, and blanks at an end would be taken off.
    writer = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL)
    writer.writerow(names)
    writer.writerows([cell(row[name]) for name in names] for row in rows)
    return text.getvalue().encode()


def _uploaded(wire: Wire, sobject: str, key: str, rows: list[Row]) -> str:
    """Create a job and give it its rows; returns its id. Nothing is written yet.

    Raises: SourceError.
    """
    doing = f"uploading {len(rows)} {sobject} rows"
    job = {"object": sobject, "operation": "update"}
    if not rows[0].get("Id"):
        job |= {"operation": "upsert", "externalIdFieldName": key}
    job |= {"contentType": "CSV", "lineEnding": "LF", "columnDelimiter": "COMMA"}
    content = _csv(rows)
    for attempt in range(1, UPLOADS + 1):
        name = jobs.create(wire, "ingest", job, doing, "write")
        try:
            wire.call(
                "PUT",
                f"{wire.root}/jobs/ingest/{name}/batches",
                doing,
                lane="write",
                content=content,
                headers={"Content-Type": "text/csv; charset=utf-8"},
                as_bytes=True,
                # One upload a job: after a lost answer nobody knows what it holds.
                repeatable=False,
            )
        except SourceError as error:
            jobs.abort(wire, "ingest", name)
            if attempt == UPLOADS or not error.ambiguous:
                raise
            continue
        return name
    raise AssertionError("unreachable")


def _finished(wire: Wire, key: str, rows: list[Row], name: str) -> tuple[list[Receipt], list[Row]]:
    """Start a job, wait for it, and read what became of each row. Raises: SourceError."""
    doing = f"writing {len(rows)} rows in bulk"
    jobs.start(wire, name, doing)
    job = jobs.wait(wire, "ingest", name, doing, "write")
    found = _results(wire, key, name, doing)
    receipts: list[Receipt] = []
    locked: list[Row] = []
    for row in rows:
        status, vendor_id, reason = found.get(
            str(row[key]), ("unknown", "", "the job names no result for this row")
        )
        if status == "rejected" and is_passing(reason):
            locked.append(row)
            continue
        if status == "rejected" and not reason:
            reason = f"not processed: the job ended as {job.get('state')}: {jobs.words(job)}"
        told, option = _told(reason), _refused_field(row, reason)
        held = vendor_id or row.get("Id")
        receipts.append(Receipt(str(row[key]), status, held, told, refused_field=option))
    jobs.delete(wire, "ingest", name)
    return receipts, locked


def _results(wire: Wire, key: str, name: str, doing: str) -> dict[str, tuple[Status, str, str]]:
    """Read the three lists of a job: by our key, because they are in no order of ours."""
    found: dict[str, tuple[Status, str, str]] = {}
    lists: tuple[tuple[str, Status], ...] = (
        ("unprocessedrecords", "rejected"),
        ("failedResults", "rejected"),
        ("successfulResults", "accepted"),
    )
    for which, status in lists:
        for row in jobs.results(wire, name, which, doing):
            if row.get(key):
                found[row[key]] = (status, row.get("sf__Id", ""), row.get("sf__Error", ""))
    return found


def _refused_field(row: Row, reason: str) -> str | None:
    # "CODE:words:Field,Field --", once for each thing that is wrong.
    for part in reason.split(" --"):
        if REFUSED_VALUE in part:
            words, _, fields = part.rpartition(":")
            return refused_field(row, words, fields.split(","))
    return None


def _told(reason: str) -> str | None:
    # "INVALID_FIELD:bad value:CloseDate --": the last part names the fields.
    return shorten(mask(reason.removesuffix("--").strip(": "))) if reason else None
