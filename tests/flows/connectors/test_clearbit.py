"""Clearbit through its package: what each answer means, and what the package gets wrong."""

from __future__ import annotations

import json
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import clearbit as package
import pytest

from flows.connectors.clearbit import Clearbit
from flows.connectors.enrichment import Answer, Provider
from flows.errors import SettingsError

KEY = "sk_0123456789abcdef"
EMAIL = "ada.lovelace@acme.example"
RESET = 1_900_000_000


class Wire(ThreadingHTTPServer):
    """A server that gives one answer and keeps what it was asked."""

    daemon_threads = True
    status: int = 200
    body: bytes = b"{}"
    headers: dict[str, str]
    trickle: float = 0.0

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.headers = {}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    server: Wire

    def do_GET(self) -> None:
        wire = self.server
        wire.asked.append((self.path, dict(self.headers)))
        if wire.status == 0:
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        self.send_response(wire.status)
        for name, value in wire.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(wire.body)))
        self.end_headers()
        if not wire.trickle:
            self.wfile.write(wire.body)
            return
        for byte in wire.body:
            try:
                self.wfile.write(bytes([byte]))
            except OSError:
                return
            threading.Event().wait(wire.trickle)

    def log_message(self, *_: object) -> None:
        """Say nothing: the test reads what was asked."""


@pytest.fixture
def wire() -> Iterator[Wire]:
    server = Wire()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@contextmanager
def opened(person: str, company: str | None = None, timeout: float = 5.0) -> Iterator[Clearbit]:
    provider = Clearbit(
        key=KEY, person_base_url=person, company_base_url=company or person, timeout=timeout
    )
    yield provider
    provider.close()


def answered(wire: Wire, status: int, body: Any = None, **headers: str) -> Answer:
    """Ask for the person once, with this answer on the wire."""
    wire.status, wire.headers = status, {name.replace("_", "-"): v for name, v in headers.items()}
    wire.body = body if isinstance(body, bytes) else json.dumps(body).encode()
    with opened(wire.url) as provider:
        return provider.look_up("person", EMAIL)


def error(kind: str, message: str = "") -> dict[str, Any]:
    return {"error": {"type": kind, "message": message}}


FOUND = {"person": {"id": "1", "name": {"fullName": None}}, "company": None}


def test_it_is_a_provider() -> None:
    with opened("http://127.0.0.1:1") as provider:
        assert isinstance(provider, Provider)
        assert provider.system == "clearbit"


@pytest.mark.parametrize(
    ("status", "body", "means"),
    [
        (200, FOUND, "found"),
        (200, {"person": None, "company": {"name": "Acme"}}, "found"),
        (200, {"person": None, "company": None}, "missing"),
        (200, {}, "missing"),
        (200, None, "unknown"),
        (200, [FOUND], "unknown"),
        (200, b"<html>welcome to the hotel's network</html>", "unknown"),
        (200, b'{"person": ', "unknown"),
        (202, {}, "pending"),
        (202, b"", "pending"),
        (204, b"", "unknown"),
        (301, b"", "refused"),
        (400, error("params_invalid"), "invalid"),
        (401, error("auth_required"), "refused"),
        (402, error("over_quota"), "refused"),
        (403, error("account_disabled"), "refused"),
        (404, error("unknown_record"), "missing"),
        (404, {"errors": [{"id": "not_found"}]}, "missing"),
        (404, error("unknown_route"), "refused"),
        (404, error("not_found"), "refused"),
        (404, b"<html>nginx</html>", "refused"),
        (418, b"", "refused"),
        (422, error("email_invalid"), "invalid"),
        (429, error("rate_limit"), "throttled"),
        (500, b"", "unknown"),
        (503, error("unavailable"), "unknown"),
    ],
)
def test_an_answer_means(wire: Wire, status: int, body: Any, means: str) -> None:
    found = answered(wire, status, body, Location="http://127.0.0.1:1/elsewhere")
    assert found.status == means
    assert found.reason is not None
    assert len(wire.asked) == 1


def test_an_answer_is_kept_whole(wire: Wire) -> None:
    assert answered(wire, 200, FOUND).body == FOUND


def test_a_429_says_when_by_its_reset(wire: Wire) -> None:
    told = answered(wire, 429, error("rate_limit"), X_RateLimit_Reset=str(RESET))
    assert told.again_at == datetime.fromtimestamp(RESET, UTC)
    for nonsense in ("soon", "", "1e400", "nan"):
        assert answered(wire, 429, b"", X_RateLimit_Reset=nonsense).again_at is None


def test_a_call_that_never_left_bought_nothing_and_a_lost_answer_may_have(wire: Wire) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        with opened(f"http://127.0.0.1:{nobody.getsockname()[1]}") as provider:
            assert provider.look_up("person", EMAIL).status == "unreached"
    for address in ("http://host.invalid", "nonsense", "ftp://127.0.0.1"):
        with opened(address) as provider:
            assert provider.look_up("company", "acme.example").status == "unreached"
    assert answered(wire, 0, b"").status == "unknown"


def test_a_silent_server_is_not_waited_for(wire: Wire) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with opened(url, timeout=0.2) as provider:
            assert provider.look_up("person", EMAIL).status == "unknown"


def test_an_answer_that_trickles_or_never_ends_is_given_up(wire: Wire) -> None:
    wire.body, wire.trickle = b" " * 100, 0.1
    began = time.monotonic()
    with opened(wire.url, timeout=0.3) as provider:
        assert provider.look_up("person", EMAIL) == Answer(
            "unknown", reason="the answer did not come to an end"
        )
    assert time.monotonic() - began < 9, "the answer was waited for to its end"


def test_an_endless_body_is_given_up(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flows.connectors.clearbit.LARGEST_ANSWER", 100_000)
    assert answered(wire, 200, b" " * 200_000).status == "unknown"


def test_people_and_companies_are_asked_on_their_hosts_with_the_key_as_user(wire: Wire) -> None:
    with opened(f"{wire.url}/p", f"{wire.url}/c") as provider:
        provider.look_up("person", EMAIL)
        provider.look_up("company", "acme.example")
    (person, sent), (company, _) = wire.asked
    assert person == f"/p/v2/combined/find?email={EMAIL.replace('@', '%40')}"
    assert company == "/c/v2/companies/find?domain=acme.example"
    assert sent["Authorization"] == "Basic c2tfMDEyMzQ1Njc4OWFiY2RlZjo="
    assert KEY not in person + company


def test_nothing_of_one_account_leaks_to_another_or_to_the_package(wire: Wire) -> None:
    before = (package.Company.endpoint, dict(package.Resource.options))
    with opened(wire.url) as provider, opened("http://127.0.0.1:1") as other:
        package.Resource.set_version("2019-12-19")
        try:
            assert provider.look_up("company", "acme.example").status == "missing"
            assert other.look_up("company", "acme.example").status == "unreached"
            assert "API-Version" not in wire.asked[0][1]
        finally:
            package.Resource.options.clear()
    assert (package.Company.endpoint, dict(package.Resource.options)) == before


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 418, 422, 429, 500])
def test_no_reason_tells_the_address_or_the_key(wire: Wire, status: int) -> None:
    told = answered(wire, status, error("some_type", f"No {EMAIL} with key {KEY}, sorry"))
    assert "some_type" in str(told.reason)
    assert EMAIL not in str(told.reason)
    assert KEY not in str(told.reason)


def test_a_proxy_of_the_machine_does_not_stand_before_loopback(
    wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    assert answered(wire, 200, FOUND).status == "found"


def test_without_the_package_one_sentence_says_why_it_is_off(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "clearbit", None)
    with pytest.raises(SettingsError, match=r"Python 3\.11 only"), opened("http://127.0.0.1:1"):
        raise AssertionError("It opened without its package.")


def test_lookups_keep_the_pace(wire: Wire) -> None:
    with opened(wire.url) as provider:
        for _ in range(3):
            provider.look_up("person", EMAIL)
        assert provider.budget.spent == {"lookup": 3}
