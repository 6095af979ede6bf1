"""A server on loopback that plays recorded answers to whoever asks."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.replay.recordings import Recording


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
class Played:
    """What the server answers."""

    status: int = 200
    raw: bytes = b""
    headers: list[tuple[str, str]] = field(default_factory=list)


Script = Callable[[Call], Played]


def play(recording: Recording) -> Played:
    """The recorded answer: its status, its headers, its bytes."""
    return Played(recording.status, recording.raw, recording.sent_headers)


def answer(body: Any, status: int = 200, headers: Iterable[tuple[str, str]] = ()) -> Played:
    """An answer made here, for the calls around the recorded one."""
    return Played(status, b"" if body is None else json.dumps(body).encode(), list(headers))


def nothing_scripted(call: Call) -> Played:
    return answer({"message": f"nothing is scripted for {call.method} {call.path}"}, 501)


class Player:
    """Give it a script; read its calls."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.script: Script = nothing_scripted
        player = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def respond(self) -> None:
                raw = self.rfile.read(int(self.headers.get("content-length") or 0))
                parts = urlsplit(self.path)
                names = {name.lower(): value for name, value in self.headers.items()}
                call = Call(self.command, parts.path, parse_qs(parts.query), names, raw)
                player.calls.append(call)
                self.send(player.script(call))

            def send(self, played: Played) -> None:
                self.send_response_only(played.status)
                if not any(name.lower() == "content-type" for name, _ in played.headers):
                    self.send_header("Content-Type", "application/json;charset=UTF-8")
                for name, value in played.headers:
                    self.send_header(name, value)
                if played.status != 204:
                    self.send_header("Content-Length", str(len(played.raw)))
                self.end_headers()
                if played.status != 204:
                    self.wfile.write(played.raw)

            do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = respond  # noqa: N815 - the library's

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

    def rewind(self) -> None:
        """Forget the calls and the script."""
        self.calls.clear()
        self.script = nothing_scripted
