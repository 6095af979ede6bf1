"""What HubSpot means when it says no, in words a person can act on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from flows.errors import Forbidden, SourceError, mask, shorten


def parts(body: Any) -> Iterator[dict[str, Any]]:
    """Yield an error body and the errors inside it: context stands in either."""
    if not isinstance(body, dict):
        return
    yield body
    errors = body.get("errors")
    yield from (e for e in errors if isinstance(e, dict)) if isinstance(errors, list) else ()


def named(body: Any, name: str) -> list[str]:
    """Collect what the contexts of an error body list under ``name``, each once, in order.

    A context is documented as lists; one value without a list counts as a list of one.
    """
    found: list[str] = []
    for part in parts(body):
        context = part.get("context")
        values = context.get(name) if isinstance(context, dict) else None
        listed = values if isinstance(values, list) else [values]
        found += [str(value) for value in listed if value is not None]
    return list(dict.fromkeys(found))


def reason(error: SourceError) -> str:
    """Say why a write was refused: per property where HubSpot says it, else in its own words."""
    words = []
    for part in parts(error.body):
        if part.get("code") and part.get("message"):
            about = ", ".join(named({"context": part.get("context")}, "propertyName"))
            words.append(f"{about}: {part['message']}" if about else str(part["message"]))
    return shorten(mask("; ".join(words))) if words else error.answer or str(error)


def refused_option(error: SourceError) -> str | None:
    """Name the property whose value is not among its options; None where that is not the reason."""
    for part in parts(error.body):
        if part.get("code") == "INVALID_OPTION":
            names = named({"context": part.get("context")}, "propertyName")
            return names[0] if names else None
    return None


def detail(error: SourceError) -> str:
    """Say what was asked and what came back, without what to do about it."""
    return f'{error.message}: "{error.answer}"' if error.answer else error.message


def cure(error: SourceError, scope: str = "") -> str:
    """Say what to do. For a missing scope, name it; ``scope`` where HubSpot does not."""
    if not isinstance(error, Forbidden):
        return error.next_step or "Run baton doctor again; if it lasts, ask HubSpot's support"
    scopes = " or ".join(named(error.body, "requiredGranularScopes")) or scope
    what = scopes or "the missing scope"
    return f"Grant {what} to the service key (HubSpot: Settings, Integrations), then look again"
