"""Which contacts and companies a record belongs to; HubSpot's search does not say it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flows.connectors.base import text_id
from flows.connectors.http import slices
from flows.connectors.hubspot.refusals import named
from flows.connectors.hubspot.streams import ASSOCIATED
from flows.connectors.hubspot.wire import Wire, next_page
from flows.errors import SourceError, is_refused

MAX_INPUTS = 1000
NONE_FOUND = "NO_ASSOCIATIONS_FOUND"


def with_associations(wire: Wire, name: str, items: list[Any], refused: set[str]) -> list[Any]:
    """Put ``associations`` into the records of a page, as ids in order: the same ones, same bytes.

    An object the credential may not read or the account has not (kept in ``refused``), or HubSpot
    could not answer for,
    is left out: "unknown" and "none" are different things.
    """
    ids = [name for name in (text_id(i.get("id")) for i in items if isinstance(i, dict)) if name]
    found: dict[str, dict[str, list[str]]] = {}
    for target in ASSOCIATED.get(name, ()):
        if target in refused or not ids:
            continue
        try:
            linked = _read(wire, f"/crm/associations/{{version}}/{name}/{target}/batch/read", ids)
        except SourceError as error:
            if not is_refused(error):
                raise
            refused.add(target)
            continue
        for own, others in linked.items():
            found.setdefault(own, {})[target] = others
    return [_extended(item, found) if isinstance(item, dict) else item for item in items]


def _extended(item: dict[str, Any], found: dict[str, dict[str, list[str]]]) -> dict[str, Any]:
    return {**item, "associations": found.get(text_id(item.get("id")) or "", {})}


def _read(wire: Wire, path: str, ids: Sequence[str]) -> dict[str, list[str]]:
    linked: dict[str, set[str]] = {}
    unknown: set[str] = set()
    for some in slices(list(dict.fromkeys(ids)), MAX_INPUTS):
        inputs = [{"id": name} for name in some]
        while inputs:
            body = wire.call("POST", path, "reading associations", body={"inputs": inputs})
            items = wire.items(body, "reading associations")
            silent = {item["id"] for item in inputs} - _collected(items, linked)
            unknown |= _unanswered(body, silent)
            inputs = _following(items, inputs)
    return {
        name: sorted(linked.get(name, ()), key=lambda other: (len(other), other))
        for name in ids
        if name not in unknown
    }


def _collected(items: list[Any], linked: dict[str, set[str]]) -> set[str]:
    """Add what an answer says to ``linked``; return the ids it speaks of."""
    seen: set[str] = set()
    for item in items:
        own = _from(item)
        if own is None:
            continue
        seen.add(own)
        # An integer on the wire, whatever the specification says.
        ends = [to for to in item.get("to") or [] if isinstance(to, dict)]
        others = (text_id(to.get("toObjectId")) for to in ends)
        linked.setdefault(own, set()).update(other for other in others if other)
    return seen


def _following(items: list[Any], asked: list[dict[str, str]]) -> list[dict[str, str]]:
    """Ask on for records with more associations than one answer holds."""
    before = {(item["id"], item.get("after")) for item in asked}
    marks = [(_from(item), next_page(item)) for item in items if isinstance(item, dict)]
    return [
        {"id": own, "after": after}
        for own, after in marks
        if own and after and (own, after) not in before
    ]


def _unanswered(body: dict[str, Any], silent: set[str]) -> set[str]:
    """Of the records without a result, those that did not get "none" for an answer.

    "No associations" is an error entry and normal. Another error may come without the record it
    is about, and then stands for every record not mentioned.
    """
    errors = [error for error in body.get("errors") or [] if isinstance(error, dict)]
    others = [e for e in errors if not str(e.get("subCategory")).endswith(NONE_FOUND)]
    if not others:
        return set()
    return silent - set(named({"errors": [e for e in errors if e not in others]}, "fromObjectId"))


def _from(item: Any) -> str | None:
    end = item.get("from") if isinstance(item, dict) else None
    return text_id(end.get("id")) if isinstance(end, dict) else None
