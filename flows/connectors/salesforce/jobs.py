"""Bulk API 2.0 jobs: created, waited for, their results fetched whole, and given back.

Limits: 10,000 query jobs and 150 million written rows in 24 hours; a job and its results stay
seven days (https://developer.salesforce.com/docs/atlas.en-us.api_asynch.meta/api_asynch/).
"""

from __future__ import annotations

import contextlib
import csv
import io
import time
from typing import Any, Literal

from flows.connectors.base import text_id
from flows.connectors.salesforce.wire import Wire
from flows.errors import SourceError, Unreachable, VendorError

Kind = Literal["query", "ingest"]
DONE = frozenset({"JobComplete", "Failed", "Aborted"})
LONGEST_PAUSE = 10.0
# Half an hour of the longest pauses. A query that takes longer is taken up by the next run.
POLLS = 180
DOWNLOADS = 4
# The csv module stops at 131,072 letters, which is exactly what a long text area may hold.
csv.field_size_limit(64 * 1024 * 1024)


def create(wire: Wire, kind: Kind, job: dict[str, Any], doing: str, lane: str) -> str:
    """Create a job and return its id. Raises: SourceError."""
    # A second one, after a lost answer, does nothing: it is never started, or never read.
    body = wire.object("POST", f"{wire.root}/jobs/{kind}", doing, lane=lane, body=job)
    name = text_id(body.get("id"))
    if name is None:
        raise wire.strange(f"a job without an id while {doing}")
    return name


def state(wire: Wire, kind: Kind, job: str, doing: str, lane: str) -> dict[str, Any]:
    """Ask how a job stands."""
    return wire.object("GET", f"{wire.root}/jobs/{kind}/{job}", doing, lane=lane)


def wait(wire: Wire, kind: Kind, job: str, doing: str, lane: str) -> dict[str, Any]:
    """Ask, in growing pauses, until a job has ended; returns its last state.

    Raises: SourceError, Unreachable when it does not end while we wait.
    """
    pause = wire.patience.first_wait
    longest = min(LONGEST_PAUSE, wire.patience.longest_wait)
    for _ in range(POLLS):
        body = state(wire, kind, job, doing, lane)
        if body.get("state") in DONE:
            return body
        time.sleep(pause)
        pause = min(pause * 1.5, longest)
    raise wire.error(
        Unreachable,
        f"job {job} was still {body.get('state')} after {POLLS} looks at it while {doing}",
        ambiguous=True,
        next_step="The next run goes on with it; look at Bulk Data Load Jobs in Salesforce's Setup",
    )


def start(wire: Wire, job: str, doing: str) -> None:
    """Tell an ingest job that its upload is complete; from here on it writes.

    Raises: SourceError.
    """
    path = f"{wire.root}/jobs/ingest/{job}"
    try:
        wire.call("PATCH", path, doing, lane="write", body={"state": "UploadComplete"})
    except VendorError as error:
        # Said twice, after a lost answer, the second time is refused: the job is on its way.
        if error.retryable or state(wire, "ingest", job, doing, "write").get("state") == "Open":
            raise


def abort(wire: Wire, kind: Kind, job: str) -> None:
    """Give up an upload never started, or a query. Both expire, so a no is no matter."""
    path = f"{wire.root}/jobs/{kind}/{job}"
    with contextlib.suppress(SourceError):
        wire.call("PATCH", path, f"aborting job {job}", lane="write", body={"state": "Aborted"})
    delete(wire, kind, job)


def results(wire: Wire, job: str, which: str, doing: str) -> list[dict[str, str]]:
    """Read one list of an ended ingest job, whole. Raises: SourceError."""
    path = f"{wire.root}/jobs/ingest/{job}/{which}"
    for _ in range(DOWNLOADS):
        answer = wire.call(
            "GET", path, doing, lane="write", headers={"Accept": "text/csv"}, as_bytes=True
        )
        rows = whole_table(answer.body)
        if rows is not None:
            header = rows[0] if rows else []
            return [dict(zip(header, row, strict=True)) for row in rows[1:]]
    raise wire.error(
        Unreachable, f"{DOWNLOADS} downloads were cut short while {doing}", ambiguous=True
    )


def delete(wire: Wire, kind: Kind, job: str) -> None:
    """Give a job back with the rows it holds. It goes by itself in a week, so a no is no matter."""
    with contextlib.suppress(SourceError):
        path = f"{wire.root}/jobs/{kind}/{job}"
        wire.call("DELETE", path, f"deleting job {job}", repeatable=False)


def whole_table(raw: bytes | None) -> list[list[str]] | None:
    """Read CSV, the header first; None for a text that was cut off.

    Text that is no UTF-8 stays recognisable, so that one bad cell does not cost a page.
    """
    text = io.TextIOWrapper(io.BytesIO(raw or b""), "utf-8-sig", "surrogateescape", newline="")
    try:
        rows = [row for row in csv.reader(text, strict=True) if row]
    except csv.Error:
        return None
    return None if any(len(row) != len(rows[0]) for row in rows) else rows


def words(body: dict[str, Any]) -> str:
    """Say what a job that did not complete tells of itself."""
    return str(body.get("errorMessage") or "no reason given")
