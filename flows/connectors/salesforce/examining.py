"""What an org must grant us, looked at piece by piece: one broken thing hides no other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal

from flows.connectors.base import CustomField, Finding, Stream
from flows.connectors.salesforce import describing
from flows.connectors.salesforce.fields import misfit, seen_on, too_short
from flows.connectors.salesforce.soql import quoted
from flows.connectors.salesforce.wire import Wire
from flows.errors import SourceError

# Of the day's calls; what is left is shared with every other integration.
MANY = 0.8
WRITTEN = {"Lead": ("createable", "updateable"), "Task": ("createable", "updateable")}
MAKE = "baton setup-crm"
CREATE = f"Create it: {MAKE}"
SHOW = "Give the integration user access to it: baton setup-crm"


def examine(
    wire: Wire, streams: Sequence[Stream], fields: Sequence[CustomField]
) -> Iterator[Finding]:
    """Yield one finding per thing looked at. Reads only, and never raises."""
    credential = _credential(wire)
    yield credential
    if credential.status == "broken":
        return  # without a session nothing else can be seen
    yield _version(wire)
    yield _budget(wire)
    sobjects = [stream.path for stream in streams if stream.path]
    try:
        described = describing.fetch(wire, sobjects, "")
    except SourceError as error:
        yield _broken("salesforce.objects", error)
    else:
        for stream in streams:
            if stream.path:
                yield from _object(stream, described.get(stream.path), fields)
        for field in fields:
            yield _field(field, described.get(seen_on(field), {}))
    yield from _all_records(wire)
    yield from _rules(wire)


def _credential(wire: Wire) -> Finding:
    check = "salesforce.credential"
    try:
        user, organization = wire.identity()
    except SourceError as error:
        return _broken(check, error)
    return Finding(check, "ok", f"{wire.login.flow}, as user {user} of organization {organization}")


def _version(wire: Wire) -> Finding:
    check, wanted = "salesforce.api_version", wire.version
    try:
        body = wire.call("GET", "/services/data", "listing the API versions").body
    except SourceError as error:
        return _broken(check, error)
    listed = body if isinstance(body, list) else []
    offered = [str(item.get("version")) for item in listed if isinstance(item, dict)]
    if wanted in offered:
        return Finding(check, "ok", f"{wanted}; the org offers {offered[0]} to {offered[-1]}")
    told = f"it offers {offered[0]} to {offered[-1]}" if offered else "it lists none"
    cure = f"Set BATON_SALESFORCE_API_VERSION to {offered[-1]}" if offered else None
    return Finding(check, "broken", f"the org does not offer version {wanted}; {told}", cure)


def _budget(wire: Wire) -> Finding:
    check = "salesforce.daily_calls"
    try:
        body = wire.object("GET", f"{wire.root}/limits", "reading the limits")
    except SourceError as error:
        return Finding(check, "warning", str(error), error.next_step)
    calls = body.get("DailyApiRequests")
    calls = calls if isinstance(calls, dict) else {}
    most, left = calls.get("Max"), calls.get("Remaining")
    if not isinstance(most, int) or not isinstance(left, int) or most <= 0:
        return Finding(check, "warning", "the org does not say how many calls are left today")
    detail = f"{left} of {most} calls are left in these 24 hours, for all integrations together"
    if (most - left) / most <= MANY:
        return Finding(check, "ok", detail)
    cure = "Look at API Usage in Setup: another integration may call too often, or buy more calls"
    return Finding(check, "warning", detail, cure)


def _object(
    stream: Stream, described: dict[str, Any] | None, fields: Sequence[CustomField]
) -> Iterator[Finding]:
    """Judge one object: may it be read and written, and with which columns."""
    name = stream.path
    check = f"salesforce.object {name}"
    if described is None or described.get("queryable") is False:
        cure = f"Give the integration user Read on {name}, in its profile or a permission set"
        status: Literal["warning", "broken"] = "warning" if stream.is_optional else "broken"
        yield Finding(check, status, f"{name} cannot be read", cure)
        return
    refused = [right for right in WRITTEN.get(name, ()) if described.get(right) is False]
    if refused:
        cure = f"Give the integration user Create and Edit on {name}"
        yield Finding(check, "broken", f"{name} is not {' and not '.join(refused)}", cure)
    else:
        yield Finding(check, "ok", "readable" + (" and writable" if name in WRITTEN else ""))
    ours = {field.name for field in fields}
    known = describing.by_name(described)
    missing = [column for column in stream.fields if column not in known and column not in ours]
    if missing:
        yield Finding(
            f"salesforce.columns {name}",
            "warning",
            f"not there, or hidden from this user: {', '.join(missing)}; read without them",
            f"Give the integration user field-level access on {name}, where the field exists",
        )


def _field(field: CustomField, described: dict[str, Any]) -> Finding:
    check = f"salesforce.field {field.object_name}.{field.name}"
    known = describing.by_name(described).get(field.name)
    if known is None:
        return Finding(check, "broken", "it does not exist, or this user may not see it", CREATE)
    wrong = misfit(field, known)
    if wrong is not None:
        return Finding(check, "broken", wrong, f"Rename it in Setup, then: {MAKE}")
    if known.get("updateable") is False or known.get("createable") is False:
        return Finding(check, "broken", "it can be read and not written", SHOW)
    short = too_short(field, known)
    if short is not None:
        return Finding(check, "warning", short, "Make it longer in Setup")
    return Finding(check, "ok", str(known.get("type") or "there"))


def _all_records(wire: Wire) -> Iterator[Finding]:
    """Whether every record is shown; a row newly shared with us changes no stamp, and is missed."""
    check = "salesforce.view_all"
    try:
        user, _ = wire.identity()
        assigned = _rows(
            wire,
            "SELECT PermissionSetId FROM PermissionSetAssignment "
            f"WHERE AssigneeId = {quoted(user)}",
        )
        ids = ", ".join(quoted(str(row.get("PermissionSetId"))) for row in assigned)
        if not ids:
            return  # the profile's own set is always among them: this user may not look
        # The profile's permissions stand in such a set too.
        sets = _rows(
            wire, f"SELECT Id, PermissionsViewAllData FROM PermissionSet WHERE Id IN ({ids})"
        )
    except SourceError:
        return  # this user may not look, which is no fault of what it is for
    if any(row.get("PermissionsViewAllData") is True for row in sets):
        yield Finding(check, "ok", "every record is visible")
    elif sets:
        yield Finding(
            check,
            "warning",
            "the user sees only what is shared with it, and is not told of what is shared later",
            "Give the integration user View All on Lead, Contact, Account, Opportunity and "
            "Activity, or View All Data",
        )


def _rules(wire: Wire) -> Iterator[Finding]:
    """Name the rules that could come between a write and what it says, where they can be seen."""
    yield from _rule(
        wire,
        "assignment_rule",
        "SELECT Name FROM AssignmentRule WHERE SobjectType = 'Lead' AND Active = true",
        "Name",
        "switched off for every write of ours",
    )
    yield from _rule(
        wire,
        "duplicate_rules",
        "SELECT MasterLabel FROM DuplicateRule WHERE SobjectType = 'Lead' AND IsActive = true",
        "MasterLabel",
        "one that alerts is passed, one that blocks refuses the row with the rule's name",
    )


def _rule(wire: Wire, name: str, query: str, column: str, then: str) -> Iterator[Finding]:
    try:
        rows = _rows(wire, query)
    except SourceError:
        return  # not every user may see the rules, and not every edition has them
    named = ", ".join(str(row.get(column) or "unnamed") for row in rows) or "none is active"
    yield Finding(f"salesforce.{name} Lead", "ok", f"{named}; {then}" if rows else named)


def _rows(wire: Wire, query: str) -> list[dict[str, Any]]:
    body = wire.object("GET", f"{wire.root}/query", "looking at permissions", params={"q": query})
    rows = body.get("records")
    return [row for row in (rows if isinstance(rows, list) else []) if isinstance(row, dict)]


def _broken(check: str, error: SourceError) -> Finding:
    return Finding(check, "broken", str(error), error.next_step)
