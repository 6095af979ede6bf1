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
from collections.abc import Callable, Iterable, Mapping
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
INTERRUPTED = 130
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
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
        self._servers: list[subprocess.Popen[bytes]] = []
        self._finished = False
        self._told: dict[str, Any] = {"syncs": []}

    def run(self, *, stay: bool, result: Callable[[Any], None] | None = None) -> int:
        """Show everything, stay until Ctrl-C where asked, stop everything; returns the status.

        Raises: PipelineError, with everything stopped.
        """
        with contextlib.ExitStack() as held:
            try:
                held.enter_context(Lease(self.home / "running", 0))
            except WarehouseBusy as busy:
                raise WarehouseBusy(
                    f"another demo is running here ({busy.holder})",
                    holder=busy.holder,
                    next_step="Stop it, or set BATON_HOME to another directory",
                ) from None
            except OSError as error:
                raise SettingsError(f"{self.home} cannot be used: {error.strerror}") from None
            self._listen()
            held.callback(self._stop)
            self._show()
            if result is not None:
                result({**self._told, "prefect": self._prefect, "home": str(self.home)})
            self._finished = True
            if stay:
                self._stay()
        return 0

    def _listen(self) -> None:
        """End at once, and in order, in whatever way we are told to."""
        # dbt's locks are given back by a helper of the interpreter's, which complains of having to.
        sys.warnoptions.append("ignore:resource_tracker:UserWarning")
        for number in SIGNALS:
            signal.signal(number, self._end)

    def _end(self, *_: object) -> None:
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        with contextlib.suppress(RuntimeError):  # a line was just being printed
            self._say("", "Stopping.")
        self._stop()
        _stop(self._servers)
        # A sync in progress would take its step to the end first; nobody needs these stores.
        os._exit(0 if self._finished else INTERRUPTED)

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
        say("", "3  Nothing happens out there; Baton's own writes come back as echoes. Sync.")
        self._sync()
        say(
            "",
            f"Runs, steps and logs: {self._prefect}",
            "In another terminal, from here, what one lead's story was, and how things stand:",
            f"  baton --env-file {_short(self._env_file)} explain {self._somebody()}",
            f"  baton --env-file {_short(self._env_file)} status",
        )

    def _sync(self) -> None:
        """Run the very flow that a deployment runs. Raises: PipelineError if it needs a person."""
        from prefect.exceptions import TerminationSignal

        from flows.running import NeedsAPerson
        from flows.sync import sync

        quiet_console()
        trouble = None
        try:
            summary = asyncio.run(sync(env_file=str(self._env_file)))
        except NeedsAPerson as told:
            trouble, summary = told, told.summary
        except TerminationSignal:  # while a flow runs, Prefect turns SIGTERM into this
            self._end()
            raise
        self._told["syncs"].append(summary)
        with published(self.home) as reader:
            self._say(*summary_lines(summary, reps_of(reader)))
        if trouble:
            raise trouble

    def _show_a_message(self) -> None:
        with published(self.home) as reader:
            found = reader.rows(
                """
                select
                    receipts.sent ->> 'text' as slack_text,
                    receipts.sent ->> 'body_text' as mail_text,
                    given.owner_id
                from ops.receipts as receipts
                inner join ops.decisions as decisions on receipts.row_key = decisions.decision_key
                inner join ops.assignments as given on receipts.row_key = given.assignment_key
                where receipts.target like '%.message' and receipts.status = 'accepted'
                order by decisions.icp_score desc, decisions.trigger_at, receipts.lead_key
                limit 1
                """
            )
            names = reps_of(reader)
        if not found:
            raise WarehouseError("the first sync handed nobody over, which the demo promises")
        message = found[0]
        text = str(message["slack_text"] or message["mail_text"])
        self._told["message"] = text
        where = "Slack" if message["slack_text"] else "a mail"
        self._say("", f"   What {names[message['owner_id']]} reads in {where}:")
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
            self._say("", f"   {datetime.now().astimezone():%H:%M:%S}")
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
        # Seconds of imports, while the server is busy with its own.
        import flows.sync  # noqa: F401

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
            self._servers.append(child)
            atexit.register(_stop, self._servers)
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
        _stop(self._children)


def quiet_console() -> None:
    """Keep log lines for Prefect's server; what a person must know is told as a sentence."""
    for name in ("", *logging.root.manager.loggerDict):
        if not name or name.partition(".")[0] == "prefect":
            for handler in logging.getLogger(name).handlers:
                if "Console" in type(handler).__name__:
                    handler.setLevel(logging.CRITICAL + 1)


def _stop(children: Iterable[subprocess.Popen[bytes]]) -> None:
    """End children and whatever they started. Second run: nothing."""
    running = [child for child in children if child.poll() is None]
    for number in (signal.SIGTERM, signal.SIGKILL):
        for child in running:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, number)
        deadline = time.monotonic() + STOP_SECONDS
        for child in running:
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(timeout=max(0.1, deadline - time.monotonic()))
        running = [child for child in running if child.poll() is None]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _short(path: Path) -> str:
    """Name a path from here, where that is shorter."""
    relative = os.path.relpath(path)
    return relative if len(relative) < len(str(path)) else str(path)
