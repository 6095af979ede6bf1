"""A HubSpot account in a few lines: list, search, associations and properties of any object.

It answers as the documents say and can be told to misbehave: page sizes, lags, refusals. It is a
script for the ``vendor`` server, so every answer crosses a real wire.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

from flows.connectors.base import Page, Stream, millis
from flows.connectors.hubspot import HubSpot
from tests.flows.connectors.vendor import QUICK, Call, Reply, Vendor

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
OURS = (
    *("baton_lead_key", "baton_score", "baton_score_reasons", "baton_trigger"),
    "baton_context_gaps",
)
STAGES = "subscriber lead marketingqualifiedlead salesqualifiedlead opportunity customer other"


def connect(vendor: Vendor, searches: int = 0, **options: Any) -> HubSpot:
    """One search a second makes the list the faster door; no limit at all makes it search."""
    return HubSpot(
        base_url=vendor.url,
        token="pat-na1-secret",
        requests_per_10s=0,
        searches_per_second=searches,
        timeout=2,
        patience=QUICK,
        **options,
    )


def stream_of(name: str) -> Stream:
    return next(stream for stream in HubSpot.streams if stream.name == name)


def pull(hubspot: HubSpot, name: str, cursor: str | None = None, now: datetime = NOW) -> list[Page]:
    return list(hubspot.pull(stream_of(name), cursor, now))


def cut_off(hubspot: HubSpot, name: str, count: int, cursor: str | None = None) -> list[Page]:
    """What so many pages brought before the run was stopped."""
    with closing(hubspot.pull(stream_of(name), cursor, NOW)) as pages:  # type: ignore[type-var]
        return list(islice(pages, count))


def thing(number: int, at: datetime, **properties: Any) -> dict[str, Any]:
    """A record that carries its stamp under both names."""
    stamp = at.isoformat().replace("+00:00", "Z")
    stamps = {"lastmodifieddate": stamp, "hs_lastmodifieddate": stamp}
    values = {"hs_object_id": str(number), **stamps, **properties}
    return {"id": str(number), "properties": values, "updatedAt": stamp, "archived": False}


def prop(name: str, kind: str = "string", *options: str, **more: Any) -> dict[str, Any]:
    listed = [{"value": value, "label": value.title(), "hidden": False} for value in options]
    return {
        "name": name,
        "label": name.replace("_", " ").title(),
        "type": kind,
        "fieldType": "text",
        "options": listed,
        "modificationMetadata": {"readOnlyValue": False},
        **more,
    }


def forbidden(scope: str) -> Reply:
    error = {"message": "scopes are required", "context": {"requiredGranularScopes": [scope]}}
    body = {"status": "error", "category": "MISSING_SCOPES", "message": "no", "errors": [error]}
    return Reply(body, 403)


class Account:
    """What one account holds, and how it answers."""

    def __init__(self, page: int = 2, version: str = "2026-09") -> None:
        self.page, self.version = page, version
        self.things: dict[str, list[dict[str, Any]]] = {}
        self.archived: dict[str, list[dict[str, Any]]] = {}
        self.links: dict[tuple[str, str], list[int]] = {}
        self.properties = {
            name: [prop("name")] for name in ("contacts", "companies", "deals", "meetings")
        }
        self.properties["contacts"] = [prop(n) for n in OURS if n != "baton_score"]
        self.properties["contacts"] += [
            prop("baton_score", "number"),
            prop("hubspot_owner_id", "enumeration", externalOptions=True),
            prop("lifecyclestage", "enumeration", *STAGES.split()),
        ]
        self.groups = ["contactinformation"]
        self.windows: list[tuple[int, int]] = []
        self.doors: list[str] = []
        """``list``, ``archived`` or ``search``, as they were used."""
        self.before: Callable[[Call], Reply | None] = lambda call: None
        """Looks at a call first, and may answer it."""

    def __call__(self, call: Call) -> Reply:
        own = self.before(call)
        if own is not None:
            return own
        parts = call.path.strip("/").split("/")
        if parts[:2] == ["crm", "objects"] and parts[2] == self.version:
            return self._search(call) if parts[-1] == "search" else self._list(call, parts[3])
        if parts[:2] == ["crm", "associations"]:
            return self._associations(call, parts[4])
        if parts[:2] == ["crm", "properties"]:
            return self._properties(call, parts[3:])
        return Reply({"message": "resource not found"}, 404)

    def _list(self, call: Call, name: str) -> Reply:
        archived = call.query.get("archived") == ["true"]
        self.doors.append("archived" if archived else "list")
        held = (self.archived if archived else self.things).get(name, [])
        after = int(call.query.get("after", ["0"])[0])
        rows = sorted((t for t in held if int(t["id"]) > after), key=lambda t: int(t["id"]))
        return self._paged(rows, min(self.page, int(call.query["limit"][0])))

    def _paged(self, rows: list[dict[str, Any]], size: int) -> Reply:
        body: dict[str, Any] = {"results": rows[:size]}
        if len(rows) > size:
            body["paging"] = {"next": {"after": rows[size - 1]["id"]}}
        return Reply(body)

    def _search(self, call: Call) -> Reply:
        self.doors.append("search")
        name = call.path.split("/")[-2]
        filters = {f["propertyName"]: f for f in call.json["filterGroups"][0]["filters"]}
        behind = int(filters["hs_object_id"]["value"])
        stamp = "lastmodifieddate" if name == "contacts" else "hs_lastmodifieddate"
        if stamp not in filters:
            return Reply({"total": 0, "results": []})
        low, high = int(filters[stamp]["value"]), int(filters[stamp]["highValue"])
        self.windows.append((low, high))
        hits = [
            held
            for held in self.things.get(name, [])
            if int(held["id"]) > behind
            and low <= millis(datetime.fromisoformat(held["updatedAt"])) <= high
        ]
        hits.sort(key=lambda held: int(held["id"]))
        reply = self._paged(hits, self.page)
        reply.body["total"] = len(hits)
        return reply

    def _associations(self, call: Call, other: str) -> Reply:
        results, errors = [], []
        for item in call.json["inputs"]:
            linked = self.links.get((item["id"], other))
            if linked:
                to = [{"toObjectId": number, "associationTypes": []} for number in linked]
                results.append({"from": {"id": item["id"]}, "to": to})
            else:
                errors.append(no_associations(item["id"]))
        status = 207 if errors else 200
        return Reply({"status": "COMPLETE", "results": results, "errors": errors}, status)

    def _properties(self, call: Call, parts: list[str]) -> Reply:
        held = self.properties.get(parts[0])
        if held is None:
            return Reply({"message": "resource not found"}, 404)
        if parts[1:] == ["groups"]:
            if call.method == "POST":
                self.groups.append(call.json["name"])
                return Reply(call.json, 201)
            return Reply({"results": [{"name": name} for name in self.groups]})
        if parts[1:] == ["batch", "create"]:
            return self._create(call, held)
        return Reply({"results": held})

    def _create(self, call: Call, held: list[dict[str, Any]]) -> Reply:
        results, errors, taken = [], [], {item["name"] for item in held}
        for item in call.json["inputs"]:
            if item["groupName"] not in self.groups:
                return Reply({"message": "the group does not exist"}, 400)
            if item["name"] in taken:
                errors.append(exists(item["name"]))
            else:
                held.append({**item, "modificationMetadata": {"readOnlyValue": False}})
                results.append(held[-1])
        return Reply({"results": results, "errors": errors}, 207 if errors else 201)


def refused(category: str, kind: str, message: str, **context: Any) -> dict[str, Any]:
    """One entry of the errors of a batch answer."""
    return {
        "status": "error",
        "category": category,
        "subCategory": kind,
        "message": message,
        "context": context,
    }


def no_associations(number: str) -> dict[str, Any]:
    return refused(
        "OBJECT_NOT_FOUND",
        "crm.associations.NO_ASSOCIATIONS_FOUND",
        f"No company is associated with deal {number}.",
        fromObjectId=[number],
        fromObjectType=["deal"],
    )


def exists(name: str) -> dict[str, Any]:
    return refused(
        "OBJECT_ALREADY_EXISTS",
        "Properties.PROPERTY_WITH_NAME_EXISTS",
        f"A property named '{name}' already exists.",
        name=[name],
    )


def hours_ago(hours: float) -> datetime:
    return NOW - timedelta(hours=hours)
