"""One request as the handlers see it: parameters read, checked and refused in one place."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import orjson
from starlette.requests import Request

from sandbox.hubspot.activity import unseal
from sandbox.hubspot.collection import Collection
from sandbox.hubspot.record import Record
from sandbox.hubspot.schema import bad_request, iso, not_found, parse_ms, to_ms

if TYPE_CHECKING:
    from sandbox.hubspot.store import HubSpotStore

MAX_BATCH = 100

Answer = tuple[int, Any]
Handler = Callable[["Call"], Answer]


class Call:
    """One request with its body read, and the store it is about."""

    def __init__(self, store: HubSpotStore, request: Request, raw: bytes) -> None:
        self.store = store
        self.request = request
        self.raw = raw
        self.path = request.path_params
        self.query = request.query_params

    @property
    def version(self) -> str:
        """The dated version of the path; empty for the numbered paths."""
        version: str = self.path.get("version", "")
        return version.removesuffix("-beta")

    @property
    def json(self) -> Any:
        try:
            return orjson.loads(self.raw)
        except orjson.JSONDecodeError as error:
            raise bad_request(f"Invalid input JSON on line {error.lineno}: {error.msg}") from None

    @property
    def body(self) -> dict[str, Any]:
        found = self.json
        if not isinstance(found, dict):
            raise bad_request("Invalid input JSON: an object is required")
        return found

    @property
    def object(self) -> str:
        return self.collection.kind.name

    @property
    def collection(self) -> Collection:
        return self.store.collection(self.path["object"])

    def names(self, parameter: str) -> list[str]:
        """A list parameter: repeated, comma-separated, or both."""
        return [
            name.strip()
            for value in self.query.getlist(parameter)
            for name in value.split(",")
            if name.strip()
        ]

    def limit(self, default: int, most: int) -> int:
        text = self.query.get("limit", str(default))
        if not text.isdigit() or not 1 <= int(text) <= most:
            raise bad_request(f"limit must be between 1 and {most}, not {text}")
        return int(text)

    def flag(self, parameter: str) -> bool:
        return self.query.get(parameter, "false").lower() == "true"

    def mark(self, parameter: str) -> int | None:
        """An opaque paging mark this server has given out."""
        text = self.query.get(parameter)
        if not text:
            return None
        value = unseal(text)
        if value is None:
            raise bad_request(f"Invalid {parameter} value")
        return value

    def time(self, parameter: str, *, ms_only: bool = False) -> int | None:
        text = self.query.get(parameter)
        if not text:
            return None
        # An unescaped "+" in a query string arrives as a space.
        value = parse_ms(text.replace(" ", "+"))
        if value is None or (ms_only and not text.isdigit()):
            raise bad_request(f"Invalid {parameter} value")
        return value

    def record(self) -> Record:
        """The record the path names, by its id or a unique property. Raises: ApiError 404."""
        found = self.store.find(self.object, self.path["id"], self.query.get("idProperty"))
        if found is None:
            raise not_found()
        return found

    def page(self, rows: list[Any], after: str | None) -> dict[str, Any]:
        answer: dict[str, Any] = {"results": rows}
        if after is not None:
            link = self.request.url.include_query_params(after=after)
            answer["paging"] = {"next": {"after": after, "link": str(link)}}
        return answer


def inputs_of(call: Call, most: int = MAX_BATCH) -> list[dict[str, Any]]:
    inputs = call.body.get("inputs")
    if not isinstance(inputs, list) or not all(isinstance(item, dict) for item in inputs):
        raise bad_request("Invalid input JSON: inputs must be a list of objects")
    if not inputs:
        raise bad_request("Batch input must not be empty")
    if len(inputs) > most:
        raise bad_request(f"The maximum number of inputs in a batch request is {most}")
    return inputs


def batch(call: Call, status: int, rows: list[Any], errors: list[Any]) -> Answer:
    now = iso(to_ms(call.store.clock.now()))
    answer: dict[str, Any] = {
        "status": "COMPLETE",
        "results": rows,
        "requestedAt": now,
        "startedAt": now,
        "completedAt": now,
    }
    if errors:
        answer |= {"numErrors": len(errors), "errors": errors}
    return (207 if errors else status), answer
