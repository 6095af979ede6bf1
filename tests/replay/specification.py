"""The vendors' own specifications, and a small reader of the schemas in them."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from tests.replay.recordings import DATA
from tests.replay.shapes import path_in, type_of

TYPES = {
    "array": {"list"},
    "number": {"number", "integer"},
    **{name: {name} for name in ("boolean", "integer", "null", "object", "string")},
}


@dataclass(frozen=True)
class Specification:
    """A Swagger 2.0 document, as one method of an API is looked up in it."""

    document: dict[str, Any]

    @staticmethod
    def read(path: str) -> Specification:
        assert DATA is not None, "a test that reads specifications carries needs_recordings"
        return Specification(json.loads((DATA / "specs" / path).read_bytes()))

    def operation(self, method: str, path: str) -> dict[str, Any]:
        found: dict[str, Any] = self.document["paths"][path][method]
        return found

    def schema(self, method: str, path: str, status: str) -> dict[str, Any]:
        found: dict[str, Any] = self.operation(method, path)["responses"][status]["schema"]
        return found

    def faults(
        self,
        schema: dict[str, Any],
        value: Any,
        *,
        lenient: Collection[str] = (),
        path: str = "",
    ) -> Iterator[str]:
        """Say, as sentences, where a value breaks a schema; not at the paths in ``lenient``."""
        if "$ref" in schema:
            schema = self.document["definitions"][schema["$ref"].rsplit("/", 1)[-1]]
        alternatives = schema.get("items")
        if isinstance(alternatives, list) and "type" not in schema:
            yield from self._best(alternatives, value, lenient, path)
            return
        place = path or "the answer"
        types = schema.get("type", [])
        wanted = [types] if isinstance(types, str) else types
        if wanted and type_of(value) not in set().union(*(TYPES[name] for name in wanted)):
            if not path_in(path, lenient):
                yield f"{place} is {type_of(value)}, not {' or '.join(wanted)}"
            return
        if "enum" in schema and value not in schema["enum"] and not path_in(path, lenient):
            yield f"{place} is {value!r}, which the specification does not list"
        if isinstance(value, str) and not re.search(schema.get("pattern", ""), value):
            yield f"{place} is {value!r}, not of the form {schema['pattern']}"
        if isinstance(value, dict):
            yield from self._inside(schema, value, lenient, path)
        if isinstance(value, list) and isinstance(alternatives, dict):
            for below in value:
                yield from self.faults(alternatives, below, lenient=lenient, path=f"{path}[]")

    def _best(
        self, alternatives: list[dict[str, Any]], value: Any, lenient: Collection[str], path: str
    ) -> Iterator[str]:
        """Slack writes "one of these" as a list of items: the faults of the one that fits best."""
        found = [[*self.faults(one, value, lenient=lenient, path=path)] for one in alternatives]
        yield from min(found, key=len)

    def _inside(
        self, schema: dict[str, Any], value: dict[str, Any], lenient: Collection[str], path: str
    ) -> Iterator[str]:
        properties = schema.get("properties", {})
        for key in schema.get("required", []):
            if key not in value and not path_in(f"{path}.{key}", lenient):
                yield f"{path}.{key} is missing"
        for key, below in value.items():
            if key in properties:
                there = f"{path}.{key}"
                yield from self.faults(properties[key], below, lenient=lenient, path=there)
            elif schema.get("additionalProperties") is False and not path_in(
                f"{path}.{key}", lenient
            ):
                yield f"{path}.{key} is not in the specification"


@dataclass(frozen=True)
class Definition:
    """One request of the vendor's own collection of examples."""

    name: str
    method: str
    pattern: re.Pattern[str]
    headers: dict[str, str]
    parameters: frozenset[str]


def salesforce_requests() -> list[Definition]:
    """The request definitions Salesforce publishes for its REST, composite and Bulk 2.0 APIs."""
    assert DATA is not None, "a test that reads specifications carries needs_recordings"
    found = sorted((DATA / "specs" / "salesforce").glob("*/*/*.json"))
    return [_definition(path.stem, json.loads(path.read_bytes())) for path in found]


def _definition(name: str, item: dict[str, Any]) -> Definition:
    address = re.sub(r"^(\{\{\w+\}\})+", "", item["url"]).partition("?")[0].rstrip("/")
    parts = re.split(r"\{\{\w+\}\}|<\w+>", address)
    return Definition(
        name=name,
        method=item["method"],
        pattern=re.compile("[^/]+".join(map(re.escape, parts)) + "/?"),
        headers={head["key"].lower(): head["value"] for head in item.get("headerData") or []},
        parameters=frozenset(part["key"] for part in item.get("queryParams") or []),
    )
