"""Clearbit on loopback: people and companies by e-mail and domain, and how the vendor refuses.

Two apps, as there are two hosts: people and combined lookups on one, companies on the other.
200 is an answer (either half may be null), 202 is "queued, ask again", 404 is a miss. A call that
finds or queues something costs a credit, and asking again for what is queued does not.
Limit: 600 calls a minute and host, told in ``X-RateLimit-*``; a 429 has no ``Retry-After``.
Source: Clearbit API reference, enrichment; shapes as in recorded answers.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.clearbit_facts import Facts, domain_of
from sandbox.clock import hubspot_time

if TYPE_CHECKING:
    from sandbox.clock import Clock
    from sandbox.world import World

PER_MINUTE = 600
QUEUE_SECONDS = 90.0
# Shares of the lookups that go another way than the straight one, by a hash of what is looked up.
MISSES, QUEUED, NO_PERSON, NO_COMPANY = 0.10, 0.18, 0.24, 0.30
COMBINED, PERSON, COMPANY = "combined", "person", "company"
MESSAGES = {
    401: ("auth_required", "Invalid API key provided."),
    402: ("over_quota", "You have used up the lookups of your plan."),
    403: ("account_disabled", "This account has been disabled."),
    500: ("internal_error", "Something went wrong on our side."),
    503: ("unavailable", "We are down for maintenance."),
}


class ClearbitError(Exception):
    """An answer that is not a result."""

    def __init__(
        self, status: int, kind: str = "", message: str = "", headers: dict[str, str] | None = None
    ) -> None:
        known = MESSAGES.get(status, ("error", "The request could not be answered."))
        self.status, self.headers = status, headers
        self.body = {"error": {"type": kind or known[0], "message": message or known[1]}}
        super().__init__(self.body["error"]["message"])


@dataclass
class ClearbitStore:
    """What one account may ask, what it asked, and what scripted lookups answer.

    ``scripts`` are the statuses a lookup answers next, in turn; the last one stays. ``quota`` is
    the number of credits left, None for any number. Callers hold the world's lock.
    """

    clock: Clock
    key: str
    limits: bool = True
    quota: int | None = None
    is_revoked: bool = False
    queue_seconds: float = QUEUE_SECONDS
    always_found: bool = False
    per_minute: int = PER_MINUTE
    effects: list[dict[str, Any]] = field(default_factory=list)
    scripts: dict[str, deque[int]] = field(default_factory=dict)
    queued: dict[tuple[str, str], datetime] = field(default_factory=dict)
    _calls: dict[str, deque[float]] = field(default_factory=dict)

    def authorise(self, header: str) -> None:
        """Check a Basic (key as the user) or Bearer credential. Raises: ClearbitError."""
        scheme, _, value = header.partition(" ")
        key = value.strip()
        if scheme.lower() == "basic":
            try:
                key = base64.b64decode(key, validate=True).decode().partition(":")[0]
            except (binascii.Error, UnicodeDecodeError):
                key = ""
        elif scheme.lower() != "bearer":
            raise ClearbitError(401, "auth_required", "No API key was provided.")
        if key != self.key or self.is_revoked:
            raise ClearbitError(401, "invalid_api_key", "Invalid API key provided.")

    def take(self, host: str) -> dict[str, str]:
        """Count one call of a host; returns the headers that tell. Raises: ClearbitError.

        Real time, not the sandbox's clock: a client waits in real time even when that stands still.
        """
        now, calls = time.monotonic(), self._calls.setdefault(host, deque())
        while calls and now - calls[0] >= 60:
            calls.popleft()
        is_over = self.limits and len(calls) >= self.per_minute
        if not is_over:
            calls.append(now)
        wait = 60 - (now - calls[0]) if calls else 60
        headers = {
            "X-RateLimit-Limit": str(self.per_minute),
            "X-RateLimit-Remaining": str(max(0, self.per_minute - len(calls))),
            "X-RateLimit-Reset": str(int((self.clock.now() + timedelta(seconds=wait)).timestamp())),
        }
        if is_over:
            raise ClearbitError(429, "rate_limit", "You have been rate limited.", headers)
        return headers

    def scripted(self, lookup: str) -> int | None:
        """Return the status scripted for the next call of this lookup."""
        script = self.scripts.get(lookup)
        if not script:
            return None
        return script.popleft() if len(script) > 1 else script[0]

    def queue(self, kind: str, lookup: str) -> bool:
        """Say whether a queued lookup is still not ready; the first call queues it."""
        ready_at = self.queued.get((kind, lookup))
        now = self.clock.now()
        if ready_at is None:
            self.charge(kind, lookup)
            self.queued[kind, lookup] = now + timedelta(seconds=self.queue_seconds)
            return True
        return now < ready_at

    def charge(self, kind: str, lookup: str) -> None:
        """Take a credit. Raises: ClearbitError where there is none left."""
        if self.quota is not None:
            if self.quota <= 0:
                raise ClearbitError(402)
            self.quota -= 1
        self.effects.append(
            {
                "system": "clearbit",
                "action": "lookup",
                "kind": kind,
                "lookup": lookup,
                "at": hubspot_time(self.clock.now()),
            }
        )


class Lookups:
    """The three calls, over one world."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.store = world.clearbit
        self.facts = Facts(world)

    def combined(self, query: dict[str, str]) -> tuple[int, Any]:
        email = self._email(query)
        return self._look_up(COMBINED, email, lambda: self._halves(email))

    def person(self, query: dict[str, str]) -> tuple[int, Any]:
        email = self._email(query)
        return self._look_up(PERSON, email, lambda: self._halves(email)["person"])

    def company(self, query: dict[str, str]) -> tuple[int, Any]:
        domain = query.get("domain", "").strip().lower()
        if not domain:
            raise ClearbitError(400, "params_invalid", "Name a domain.")
        if "." not in domain or "@" in domain:
            raise ClearbitError(422, "domain_invalid", "That is not a domain.")
        return self._look_up(COMPANY, domain, lambda: self.facts.company(domain))

    def _email(self, query: dict[str, str]) -> str:
        email = query.get("email", "").strip().lower()
        if not email:
            raise ClearbitError(400, "params_invalid", "Name an email.")
        name, _, domain = email.partition("@")
        if not name or "." not in domain:
            raise ClearbitError(422, "email_invalid", "That is not an email address.")
        return email

    def _halves(self, email: str) -> dict[str, Any]:
        share = self._share(email)
        person, company = self.facts.person(email), self.facts.company(domain_of(email))
        if QUEUED <= share < NO_PERSON:
            person = None
            if company and company["emailProvider"]:
                # Who provides a mailbox is no answer to who is behind it.
                company = None
        elif NO_PERSON <= share < NO_COMPANY:
            company = None
        return {"person": person, "company": company}

    def _look_up(self, kind: str, lookup: str, find: Callable[[], Any]) -> tuple[int, Any]:
        status = self.store.scripted(lookup)
        if status is None:
            status = self._fate(kind, lookup)
        if status == 404:
            raise self._miss(kind)
        if status not in (200, 202):
            raise ClearbitError(status)
        if status == 202:
            self.store.queue(kind, lookup)
            return 202, {}
        found = find()
        if not found or (kind == COMBINED and not any(found.values())):
            raise self._miss(kind)
        if (kind, lookup) in self.store.queued:
            del self.store.queued[kind, lookup]
        else:
            self.store.charge(kind, lookup)
        self.facts.told(kind, lookup, found)
        return 200, found

    def _fate(self, kind: str, lookup: str) -> int:
        """Say what becomes of a lookup that nobody scripted: the same for the same lookup."""
        if not self.facts.knows(kind, lookup):
            return 404
        share = self._share(lookup)
        if share < MISSES:
            return 404
        if share < QUEUED and ((kind, lookup) in self.store.queued or not self._was_told(lookup)):
            return 202 if self.store.queue(kind, lookup) else 200
        return 200

    def _was_told(self, lookup: str) -> bool:
        return any(effect["lookup"] == lookup for effect in self.store.effects)

    def _share(self, lookup: str) -> float:
        if self.store.always_found:
            return 1.0
        text = f"{self.world.truth.seed}/clearbit/{lookup}"
        return int(hashlib.sha256(text.encode()).hexdigest()[:8], 16) / 16**8

    @staticmethod
    def _miss(kind: str) -> ClearbitError:
        what = "company" if kind == COMPANY else "person"
        return ClearbitError(404, "unknown_record", f"Unknown {what}.")


def clearbit_person_app(world: World) -> Starlette:
    """Return the host that answers for people, alone or with their company."""
    lookups = Lookups(world)
    return _app(world, "person", {"combined": lookups.combined, "people": lookups.person})


def clearbit_company_app(world: World) -> Starlette:
    """Return the host that answers for companies."""
    return _app(world, "company", {"companies": Lookups(world).company})


Call = Callable[[dict[str, str]], tuple[int, Any]]


def _app(world: World, host: str, calls: dict[str, Call]) -> Starlette:
    async def endpoint(request: Request) -> Response:
        headers: dict[str, str] = {}
        try:
            with world.lock:
                store = world.clearbit
                store.authorise(request.headers.get("authorization", ""))
                headers = store.take(host)
                call = calls.get(request.path_params["resource"])
                if call is None:
                    raise ClearbitError(404, "unknown_route", "Unknown route.")
                status, body = call(dict(request.query_params))
        except ClearbitError as error:
            status, body = error.status, error.body
            headers = error.headers or headers
        return _json(body, status, headers)

    async def unknown(request: Request) -> Response:
        return _json(ClearbitError(404, "unknown_route", "Unknown route.").body, 404, {})

    return Starlette(
        routes=[
            Route("/v2/{resource}/find", endpoint, methods=["GET"]),
            Route("/{rest:path}", unknown, methods=["GET", "POST", "DELETE"]),
        ]
    )


def _json(body: Any, status: int, headers: dict[str, str]) -> Response:
    return Response(
        orjson.dumps(body), status_code=status, media_type="application/json", headers=headers
    )


def control_routes(world: World) -> tuple[tuple[str, str, Callable[[Request, Any], Any]], ...]:
    """Return the control app's calls for this vendor: what stands, and how to change it.

    ``POST /clearbit`` takes ``script`` (statuses by e-mail or domain), ``quota`` (credits left,
    null for any number), ``revoked``, ``queue_seconds``, ``always_found``, ``limits`` and
    ``per_minute``.
    """

    def shown(request: Request, body: Any) -> Any:
        store = world.clearbit
        return {
            "quota": store.quota,
            "revoked": store.is_revoked,
            "queue_seconds": store.queue_seconds,
            "always_found": store.always_found,
            "script": {lookup: list(script) for lookup, script in store.scripts.items()},
            "credits": len(store.effects),
        }

    def change(request: Request, body: Any) -> Any:
        store = world.clearbit
        known = {
            "script", "quota", "revoked", "queue_seconds", "always_found", "limits", "per_minute",
        }  # fmt: skip
        if unknown := set(body) - known:
            raise ValueError(f"Clearbit has no {', '.join(sorted(unknown))}.")
        for lookup, statuses in body.get("script", {}).items():
            store.scripts[lookup] = deque([statuses] if isinstance(statuses, int) else statuses)
        if "quota" in body:
            store.quota = None if body["quota"] is None else int(body["quota"])
        store.is_revoked = bool(body.get("revoked", store.is_revoked))
        store.queue_seconds = float(body.get("queue_seconds", store.queue_seconds))
        store.always_found = bool(body.get("always_found", store.always_found))
        store.limits = bool(body.get("limits", store.limits))
        store.per_minute = int(body.get("per_minute", store.per_minute))
        return shown(request, body)

    return (("GET", "/clearbit", shown), ("POST", "/clearbit", change))
