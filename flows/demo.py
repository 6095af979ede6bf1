"""The whole of it on one machine, with nobody's accounts: what ``baton demo`` does.

An invented outside world and a Prefect server are started as children, three syncs run, and what
happened is told. Everything lives in a directory of its own that is made anew each time; nothing
exported in the environment is used, so that no real account can be reached by accident. When it
ends, in whatever way, the children are stopped.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import logging
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from flows.errors import SettingsError, Unreachable, WarehouseBusy, WarehouseError
from flows.settings import forget_exported, prefect_environment
from flows.status import duration, reps_of, summary_lines
from flows.warehouse import ROOT, Lease, published

Say = Callable[..., None]

MARK = "made-by-baton-demo"  # nothing is removed from a directory without it
START_SECONDS = 180
STOP_SECONDS = 20
SYNC_EVERY_SECONDS = 120
ARRIVALS, WORKED, TRICKLE = 20, 15, 3
SEED = 7
# Of the Prefect server's services a demo needs the recorder of task runs alone.
SERVICES_OFF = {
    f"PREFECT_SERVER_SERVICES_{name}_ENABLED": "false"
    for name in (
        "SCHEDULER",
        "LATE_RUNS",
        "CANCELLATION_CLEANUP",
        "PAUSE_EXPIRATIONS",
        "FOREMAN",
        "TRIGGERS",
        "REPOSSESSOR",
    )
}


class Demo:
    """One demo under ``home``/demo. ``say`` gets the lines as they come."""

    def __init__(self, home: Path, leads: int, say: Say) -> None:
        self.home = (home / "demo").resolve()
        self._leads, self._say = leads, say
        self._children: list[subprocess.Popen[bytes]] = []
        self._control = ""
        self._env_file = self.home / "sandbox.env"
        self._prefect = ""
        self._told: dict[str, Any] = {"syncs": []}

    def run(self, *, stay: bool, result: Callable[[Any], None] | None = None) -> int:
        """Show everything, stay until Ctrl-C where asked, stop everything; returns the status.

        Raises: PipelineError, with everything stopped.
        """
        try:
            lock = Lease(self.home / "running", 0).__enter__()
        except WarehouseBusy as busy:
            raise WarehouseBusy(
                f"another demo is running here ({busy.holder})",
                holder=busy.holder,
                next_step="Stop it, or set BATON_HOME to another directory",
            ) from None
        except OSError as error:
            raise SettingsError(f"{self.home} cannot be used: {error.strerror}") from None
        finished = False
        try:
            with _signals():
                self._show()
                finished = True
                if result is not None:
                    result({**self._told, "prefect": self._prefect, "home": str(self.home)})
                if stay:
                    self._stay()
        except KeyboardInterrupt:
            logging.disable(logging.CRITICAL)
            self._say("", "Stopping.")
            return 0 if finished else 130
        finally:
            self._stop()
            lock.__exit__()
        return 0

    # --- the story ----------------------------------------------------------------------------

    def _show(self) -> None:
        say = self._say
        say("Baton demo: invented people, the real programs, nothing but this machine.")
        self._make_home()
        self._start_sandbox()
        self._start_prefect()
        say("", "1  First sync. Baton went live yesterday; what is older is adopted as it is.")
        self._sync()
        self._show_a_message()
        came = len(self._ask("/arrive", count=ARRIVALS)["arrived"])
        worked = len(self._ask("/work", count=WORKED)["worked"])
        say("", f"2  {came} people submit a form and reps take a step with {worked} leads. Sync.")
        self._sync()
        self._show_first_touches()
        say("", "3  Nothing happens in the outside world. Sync.")
        self._sync()
        say(
            "",
            f"Runs, steps and logs: {self._prefect}",
            "In another terminal, from here, what one lead's story was, and how things stand:",
            f"  baton --env-file {_short(self._env_file)} explain {self._somebody()}",
            f"  baton --env-file {_short(self._env_file)} status",
        )

    def _sync(self) -> dict[str, Any]:
        """Run the very flow that a deployment runs. Raises: PipelineError if it needs a person."""
        from flows.sync import sync

        quiet_prefect()
        summary: dict[str, Any] = asyncio.run(sync(env_file=str(self._env_file)))
        self._told["syncs"].append(summary)
        with published(self.home) as reader:
            self._say(*summary_lines(summary, reps_of(reader)))
        return summary

    def _show_a_message(self) -> None:
        with published(self.home) as reader:
            found = reader.rows(
                """
                select
                    receipts.target,
                    receipts.sent ->> 'text' as slack_text,
                    receipts.sent ->> 'body_text' as mail_text,
                    coalesce(receipts.sent ->> 'user_email', receipts.sent ->> 'to_email') as rep
                from ops.receipts as receipts
                inner join ops.decisions as decisions on receipts.row_key = decisions.decision_key
                where receipts.target like '%.message' and receipts.status = 'accepted'
                order by decisions.icp_score desc, decisions.trigger_at, receipts.lead_key
                limit 1
                """
            )
        if not found:
            raise WarehouseError("the first sync handed nobody over, which the demo promises")
        message = found[0]
        text = str(message["slack_text"] or message["mail_text"])
        self._told["message"] = text
        self._say("", f"   What {message['rep']} reads in {message['target'].split('.')[0]}:")
        self._say(*(f"   | {line}" for line in text.splitlines()))

    def _show_first_touches(self) -> None:
        with published(self.home) as reader:
            touched = reader.rows(
                "select count(*) as leads, median(seconds) as seconds from reporting.rpt_seams "
                "where seam = 'rep to first touch'"
            )[0]
        if touched["leads"]:
            self._say(
                f"  touched    {touched['leads']} handed-over leads had their first touch, "
                f"{duration(touched['seconds'])} after the message (median)"
            )

    def _somebody(self) -> str:
        """Name the lead whose owner was found with the most to explain."""
        with published(self.home) as reader:
            found = reader.rows(
                "select people.email from ops.assignments as given "
                "join lifecycle.lead_lifecycle as people on given.lead_key = people.lead_key "
                "where people.email is not null "
                "order by len(json_keys(given.credits_before)) desc nulls last, given.draw_number"
            )
        return str(found[0]["email"]) if found else "EMAIL"

    def _stay(self) -> None:
        every = duration(SYNC_EVERY_SECONDS)
        self._say(
            "", f"Stays up until Ctrl-C: {TRICKLE} people arrive and a sync runs each {every}."
        )
        while True:
            time.sleep(SYNC_EVERY_SECONDS)
            self._ask("/arrive", count=TRICKLE)
            self._ask("/work", count=1)
            self._say("", f"   {datetime.now():%H:%M:%S}")
            self._sync()

    # --- the stage ----------------------------------------------------------------------------

    def _make_home(self) -> None:
        """Empty the directory of the demo before; nobody's stores are in it."""
        old = [path for path in self.home.iterdir() if path.name != "running"]
        if old and not (self.home / MARK).exists():
            raise SettingsError(
                f"{self.home} holds something that no demo made, so it is not emptied",
                next_step="Move it away, or set BATON_HOME to another directory",
            )
        (self.home / MARK).touch()
        for path in old:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            elif path.name != MARK:
                path.unlink()
        forget_exported()

    def _start_sandbox(self) -> None:
        began = time.monotonic()
        command = [sys.executable, "-m", "sandbox", "--leads", str(self._leads)]
        command += ["--seed", str(SEED), "--env", str(self._env_file)]
        box = self._start("sandbox", command, None)
        self._wait("the sandbox", box, self._env_file.exists)
        values = dict(
            line.split("=", 1) for line in self._env_file.read_text().splitlines() if "=" in line
        )
        self._control = values["SANDBOX_CONTROL_URL"]
        yesterday = (datetime.now(UTC) - timedelta(days=1)).isoformat(timespec="seconds")
        with self._env_file.open("a") as file:
            file.write(f"BATON_HOME={self.home}\nBATON_GO_LIVE_AT={yesterday}\n")
        self._say(
            f"   sandbox  {self._leads} people in HubSpot ({values['BATON_HUBSPOT_BASE_URL']}) and "
            f"Salesforce ({values['BATON_SALESFORCE_LOGIN_URL']}), "
            f"{duration(time.monotonic() - began)}"
        )

    def _start_prefect(self) -> None:
        began = time.monotonic()
        port = _free_port()
        self._prefect = f"http://127.0.0.1:{port}"
        environment = prefect_environment(self.home / "prefect", f"{self._prefect}/api")
        command = [sys.executable, "-m", "prefect", "server", "start"]
        command += ["--host", "127.0.0.1", "--port", str(port)]
        quiet = {"PREFECT_SERVER_LOGGING_LEVEL": "WARNING", **SERVICES_OFF}
        server = self._start("prefect", command, {**environment, **quiet}, at_exit=True)

        def healthy() -> bool:
            with contextlib.suppress(httpx.TransportError):
                return self._get(f"{self._prefect}/api/health").status_code == 200
            return False

        self._wait("the Prefect server", server, healthy)
        self._say(f"   Prefect  {self._prefect}, {duration(time.monotonic() - began)}")

    def _start(
        self,
        name: str,
        command: list[str],
        environment: Mapping[str, str] | None,
        *,
        at_exit: bool = False,
    ) -> subprocess.Popen[bytes]:
        """Start a child in a session of its own: Ctrl-C reaches us, and we stop it in order."""
        with (self.home / f"{name}.log").open("wb") as log:
            child = subprocess.Popen(
                command,
                cwd=ROOT,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        if at_exit:
            # Prefect's threads send what they still hold when the interpreter ends, and without
            # a server they try for a minute; what is registered here runs after them.
            atexit.register(_stop, child)
        else:
            self._children.append(child)
        return child

    def _wait(self, what: str, child: subprocess.Popen[bytes], ready: Callable[[], bool]) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not ready():
            if child.poll() is not None or time.monotonic() > deadline:
                log = self.home / ("sandbox.log" if "sandbox" in what else "prefect.log")
                words = log.read_text(errors="replace").strip().splitlines()
                raise Unreachable(
                    f"{what} did not start",
                    answer=words[-1] if words else None,
                    next_step=f"Its whole log is {_short(log)}",
                )
            time.sleep(0.1)

    def _ask(self, path: str, **body: int) -> dict[str, Any]:
        """Tell the outside world what happens next."""
        try:
            # Without the proxies of the environment: this is loopback.
            with httpx.Client(trust_env=False, timeout=60) as client:
                answer = client.post(f"{self._control}{path}", json=body)
            answer.raise_for_status()
        except httpx.HTTPError as error:
            raise Unreachable(
                "the sandbox does not answer any more",
                answer=str(error),
                next_step=f"Its log is {_short(self.home / 'sandbox.log')}",
            ) from None
        found: dict[str, Any] = answer.json()
        return found

    def _get(self, address: str) -> httpx.Response:
        with httpx.Client(trust_env=False, timeout=5) as client:
            return client.get(address)

    def _stop(self) -> None:
        for child in self._children:
            _stop(child)


def quiet_prefect() -> None:
    """Keep Prefect's log lines for its server; what a person must know is told as a sentence."""
    for name in ("", *logging.root.manager.loggerDict):
        if not name or name.partition(".")[0] == "prefect":
            for handler in logging.getLogger(name).handlers:
                if "Console" in type(handler).__name__:
                    handler.setLevel(logging.CRITICAL + 1)


@contextlib.contextmanager
def _signals() -> Iterator[None]:
    """Let every way of being told to end end in one way: KeyboardInterrupt."""

    def told(_number: int, _frame: object) -> None:
        signal.raise_signal(signal.SIGINT)

    # A shell that starts us in the background has SIGINT ignored.
    before = {signal.SIGINT: signal.signal(signal.SIGINT, signal.default_int_handler)}
    for number in (signal.SIGTERM, signal.SIGHUP):
        before[number] = signal.signal(number, told)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _stop(child: subprocess.Popen[bytes]) -> None:
    """End a child and whatever it started."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(timeout=STOP_SECONDS)
            return


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _short(path: Path) -> str:
    """Name a path from here, where that is shorter."""
    relative = os.path.relpath(path)
    return relative if len(relative) < len(str(path)) else str(path)
