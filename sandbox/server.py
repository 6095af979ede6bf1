"""Starts the outside world: six HTTP servers and one mail server, on loopback only.

``Sandbox`` is a context manager for tests and for ``python -m sandbox``: entering builds the
population and opens the ports, leaving closes them.
"""

from __future__ import annotations

import hashlib
import socket
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import uvicorn
from starlette.types import ASGIApp

from sandbox.arrivals import Arrivals, Work
from sandbox.clearbit import ClearbitStore, clearbit_company_app, clearbit_person_app
from sandbox.clock import Clock
from sandbox.control import control_app
from sandbox.faults import FaultMiddleware, Faults, RequestLog
from sandbox.golden import insert_golden
from sandbox.hubspot import HubSpotStore, hubspot_app
from sandbox.lumenfold import INTEGRATION_USER, MAIL_DOMAIN, PORTAL_ID
from sandbox.olist import load_olist
from sandbox.population import populate
from sandbox.salesforce import SalesforceStore, salesforce_app
from sandbox.slack import SlackStore, slack_app
from sandbox.smtp import MailBox
from sandbox.world import World

HOST = "127.0.0.1"
HUBSPOT_API_VERSION = "2026-09"
SALESFORCE_API_VERSION = "62.0"
START_SECONDS = 20
STOP_SECONDS = 5


class Sandbox:
    """One outside world, running between ``start`` and ``stop``.

    ``now`` sets the clock (default: the real time); ``limits=False`` turns the vendors' rate
    limits off; ``golden=False`` leaves the golden leads out until ``POST /control/golden``;
    ``custom_fields=False`` starts both CRMs without the fields Baton writes to;
    ``ports_from`` puts the seven servers on consecutive ports instead of free ones.
    """

    def __init__(
        self,
        leads: int = 2000,
        seed: int = 7,
        now: datetime | None = None,
        limits: bool = True,
        *,
        golden: bool = True,
        olist: Path | None = None,
        ports_from: int | None = None,
        frozen: bool = False,
        custom_fields: bool = True,
    ) -> None:
        self.seed = seed
        self._ports_from = ports_from
        self._servers: list[Server] = []
        # Time stands still while the population is built: the same seed and now, the same world.
        clock = Clock(now, frozen=True)
        # Invented secrets that a restart with the same seed keeps, so that an env file stays good.
        self._hubspot_token = f"pat-na1-{self._secret('hubspot')}"
        self._client_id = f"3MVG9.{self._secret('client id')}"
        self._client_secret = self._secret("client secret")
        self._slack_token = f"xoxb-{self._secret('slack')}"
        self._clearbit_key = f"sk_{self._secret('clearbit')}"
        self._smtp_login = ("baton", self._secret("smtp"))
        self.world = World(
            clock=clock,
            hubspot=HubSpotStore(
                clock, PORTAL_ID, self._hubspot_token, limits, custom_fields=custom_fields
            ),
            salesforce=SalesforceStore(
                clock,
                self._client_id,
                self._client_secret,
                INTEGRATION_USER,
                limits=limits,
                custom_fields=custom_fields,
            ),
            slack=SlackStore(clock, self._slack_token, limits=limits),
            smtp=MailBox(clock, *self._smtp_login),
            clearbit=ClearbitStore(clock, self._clearbit_key, limits),
            faults=Faults(),
            log=RequestLog(),
        )
        if olist is not None:
            self.counts = load_olist(self.world, olist)
        else:
            population = populate(self.world, leads=leads, seed=seed)
            if golden:
                insert_golden(self.world)
            self.counts = dict(population.counts)
        self.world.truth.seed = seed
        if not frozen:
            clock.frozen = False
            if now is None:
                clock.set(datetime.now(UTC))
        self.arrivals = Arrivals(self.world, seed)
        self.work = Work(self.world, seed)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> Self:
        """Open the ports and wait until every server answers. Raises: OSError for a taken port."""
        try:
            for number, (name, app) in enumerate(self._apps()):
                # The fifth port is the mail server's.
                port = self._port(number + (number > 3))
                self._servers.append(Server(name, app, port))
            for server in self._servers:
                server.start()
            self._start_mail()
        except BaseException:
            self.stop()
            raise
        self._address = {server.name: server.url for server in self._servers}
        return self

    def stop(self) -> None:
        """Close every port. Second run: nothing to do."""
        for server in self._servers:
            server.stop()
        self._servers.clear()
        self.world.smtp.stop()

    def truth(self) -> dict[str, Any]:
        """Return the truth as it stands now, with counts."""
        truth = self.world.truth
        return truth.as_dict({"people": len(truth.people), **self.counts})

    @property
    def control_url(self) -> str:
        """Where the control app answers, ending in ``/control``."""
        return f"{self._address['control']}/control"

    @property
    def env(self) -> dict[str, str]:
        """The settings that point Baton at this sandbox."""
        username, password = self._smtp_login
        return {
            "BATON_HUBSPOT_BASE_URL": self._address["hubspot"],
            "BATON_HUBSPOT_TOKEN": self._hubspot_token,
            "BATON_HUBSPOT_API_VERSION": HUBSPOT_API_VERSION,
            "BATON_SALESFORCE_LOGIN_URL": self._address["salesforce"],
            "BATON_SALESFORCE_CLIENT_ID": self._client_id,
            "BATON_SALESFORCE_CLIENT_SECRET": self._client_secret,
            "BATON_SALESFORCE_API_VERSION": SALESFORCE_API_VERSION,
            "BATON_SLACK_BASE_URL": f"{self._address['slack']}/api",
            "BATON_SLACK_TOKEN": self._slack_token,
            "BATON_CLEARBIT_KEY": self._clearbit_key,
            "BATON_CLEARBIT_PERSON_BASE_URL": self._address["clearbit person"],
            "BATON_CLEARBIT_COMPANY_BASE_URL": self._address["clearbit company"],
            "BATON_SMTP_HOST": HOST,
            "BATON_SMTP_PORT": str(self.world.smtp.port),
            "BATON_SMTP_USERNAME": username,
            "BATON_SMTP_PASSWORD": password,
            "BATON_SMTP_SENDER": f"baton@{MAIL_DOMAIN}",
            "BATON_SMTP_SECURITY": "none",
            "SANDBOX_CONTROL_URL": self.control_url,
        }

    def _apps(self) -> list[tuple[str, ASGIApp]]:
        world = self.world

        def watched(system: str, make: Callable[[World], ASGIApp]) -> ASGIApp:
            return FaultMiddleware(
                make(world), system=system, faults=world.faults, log=world.log, clock=world.clock
            )

        return [
            ("hubspot", watched("hubspot", hubspot_app)),
            ("salesforce", watched("salesforce", salesforce_app)),
            ("slack", watched("slack", slack_app)),
            ("control", control_app(self)),
            ("clearbit person", watched("clearbit", clearbit_person_app)),
            ("clearbit company", watched("clearbit", clearbit_company_app)),
        ]

    def _start_mail(self) -> None:
        self.world.smtp.start(HOST, self._port(4))

    def _port(self, number: int) -> int:
        return 0 if self._ports_from is None else self._ports_from + number

    def _secret(self, purpose: str) -> str:
        return hashlib.sha256(f"sandbox/{self.seed}/{purpose}".encode()).hexdigest()[:32]


class Server:
    """One HTTP server in a thread of its own."""

    def __init__(self, name: str, app: ASGIApp, port: int) -> None:
        self.name = name
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        # A restart on the same ports must not wait for the connections of the last run.
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self._socket.bind((HOST, port))
        except OSError:
            self._socket.close()
            raise
        self.url = f"http://{HOST}:{self._socket.getsockname()[1]}"
        self._server = uvicorn.Server(
            uvicorn.Config(
                app,
                http="h11",
                lifespan="off",
                log_config=None,
                access_log=False,
                proxy_headers=False,
                server_header=False,
                # The middleware dates answers by the sandbox's clock.
                date_header=False,
                timeout_graceful_shutdown=1,
                # Clients keep connections through a quiet run; closing early looks like a fault.
                timeout_keep_alive=120,
            )
        )
        self._thread = threading.Thread(
            target=self._server.run, args=([self._socket],), name=f"sandbox-{name}", daemon=True
        )

    def start(self) -> None:
        """Serve, and return when connections are accepted."""
        self._thread.start()
        deadline = time.monotonic() + START_SECONDS
        while not self._server.started:
            if not self._thread.is_alive() or time.monotonic() > deadline:
                raise RuntimeError(f"The sandbox's {self.name} server did not start.")
            time.sleep(0.005)

    def stop(self) -> None:
        """Close the port and end the thread."""
        self._server.should_exit = True
        if self._thread.is_alive():
            self._thread.join(STOP_SECONDS)
        self._socket.close()
