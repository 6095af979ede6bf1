"""What an ingest job does with its CSV: one record a line, each with a result of its own."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

from sandbox.salesforce.bulk import Job, fail
from sandbox.salesforce.errors import SalesforceError, csv_error
from sandbox.salesforce.projection import csv_line
from sandbox.salesforce.schema import SObject
from sandbox.salesforce.values import Row, full_id
from sandbox.salesforce.writer import Writer

if TYPE_CHECKING:
    from sandbox.salesforce.store import SalesforceStore

DELIMITERS = {
    "COMMA": ",",
    "TAB": "\t",
    "SEMICOLON": ";",
    "PIPE": "|",
    "BACKQUOTE": "`",
    "CARET": "^",
}
ENDINGS = {"LF": "\n", "CRLF": "\r\n"}
NULL = "#N/A"


def run_ingest(store: SalesforceStore, job: Job) -> None:
    """Carry a job out: it is complete afterwards, or failed as a whole."""
    lines = _lines(job)
    if lines is None:
        return
    heading, rows = lines
    sobject = store.access.view(job.object)
    if sobject is None:
        fail(job, f"InvalidBatch : Object {job.object} not found")
        return
    _head(job, heading)
    wrong = _unknown_column(job, sobject, heading)
    if job.fail_with or wrong:
        fail(job, job.fail_with or wrong)
        job.unprocessed.extend([csv_line(row) for row in rows])
        return
    assigned = job.asked.get("assignmentRuleId")
    headers = {"sforce-auto-assign": str(assigned) if assigned else "FALSE"}
    # Batches end when they end: results never stand in the order of the file.
    for cells in [*rows[1::2], *rows[::2]]:
        _one(Writer(store, headers), job, sobject, heading, cells)
    job.state = "JobComplete"


def give_up(job: Job) -> None:
    """Put every uploaded row among the unprocessed ones."""
    lines = _lines(job) if job.data is not None else None
    job.state, job.error = "Aborted", ""  # also when what was uploaded is no CSV
    if lines is not None:
        _head(job, lines[0])
        job.unprocessed.extend([csv_line(row) for row in lines[1]])


def _lines(job: Job) -> tuple[list[str], list[list[str]]] | None:
    """Return heading and rows of the upload, or fail the job and return None."""
    try:
        text = (job.data or b"").decode("utf-8-sig")
    except UnicodeDecodeError:
        fail(job, "InvalidBatch : Failed to parse CSV: the file is not UTF-8")
        return None
    ending = str(job.asked.get("lineEnding", "LF"))
    has_crlf = "\r\n" in text
    if text.strip() and has_crlf is not (ending == "CRLF"):
        fail(job, "ClientInputError : LineEnding is invalid on user data. Current LineEnding "
             f"setting is {ending}")  # fmt: skip
        return None
    delimiter = DELIMITERS[str(job.asked.get("columnDelimiter", "COMMA"))]
    table = [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter) if row]
    if not table:
        fail(job, "InvalidBatch : Failed to parse CSV: no header row")
        return None
    heading, rows = table[0], table[1:]
    if any(len(row) != len(heading) for row in rows):
        fail(job, "InvalidBatch : Failed to parse CSV: a row has another number of columns than "
             "the header")  # fmt: skip
        return None
    return heading, rows


def _head(job: Job, heading: list[str]) -> None:
    job.successes.heading = csv_line(["sf__Id", "sf__Created", *heading])
    job.failures.heading = csv_line(["sf__Id", "sf__Error", *heading])
    job.unprocessed.heading = csv_line(heading)


def _unknown_column(job: Job, sobject: SObject, heading: list[str]) -> str:
    for name in heading:
        parent, _, key = name.partition(".")
        if key:  # Owner.Email: a parent by its external id
            if sobject.relationships.get(parent.lower()) is None:
                return f"InvalidBatch : Field name not found : {name}"
        elif sobject.field(name) is None:
            return f"InvalidBatch : Field name not found : {name}"
    external = str(job.asked.get("externalIdFieldName"))
    if job.operation == "upsert" and external.lower() not in {name.lower() for name in heading}:
        return f"InvalidBatch : Field name not found : {external}"
    needs_id = job.operation in ("update", "delete", "hardDelete")
    if needs_id and "id" not in {name.lower() for name in heading}:
        return "InvalidBatch : Field name not found : Id"
    return ""


def _one(writer: Writer, job: Job, sobject: SObject, heading: list[str], cells: list[str]) -> None:
    job.processed += 1
    id_ = ""
    try:
        body = _body(writer.store, sobject, heading, cells, job.operation)
        given = body.pop("Id", None)
        id_ = full_id(str(given or "")) or ""
        id_, is_new = _written(writer, job, sobject, id_, given, body)
        result = [id_, "true" if is_new else "false", *cells]
        job.successes.extend([csv_line(result)])
    except SalesforceError as refusal:
        job.failed += 1
        job.failures.extend([csv_line([id_, csv_error(refusal), *cells])])


def _written(
    writer: Writer, job: Job, sobject: SObject, id_: str, given: object, body: Row
) -> tuple[str, bool]:
    if job.operation == "insert":
        return writer.create(sobject, body), True
    if job.operation == "upsert" and job.asked.get("externalIdFieldName") != "Id":
        known = sobject.field(str(job.asked["externalIdFieldName"]))
        name = known.name if known else ""
        value = body.pop(name, None)
        if value is None:
            raise SalesforceError("MISSING_ARGUMENT", f"{name} not specified")
        return writer.upsert(sobject, name, value, body)
    if job.operation == "upsert" and not given:
        return writer.create(sobject, body), True
    if not given:
        raise SalesforceError("MISSING_ARGUMENT", "Id not specified in an update call")
    if not id_.startswith(sobject.prefix):
        raise SalesforceError(
            "MALFORMED_ID", f"{sobject.name} ID: id value of incorrect type: {given}", ["Id"]
        )
    if job.operation in ("update", "upsert"):
        writer.update(sobject, id_, body)
    else:
        writer.delete(sobject, id_, is_hard=job.operation == "hardDelete")
    return id_, False


def _body(
    store: SalesforceStore, sobject: SObject, heading: list[str], cells: list[str], operation: str
) -> Row:
    """Return the fields of a line: an empty cell changes nothing, ``#N/A`` empties."""
    body: Row = {}
    for place, (name, cell) in enumerate(zip(heading, cells, strict=True), 1):
        parent, _, key = name.partition(".")
        if cell == "":
            continue
        if key:
            step = sobject.relationships[parent.lower()]
            body[step.name] = _parent(store, step.refers_to[0], key, cell)
            continue
        known = sobject.field(name)
        if known is None:
            continue
        body[known.name] = None if cell == NULL else _cell(known.type, cell, place, name)
    return body


def _cell(kind: str, cell: str, place: int, name: str) -> str:
    """Return a cell as JSON would say it, or refuse it in Bulk's own words."""
    try:
        if kind in ("int", "double", "currency", "percent"):
            float(cell)
        elif kind == "boolean" and cell.lower() not in ("true", "false", "1", "0"):
            raise ValueError(cell)
    except ValueError:
        raise SalesforceError(
            "INVALID_TYPE_ON_FIELD_IN_RECORD",
            f"Failed to deserialize field at col {place}. Due to, '{cell}' is not a valid value "
            f"for the type xsd:{kind}",
            [name],
        ) from None
    return {"1": "true", "0": "false"}.get(cell, cell) if kind == "boolean" else cell


def _parent(store: SalesforceStore, target: str, key: str, value: str) -> str:
    known = store.schema[target].field(key) if target in store.schema else None
    found = store.by_key(target, known.name, value) if known and known.external_id else []
    if len(found) != 1:
        raise SalesforceError(
            "INVALID_FIELD", f"Foreign key external ID: {value} not found for field {key} in "
            f"entity {target}"
        )  # fmt: skip
    return found[0]
