"""The control app: what no vendor offers and a test or a demo needs.

It moves the clock, lets people arrive and reps work, scripts faults, changes records behind the
vendors' backs, and shows the truth and everything that reached the systems.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from datetime import datetime
from typing import TYPE_CHECKING, Any

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.clearbit import control_routes
from sandbox.clock import hubspot_time
from sandbox.faults import Fault
from sandbox.golden import insert_golden
from sandbox.hubspot.control import hubspot_routes
from sandbox.salesforce.control import salesforce_routes

if TYPE_CHECKING:
    from sandbox.server import Sandbox

Handler = Callable[[Request, Any], Any]
SYSTEMS = ("hubspot", "salesforce", "slack", "smtp", "clearbit")


class RefusedError(Exception):
    """A request the control app cannot carry out, with the reason as its answer."""

    def __init__(self, reason: str, status: int = 400) -> None:
        super().__init__(reason)
        self.status = status


def control_app(box: Sandbox) -> Starlette:
    """Return the control app of one sandbox."""
    control = Control(box)
    table: tuple[tuple[str, str, Handler], ...] = (
        ("GET", "/health", control.health),
        ("GET", "/truth", control.truth),
        ("GET", "/clock", control.clock),
        ("POST", "/clock", control.set_clock),
        ("POST", "/arrive", control.arrive),
        ("POST", "/golden", control.golden),
        ("POST", "/work", control.work),
        ("GET", "/faults", control.faults),
        ("POST", "/faults", control.add_faults),
        ("DELETE", "/faults", control.clear_faults),
        ("GET", "/requests", control.requests),
        ("DELETE", "/requests", control.clear_requests),
        ("GET", "/effects", control.effects),
        ("GET", "/messages", control.messages),
        ("GET", "/records/{system}/{object}", control.records),
        ("GET", "/records/{system}/{object}/{id}", control.record),
        ("POST", "/mutate", control.mutate),
        ("POST", "/merge", control.merge),
        ("POST", "/delete", control.delete),
        *hubspot_routes(box.world),
        *salesforce_routes(box.world),
        *control_routes(box.world),
        ("POST", "/slack/scopes", control.slack_scopes),
        ("POST", "/smtp/bounces", control.smtp_bounces),
    )
    return Starlette(
        routes=[
            Route(f"/control{path}", _endpoint(box, handler), methods=[method])
            for method, path, handler in table
        ]
    )


def _endpoint(box: Sandbox, handler: Handler) -> Callable[[Request], Any]:
    async def endpoint(request: Request) -> Response:
        raw = await request.body()
        try:
            body = orjson.loads(raw) if raw else {}
            with box.world.lock:
                answer = handler(request, body)
        except RefusedError as refusal:
            return _json({"error": str(refusal)}, refusal.status)
        except (ValueError, TypeError, KeyError) as problem:
            return _json({"error": f"{type(problem).__name__}: {problem}"}, 400)
        return _json(answer)

    return endpoint


def _json(content: Any, status: int = 200) -> Response:
    text = orjson.dumps(content, default=_plain, option=orjson.OPT_NON_STR_KEYS)
    return Response(text, status_code=status, media_type="application/json")


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, (set, frozenset, tuple)):
        return sorted(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")


class Control:
    """One method per call; the caller holds the world's lock."""

    def __init__(self, box: Sandbox) -> None:
        self.box = box
        self.world = box.world

    def health(self, request: Request, body: Any) -> Any:
        return {"status": "ok", "now": hubspot_time(self.world.clock.now())}

    def truth(self, request: Request, body: Any) -> Any:
        return self.box.truth()

    def clock(self, request: Request, body: Any) -> Any:
        clock = self.world.clock
        return {"now": hubspot_time(clock.now()), "frozen": clock.frozen}

    def set_clock(self, request: Request, body: Any) -> Any:
        clock = self.world.clock
        if "frozen" in body:
            clock.frozen = bool(body["frozen"])
        if "now" in body:
            clock.set(datetime.fromisoformat(body["now"]))
        if "advance_seconds" in body:
            clock.advance(float(body["advance_seconds"]))
        return self.clock(request, body)

    def arrive(self, request: Request, body: Any) -> Any:
        arrived = self.box.arrivals.arrive(int(body.get("count", 1)), body.get("kind"))
        return {"arrived": arrived}

    def golden(self, request: Request, body: Any) -> Any:
        return {"golden": insert_golden(self.world, fresh=True)}

    def work(self, request: Request, body: Any) -> Any:
        return {"worked": self.box.work.work(int(body.get("count", 1)))}

    def faults(self, request: Request, body: Any) -> Any:
        return {"faults": self.world.faults.as_dicts()}

    def add_faults(self, request: Request, body: Any) -> Any:
        """Script faults. For ``smtp`` a ``status`` refuses mails to the address in ``path``."""
        items = body if isinstance(body, list) else [body]
        known = {each.name for each in fields(Fault)} - {"seen"}
        for item in items:
            if unknown := set(item) - known:
                raise RefusedError(f"A fault has no {', '.join(sorted(unknown))}.")
        rules = [Fault(**item) for item in items]
        for item, rule in zip(items, rules, strict=True):
            if rule.system == "smtp":
                self._script_mail(rule, item.get("path", "*"))
            else:
                self.world.faults.add(rule)
        return self.faults(request, body)

    def clear_faults(self, request: Request, body: Any) -> Any:
        self.world.faults.clear()
        self.world.smtp.clear_scripts()
        return self.faults(request, body)

    def _script_mail(self, rule: Fault, recipient: str) -> None:
        times = 10**9 if rule.times is None else rule.times
        if rule.kind == "status":
            self.world.smtp.script(recipient, rule.status, times=times)
        elif rule.kind == "drop_after":
            self.world.smtp.script(recipient, 421, times=times, stage="drop_after_data")
        else:
            raise RefusedError(f"Mail knows the faults status and drop_after, not {rule.kind}.")

    def requests(self, request: Request, body: Any) -> Any:
        write = request.query_params.get("write")
        is_write = None if write is None else write.lower() in ("1", "true", "yes")
        entries = self.world.log.entries(request.query_params.get("system"), is_write)
        return {"count": len(entries), "requests": entries}

    def clear_requests(self, request: Request, body: Any) -> Any:
        self.world.log.clear()
        return {"count": 0, "requests": []}

    def effects(self, request: Request, body: Any) -> Any:
        wanted = request.query_params.get("system")
        effects = [
            effect
            for system in SYSTEMS
            if wanted in (None, system)
            for effect in getattr(self._store(system), "effects", ())
        ]
        return {"count": len(effects), "effects": effects}

    def messages(self, request: Request, body: Any) -> Any:
        return {"slack": list(self.world.slack.messages), "mail": list(self.world.smtp.messages)}

    def records(self, request: Request, body: Any) -> Any:
        system, kind = request.path_params["system"], request.path_params["object"]
        store = self._crm(system)
        rows = store.all(kind) if system == "salesforce" else list(store.records(kind))
        return {"count": len(rows), "records": rows}

    def record(self, request: Request, body: Any) -> Any:
        params = request.path_params
        found = self._crm(params["system"]).get(params["object"], params["id"])
        if found is None:
            raise RefusedError(f"There is no {params['object']} {params['id']}.", 404)
        return found

    def mutate(self, request: Request, body: Any) -> Any:
        """Change or create a record as a person would, without an effect or a request."""
        store, kind = self._crm(body["system"]), body["object"]
        given, record_id, by = body["fields"], body.get("id"), body.get("by")
        author = {"by": by} if body["system"] == "salesforce" and by else {}
        if record_id is None:
            create = store.insert if body["system"] == "salesforce" else store.create
            record_id = create(kind, given, **author)
        else:
            store.update(kind, record_id, given, **author)
        return {"id": record_id}

    def merge(self, request: Request, body: Any) -> Any:
        """Merge two records: ``winner`` and ``loser``; HubSpot answers with a new id."""
        if body["system"] == "hubspot":
            return {"id": self.world.hubspot.merge(body["winner"], body["loser"])}
        kind = body.get("object", "Lead")
        self.world.salesforce.merge(kind, body["winner"], body["loser"])
        return {"id": body["winner"]}

    def delete(self, request: Request, body: Any) -> Any:
        store, kind = self._crm(body["system"]), body["object"]
        remove = store.delete if body["system"] == "salesforce" else store.archive
        remove(kind, body["id"])
        return {"id": body["id"]}

    def slack_scopes(self, request: Request, body: Any) -> Any:
        """Give or take scopes of the bot token: ``{"remove": ["im:history"], "add": []}``."""
        scopes = self.world.slack.scopes
        scopes |= set(body.get("add", ()))
        scopes -= set(body.get("remove", ()))
        return {"scopes": sorted(scopes)}

    def smtp_bounces(self, request: Request, body: Any) -> Any:
        """Take the next mails to somebody and return them to their sender: ``{"recipient":
        "rep@lumenfold.example", "code": 550, "times": 1}``."""
        times = int(body.get("times", 1))
        code = int(body.get("code", 550))
        self.world.smtp.script(body["recipient"], code, times=times, stage="bounce")
        return {"bounces": times}

    def _store(self, system: str) -> Any:
        if system not in SYSTEMS:
            raise RefusedError(f"Unknown system {system!r}; known are {', '.join(SYSTEMS)}.", 404)
        return getattr(self.world, system)

    def _crm(self, system: str) -> Any:
        if system not in ("hubspot", "salesforce"):
            raise RefusedError(f"{system!r} holds no records; hubspot and salesforce do.", 404)
        return self._store(system)
