"""What the suites share: a real Prefect server, sandboxes, a home, and settings that join them."""

from __future__ import annotations

import atexit
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import httpx
import pytest

if TYPE_CHECKING:
    from flows.settings import Settings
    from sandbox.server import Sandbox

TELEMETRY_OFF = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "GX_ANALYTICS_ENABLED": "false",
    "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
}

# Prefect and Great Expectations read these once, when they are imported: here is before that.
os.environ.update(TELEMETRY_OFF)
# A test reads its own settings, never those of the shell it was started from.
for name in [name for name in os.environ if name.startswith("BATON_")]:
    del os.environ[name]
# A proxy of the machine must not stand between a test and its loopback servers.
os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1,localhost"

LONG_MARKS = {"e2e": 600, "slow": 600, "faults": 600, "bench": 1800}
SERVER_START_SECONDS = 120


class Box(Protocol):
    """The part of a running sandbox that settings are made from."""

    @property
    def env(self) -> Mapping[str, str]: ...


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give marked suites the time they need, unless a test names its own."""
    for item in items:
        if item.get_closest_marker("timeout"):
            continue
        for mark, seconds in LONG_MARKS.items():
            if item.get_closest_marker(mark):
                item.add_marker(pytest.mark.timeout(seconds))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(
    item: pytest.Item, nextitem: pytest.Item | None
) -> Generator[None, None, None]:
    """No file leaves settings behind: the next would run in its home and not in its own."""
    yield
    if nextitem is None or nextitem.path != item.path:
        left = [name for name in os.environ if name.startswith("BATON_")]
        for name in left:
            del os.environ[name]
        assert not left, f"{item.path.name} leaves {', '.join(left)} in the environment"


def pytest_terminal_summary(terminalreporter: Any) -> None:
    for reports in terminalreporter.stats.values():
        for report in reports:
            if getattr(report, "when", "") == "call":
                for name, text in report.user_properties:
                    terminalreporter.write_line(f"{name}: {text}")


@pytest.fixture
def remark(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Say something at the end of the run without failing."""
    return lambda text: request.node.user_properties.append(("remark", text))


@pytest.fixture(scope="session")
def prefect_api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Start one Prefect server for the session and point this process at it; returns its API."""
    home = tmp_path_factory.mktemp("prefect")
    port = _free_port()
    api = f"http://127.0.0.1:{port}/api"
    environment = {
        **os.environ,
        "PREFECT_HOME": str(home),
        "PREFECT_API_URL": api,
        "PREFECT_SERVER_LOGGING_LEVEL": "WARNING",
    }
    start = ["server", "start", "--no-ui", "--no-services", "--host", "127.0.0.1", "--port"]
    log = home / "server.log"
    with log.open("wb") as out:
        server = subprocess.Popen(
            [sys.executable, "-m", "prefect", *start, str(port)],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    # Prefect's log and event threads send what they still hold when the interpreter ends. A server
    # stopped before that costs a minute of retries; callbacks of atexit run after those threads.
    atexit.register(_stop, server)
    _wait_until_healthy(server, api, log)
    with _pointed_at(api, home):
        yield api


@pytest.fixture
def baton_home(tmp_path: Path) -> Path:
    """An empty BATON_HOME."""
    home = tmp_path / "baton"
    home.mkdir()
    return home


@pytest.fixture
def sandbox_box() -> Iterator[Callable[..., Sandbox]]:
    """Start sandboxes (``sandbox_box(leads=60, seed=7)``); all are stopped after the test."""
    from sandbox.server import Sandbox

    with ExitStack() as stack:

        def start(**options: Any) -> Sandbox:
            box: Sandbox = stack.enter_context(Sandbox(**{"leads": 60, "seed": 7, **options}))
            return box

        yield start


@pytest.fixture
def settings_for() -> Callable[..., Settings]:
    """Settings of one sandbox and one home, read from a file as ``--env-file`` reads them."""
    from flows.settings import Settings

    def build(box: Box, home: Path, **more: object) -> Settings:
        values = {**box.env, "BATON_HOME": home, **more}
        file = home / "settings.env"
        file.write_text("".join(f"{name}={value}\n" for name, value in values.items()))
        return Settings.load(file)

    return build


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _stop(server: subprocess.Popen[bytes]) -> None:
    server.terminate()
    try:
        server.wait(timeout=20)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


def _wait_until_healthy(server: subprocess.Popen[bytes], api: str, log: Path) -> None:
    deadline = time.monotonic() + SERVER_START_SECONDS
    while time.monotonic() < deadline:
        if server.poll() is not None:
            break
        try:
            if httpx.get(f"{api}/health", timeout=2).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.2)
    tail = "\n".join(log.read_text(errors="replace").splitlines()[-20:])
    raise RuntimeError(f"The Prefect server for the tests did not become healthy.\n{tail}")


@contextmanager
def _pointed_at(api: str, home: Path) -> Iterator[None]:
    """Point this process and its children at one Prefect server."""
    from prefect.settings import PREFECT_API_URL, PREFECT_HOME, temporary_settings

    # Children read the environment; this process has read it already, so it is told as well.
    with (
        pytest.MonkeyPatch.context() as environment,
        temporary_settings({PREFECT_API_URL: api, PREFECT_HOME: home}),
    ):
        environment.setenv("PREFECT_API_URL", api)
        environment.setenv("PREFECT_HOME", str(home))
        yield
