"""One API call on its way through: what every handler reads from a request, and may answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

from starlette.responses import Response

from sandbox.salesforce.errors import SalesforceError, no_such_column, not_found
from sandbox.salesforce.schema import SObject
from sandbox.salesforce.values import Row, full_id
from sandbox.salesforce.writer import Undo, Writer

if TYPE_CHECKING:
    from sandbox.salesforce.gate import Gate
    from sandbox.salesforce.store import SalesforceStore

COLLECTION_SIZE = 200
MAX_CHUNKS = 10
Answer = tuple[int, Any] | Response


@dataclass(slots=True)
class Call:
    """A request that was let in. ``headers`` are found in small letters; ``raw`` is the body."""

    store: SalesforceStore
    method: str
    path: str
    params: dict[str, Any]
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: Any
    raw: bytes
    gate: Gate
    base: str
    undo: Undo | None = None

    @property
    def version(self) -> str:
        """The API version asked for, such as ``62.0``."""
        return str(self.params["version"])

    @property
    def root(self) -> str:
        """The address every resource of this version hangs on."""
        return f"/services/data/v{self.version}"

    def sobject(self, name: str | None = None) -> SObject:
        """Return the object of the address as the user sees it. Raises SalesforceError 404."""
        found = self.store.access.view(name or str(self.params["object"]))
        if found is None:
            raise not_found()
        return found

    def writer(self) -> Writer:
        """Return a writer that obeys this call's headers."""
        return Writer(self.store, self.headers, self.undo)

    def row_url(self, name: str, id_: str) -> str:
        """Return the address of a record."""
        return f"{self.root}/sobjects/{name}/{id_}"

    def record(self, sobject: SObject, row: Row, fields: str | list[str] | None) -> Row:
        """Return a stored row as the API answers it. Raises SalesforceError for unknown fields."""
        if isinstance(fields, str):
            fields = [name.strip() for name in fields.split(",") if name.strip()]
        names = ["Id", *(fields or sobject.fields)]
        for name in names:
            if sobject.field(name) is None:
                raise no_such_column(name, sobject.name)
        canonical = [sobject.names[name.lower()] for name in names]
        url = self.row_url(sobject.name, row["Id"])
        return {"attributes": {"type": sobject.name, "url": url}} | {
            name: row.get(name) for name in canonical
        }


Handler = Callable[[Call], Answer]


def an_object(body: Any) -> Row:
    """Return a body that is a JSON object. Raises SalesforceError for any other."""
    if not isinstance(body, dict):
        raise SalesforceError("JSON_PARSER_ERROR", "The HTTP entity body must be a JSON object")
    return body


def records_in(body: Any) -> list[Row]:
    """Return the records of a collection. Raises SalesforceError for too many or too mixed ones."""
    records = an_object(body).get("records")
    if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
        raise SalesforceError("JSON_PARSER_ERROR", "records must be a list of sObjects")
    limit_size(len(records), most=COLLECTION_SIZE)
    if len(list(groupby(map(kind_of, records)))) > MAX_CHUNKS:
        raise SalesforceError(
            "LIMIT_EXCEEDED",
            f"Cannot have more than {MAX_CHUNKS} chunks in a single operation. Please rearrange "
            "the data to reduce chunking.",
        )
    return records


def kind_of(record: Row) -> str:
    """Return the object a record says it is of, or nothing."""
    attributes = record.get("attributes")
    return str(attributes.get("type") or "") if isinstance(attributes, dict) else ""


def limit_size(count: int, *, most: int) -> None:
    """Raise SalesforceError for more records than one call takes."""
    if count > most:
        raise SalesforceError(
            "EXCEEDED_ID_LIMIT",
            f"record limit reached. cannot submit more than {most} records in this call",
        )


def path_id(sobject: SObject, given: str) -> str:
    """Return the id in an address. Raises SalesforceError 404 when it is none of this object."""
    found = full_id(given)
    if found is None or not found.startswith(sobject.prefix):
        raise _no_external_id(given)
    return found


def external_field(sobject: SObject, given: str) -> str:
    """Return the name of an external id field. Raises SalesforceError 404 when it is none."""
    known = sobject.field(given)
    if known is None or not (known.external_id or known.name == "Id"):
        raise _no_external_id(given)
    return known.name


def _no_external_id(given: str) -> SalesforceError:
    return SalesforceError(
        "NOT_FOUND",
        f"Provided external ID field does not exist or is not accessible: {given}",
        status=404,
    )


def refuse_in_body(body: Row, name: str) -> None:
    """Raise SalesforceError when a body repeats what the address says."""
    if any(given.lower() == name.lower() for given in body):
        raise SalesforceError(
            "INVALID_FIELD", f"The {name} field should not be specified in the sobject data."
        )
