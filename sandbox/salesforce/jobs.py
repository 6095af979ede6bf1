"""The addresses of Bulk API 2.0, for queries and for ingest."""

from __future__ import annotations

import base64
from typing import Any

from starlette.responses import Response

from sandbox.salesforce.bulk import DONE, Job, Results
from sandbox.salesforce.call import Answer, Call, an_object
from sandbox.salesforce.errors import SalesforceError
from sandbox.salesforce.ingest import DELIMITERS, ENDINGS, give_up, run_ingest
from sandbox.salesforce.plan import Plan
from sandbox.salesforce.querying import planned
from sandbox.salesforce.values import Row, full_id

QUERIES = ("query", "queryAll")
OPERATIONS = ("insert", "update", "upsert", "delete", "hardDelete")
MOST_ROWS = 250_000
MOST_BYTES = 150 * 1024 * 1024
# Address fields come as one value in JSON and cannot be put into one cell.
COMPOUND = ("address", "billingaddress", "shippingaddress", "mailingaddress", "otheraddress")


def create_query(call: Call) -> Answer:
    """Open a query job; what Bulk cannot answer is refused here."""
    body = an_object(call.body)
    operation, text = body.get("operation"), body.get("query")
    if operation not in QUERIES:
        raise SalesforceError("INVALIDJOB", f"Unsupported operation: {operation}")
    if not isinstance(text, str):
        raise SalesforceError("INVALIDJOB", "query must be specified")
    _refuse_compound(text)
    plan = planned(call.store, text, call.store.access.view)
    _refuse_plan(plan)
    job = call.store.bulk.create("query", operation, plan.sobject.name, "UploadComplete", body)
    job.plan = plan
    return 200, call.store.bulk.told(job, call.version)


def _refuse_compound(text: str) -> None:
    selected = text.lower().partition(" from ")[0].removeprefix("select").split(",")
    if any(name.strip() in COMPOUND for name in selected):
        raise SalesforceError(
            "FUNCTIONALITY_NOT_ENABLED", "Selecting compound data not supported in Bulk Query"
        )


def _refuse_plan(plan: Plan) -> None:
    if plan.counts_rows or plan.aggregates or plan.grouped:
        raise SalesforceError("API_ERROR", "Aggregate Relationships not supported in Bulk Query")
    if plan.offset:
        raise SalesforceError("API_ERROR", "OFFSET is not supported in Bulk Query")


def create_ingest(call: Call) -> Answer:
    """Open an ingest job."""
    body = an_object(call.body)
    operation, name = body.get("operation"), str(body.get("object") or "")
    sobject = call.store.access.view(name)
    if operation not in OPERATIONS:
        raise SalesforceError("INVALIDJOB", f"Unsupported operation: {operation}")
    if sobject is None or not sobject.is_writable:
        raise SalesforceError("INVALIDJOB", f"Entity '{name}' is not supported by the Bulk API.")
    if body.get("contentType", "CSV") != "CSV":
        raise SalesforceError("INVALIDJOB", "Unsupported content type; CSV is supported.")
    for key, known in (("lineEnding", ENDINGS), ("columnDelimiter", DELIMITERS)):
        if body.get(key) is not None and body[key] not in known:
            raise SalesforceError("INVALIDJOB", f"{key} must be one of {', '.join(known)}")
    rule = body.get("assignmentRuleId")
    if rule and full_id(str(rule)) is None:
        raise SalesforceError("INVALIDJOB", f"Invalid assignment rule id: {rule}")
    if operation == "upsert":
        _check_key(sobject.field(str(body.get("externalIdFieldName") or "")), body)
    job = call.store.bulk.create("ingest", operation, sobject.name, "Open", body)
    return 200, call.store.bulk.told(job, call.version)


def _check_key(known: Any, body: Row) -> None:
    if not body.get("externalIdFieldName"):
        raise SalesforceError("INVALIDJOB", "External ID field must be specified for upsert")
    if known is None or not (known.external_id or known.name == "Id"):
        raise SalesforceError(
            "INVALIDJOB",
            f"InvalidJob : Field name provided, {body['externalIdFieldName']} does not match an "
            "External ID, Salesforce Id, or indexed field for the object",
        )


def upload(call: Call) -> Answer:
    """Take a job's CSV, once."""
    job = _job(call, "ingest")
    if not call.headers.get("content-type", "").startswith("text/csv"):
        raise SalesforceError(
            "UNSUPPORTED_MEDIA_TYPE", "The content type of job data is text/csv", status=415
        )
    if job.state != "Open" or job.data is not None:
        raise SalesforceError(
            "INVALIDJOB",
            f"Found multiple contents for job: <{job.id}>, please 'Close' / 'Abort' / 'Delete' the "
            "current Job then create a new Job and make sure you only do 'PUT' once on a given "
            "Job.",
        )
    # The limit is on what the vendor stores: base64, a third more than what was sent.
    if len(call.raw) * 4 // 3 > MOST_BYTES:
        raise SalesforceError("EXCEEDED_MAX_SIZE_REQUEST", "Job data exceeds 150 MB", status=413)
    job.data = call.raw
    return 201, None


def change(call: Call) -> Answer:
    """Close or abort a job."""
    job = _job(call, _kind(call))
    state = an_object(call.body).get("state")
    bulk = call.store.bulk
    if state == "Aborted":
        bulk.abort(job)
        if job.kind == "ingest":
            give_up(job)
    elif state == "UploadComplete" and job.kind == "ingest":
        if job.state != "Open":
            raise SalesforceError("INVALIDJOBSTATE", f"Closing a {job.state} job is not allowed.")
        if job.data is None:
            raise SalesforceError("INVALIDJOBSTATE", "No data was uploaded to this job.")
        job.state = "UploadComplete"
    else:
        raise SalesforceError("INVALIDJOB", f"A job cannot be put into the state {state}.")
    return 200, bulk.told(job, call.version)


def info(call: Call) -> Answer:
    """Tell a job's state; asking is what moves it."""
    job = _job(call, _kind(call))
    if job.state in ("UploadComplete", "InProgress"):
        _move(call, job)
    bulk = call.store.bulk
    return 200, bulk.told(job, call.version) | bulk.numbers(job)


def _move(call: Call, job: Job) -> None:
    job.polls += 1
    if job.polls < job.wanted_polls:
        job.state = "InProgress"
    elif job.kind == "ingest":
        run_ingest(call.store, job)
    elif job.fail_with:
        job.state, job.error = "Failed", job.fail_with
    else:
        call.store.bulk.run_query(job)
        job.state = "JobComplete"


def list_jobs(call: Call) -> Answer:
    """List the jobs of one kind that are kept; none of them moves."""
    bulk, kind = call.store.bulk, _kind(call)
    bulk.forget_old()
    jobs = [job for job in bulk.jobs.values() if job.kind == kind]
    records = [bulk.told(job, call.version) for job in jobs]
    return 200, {"done": True, "nextRecordsUrl": None, "records": records}


def drop(call: Call) -> Answer:
    """Delete a job that has ended."""
    call.store.bulk.drop(_job(call, _kind(call)))
    return 204, None


def query_results(call: Call) -> Answer:
    """Answer the next piece of a result; the header says where the one after it starts."""
    job = _job(call, "query")
    if job.state != "JobComplete":
        raise SalesforceError(
            "INVALIDJOBSTATE", f"The results of job {job.id} are not there: it is {job.state}."
        )
    first = _first(call, job)
    asked = call.query.get("maxRecords", "")
    count = min(int(asked), MOST_ROWS) if asked.isdigit() and int(asked) else MOST_ROWS
    last = min(len(job.results), first + count)
    text = job.results.read(first, count)
    if job.truncate_after is not None:
        # A download that breaks off on a row's end, with status and headers of a whole one.
        kept = max(0, min(job.truncate_after, last - first))
        text, job.truncate_after = job.results.read(first, kept), None
    headers = {
        "Sforce-NumberOfRecords": str(last - first),
        "Sforce-Locator": _locator(last) if last < len(job.results) else "null",
    }
    return Response(text, 200, headers, media_type="text/csv")


def _locator(place: int) -> str:
    return base64.urlsafe_b64encode(str(place).encode()).decode().rstrip("=")


def _first(call: Call, job: Job) -> int:
    given = call.query.get("locator", "")
    if not given:
        return 0
    try:
        place = int(base64.urlsafe_b64decode(given + "=" * (-len(given) % 4)))
    except ValueError:
        place = -1
    if not 0 <= place < max(1, len(job.results)):
        raise SalesforceError("INVALID_QUERY_LOCATOR", f"Invalid locator: {given}")
    return place


def successful(call: Call) -> Answer:
    """Answer the rows that were written."""
    return _csv(call, "successes")


def failed(call: Call) -> Answer:
    """Answer the rows that were refused, each with its error."""
    return _csv(call, "failures")


def unprocessed(call: Call) -> Answer:
    """Answer the rows a failed or aborted job never looked at."""
    return _csv(call, "unprocessed")


def _csv(call: Call, name: str) -> Answer:
    job = _job(call, "ingest")
    if job.state not in DONE:
        raise SalesforceError(
            "INVALIDJOBSTATE", f"The results of job {job.id} are not there: it is {job.state}."
        )
    results: Results = getattr(job, name)
    return Response(results.read(), 200, media_type="text/csv")


def _kind(call: Call) -> str:
    return "query" if "/jobs/query" in call.path else "ingest"


def _job(call: Call, kind: str) -> Job:
    return call.store.bulk.job(kind, call.params["job"])
