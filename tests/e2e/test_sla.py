"""First-touch clocks through the real flow: who is told when, each once, whatever happens.

Wednesday, 15:30 UTC: the golden leads are handed over, and clocks run in five zones.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import unquote_plus

import pytest

from flows.steps import transform
from flows.steps.clocks import move_clocks
from flows.warehouse import Warehouse
from sandbox.clock import salesforce_time
from tests.e2e.edits import Edited
from tests.e2e.stage import Stage, run_child

NOW = datetime(2026, 3, 18, 15, 30, tzinfo=UTC)
WORLD = {"leads": 60, "now": NOW, "frozen": True, "limits": False}

# Dies without a word at one place of the flow, as a machine does that loses its power.
CRASH = """
import asyncio, os, signal, sys
from pathlib import Path
from flows.running import plainly
from flows.settings import Settings
from flows.sla import sla_once
from flows.steps import write_back

where = sys.argv[2]

def die():
    os.kill(os.getpid(), signal.SIGKILL)

def after_the_first(connector, object_name, key, rows):
    for receipt in write_back.push(connector, object_name, key, rows):
        die()
        yield receipt

async def do(address, work, *arguments):
    if where == f"{address} sent":
        arguments = (*arguments[:-1], after_the_first)
    told = await plainly(address, work, *arguments)
    if where == f"after {address}":
        die()
    return told

asyncio.run(sla_once(Settings.load(Path(sys.argv[1])), do=do))
"""


def clocks(stage: Stage) -> list[dict[str, Any]]:
    """The clocks as they were recorded, from the ledger and nothing else."""
    return stage.rows("select * from ledger.ops.assignments order by assignment_key")


def due(stage: Stage, *actions: str, without: str = "") -> set[str]:
    """What has to be said by now, worked out from the recorded times."""
    now = stage.world.clock.now().replace(tzinfo=None)
    found = set()
    for one in clocks(stage):
        late = now >= one["sla_due_at"]
        for action in actions:
            is_due = late if action in ("escalate", "coach") else now >= one["sla_warn_at"]
            if is_due and not (action == "remind" and late) and one["lead_key"] != without:
                found.add(f"{one['assignment_key']}:{action}")
    return found


def told(stage: Stage) -> set[str]:
    """Keys of what was said of clocks; ``messages`` fails where anything was said twice."""
    return {
        key for key in stage.messages() if key.rsplit(":", 1)[1] in ("remind", "escalate", "coach")
    }


def call(stage: Stage, lead: dict[str, Any], by: str) -> None:
    """A rep calls a lead and says so in the CRM."""
    now = stage.world.clock.now()
    stage.mutate(
        "salesforce",
        "Task",
        None,
        by=by,
        WhoId=lead["who_id"],
        OwnerId=by,
        Subject="Call",
        Status="Completed",
        TaskSubtype="Call",
        ActivityDate=now.date().isoformat(),
        CompletedDateTime=salesforce_time(now),
    )


def queries_before(stage: Stage, record: str) -> int:
    """How many queries a run sends before the first one for a kind of record."""
    stage.forget_requests()
    stage.tick()
    asked = [
        unquote_plus(one["query"])
        for one in stage.control("GET", "/requests")["requests"]
        if one["system"] == "salesforce" and "/query" in one["path"]
    ]
    return next(at for at, query in enumerate(asked) if f"FROM {record} " in query)


@pytest.mark.slow
def test_a_clock_reminds_then_asks_the_backup_and_a_call_in_between_ends_it(
    set_up: Callable[..., Stage],
) -> None:
    stage = set_up(**WORLD)
    assert stage.tick().skipped.keys() == {"everything"}, "nothing is built, nobody is told"
    stage.sync()
    given = {one["assignment_key"]: one for one in clocks(stage)}
    assert len(given) == 9

    stage.advance(minutes=89)
    assert stage.tick().actions == {}
    stage.advance(minutes=1)
    expected = due(stage, "remind")
    assert len(expected) == 6
    assert stage.tick().actions == {"remind": 6}
    assert told(stage) == expected
    assert stage.tick().messages == 0, "a second tick tells nobody"

    # One of those whose clock runs out next is called, by a colleague of the owner.
    (lead,) = stage.rows(
        "select lead_key, owner_id, coalesce(salesforce_lead_id, salesforce_contact_id) as who_id "
        "from lifecycle.lead_lifecycle where who_id is not null and sla_due_at = "
        "(select min(sla_due_at) from lifecycle.lead_lifecycle) order by lead_key limit 1"
    )
    stage.advance(minutes=29)
    call(stage, lead, "005000000000007AAA")
    stage.advance(minutes=1)
    expected |= due(stage, "escalate", "coach", without=lead["lead_key"])
    assert stage.tick().actions == {"escalate": 3, "coach": 3}
    assert told(stage) == expected
    users = {key.rsplit(":", 1)[1]: one for key, one in stage.messages().items() if key in expected}
    assert users["escalate"].get("channel") != users["coach"].get("channel")
    assert stage.tick().messages == 0
    actions = stage.rows("select * from ledger.ops.sla_actions")
    assert all(one["user_id"] != one["owner_id"] for one in actions if one["action"] == "escalate")
    assert all(one["user_id"] == one["owner_id"] for one in actions if one["action"] != "escalate")

    # The sync learns of the call as if it had read it itself, and has nothing left to say.
    assert stage.sync().messages == 0
    status = stage.value(
        f"select sla_status from lifecycle.lead_lifecycle where lead_key = '{lead['lead_key']}'"
    )
    assert status == "met"
    assert told(stage) == expected


@pytest.mark.faults
def test_whatever_is_killed_everybody_is_told_once(set_up: Callable[..., Stage]) -> None:
    stage = set_up(**WORLD)
    stage.sync()

    # Recorded and not sent: the next run says it, though it is a sync.
    stage.advance(minutes=91)
    expected = due(stage, "remind")
    assert run_child(CRASH, stage.env_file(), "after clocks").returncode == -9
    assert told(stage) == set()
    assert stage.sync().messages == len(expected)
    assert told(stage) == expected

    # The first was sent and its answer died with the process: Slack is asked, the others go out.
    stage.advance(minutes=30)
    expected |= due(stage, "escalate", "coach")
    assert run_child(CRASH, stage.env_file(), "slack.message sent").returncode == -9
    assert len(told(stage) & due(stage, "escalate", "coach")) == 1
    again = stage.tick()
    assert (again.rejected, again.unknown, again.troubles) == (0, 0, [])
    assert told(stage) == expected
    recorded = stage.column("select action_key from ledger.ops.sla_actions")
    assert Counter(recorded) == Counter(expected)


@pytest.mark.faults
def test_on_an_old_reading_nobody_is_accused_and_the_next_one_makes_up_for_it(
    set_up: Callable[..., Stage],
) -> None:
    stage = set_up(**WORLD)
    stage.sync()
    # A call would stand among the tasks, a meeting among the events: half a reading is none.
    half = queries_before(stage, "Event")
    assert half > 0
    stage.advance(minutes=121)
    waiting = due(stage, "escalate", "coach", "remind")
    for after in (half, 0):
        stage.trouble("status", "salesforce", "/query", after=after, times=None, status=500)
        dark = stage.tick()
        assert (dark.actions, dark.waiting, dark.messages) == ({}, len(waiting), 0)
        assert dark.needs_a_person
        assert "salesforce" in dark.troubles[0]
        assert ("salesforce.tasks" in dark.extracted) == (after == half)
        stage.control("DELETE", "/faults")
    stage.advance(minutes=5)
    light = stage.tick()
    assert sum(light.actions.values()) == light.messages == len(waiting)
    assert told(stage) == waiting


@pytest.mark.faults
def test_an_edit_of_the_calendar_moves_a_running_clock_and_says_so(
    set_up: Callable[..., Stage],
) -> None:
    stage = set_up(**WORLD)
    stage.sync()
    before = {one["assignment_key"]: one for one in clocks(stage)}
    berlin = {key for key, one in before.items() if one["calendar_id"] == "berlin"}
    assert berlin
    with Warehouse(stage.home) as warehouse:
        warehouse.execute(
            "insert into policy.holidays "
            "values ('fair', 'berlin', date '2026-03-19', null, null, 'everybody is at the fair')"
        )
        for number, moved in enumerate((len(berlin), 0), 1):
            home = Edited(warehouse, NOW + timedelta(minutes=5 * number))
            home.find()
            transform.build_facts(warehouse)
            transform.build_proposals(warehouse)
            assert move_clocks(warehouse, home.ledger) == moved
            transform.build_published(warehouse)
            warehouse.mark_built(home.ledger.run_id, home.ledger.as_of, "")
    rows = stage.rows("select * from ledger.ops.clock_moves")
    assert {one["assignment_key"] for one in rows} == berlin
    standing = {
        one["lead_key"]: one["sla_due_at"]
        for one in stage.rows("select lead_key, sla_due_at from lifecycle.lead_lifecycle")
    }
    for one in rows:
        assert one["reason"] == "edited: holidays.csv row fair"
        assert one["due_before"] == before[one["assignment_key"]]["sla_due_at"]
        # The clocks of Wednesday evening run on on Friday, and not on Thursday.
        assert one["sla_due_at"] - one["due_before"] == timedelta(days=1)
        assert standing[one["lead_key"]] == one["sla_due_at"]
