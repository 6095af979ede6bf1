"""Bulk API 2.0: jobs that wait, run, end well or badly, and the CSV they leave.

A job moves when its state is asked for, so a client that does not poll gets nowhere; nothing is
complete at the first poll. Jobs are kept for seven days. ``JobComplete`` may contain failed rows,
and results come in another order than the rows went in.
"""

from __future__ import annotations

import os
import tempfile
import weakref
from array import array
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from sandbox.salesforce.errors import SalesforceError, not_found
from sandbox.salesforce.projection import csv_line, csv_name, csv_reader
from sandbox.salesforce.values import Row, full_id, numbered_id, wire_time

if TYPE_CHECKING:
    from sandbox.salesforce.plan import Plan
    from sandbox.salesforce.store import SalesforceStore

POLLS = 2
KEPT = timedelta(days=7)
QUERY_JOBS = 10_000
IN_MEMORY = 32 * 1024 * 1024
DONE = ("JobComplete", "Failed", "Aborted")


class Results:
    """CSV lines that can be read from any line on: in memory while few, in a file when many."""

    def __init__(self, heading: bytes = b"") -> None:
        self.heading = heading
        self._kept = bytearray()
        self._file: int | None = None
        self._close: weakref.finalize[..., Results] | None = None
        self._ends = array("Q", [0])

    def __len__(self) -> int:
        return len(self._ends) - 1

    def extend(self, lines: list[bytes]) -> None:
        """Add lines at the end."""
        at = self._ends[-1]
        for line in lines:
            at += len(line)
            self._ends.append(at)
        self._kept += b"".join(lines)
        if self._file is None and len(self._kept) > IN_MEMORY:
            self._file, name = tempfile.mkstemp(prefix="sandbox-results-")
            os.unlink(name)  # the file lives as long as somebody holds it open
            self._close = weakref.finalize(self, os.close, self._file)
        if self._file is not None:
            os.write(self._file, self._kept)
            self._kept.clear()

    def read(self, first: int = 0, count: int | None = None) -> bytes:
        """Return heading and lines; nothing is held back."""
        last = len(self) if count is None else min(len(self), first + count)
        start, end = self._ends[min(first, last)], self._ends[last]
        if self._file is None:
            return self.heading + bytes(self._kept[start:end])
        return self.heading + os.pread(self._file, end - start, start)

    def close(self) -> None:
        """Give the file back."""
        if self._close is not None:
            self._close()


@dataclass(slots=True)
class Job:
    """One job of either kind: what its creator asked for, and how often its state was asked."""

    id: str
    kind: str
    operation: str
    object: str
    created: datetime
    state: str
    asked: Row
    polls: int = 0
    wanted_polls: int = POLLS
    plan: Plan | None = None
    data: bytes | None = None
    error: str = ""
    processed: int = 0
    failed: int = 0
    fail_with: str = ""
    truncate_after: int | None = None
    results: Results = field(default_factory=Results)
    successes: Results = field(default_factory=Results)
    failures: Results = field(default_factory=Results)
    unprocessed: Results = field(default_factory=Results)

    def close(self) -> None:
        """Give every file back."""
        for each in (self.results, self.successes, self.failures, self.unprocessed):
            each.close()


@dataclass(slots=True)
class Behaviour:
    """What the next jobs do beside their work; each wish is used up by the job that meets it."""

    extra_polls: int = 0
    fail: list[tuple[str, int]] = field(default_factory=list)
    truncate: list[int] = field(default_factory=list)


class BulkJobs:
    """The jobs of one org."""

    def __init__(self, store: SalesforceStore) -> None:
        self.store = store
        self.jobs: dict[str, Job] = {}
        self.behaviour = Behaviour()
        self.query_limit = QUERY_JOBS
        self._created: list[tuple[datetime, str]] = []
        self._number = 0

    def create(self, kind: str, operation: str, object_name: str, state: str, asked: Row) -> Job:
        """Open a job. Raises SalesforceError when a day's query jobs are used up."""
        now = self.store.clock.now()
        self.forget_old()
        if (
            kind == "query"
            and self.store.limits
            and self.created_today("query") >= self.query_limit
        ):
            most = self.query_limit
            raise SalesforceError(
                "LIMIT_EXCEEDED",
                f"Max bulk v2 query jobs ({most}) per 24 hrs has been reached ({most})",
            )
        self._number += 1
        job = Job(numbered_id("750", self._number), kind, operation, object_name, now, state, asked)
        job.wanted_polls = POLLS + self.behaviour.extra_polls
        if self.behaviour.fail:
            job.fail_with = self._next_failure()
        if self.behaviour.truncate and kind == "query":
            job.truncate_after = self.behaviour.truncate.pop(0)
        self.jobs[job.id] = job
        self._created.append((now, kind))
        return job

    def _next_failure(self) -> str:
        message, times = self.behaviour.fail.pop(0)
        if times > 1:
            self.behaviour.fail.insert(0, (message, times - 1))
        return message

    def created_today(self, kind: str) -> int:
        """How many jobs of a kind the last 24 hours saw."""
        day_ago = self.store.clock.now() - timedelta(days=1)
        return sum(1 for at, known in self._created if known == kind and at > day_ago)

    def forget_old(self) -> None:
        """Drop the jobs that are older than seven days."""
        before = self.store.clock.now() - KEPT
        for id_ in [id_ for id_, job in self.jobs.items() if job.created < before]:
            self.jobs.pop(id_).close()

    def job(self, kind: str, id_: str) -> Job:
        """Return a job. Raises SalesforceError when there is none, or no longer."""
        self.forget_old()
        found = self.jobs.get(full_id(id_) or "")
        if found is None or found.kind != kind:
            raise not_found()
        return found

    def drop(self, job: Job) -> None:
        """Delete a job that has ended. Raises SalesforceError for one that runs."""
        if job.state not in DONE:
            raise SalesforceError(
                "INVALIDJOBSTATE", f"Can't delete a job in state {job.state}: {job.id}"
            )
        self.jobs.pop(job.id).close()

    def abort(self, job: Job) -> None:
        """Stop a job that has not ended. Raises SalesforceError for one that has."""
        if job.state in DONE:
            raise SalesforceError(
                "INVALIDJOBSTATE", f"Can't abort a job in state {job.state}: {job.id}"
            )
        job.state = "Aborted"

    def run_query(self, job: Job) -> None:
        """Write the result of a query, all of it as of now."""
        if job.plan is None:
            raise SalesforceError("INVALIDJOB", "a query job needs a query")
        plan, find = job.plan, self.store.find
        rows = self.store.select(plan, include_deleted=job.operation == "queryAll")
        job.results.heading = csv_line([csv_name(path) for path in plan.selected])
        read = csv_reader(plan, find)
        for start in range(0, len(rows), 10_000):
            job.results.extend([csv_line(read(row)) for row in rows[start : start + 10_000]])
        job.processed = len(rows)

    def told(self, job: Job, version: str) -> Row:
        """Return what the API says of a job."""
        created = wire_time(job.created)
        told: Row = {
            "id": job.id,
            "operation": job.operation,
            "object": job.object,
            "createdById": self.store.integration_user_id,
            "createdDate": created,
            "systemModstamp": created,
            "state": job.state,
            "concurrencyMode": "Parallel",
            "contentType": "CSV",
            "apiVersion": float(version),
            "lineEnding": job.asked.get("lineEnding", "LF"),
            "columnDelimiter": job.asked.get("columnDelimiter", "COMMA"),
        }
        if job.kind == "ingest":
            told |= self._ingest(job, version)
        return told

    def _ingest(self, job: Job, version: str) -> Row:
        more: Row = {}
        if job.state == "Open":
            # Without a leading slash: it hangs on the instance's address, not on its root.
            more["contentUrl"] = f"services/data/v{version}/jobs/ingest/{job.id}/batches"
        for name in ("externalIdFieldName", "assignmentRuleId"):
            if job.asked.get(name):
                more[name] = job.asked[name]
        return more

    def numbers(self, job: Job) -> Row:
        """Return what the API says of a job beside what it said at its creation."""
        told: Row = {
            "jobType": "V2Query" if job.kind == "query" else "V2Ingest",
            "numberRecordsProcessed": job.processed,
            "retries": 0,
            "totalProcessingTime": 0 if job.state != "JobComplete" else 712,
        }
        if job.kind == "ingest":
            told["numberRecordsFailed"] = job.failed
            told |= {"apiActiveProcessingTime": 450 if job.processed else 0}
            told["apexProcessingTime"] = 0
        elif job.state == "JobComplete":
            told["isPkChunkingSupported"] = True
        if job.error:
            told["errorMessage"] = job.error
        return told


def fail(job: Job, message: str) -> None:
    """End a job without having processed anything."""
    job.state, job.error = "Failed", message
