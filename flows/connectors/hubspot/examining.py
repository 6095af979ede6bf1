"""A look at everything HubSpot must grant us; reads only, and one thing after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

from flows.connectors.base import Field, Finding
from flows.connectors.hubspot.fields import CUSTOM_FIELDS, misfit, properties_of
from flows.connectors.hubspot.refusals import cure, detail
from flows.connectors.hubspot.streams import OBJECTS, stream_of
from flows.connectors.hubspot.wire import Wire
from flows.errors import Forbidden, SourceError, Unauthorised, is_refused

VERSION = "hubspot.api_version"
VERSIONS = ("2026-09", "2026-03", "v3")
STAGES = ("lead", "marketingqualifiedlead", "salesqualifiedlead", "opportunity", "customer")
HIGH_USE = 0.8
SET_UP = "Run baton setup-crm, which creates it"


@dataclass(frozen=True, slots=True)
class Probe:
    """One address a stream is read from, the scope it asks for, and what goes without it."""

    stream: str
    scope: str
    without: str
    params: dict[str, Any] = field(default_factory=dict)
    remark: str = ""


PROBES = (
    Probe("owners", "crm.objects.owners.read", "no lead can be given to its owner in HubSpot"),
    Probe("forms", "forms", "no form submission is read"),
    Probe("companies", "crm.objects.companies.read", "accounts come from Salesforce alone"),
    Probe("deals", "crm.objects.deals.read", "opportunities come from Salesforce alone"),
    Probe("meetings", "crm.objects.contacts.read", "meetings come from Salesforce alone"),
    Probe("email_events", "content", "opens and clicks are not counted", {"eventType": "OPEN"}),
    Probe(
        "page_events",
        "business-intelligence",
        "page views are not counted",
        {"objectType": "contact", "eventType": "e_visited_page"},
        "It takes Marketing Hub Enterprise as well; an account without it needs nothing more",
    ),
)


def examine(wire: Wire) -> Iterator[Finding]:
    """Look at credential, version, scopes, fields, stages and the day's calls."""
    findings, here = _door(wire)
    yield from findings
    if here is None:
        return
    for probe in PROBES:
        yield from _safely(f"hubspot.stream {probe.stream}", partial(_stream, here, probe))
    yield from _safely("hubspot.fields contact", partial(_fields, here))
    # Good to know, and nothing is read or written less without it.
    yield from _safely("hubspot.account", partial(_account, here), refused="warning")
    yield from _safely("hubspot.daily_calls", partial(_daily_calls, here), refused="warning")


def _safely(
    check: str,
    look: Callable[[], Iterator[Finding]],
    refused: Literal["warning", "broken"] = "broken",
) -> Iterator[Finding]:
    try:
        yield from look()
    except SourceError as error:
        status = refused if is_refused(error) else "broken"
        yield Finding(check, status, detail(error), cure(error))
    except Exception as problem:  # noqa: BLE001 - what was not foreseen must not hide the rest
        yield Finding(
            check,
            "broken",
            f"the answer has a shape we do not know ({type(problem).__name__})",
            "Compare the connector with HubSpot's changelog",
        )


def _door(wire: Wire) -> tuple[list[Finding], Wire | None]:
    """Try the credential; returns a wire that is answered, None where nothing else can be.

    Where the version is gone, another one is looked for, so that the rest is still looked at.
    """
    tried = _knocked(wire)
    if tried is not None:
        return tried
    said = f"{wire.version} is not offered at this address (404)"
    for version in VERSIONS:
        tried = _knocked(wire.at(version))
        if tried is not None and tried[1] is not None:
            rest = [finding for finding in tried[0] if finding.check != VERSION]
            advice = f"Set BATON_HUBSPOT_API_VERSION={version}, which is answered here"
            return [Finding(VERSION, "broken", said, advice), *rest], tried[1]
    advice = "Set BATON_HUBSPOT_BASE_URL to HubSpot's address and BATON_HUBSPOT_API_VERSION to "
    return [Finding(VERSION, "broken", said, f"{advice}{VERSIONS[0]}")], None


def _knocked(wire: Wire) -> tuple[list[Finding], Wire | None] | None:
    """Read one contact and judge the answer; None where the version is not offered."""
    who, contacts = "hubspot.credential", "hubspot.stream contacts"
    known = [
        Finding(who, "ok", "the token is known"),
        Finding(VERSION, "ok", f"{wire.version} is answered"),
    ]
    try:
        _ask(wire, f"{OBJECTS}contacts")
    except Unauthorised as error:
        return [Finding(who, "broken", detail(error), _renewal(error))], None
    except Forbidden as error:
        wanted = cure(error, "crm.objects.contacts.read")
        return [*known, Finding(contacts, "broken", detail(error), wanted)], wire
    except SourceError as error:
        if error.status == 404:
            return None
        return [Finding(who, "broken", detail(error), cure(error))], None
    return [*known, Finding(contacts, "ok", "contacts can be read")], wire


def _renewal(error: SourceError) -> str:
    if error.code == "EXPIRED_AUTHENTICATION":
        return "The token has expired: make a new one and put it into BATON_HUBSPOT_TOKEN"
    return "Copy the token of the service key again into BATON_HUBSPOT_TOKEN"


def _stream(wire: Wire, probe: Probe) -> Iterator[Finding]:
    stream = stream_of(probe.stream)
    check = f"hubspot.stream {stream.name}"
    try:
        _ask(wire, stream.path, **probe.params)
    except SourceError as error:
        if not is_refused(error):
            raise
        advice = [cure(error, probe.scope), probe.remark]
        if not isinstance(error, Forbidden):
            advice = [probe.remark or "Set BATON_HUBSPOT_API_VERSION to a version that offers it"]
        yield Finding(
            check,
            "warning" if stream.is_optional else "broken",
            f"{detail(error)}; without it {probe.without}",
            ". ".join(part for part in advice if part),
        )
        return
    yield Finding(check, "ok", f"{stream.name} can be read")


def _fields(wire: Wire) -> Iterator[Finding]:
    """Compare the properties of contacts with those we write."""
    try:
        held = {f.name: f for f in properties_of(wire, "contacts", lane="doctor")}
    except Forbidden as error:
        advice = cure(error, "crm.schemas.contacts.read")
        yield Finding("hubspot.fields contact", "broken", detail(error), advice)
        return
    for spec in CUSTOM_FIELDS:
        check, own = f"hubspot.field {spec.object_name}.{spec.name}", held.get(spec.name)
        problem = "it does not exist" if own is None else misfit(spec, own)
        if problem is None:
            yield Finding(check, "ok", "present, writable, of the right type")
            continue
        advice = SET_UP if own is None else f"Archive it in HubSpot if nobody needs it. {SET_UP}"
        yield Finding(check, "broken", problem, advice)
    yield _writable("hubspot_owner_id", held)
    yield _stages(held)


def _writable(name: str, held: dict[str, Field]) -> Finding:
    check, own = f"hubspot.field contact.{name}", held.get(name)
    if own is not None and own.is_writable:
        return Finding(check, "ok", "present and writable")
    problem = "it does not exist" if own is None else "its value is read-only"
    return Finding(check, "broken", problem, "Let it be edited (HubSpot: Settings, Properties)")


def _stages(held: dict[str, Field]) -> Finding:
    found = _writable("lifecyclestage", held)
    if found.status != "ok":
        return found
    options = held["lifecyclestage"].options
    absent = [stage for stage in STAGES if stage not in options]
    if absent:
        return Finding(
            found.check,
            "warning",
            f"the account has no lifecycle stage {', '.join(absent)}",
            "Put the account's own stage into lifecycle_stages.csv, column hubspot_stage",
        )
    return Finding(found.check, "ok", f"{len(options)} stages, all we name among them")


def _account(wire: Wire) -> Iterator[Finding]:
    body = wire.get("/account-info/{version}/details", "reading the account", lane="doctor")
    zone = str(body.get("timeZone") or "not stated")
    said = f"account {body.get('portalId') or 'without a number'}, time zone {zone}"
    yield Finding("hubspot.account", "ok", f"{said}; the day's calls are counted anew at midnight")


def _daily_calls(wire: Wire) -> Iterator[Finding]:
    path, doing = "/account-info/{version}/api-usage/daily/private-apps", "reading the day's calls"
    check = "hubspot.daily_calls"
    for item in wire.items(wire.get(path, doing, lane="doctor"), doing):
        used, allowed = item.get("currentUsage"), item.get("usageLimit")
        if not isinstance(used, int) or not isinstance(allowed, int) or allowed <= 0:
            continue
        said = f"{used} of {allowed} calls of the day are used up, by all apps together"
        if used > allowed * HIGH_USE:
            advice = "Look in HubSpot (Settings, Integrations, API usage) for the app that calls"
            yield Finding(check, "warning", said, advice)
        else:
            yield Finding(check, "ok", said)
        return
    yield Finding(check, "ok", "this credential has no daily count")


def _ask(wire: Wire, path: str, **params: Any) -> None:
    wire.get(path, "looking at what may be read", lane="doctor", limit=1, **params)
