"""Salesforce's part of the control app: what an admin, a busy org or a bad day does to a client.

``salesforce_routes`` is a table of (method, path, handler), included by ``sandbox/control.py``.
Every handler takes the request and its JSON body; the caller holds the world's lock and turns
``ValueError``, ``TypeError`` and ``KeyError`` into 400. Times are ISO 8601.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sandbox.salesforce.access import LEVELS
from sandbox.salesforce.quota import CONCURRENT
from sandbox.salesforce.schema import Field
from sandbox.salesforce.soql import SoqlError
from sandbox.salesforce.values import wire_time

if TYPE_CHECKING:
    from starlette.requests import Request

    from sandbox.salesforce.store import SalesforceStore
    from sandbox.world import World

Handler = Callable[["Request", Any], Any]
FIELD_ACTIONS = ("add", "remove", "rename", "retype", "alter")
VALUE_ACTIONS = ("add", "deactivate", "remove")
ALTERABLE = ("length", "required", "read_only", "restricted")


def salesforce_routes(world: World) -> tuple[tuple[str, str, Handler], ...]:
    """The routes below ``/control``."""
    control = SalesforceControl(world)
    return (
        ("GET", "/salesforce", control.state),
        ("POST", "/salesforce/lock", control.lock),
        ("POST", "/salesforce/errors", control.errors),
        ("POST", "/salesforce/refuse", control.refuse),
        ("POST", "/salesforce/hide", control.hide),
        ("POST", "/salesforce/sessions/expire", control.expire_sessions),
        ("POST", "/salesforce/cursors/expire", control.expire_cursors),
        ("POST", "/salesforce/token", control.token),
        ("POST", "/salesforce/assignment-rule", control.assignment_rule),
        ("POST", "/salesforce/validation-rules", control.validation_rule),
        ("DELETE", "/salesforce/validation-rules", control.clear_validation_rules),
        ("POST", "/salesforce/duplicate-rules", control.duplicate_rule),
        ("DELETE", "/salesforce/duplicate-rules", control.clear_duplicate_rules),
        ("POST", "/salesforce/access", control.access),
        ("POST", "/salesforce/fields", control.fields),
        ("POST", "/salesforce/picklists", control.picklists),
        ("POST", "/salesforce/limits", control.limits),
        ("POST", "/salesforce/touch", control.touch),
        ("POST", "/salesforce/purge", control.purge),
        ("POST", "/salesforce/bulk", control.bulk),
    )


class SalesforceControl:
    """One method per call."""

    def __init__(self, world: World) -> None:
        self.world = world

    @property
    def store(self) -> SalesforceStore:
        """The org of this world, looked up anew: a test may put another one in its place."""
        return self.world.salesforce

    def state(self, request: Request, body: Any) -> Any:
        """Tell what the other routes have set: ``GET``, no body."""
        store = self.store
        return {
            "now": wire_time(store.clock.now()),
            "daily_limit": store.daily_limit,
            "calls_today": store.calls_today,
            "limits": store.limits,
            "validation_rules": sorted(store.rules.validations),
            "duplicate_rules": sorted(store.rules.duplicates),
            "assignment_owner_id": store.assignment_owner_id,
            "jobs": [
                {"id": job.id, "kind": job.kind, "state": job.state, "polls": job.polls}
                for job in store.bulk.jobs.values()
            ],
        }

    def lock(self, request: Request, body: Any) -> Any:
        """Lock rows: ``{"ids": ["00Q…"], "times": 1, "in_trigger": false}``.

        ``in_trigger`` hides the lock inside CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY.
        """
        times = int(body.get("times", 1))
        for id_ in body["ids"]:
            self.store.rules.lock(id_, times, in_trigger=bool(body.get("in_trigger")))
        return {"locked": len(body["ids"])}

    def errors(self, request: Request, body: Any) -> Any:
        """Refuse writes of a record: ``{"id": "00Q… or an external id", "code": "…",
        "message": "…", "fields": [], "times": 1}``."""
        fields = tuple(body.get("fields", ()))
        times = int(body.get("times", 1))
        self.store.rules.script(body["id"], body["code"], body.get("message", ""), times, fields)
        return {"scripted": times}

    def refuse(self, request: Request, body: Any) -> Any:
        """Refuse the next calls, whatever they ask: ``{"times": 1, "status": 403,
        "code": "REQUEST_LIMIT_EXCEEDED", "message": "…"}``; without a body: too many at once."""
        times = int(body.get("times", 1))
        self.store.refuse_calls(
            body.get("code", "REQUEST_LIMIT_EXCEEDED"),
            body.get("message", CONCURRENT),
            times,
            int(body.get("status", 403)),
        )
        return {"refused": times}

    def hide(self, request: Request, body: Any) -> Any:
        """Let rows commit late: ``{"ids": ["00Q…"], "until": "2026-03-18T16:00:00+00:00"}``."""
        until = datetime.fromisoformat(body["until"])
        for id_ in body["ids"]:
            self.store.hide_until(id_, until)
        return {"hidden": len(body["ids"])}

    def expire_sessions(self, request: Request, body: Any) -> Any:
        """End every session; no body."""
        self.store.expire_sessions()
        return {"expired": True}

    def expire_cursors(self, request: Request, body: Any) -> Any:
        """Forget every half-read query: its locator answers INVALID_QUERY_LOCATOR; no body."""
        self.store.expire_cursors()
        return {"expired": True}

    def token(self, request: Request, body: Any) -> Any:
        """Set how long an idle session lives: ``{"ttl_seconds": 900}``."""
        self.store.token_ttl = float(body["ttl_seconds"])
        return {"ttl_seconds": self.store.token_ttl}

    def assignment_rule(self, request: Request, body: Any) -> Any:
        """Say who takes every lead unless told not to: ``{"owner_id": "005…" or null}``."""
        self.store.set_assignment_rule(body.get("owner_id"))
        return {"owner_id": self.store.assignment_owner_id}

    def validation_rule(self, request: Request, body: Any) -> Any:
        """Refuse writes that make a condition true: ``{"name": "Reason_needed", "object": "Lead",
        "when": "Status = 'Unqualified' AND DisqualificationReason__c = null", "message": "…",
        "field": "Status" or null}``."""
        try:
            self.store.rules.add_validation(
                body["name"], body["object"], body["when"], body["message"], body.get("field")
            )
        except SoqlError as problem:
            raise ValueError(problem.message) from problem
        return {"validation_rules": sorted(self.store.rules.validations)}

    def clear_validation_rules(self, request: Request, body: Any) -> Any:
        """Take every validation rule out of force; no body."""
        self.store.rules.validations.clear()
        return {"validation_rules": []}

    def duplicate_rule(self, request: Request, body: Any) -> Any:
        """Refuse new records that resemble old ones: ``{"object": "Lead", "fields": ["Email"],
        "action": "Alert" or "Block", "name": "Standard_Lead_Duplicate_Rule", "message": "…"}``."""
        name = body.get("object", "Lead")
        self.store.rules.add_duplicate(
            body.get("name", f"Standard_{name}_Duplicate_Rule"),
            name,
            list(body.get("fields", ["Email"])),
            body.get("action", "Alert"),
            body.get("message", "Use one of these records?"),
        )
        return {"duplicate_rules": sorted(self.store.rules.duplicates)}

    def clear_duplicate_rules(self, request: Request, body: Any) -> Any:
        """Take every duplicate rule out of force; no body."""
        self.store.rules.duplicates.clear()
        return {"duplicate_rules": []}

    def access(self, request: Request, body: Any) -> Any:
        """Say what the integration user's profile allows of fields: ``{"object": "Lead",
        "fields": ["baton_score__c"], "level": "none" or "read" or "edit"}``.

        A permission set may still open what the profile closes.
        """
        if body["level"] not in LEVELS:
            raise ValueError(f"A level is one of {', '.join(LEVELS)}.")
        for name in body["fields"]:
            self.store.access.set_profile(body["object"], name, body["level"])
        return {"level": body["level"]}

    def fields(self, request: Request, body: Any) -> Any:
        """Change the object model: ``{"action": …, "object": "Lead", "field": "X__c", …}``.

        ``add`` takes ``type`` (describe's word, such as string), ``length``, ``external_id``,
        ``values``; ``rename`` takes ``to``; ``retype`` takes ``type`` and ``length``; ``alter``
        takes ``length``, ``required``, ``read_only``, ``restricted``; ``remove`` takes nothing.
        """
        customize, owner, name = self.store.customize, body["object"], body["field"]
        action = body["action"]
        if action == "add":
            customize.add(owner, _new_field(name, body), is_open=True)
        elif action == "remove":
            customize.remove(owner, name)
        elif action == "rename":
            customize.rename(owner, name, body["to"])
        elif action == "retype":
            customize.retype(owner, name, body["type"], int(body.get("length", 0)))
        elif action == "alter":
            changes = {key: body[key] for key in ALTERABLE if key in body}
            customize.alter(owner, name, **changes)
        else:
            raise ValueError(f"A field action is one of {', '.join(FIELD_ACTIONS)}.")
        return {"action": action, "field": name}

    def picklists(self, request: Request, body: Any) -> Any:
        """Change a picklist: ``{"action": "add" or "deactivate" or "remove", "object": "Lead",
        "field": "Status", "value": "Nurturing"}``."""
        customize, action = self.store.customize, body["action"]
        where = (body["object"], body["field"], body["value"])
        if action == "add":
            customize.add_value(*where)
        elif action in VALUE_ACTIONS:
            customize.remove_value(*where, is_gone=action == "remove")
        else:
            raise ValueError(f"A picklist action is one of {', '.join(VALUE_ACTIONS)}.")
        return {"action": action, "value": body["value"]}

    def limits(self, request: Request, body: Any) -> Any:
        """Set limits: ``{"enabled": true, "daily_limit": 15000, "calls_today": 14990,
        "app": {"used": 17, "limit": 250, "name": "Baton"} or null, "query_jobs": 10000,
        "page_size": 2000}``; what is not said stays."""
        store = self.store
        store.limits = bool(body.get("enabled", store.limits))
        store.daily_limit = int(body.get("daily_limit", store.daily_limit))
        store.bulk.query_limit = int(body.get("query_jobs", store.bulk.query_limit))
        store.page_size = int(body.get("page_size", store.page_size))
        if "calls_today" in body:
            store.calls_today = int(body["calls_today"])
        if "app" in body:
            app = body["app"]
            store.app_usage = (int(app["used"]), int(app["limit"]), app["name"]) if app else None
        return {"limit_info": store.limit_info}

    def touch(self, request: Request, body: Any) -> Any:
        """Give many records one SystemModstamp: ``{"object": "Lead", "count": 5000}`` or
        ``{"object": "Lead", "ids": ["00Q…"], "at": "2026-03-18T16:00:00+00:00"}``."""
        name, ids = body.get("object", "Lead"), body.get("ids")
        if ids is None and "count" in body:
            rows = self.store.table(name).between(None, None)
            ids = [row["Id"] for row in rows if not row.get("IsDeleted")][: int(body["count"])]
        at = datetime.fromisoformat(body["at"]) if "at" in body else None
        return {"touched": self.store.touch(name, ids, at)}

    def purge(self, request: Request, body: Any) -> Any:
        """Remove records past the bin: ``{"object": "Lead", "ids": ["00Q…"]}``."""
        for id_ in body["ids"]:
            self.store.purge(body["object"], id_)
        return {"purged": len(body["ids"])}

    def bulk(self, request: Request, body: Any) -> Any:
        """Say how Bulk jobs behave: ``{"extra_polls": 3, "fail": {"message": "…", "times": 1},
        "truncate": 500}``.

        ``extra_polls`` holds for every later job; the next ``times`` jobs fail; the first result
        download of the next query job ends after ``truncate`` rows, with the headers of a whole
        one. ``{"reset": true}`` forgets all of it.
        """
        behaviour = self.store.bulk.behaviour
        if body.get("reset"):
            behaviour.extra_polls = 0
            behaviour.fail.clear()
            behaviour.truncate.clear()
        behaviour.extra_polls = int(body.get("extra_polls", behaviour.extra_polls))
        if "fail" in body:
            failure = body["fail"]
            behaviour.fail.append((failure["message"], int(failure.get("times", 1))))
        if "truncate" in body:
            behaviour.truncate.append(int(body["truncate"]))
        return {"extra_polls": behaviour.extra_polls, "failures": len(behaviour.fail),
                "truncations": len(behaviour.truncate)}  # fmt: skip


def _new_field(name: str, body: Any) -> Field:
    return Field(
        name=name,
        type=body["type"],
        length=int(body.get("length", 0)),
        external_id=bool(body.get("external_id")),
        unique=bool(body.get("external_id")),
        restricted=bool(body.get("restricted")),
        values=tuple(body.get("values", ())),
    )
