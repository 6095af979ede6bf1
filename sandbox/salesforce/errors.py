"""How Salesforce refuses: one exception, and its forms on the wire."""

from __future__ import annotations

from collections.abc import Iterable

from sandbox.salesforce.values import Row


class SalesforceError(Exception):
    """A refusal: ``errorCode`` at the top of an answer, ``statusCode`` inside a collection.

    ``details`` are keys the answer carries beside code and message.
    """

    def __init__(
        self,
        code: str,
        message: str,
        fields: Iterable[str] = (),
        status: int = 400,
        details: Row | None = None,
    ) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.fields = list(fields)
        self.status = status
        self.details = details or {}


class AmbiguousError(SalesforceError):
    """More than one record carries the external id: answered with 300 and their addresses."""

    def __init__(self, object_name: str, ids: list[str]) -> None:
        super().__init__(
            "DUPLICATE_EXTERNAL_ID", f"more than one record found for {object_name}", status=300
        )
        self.object_name = object_name
        self.ids = ids


NOT_FOUND = ("NOT_FOUND", "The requested resource does not exist")
LOCKED = "unable to obtain exclusive access to this record or 1 records: {}"


def not_found() -> SalesforceError:
    """Return the 404 of every address that leads nowhere."""
    return SalesforceError(*NOT_FOUND, status=404)


def no_such_column(name: str, object_name: str) -> SalesforceError:
    """Return the refusal of a field that is not there, or not for this user."""
    return SalesforceError(
        "INVALID_FIELD",
        f"No such column '{name}' on entity '{object_name}'. If you are attempting to use a custom "
        "field, be sure to append the '__c' after the custom field name. Please reference your "
        "WSDL or the describe call for the appropriate names.",
    )


def top_error(refusal: SalesforceError) -> Row:
    """Return a refusal as an entry of the array that answers a whole call."""
    error: Row = {**refusal.details, "message": refusal.message, "errorCode": refusal.code}
    return error | ({"fields": refusal.fields} if refusal.fields else {})


def inner_error(refusal: SalesforceError) -> Row:
    """Return a refusal as an entry of one record's ``errors``."""
    return {
        **refusal.details,
        "statusCode": refusal.code,
        "message": refusal.message,
        "fields": refusal.fields,
    }


def csv_error(refusal: SalesforceError) -> str:
    """Return a refusal as Bulk writes it into ``sf__Error``."""
    fields = f"{','.join(refusal.fields)} --" if refusal.fields else "--"
    return f"{refusal.code}:{refusal.message}:{fields}"
