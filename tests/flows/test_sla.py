"""The clocks' flow over rooms made by hand: what it does when a part of the world is not there."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from flows import sla
from flows.connectors.base import Page, Receipt, Reject, Row, Stream
from flows.connectors.budget import Budget
from flows.errors import Forbidden, SourceError, Unreachable, VendorError, WarehouseBusy
from flows.ledger import Ledger
from flows.running import plainly
from flows.settings import Settings
from flows.warehouse import Lease, Warehouse
from tests.house import ROOT, yaml_of

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
DUE = "timestamp '2026-06-01 13:00'"
MESSAGE = "message_key varchar, {to} varchar, _kind varchar, _lead_key varchar, _before json"
ROOMS = (
    "create schema lifecycle",
    "create schema write_back",
    "create table lifecycle.sla_due_actions (action_key varchar, assignment_key varchar, "
    "lead_key varchar, action varchar, user_id varchar, owner_id varchar, sla_due_at timestamp, "
    "reason varchar, is_known_by_now boolean)",
    "create table write_back.int_messages__addressed (message_key varchar, kind varchar)",
    f"create table write_back.sync_slack__message ({MESSAGE.format(to='user_email')})",
    f"create table write_back.sync_smtp__message ({MESSAGE.format(to='to_email')})",
)
# Reading the dbt project takes its time where nobody has read it yet.
pytestmark = pytest.mark.timeout(180)


class Vendor:
    """An outside system that takes every message; ``broken`` is what its door says instead."""

    bulk_writes_from = None
    streams: tuple[Stream, ...] = ()

    def __init__(self, system: str) -> None:
        self.system, self.budget = system, Budget(system)
        self.broken: SourceError | None = None
        self.told: list[str] = []
        self.asked = 0

    def check(self) -> None:
        self.asked += 1
        if self.broken:
            raise self.broken

    def push(self, _object: str, key: str, rows: Sequence[Row]) -> Iterator[Receipt]:
        for row in rows:
            self.told.append(str(row[key]))
            yield Receipt(str(row[key]), "accepted", "1")


class Slack(Vendor):
    """Knows of no message it was asked about."""

    def find(self, _message_key: str, _user_email: str) -> Receipt | None:
        if self.broken:
            raise self.broken


class Crm(Vendor):
    """Holds nothing new; a stream answers what it is told to."""

    streams = (
        Stream("leads"),
        Stream("users"),
        Stream("tasks"),
        Stream("events", is_optional=True),
    )

    def __init__(self, system: str) -> None:
        super().__init__(system)
        self.answers: dict[str, SourceError | Page] = {}

    def pull(self, stream: Stream, _cursor: str | None, _now: datetime) -> Iterator[Page]:
        answer = self.answers.get(stream.name)
        if isinstance(answer, SourceError):
            raise answer
        if answer is not None:
            yield answer


class World:
    """Open stores whose rooms are tables, and three vendors."""

    def __init__(self, warehouse: Warehouse) -> None:
        self.warehouse = warehouse
        self.crm, self.slack, self.smtp = Crm("salesforce"), Slack("slack"), Vendor("smtp")

    def due(self, lead: str, action: str) -> None:
        """Somebody is to be told of a clock, by what is known as of now."""
        self.warehouse.execute(
            f"insert into lifecycle.sla_due_actions values (?, ?, ?, ?, 'u1', 'u2', {DUE}, '', "
            "true)",
            [f"{lead}:mql:{action}", f"{lead}:mql", lead, action],
        )

    def unsent(self, system: str, lead: str, kind: str) -> None:
        """A message stands in the list of what is to be sent."""
        key = f"{lead}:mql:{kind}"
        table = f"write_back.sync_{system}__message"
        self.warehouse.execute(
            f"insert into {table} values (?, 'a@b.example', ?, ?, '{{}}')", [key, kind, lead]
        )
        self.warehouse.execute(
            "insert into write_back.int_messages__addressed values (?, ?)", [key, kind]
        )

    def tick(self) -> sla.Summary:
        """Run the flow; of its steps only dbt's building of staging is left out."""

        async def do(address: str, work: Callable[..., Any], *arguments: Any) -> Any:
            return None if address == "staging" else await plainly(address, work, *arguments)

        connectors: Any = {"salesforce": self.crm, "slack": self.slack, "smtp": self.smtp}
        settings = Settings(as_of=NOW)
        return asyncio.run(sla.run(settings, self.warehouse, connectors, do))

    def recorded(self) -> list[str]:
        rows = self.warehouse.rows("select action_key from ledger.ops.sla_actions order by all")
        return [row["action_key"] for row in rows]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with empty stores, as dbt makes them."""
    home = tmp_path_factory.mktemp("prepared")
    with Warehouse(home) as warehouse:
        warehouse.prepare()
    return home


@contextmanager
def opened(prepared: Path, home: Path) -> Iterator[Warehouse]:
    for file in prepared.glob("*.duckdb"):
        shutil.copy2(file, home / file.name)
    with Warehouse(home) as warehouse:
        yield warehouse


@pytest.fixture
def world(prepared: Path, tmp_path: Path) -> Iterator[World]:
    with opened(prepared, tmp_path) as warehouse:
        for statement in ROOMS:
            warehouse.execute(statement)
        yield World(warehouse)


def test_what_is_due_is_recorded_and_told(world: World) -> None:
    world.due("L1", "remind")
    world.unsent("slack", "L1", "remind")
    world.unsent("slack", "L2", "handover")
    told = world.tick()
    assert (told.actions, told.waiting, told.messages) == ({"remind": 1}, 0, 1)
    assert (world.recorded(), world.slack.told) == (["L1:mql:remind"], ["L1:mql:remind"])
    assert not told.needs_a_person


def test_a_mail_whose_end_is_not_known_is_told_as_a_sync_tells_it(world: World) -> None:
    ledger = Ledger(world.warehouse)
    ledger.begin(NOW, None)
    mail = {"message_key": "L1:mql:coach", "_lead_key": "L1", "_before": "{}"}
    ledger.intend("smtp.message", "message_key", [mail])
    told = world.tick()
    assert told.needs_a_person
    assert told.troubles[0].startswith("1 messages may or may not have been sent")


BROKEN = VendorError("no answer", address="salesforce.events", status=500)


def test_what_is_due_waits_where_the_reading_did_not_finish(world: World) -> None:
    """A meeting that was held stands among the events, which the CRM did not give."""
    world.due("L1", "escalate")
    world.due("L1", "coach")
    world.unsent("slack", "L2", "coach")
    world.crm.answers["events"] = BROKEN
    told = world.tick()
    assert (told.actions, told.waiting, told.messages) == ({}, 3, 0)
    assert (world.recorded(), world.slack.told) == ([], [])
    assert told.troubles == [str(BROKEN)]
    world.crm.answers.clear()
    told = world.tick()
    assert (sum(told.actions.values()), told.waiting, told.messages) == (2, 0, 1)


def test_events_that_are_not_granted_are_read_as_far_as_they_can_be(world: World) -> None:
    world.due("L1", "remind")
    world.crm.answers["events"] = Forbidden("not granted", address="salesforce.events")
    told = world.tick()
    assert (told.actions, told.waiting, told.skipped.keys()) == (
        {"remind": 1},
        0,
        {"salesforce.events"},
    )
    assert not told.needs_a_person


def test_a_task_that_cannot_be_read_is_told_by_the_flow_that_met_it(world: World) -> None:
    world.crm.answers["tasks"] = Page([], None, [Reject("00T1", "no usable id", b"{}")])
    told = world.tick()
    assert told.quarantined == 1
    assert told.needs_a_person
    assert "  came       0 new versions from salesforce; 1 put in quarantine" in sla.summary_lines(
        told.as_dict()
    )
    assert not world.tick().needs_a_person, "a record is told once"


@pytest.mark.parametrize(("down", "up"), [("smtp", "slack"), ("slack", "smtp")])
def test_a_system_that_is_down_keeps_nobody_else_from_being_told(
    world: World, down: str, up: str
) -> None:
    vendors = {"slack": world.slack, "smtp": world.smtp}
    for system in vendors:
        world.unsent(system, f"L_{system}", "remind")
    vendors[down].broken = Unreachable("no connection", address=down)
    told = world.tick()
    assert (told.messages, told.rejected, told.unknown) == (1, 0, 0)
    assert (vendors[up].told, vendors[down].told) == ([f"L_{up}:mql:remind"], [])
    assert told.troubles == [str(vendors[down].broken)]
    receipts = world.warehouse.rows("select distinct row_key from ledger.ops.receipts")
    assert receipts == [{"row_key": f"L_{up}:mql:remind"}], "what was not tried has no receipt"


def test_a_system_nobody_is_told_through_is_not_asked(world: World) -> None:
    world.unsent("slack", "L1", "remind")
    world.unsent("smtp", "L2", "handover")
    world.smtp.broken = Unreachable("no connection", address="smtp")
    told = world.tick()
    assert (told.messages, told.troubles, world.smtp.asked) == (1, [], 0)


def test_a_message_that_cannot_be_asked_for_now_is_no_reason_to_tell_nobody(world: World) -> None:
    ledger = Ledger(world.warehouse)
    ledger.begin(NOW, None)
    lost = {"message_key": "m1", "user_email": "a@b.example", "_lead_key": "L1", "_before": "{}"}
    ledger.intend("slack.message", "message_key", [lost])
    world.unsent("smtp", "L2", "remind")
    world.slack.broken = Unreachable("no connection", address="slack")
    told = world.tick()
    assert (told.messages, told.troubles) == (1, [str(world.slack.broken)])
    world.slack.broken = None
    assert world.tick().troubles == []


# Before the rooms are asked


@pytest.fixture
def settings(prepared: Path, tmp_path: Path) -> Callable[..., Settings]:
    """Settings of a home with empty stores, and of systems that nobody asks."""
    with opened(prepared, tmp_path):
        pass
    nowhere = {"home": tmp_path, "as_of": NOW, "slack_token": "xoxb-1", "smtp_host": "127.0.0.1"}
    nowhere |= {"smtp_sender": "a@b.example", "salesforce_login_url": "http://127.0.0.1:1"}
    nowhere |= {"salesforce_client_id": "1", "salesforce_client_secret": "2"}
    return lambda **more: Settings(**{**nowhere, **more})


def runs(home: Path) -> list[dict[str, Any]]:
    with Warehouse(home) as warehouse:
        return warehouse.rows("select * from ledger.ops.runs order by recorded_at")


def test_a_home_nothing_was_built_in_has_no_clocks(settings: Callable[..., Settings]) -> None:
    told = asyncio.run(sla.sla_once(settings()))
    assert not told.needs_a_person
    assert len(sla.summary_lines(told.as_dict())) == 1
    assert runs(settings().home) == []


def test_rooms_of_other_models_are_a_trouble_and_recorded(
    settings: Callable[..., Settings],
) -> None:
    """A deploy whose syncs fail builds nothing, and nobody would be told of any clock."""
    home = settings().home
    with Warehouse(home) as warehouse:
        warehouse.execute(
            "insert into raw.builds by name select 'r1' as run_id, 'other' as models_hash, "
            "timestamp '2026-06-01 11:00' as as_of"
        )
    told = asyncio.run(sla.sla_once(settings()))
    assert told.needs_a_person
    assert told.troubles == [
        "The rooms are not built by the models as they are, so nobody is told of any clock. "
        "The next sync that succeeds builds them: see `baton status`."
    ]
    begun, ended = runs(home)
    assert (begun["phase"], ended["phase"], ended["run_id"]) == ("begun", "done", told.run_id)
    assert json.loads(ended["summary"])["troubles"] == told.troubles
    assert any("to mend" in line for line in sla.summary_lines(told.as_dict()))


def test_the_flow_waits_for_a_sync_up_to_its_own_next_tick(
    settings: Callable[..., Settings],
) -> None:
    given = settings(lease_wait=0)
    held = Lease(given.home, 0)
    with held:
        release = threading.Timer(1, held.__exit__)
        release.start()
        told = asyncio.run(sla.sla_once(given))
        release.join()
    assert told.skipped.keys() == {"everything"}
    (deployment,) = [
        one
        for one in yaml_of(ROOT / "prefect.yaml")["deployments"]
        if one["entrypoint"] == "flows/sla.py:sla"
    ]
    (schedule,) = deployment["schedules"]
    minutes = re.fullmatch(r"\*/(\d+) \* \* \* \*", schedule["cron"])
    assert minutes, "the wait is bound to a grid of minutes"
    assert 0 < int(minutes[1]) * 60 - Settings().sla_lease_wait <= 30


def test_a_sync_that_never_ends_is_named_and_nothing_is_green(
    settings: Callable[..., Settings],
) -> None:
    given = settings(sla_lease_wait=0)
    with Lease(given.home, 0), pytest.raises(WarehouseBusy, match=f"process {os.getpid()}"):
        asyncio.run(sla.sla_once(given))
