"""A scripted HTTP server on loopback: each connector meets the faults its vendor really has."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from flows.connectors.http import Patience

# The same patience as in production, in a hundredth of the time.
QUICK = Patience(attempts=4, total=5, first_wait=0.01, longest_wait=0.05, jitter=0.0)


@dataclass
class Call:
    """One request as the server saw it."""

    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    raw: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.raw)

    @property
    def form(self) -> dict[str, str]:
        return {name: values[0] for name, values in parse_qs(self.raw.decode()).items()}


@dataclass
class Reply:
    """What the server does; ``drop`` closes without an answer, ``cut`` in the middle of one.

    Headers are a dict, or pairs where a name stands more than once.
    """

    body: Any = None
    status: int = 200
    headers: dict[str, str] | Iterable[tuple[str, str]] = field(default_factory=dict)
    drop: bool = False
    cut: bool = False

    def encoded(self) -> bytes:
        if self.body is None or self.status == 204:
            return b""
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()

    def sent_headers(self) -> list[tuple[str, str]]:
        """The headers as scripted; a content type and a length where they are left out."""
        sent = list(self.headers.items() if isinstance(self.headers, dict) else self.headers)
        if not any(name.lower() == "content-type" for name, _ in sent):
            sent.append(("content-type", "application/json"))
        if self.status != 204:
            sent.append(("content-length", str(len(self.encoded()))))
        return sent


Script = Callable[[Call], Reply]


def nothing_scripted(call: Call) -> Reply:
    return Reply({"message": f"nothing is scripted for {call.method} {call.path}"}, 500)


class Vendor:
    """The other side of the wire: give it a script, read its calls."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.script: Script = nothing_scripted
        vendor = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def answer(self) -> None:
                size = int(self.headers.get("content-length") or 0)
                parts = urlsplit(self.path)
                headers = {name.lower(): value for name, value in self.headers.items()}
                raw = self.rfile.read(size)
                call = Call(self.command, parts.path, parse_qs(parts.query), headers, raw)
                vendor.calls.append(call)
                reply = vendor.script(call)
                if reply.drop:
                    self.close_connection = True
                    return
                body = reply.encoded()
                # Only what is scripted: a server line and a date would stand beside recorded ones.
                self.send_response_only(reply.status)
                for name, value in reply.sent_headers():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body[: len(body) // 2] if reply.cut else body)
                self.close_connection = reply.cut

            do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = answer  # noqa: N815 - names of the standard library

            def log_message(self, format: str, *args: Any) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def replies(self, *replies: Reply) -> None:
        """Answer with these, one after the other; the last one stays."""
        queue = list(replies)
        self.script = lambda call: queue.pop(0) if len(queue) > 1 else queue[0]
