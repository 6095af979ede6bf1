"""Scripted trouble on the wire, and the log of every request that reached a vendor.

One ASGI middleware stands in front of every vendor app. It decides before or after the app ran
what the client gets to see, so that the same fault works for every system.
"""

from __future__ import annotations

import asyncio
import re
import threading
from collections import deque
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from sandbox.clock import Clock

KINDS = ("status", "drop", "drop_after", "timeout", "truncate", "html")
LOG_LENGTH = 100_000

# Calls that change nothing although their method is POST: searches, batch reads, tokens, look-ups,
# query jobs. A composite batch may hold either; what one changed shows among the effects.
READS = {
    "hubspot": re.compile(r"/search$|/batch/read$|/oauth/|/lists/search$"),
    "salesforce": re.compile(
        r"/services/oauth2/|/query(All)?($|/)|/composite/sobjects/[^/]+$|/composite/batch$"
    ),
    "slack": re.compile(r"/(users|conversations|auth|api|team)\.\w+$"),
}


@dataclass
class Fault:
    """One rule: which calls it meets, how often, and what happens to them.

    ``status``      answer ``status`` with ``body`` and ``headers``; the app never sees the call.
    ``drop``        close the connection; the app never sees the call.
    ``drop_after``  the app handles the call (the effect stays), then the connection closes.
    ``timeout``     the app handles the call, the answer comes ``seconds`` late.
    ``truncate``    the app handles the call, the client gets the first half of the body.
    ``html``        answer 200 with a web page; the app never sees the call.
    """

    kind: str
    system: str = ".*"
    method: str = ".*"
    path: str = ".*"
    after: int = 0
    times: int | None = 1
    status: int = 503
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    seconds: float = 30.0
    seen: int = 0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"Unknown fault kind {self.kind!r}; known are {', '.join(KINDS)}.")
        for pattern in (self.system, self.method, self.path):
            re.compile(pattern)

    def meets(self, system: str, method: str, path: str) -> bool:
        """Return whether this rule speaks about the call, counted or not."""
        return bool(
            re.fullmatch(self.system, system)
            and re.fullmatch(self.method, method, re.IGNORECASE)
            and re.search(self.path, path)
        )


class Faults:
    """The rules in force; the first that meets a call and is due is used."""

    def __init__(self) -> None:
        self._rules: list[Fault] = []
        self._lock = threading.Lock()

    def add(self, *rules: Fault) -> None:
        """Put rules behind those already in force."""
        with self._lock:
            self._rules.extend(rules)

    def clear(self) -> None:
        """Forget every rule."""
        with self._lock:
            self._rules.clear()

    def match(self, system: str, method: str, path: str) -> Fault | None:
        """Return the rule due for this call and count it, or None."""
        with self._lock:
            for rule in self._rules:
                if not rule.meets(system, method, path):
                    continue
                rule.seen += 1
                if rule.seen > rule.after and (
                    rule.times is None or rule.seen <= rule.after + rule.times
                ):
                    return rule
        return None

    def as_dicts(self) -> list[dict[str, Any]]:
        """Return the rules with their counters."""
        with self._lock:
            return [asdict(rule) for rule in self._rules]


class RequestLog:
    """The last requests that reached a vendor, oldest first."""

    def __init__(self) -> None:
        self._entries: deque[dict[str, Any]] = deque(maxlen=LOG_LENGTH)
        self._lock = threading.Lock()

    def append(self, entry: dict[str, Any]) -> None:
        """Add one finished request."""
        with self._lock:
            self._entries.append(entry)

    def clear(self) -> None:
        """Forget every request."""
        with self._lock:
            self._entries.clear()

    def entries(
        self, system: str | None = None, is_write: bool | None = None
    ) -> list[dict[str, Any]]:
        """Return the requests, optionally of one system or of one kind."""
        with self._lock:
            return [
                entry
                for entry in self._entries
                if (system is None or entry["system"] == system)
                and (is_write is None or entry["is_write"] is is_write)
            ]


def changes_state(system: str, method: str, path: str) -> bool:
    """Return whether a call of this shape changes what the vendor holds."""
    if method in ("GET", "HEAD", "OPTIONS"):
        return False
    if system == "salesforce" and "/jobs/query" in path:
        return False
    reads = READS.get(system)
    return not (method == "POST" and reads is not None and reads.search(path))


class FaultMiddleware:
    """Log each request of one system and let the scripted faults happen to it."""

    def __init__(
        self, app: ASGIApp, *, system: str, faults: Faults, log: RequestLog, clock: Clock
    ) -> None:
        self.app = app
        self.system = system
        self.faults = faults
        self.log = log
        self.clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        method, path = scope["method"], scope["path"]
        entry = {
            "system": self.system,
            "method": method,
            "path": path,
            "query": scope["query_string"].decode("latin-1"),
            "status": None,
            "at": self.clock.now().isoformat().replace("+00:00", "Z"),
            "is_write": changes_state(self.system, method, path),
        }
        rule = self.faults.match(self.system, method, path)
        if rule is not None:
            entry["fault"] = rule.kind

        logged = False

        def log() -> None:
            nonlocal logged
            if not logged:
                logged = True
                self.log.append(entry)

        async def watched_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                entry["status"] = message["status"]
                # The vendor's clock is the sandbox's, and shows in every answer.
                date = format_datetime(self.clock.now(), usegmt=True).encode()
                message["headers"] = [*message.get("headers", ()), (b"date", date)]
                # Before the answer: who has it may ask for the log at once.
                log()
            await send(message)

        try:
            if rule is None:
                await self.app(scope, receive, watched_send)
            else:
                await self._suffer(rule, scope, receive, watched_send, send)
        finally:
            log()

    async def _suffer(
        self, rule: Fault, scope: Scope, receive: Receive, send: Send, wire: Send
    ) -> None:
        if rule.kind == "drop":
            await _hang_up(wire)
        elif rule.kind == "status":
            body = b"" if rule.body is None else _encoded(rule.body)
            await _answer(send, rule.status, body, rule.headers)
        elif rule.kind == "html":
            page = b"<!doctype html><html><body><h1>We will be right back</h1></body></html>"
            await _answer(send, 200, page, {"content-type": "text/html; charset=utf-8"})
        else:
            status, headers, body = await self._handle(scope, receive)
            if rule.kind == "drop_after":
                await _hang_up(wire)
                return
            if rule.kind == "timeout":
                await _wait(rule.seconds, receive)
            elif rule.kind == "truncate":
                body = body[: len(body) // 2]
            await _answer(send, status, body, headers)

    async def _handle(
        self, scope: Scope, receive: Receive
    ) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
        """Run the app and hold its answer back."""
        status, headers, chunks = 500, [], []

        async def keep(message: Message) -> None:
            nonlocal status, headers
            if message["type"] == "http.response.start":
                status, headers = message["status"], list(message.get("headers", []))
            elif message["type"] == "http.response.body":
                chunks.append(message.get("body", b""))

        await self.app(scope, receive, keep)
        return status, headers, b"".join(chunks)


def _encoded(body: Any) -> bytes:
    return body.encode() if isinstance(body, str) else orjson.dumps(body)


async def _answer(
    send: Send, status: int, body: bytes, headers: dict[str, str] | list[tuple[bytes, bytes]]
) -> None:
    pairs: Iterable[tuple[bytes, bytes]]
    if isinstance(headers, dict):
        lower = {name.lower(): value for name, value in headers.items()}
        lower.setdefault("content-type", "application/json;charset=utf-8")
        pairs = [(name.encode(), value.encode()) for name, value in lower.items()]
    else:
        pairs = headers
    kept = [(name, value) for name, value in pairs if name.lower() != b"content-length"]
    kept.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": kept})
    await send({"type": "http.response.body", "body": body})


async def _wait(seconds: float, receive: Receive) -> None:
    """Wait, but no longer than the client does: a server must be able to close."""

    async def gone() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    waiter = asyncio.ensure_future(gone())
    await asyncio.wait([waiter], timeout=seconds)
    waiter.cancel()


async def _hang_up(wire: Send) -> None:
    """Close the TCP connection without a word.

    ASGI has no message for it; uvicorn's ``send`` is a method of the object that owns the
    transport. The short sleep lets uvicorn notice, or it would answer 500 in our place.
    """
    wire.__self__.transport.abort()  # type: ignore[attr-defined]
    await asyncio.sleep(0.01)
