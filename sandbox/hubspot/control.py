"""HubSpot's part of the control app: what an admin, a quota or a bad day does to an account.

``hubspot_routes`` is a table of (method, path, handler), included by ``sandbox/control.py``. Every
handler takes the request and its JSON body; the caller holds the world's lock and turns
``ValueError``, ``TypeError`` and ``KeyError`` into 400.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from sandbox.hubspot.limits import Limits
from sandbox.hubspot.pipelines import Pipeline, deal_stage, lead_stage
from sandbox.hubspot.schema import Property, iso, options
from sandbox.hubspot.tokens import ALL_SCOPES
from sandbox.hubspot.writes import Lock, ValidationRule

if TYPE_CHECKING:
    from starlette.requests import Request

    from sandbox.hubspot.store import HubSpotStore
    from sandbox.world import World

Handler = Callable[["Request", Any], Any]
TIERS = ("free", "starter", "professional", "enterprise")
PER_DAY = {"free": 250_000, "starter": 250_000, "professional": 650_000, "enterprise": 1_000_000}
PROPERTY_ACTIONS = ("add", "remove", "rename", "retype", "add_option", "remove_option")


def hubspot_routes(world: World) -> tuple[tuple[str, str, Handler], ...]:
    """The routes below ``/control``."""
    control = HubSpotControl(world)
    return (
        ("GET", "/hubspot", control.state),
        ("POST", "/hubspot/index-lag", control.index_lag),
        ("POST", "/hubspot/scopes", control.scopes),
        ("POST", "/hubspot/token", control.token),
        ("POST", "/hubspot/tier", control.tier),
        ("POST", "/hubspot/properties", control.properties),
        ("POST", "/hubspot/validation-rules", control.validation_rules),
        ("DELETE", "/hubspot/validation-rules", control.clear_validation_rules),
        ("POST", "/hubspot/locks", control.locks),
        ("DELETE", "/hubspot/locks", control.clear_locks),
        ("POST", "/hubspot/limits", control.limits),
        ("POST", "/hubspot/touch", control.touch),
        ("POST", "/hubspot/lists", control.lists),
        ("POST", "/hubspot/pipelines", control.pipelines),
        ("POST", "/hubspot/forms", control.forms),
    )


class HubSpotControl:
    """One method per call."""

    def __init__(self, world: World) -> None:
        self.world = world

    @property
    def store(self) -> HubSpotStore:
        return self.world.hubspot

    def state(self, request: Request, body: Any) -> Any:
        """What the other routes have set: ``GET``, no body."""
        store, limits = self.store, self.store.limits
        return {
            "index_lag": store.index_lag,
            "scopes": sorted(store.tokens.scopes),
            "token_expired": store.tokens.static_expired,
            "tier": store.tier,
            "validation_rules": len(store.writes.rules),
            "locks": [f"{object}/{id}" for object, id in store.writes.locks],
            "per_day": limits.per_day if limits else None,
            "used_today": store.throttle.used_today(),
            "oauth": {
                "client_id": store.tokens.client_id,
                "client_secret": store.tokens.client_secret,
                "refresh_token": store.tokens.refresh_token,
            },
        }

    def index_lag(self, request: Request, body: Any) -> Any:
        """Set how long search may hide a change: ``{"seconds": 30}``. A row waits up to that long,
        each its own time, so that a newer row may be there before an older one."""
        self.store.index_lag = float(body["seconds"])
        return {"seconds": self.store.index_lag}

    def scopes(self, request: Request, body: Any) -> Any:
        """Take scopes from the token or give them: ``{"remove": ["forms"]}``, ``{"add": [...]}``,
        ``{"only": [...]}`` or ``{"all": true}``."""
        scopes = self.store.tokens.scopes
        if body.get("all"):
            scopes |= ALL_SCOPES
        if "only" in body:
            scopes.clear()
            scopes |= set(body["only"])
        scopes -= set(body.get("remove", ()))
        scopes |= set(body.get("add", ()))
        return {"scopes": sorted(scopes)}

    def token(self, request: Request, body: Any) -> Any:
        """Change credentials: ``{"expired": true}`` ends the static token until ``false``,
        ``{"expire_oauth": true}`` ends every issued access token, ``{"static": "pat-…"}`` rotates
        the static one, ``{"refresh_token": "…"}`` replaces that of OAuth."""
        tokens = self.store.tokens
        tokens.static_expired = bool(body.get("expired", tokens.static_expired))
        tokens.static = str(body.get("static", tokens.static))
        tokens.refresh_token = str(body.get("refresh_token", tokens.refresh_token))
        if body.get("expire_oauth"):
            tokens.expire_issued()
        return {"expired": tokens.static_expired}

    def tier(self, request: Request, body: Any) -> Any:
        """Change the subscription: ``{"tier": "professional"}``. Below enterprise the event
        endpoints answer 403; the daily limit becomes that of the tier."""
        tier = body["tier"]
        if tier not in TIERS:
            raise ValueError(f"Unknown tier {tier!r}; known are {', '.join(TIERS)}.")
        self.store.tier = tier
        if self.store.limits is not None:
            self.store.limits.per_day = PER_DAY[tier]
        return {"tier": tier}

    def properties(self, request: Request, body: Any) -> Any:
        """Change a property as an admin would. ``object`` defaults to contacts.

        ``{"action": "add", "name": "x", "type": "string", "unique": false, "options": ["a"]}``
        ``{"action": "remove", "name": "x"}`` (archives it)
        ``{"action": "rename", "name": "x", "label": "New label"}`` (the internal name stays)
        ``{"action": "retype", "name": "x", "type": "number"}``
        ``{"action": "add_option", "name": "x", "value": "v", "label": "V"}``
        ``{"action": "remove_option", "name": "x", "value": "v"}``
        """
        action, object, name = body["action"], body.get("object", "contacts"), body["name"]
        if action not in PROPERTY_ACTIONS:
            known = ", ".join(PROPERTY_ACTIONS)
            raise ValueError(f"Unknown action {action!r}; known are {known}.")
        if action == "add":
            definition = {key: body[key] for key in ("type", "label", "unique") if key in body}
            listed = options([str(value) for value in body.get("options", ())])
            self.store.define_property(object, name, **definition, options=listed)
        elif action == "remove":
            self.store.remove_property(object, name)
            return {"name": name, "archived": True}
        prop = self.store.collection(object).properties[name]
        self._change_property(prop, action, body)
        prop.updated = self.store.ms(None)
        return prop.as_json()

    def _change_property(self, prop: Property, action: str, body: Any) -> None:
        if action == "rename":
            prop.label = str(body["label"])
        elif action == "retype":
            prop.type = str(body["type"])
            prop.field_type = str(body.get("fieldType", prop.field_type))
        elif action == "add_option":
            added = options([str(body["value"])], [str(body.get("label", body["value"]))])[0]
            prop.options = [*prop.options, added | {"displayOrder": len(prop.options)}]
        elif action == "remove_option":
            prop.options = [held for held in prop.options if held["value"] != body["value"]]

    def validation_rules(self, request: Request, body: Any) -> Any:
        """Add an admin's validation rule, enforced on writes from version 2026-09 on:
        ``{"object": "contacts", "property": "baton_trigger", "message": "At most 10 characters.",
        "pattern": null, "least": null, "most": 10}``. ``pattern`` is a regular expression for the
        whole value; the bounds are of a number, or of the length of a text."""
        rule = ValidationRule(
            body.get("object", "contacts"),
            body["property"],
            body.get("message", f"{body['property']} breaks a validation rule."),
            body.get("pattern"),
            body.get("least"),
            body.get("most"),
        )
        if rule.property not in self.store.collection(rule.object).properties:
            raise ValueError(f"{rule.object} has no property {rule.property}.")
        self.store.writes.rules.append(rule)
        return {"validation_rules": len(self.store.writes.rules)}

    def clear_validation_rules(self, request: Request, body: Any) -> Any:
        """Forget every validation rule: ``DELETE``, no body."""
        self.store.writes.rules.clear()
        return {"validation_rules": 0}

    def locks(self, request: Request, body: Any) -> Any:
        """Lock a record; writes to it answer 423:
        ``{"object": "contacts", "id": "1001", "seconds": 2}`` or ``"attempts": 3`` instead of
        ``seconds``; with neither, until ``DELETE``."""
        record = self.store.find(body["object"], str(body["id"]))
        if record is None:
            raise ValueError(f"There is no {body['object']} {body['id']}.")
        until = None
        if "seconds" in body:
            until = self.store.ms(None) + int(float(body["seconds"]) * 1000)
        key = self.store.collection(body["object"]).kind.name, record.id
        self.store.writes.locks[key] = Lock(until, body.get("attempts"))
        return {"locked": str(record.id)}

    def clear_locks(self, request: Request, body: Any) -> Any:
        """Unlock every record: ``DELETE``, no body."""
        self.store.writes.locks.clear()
        return {"locked": None}

    def limits(self, request: Request, body: Any) -> Any:
        """Set limits and what is used of the day: ``{"enabled": true, "per_ten_seconds": 190,
        "per_day": 650000, "searches_per_second": 5, "oauth_per_ten_seconds": 110,
        "used_today": 649990}``, every key optional; ``"enabled": false`` turns them off."""
        given = dict(body)
        used, enabled = given.pop("used_today", None), given.pop("enabled", True)
        limits = self.store.limits or Limits()
        for name, value in given.items():
            if not hasattr(limits, name):
                raise ValueError(f"There is no limit {name}.")
            setattr(limits, name, int(value))
        self.store.limits = limits if enabled else None
        if used is not None:
            self.store.throttle.use_today(int(used))
        return {"enabled": enabled, "used_today": self.store.throttle.used_today()}

    def touch(self, request: Request, body: Any) -> Any:
        """Give many records one modified time, as HubSpot's own mass updates do:
        ``{"object": "contacts", "count": 12000, "at": "2026-03-18T15:29:00.123Z"}``; ``at``
        defaults to now. Search sees them at once."""
        at = datetime.fromisoformat(body["at"]) if "at" in body else None
        touched = self.store.touch_many(body.get("object", "contacts"), int(body["count"]), at)
        return {"touched": touched, "at": iso(self.store.ms(at))}

    def lists(self, request: Request, body: Any) -> Any:
        """Make a list: ``{"name": "MQLs", "processing": "DYNAMIC", "members": ["1001"]}``;
        ``processing`` defaults to MANUAL. The members joined a second apart."""
        now, kind = self.store.ms(None), self.store.collection(body.get("object", "contacts")).kind
        made = self.store.lists.add(
            body["name"], kind.type_id, body.get("processing", "MANUAL"), now
        )
        members = [str(id) for id in body.get("members", ())]
        for number, id in enumerate(members):
            made.members[int(id)] = now - 1000 * (len(members) - number)
        return {"listId": str(made.id)}

    def pipelines(self, request: Request, body: Any) -> Any:
        """Add a pipeline: ``{"object": "deals", "id": "77001", "label": "Renewals", "stages":
        [["77010", "Talks", "0.5"], ["77011", "Renewed", "1.0"]]}``; the third value of a stage is
        a probability, or for leads a state (NEW, IN_PROGRESS, QUALIFIED, UNQUALIFIED)."""
        object = body["object"]
        make = deal_stage if object == "deals" else lead_stage
        pipeline = Pipeline(str(body["id"]), str(body["label"]))
        pipeline.stages = {str(row[0]): make(*map(str, row)) for row in body["stages"]}
        self.store.add_pipeline(object, pipeline)
        return {"id": pipeline.id}

    def forms(self, request: Request, body: Any) -> Any:
        """Make a form: ``{"guid": "…", "name": "Pop-up", "type": "captured", "days_ago": 3}``;
        ``type`` is hubspot, captured, flow or blog_comment."""
        since = self.world.clock.now() - timedelta(days=float(body.get("days_ago", 0)))
        self.store.add_form(
            body["guid"], body["name"], body.get("type", "hubspot"), since.astimezone(UTC)
        )
        return {"id": body["guid"]}
