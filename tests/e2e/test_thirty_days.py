"""Thirty days of a sales team with its slow, its absent and its leaving: what was promised is kept.

Time is moved and not slept. Forms come in, syncs hand over, the clocks' flow runs on its grid of
five minutes around every moment that matters by a count of this test's own (``promises``), and all
that is believed of it is what the outside world saw: the messages, the records and who owns them.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import random
from collections import Counter
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import stamina

from flows.sla import sla_once
from flows.warehouse import Warehouse
from sandbox.clock import salesforce_time
from sandbox.lumenfold import REPS
from sandbox.server import Sandbox
from tests.e2e.promises import GRID, MINUTE, Agreement, Promise, on_grid
from tests.e2e.stage import ATTEMPTS, Stage

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3000)]

# Europe puts its clocks back on the thirteenth day, America a week later, Tokyo never.
START = datetime(2026, 10, 12, 5, tzinfo=UTC)
DAYS = 30
KINDS = ("demo", "contact", "demo", "trial", "contact")
TRIGGERS = {"demo": "demo_request", "contact": "contact_sales", "trial": "trial_signup"}
HABITS = ("quick", "slow", "never", "machine", "just in time", "meeting")
CHLOE, EMI, FARAH, GEORGE, HANA = (REPS[number - 1].user_id for number in (3, 5, 6, 7, 8))
ADDRESS = {rep.user_id: rep.email for rep in REPS}
AWAY = (
    (FARAH, datetime.fromisoformat("2026-10-19"), datetime.fromisoformat("2026-10-22")),
    (CHLOE, datetime.fromisoformat("2026-10-20T12:00"), datetime.fromisoformat("2026-10-20T18:00")),
)
BY_HAND, LEAVES, HOLIDAY = 9, 15, 23


class Month:
    """The outside world, Baton, and what this test knows of both without asking Baton."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.agreed = Agreement()
        self.now = START
        self.promises: dict[str, Promise] = {}
        self.closed: list[Promise] = []
        self.kinds: dict[str, str] = {}
        self.seen: set[str] = set()
        self.habits = itertools.cycle(HABITS)
        self.choose = random.Random(5)
        self.plan: list[tuple[datetime, int, Callable[[], None]]] = []
        self.ticks: set[datetime] = set()
        self.number = itertools.count()
        self.waiting: list[str] = []
        self.gone: set[str] = set()
        self.groups = 0

    # --- time -----------------------------------------------------------------------------------

    def at(self, moment: datetime, act: Callable[[], None]) -> None:
        """Plan something; what is past happens next."""
        heapq.heappush(self.plan, (max(moment, self.now + MINUTE), next(self.number), act))

    def play(self, until: datetime) -> None:
        while self.plan and self.plan[0][0] <= until:
            moment, _, act = heapq.heappop(self.plan)
            self.set(moment)
            act()
        self.set(until)

    def set(self, moment: datetime) -> None:
        self.now = moment
        self.stage.control("POST", "/clock", {"now": moment.isoformat()})

    # --- Baton ----------------------------------------------------------------------------------

    def sync(self) -> None:
        summary = self.stage.sync()
        assert summary.troubles == [], f"{self.now}: {summary.troubles}"
        self.listen("sync")
        self.nobody_waits()

    def tick(self) -> None:
        """Run the flow of the clocks at a moment of its grid."""
        with stamina.set_testing(True, attempts=ATTEMPTS, cap=True):
            summary = asyncio.run(sla_once(self.stage.settings()))
        assert summary.troubles == [], f"{self.now}: {summary.troubles}"
        self.listen("sla")

    def tick_around(self, moment: datetime) -> None:
        """Look just before a moment and just after it: nothing early, nothing late."""
        run = on_grid(moment)
        for tick in (run - GRID, run):
            if tick > self.now and tick not in self.ticks:
                self.ticks.add(tick)
                self.at(tick, self.tick)

    # --- what the outside world hears -----------------------------------------------------------

    def listen(self, flow: str) -> None:
        """Read the messages that came; ``stage.messages`` fails where one came twice."""
        for key, message in self.stage.messages().items():
            if key in self.seen:
                continue
            self.seen.add(key)
            lead_key, _, rest = key.partition(":")
            to = self.recipient(message)
            kind = rest.rpartition(":")[2]
            if kind in ("remind", "escalate", "coach"):
                assert flow == "sla", f"{key} was sent by a sync"
                promise = self.promises[lead_key]
                assert kind not in promise.told, f"{key}: told twice for one clock"
                promise.told[kind] = (to, self.now)
            elif not lead_key.startswith("L"):
                # A buying group is told of to its account's owner and starts no clock.
                self.groups += 1
            else:
                assert flow == "sync", f"{key} was sent by the clocks' flow"
                self.given(lead_key, rest, to)

    def recipient(self, message: dict[str, Any]) -> str:
        if "to" in message:
            (address,) = message["to"]
        else:
            slack = self.stage.world.slack
            address = slack.users[slack.channels[message["channel"]].user]["profile"]["email"]
        return next(user for user, known in ADDRESS.items() if known == address)

    def given(self, lead_key: str, cause: str, owner: str) -> None:
        """Somebody was told that a lead is theirs: a clock begins, or goes on with another."""
        assert owner not in self.gone, f"{lead_key} went to somebody who left"
        for away, since, until in AWAY:
            local = self.now.astimezone(
                self.agreed.zones[self.agreed.reps[away]["calendar_id"]]
            ).replace(tzinfo=None)
            assert not (owner == away and since <= local < until), f"{lead_key}: {away} is away"
        before = self.promises.get(lead_key)
        if cause.startswith("by_hand"):
            assert before is not None
            before.owner = owner
            return
        if before is not None:
            self.closed.append(before)
        lead = self.lead(lead_key)
        trigger = TRIGGERS[self.kinds[str(lead["Email"]).strip().lower()]]
        tier = self.agreed.tier(trigger, int(float(str(lead["baton_score__c"]))))
        promise = Promise.made(self.agreed, lead_key, owner, self.now, tier)
        self.promises[lead_key] = promise
        self.tick_around(promise.warn_at)
        self.tick_around(promise.due_at)
        self.behave(promise, next(self.habits))

    def lead(self, lead_key: str) -> dict[str, Any]:
        (found,) = (
            row
            for row in self.stage.world.salesforce.all("Lead")
            if row.get("baton_lead_key__c") == lead_key
        )
        return dict(found)

    def nobody_waits(self) -> None:
        """Whoever asked for a person before this sync has an owner who is there."""
        active = {
            row["Id"] for row in self.stage.world.salesforce.all("User") if row.get("IsActive")
        }
        owned = {
            str(row.get("Email")).strip().lower(): row["OwnerId"]
            for row in self.stage.world.salesforce.all("Lead")
            if row.get("baton_lead_key__c")
        }
        for address in self.waiting:
            assert owned.get(address) in active, f"{self.now}: {address} has nobody"
        self.waiting.clear()
        for promise in self.promises.values():
            assert self.lead(promise.lead_key)["OwnerId"] in active, promise.lead_key

    # --- people ---------------------------------------------------------------------------------

    def arrive(self, kind: str) -> None:
        """Somebody new submits a form."""
        (arrived,) = self.stage.arrive(1, kind)
        address = arrived["email"].strip().lower()
        if address in self.kinds or arrived["kind"] != "new":
            self.kinds.setdefault(address, kind)
            return
        self.kinds[address] = kind
        contact = self.stage.world.hubspot.get("contacts", arrived["hubspot_contact_id"])
        title = str(contact["properties"].get("jobtitle") or "").lower()
        if kind != "trial" and "student" not in title and "intern" not in title:
            self.waiting.append(address)

    def behave(self, promise: Promise, habit: str) -> None:
        owner, lead_id = promise.owner, self.lead(promise.lead_key)["Id"]
        if habit == "quick":
            self.at(self.now + 10 * MINUTE, lambda: self.touch(promise, lead_id, owner, "Call"))
        elif habit == "slow":
            late = on_grid(promise.due_at) + timedelta(minutes=47)
            self.at(late, lambda: self.touch(promise, lead_id, owner, "Call"))
        elif habit == "machine":
            self.at(self.now + 9 * MINUTE, lambda: self.task(lead_id, owner, "ListEmail"))
        elif habit == "just in time":
            self.at(promise.due_at - MINUTE, lambda: self.touch(promise, lead_id, owner, "Email"))
        elif habit == "meeting":
            between = promise.warn_at + (promise.due_at - promise.warn_at) / 2
            whole = between.replace(second=0, microsecond=0)
            self.at(whole, lambda: self.meet(promise, lead_id, owner))

    def touch(self, promise: Promise, lead_id: str, owner: str, kind: str) -> None:
        if promise.owner in self.gone or self.promises[promise.lead_key] is not promise:
            return
        self.task(lead_id, owner, kind)
        promise.touched_at = promise.touched_at or self.now

    def task(self, lead_id: str, owner: str, kind: str) -> None:
        self.stage.mutate(
            "salesforce",
            "Task",
            None,
            by=owner,
            Subject="Follow-up",
            Status="Completed",
            Priority="Normal",
            TaskSubtype=kind,
            WhoId=lead_id,
            OwnerId=owner,
            ActivityDate=self.now.date().isoformat(),
            CompletedDateTime=salesforce_time(self.now),
        )

    def meet(self, promise: Promise, lead_id: str, owner: str) -> None:
        if promise.owner in self.gone or self.promises[promise.lead_key] is not promise:
            return
        self.stage.mutate(
            "salesforce",
            "Event",
            None,
            by=owner,
            Subject="Meeting",
            WhoId=lead_id,
            OwnerId=owner,
            StartDateTime=salesforce_time(self.now - 30 * MINUTE),
            EndDateTime=salesforce_time(self.now),
            ActivityDateTime=salesforce_time(self.now - 30 * MINUTE),
        )
        promise.touched_at = promise.touched_at or self.now

    # --- what else happens ----------------------------------------------------------------------

    def edit(self, *statements: str) -> None:
        """Change the policy in force, as loading edited files would."""
        with Warehouse(self.stage.home) as warehouse:
            for statement in statements:
                warehouse.execute(statement)
            warehouse.dbt("run", "--select", "policy_version")

    def give_by_hand(self) -> None:
        """A manager gives a lead that waits to somebody else."""
        promise = next(
            one
            for one in reversed(self.promises.values())
            if one.touched_at is None and one.due_at > self.now and one.owner != EMI
        )
        self.stage.mutate(
            "salesforce", "Lead", self.lead(promise.lead_key)["Id"], by=HANA, OwnerId=EMI
        )
        self.given_by_hand = promise

    def leave(self) -> None:
        """A rep leaves; the CRM knows at once."""
        self.gone.add(GEORGE)
        self.stage.mutate("salesforce", "User", GEORGE, IsActive=False)

    def close_a_day(self) -> None:
        """The day after is made a holiday where the clock that runs longest is counted."""
        promise = max(
            (one for one in self.promises.values() if one.touched_at is None),
            key=lambda one: one.due_at,
        )
        calendar = self.agreed.reps[promise.clock_owner]["calendar_id"]
        day: date = promise.due_at.astimezone(self.agreed.zones[calendar]).date()
        self.edit(
            "insert into policy.holidays by name select 'moved' as holiday_id, "
            f"'{calendar}' as calendar_id, date '{day}' as holiday_date, 'decided late' as reason"
        )
        self.agreed.close(calendar, day)
        self.moved = [
            one
            for one in self.promises.values()
            if one.touched_at is None
            and self.agreed.reps[one.clock_owner]["calendar_id"] == calendar
        ]
        before = {one.lead_key: one.due_at for one in self.moved}
        for one in self.moved:
            one.count(self.agreed)
        self.moved = [one for one in self.moved if one.due_at != before[one.lead_key]]
        for one in self.moved:
            self.tick_around(one.warn_at)
            self.tick_around(one.due_at)


def planned(month: Month) -> None:
    """Lay out the month: forms at odd hours and on a weekend day, and a sync soon after each."""
    kinds = itertools.cycle(KINDS)
    for day in range(DAYS):
        midnight = START.replace(hour=0) + timedelta(days=day)
        weekday = midnight.isoweekday()
        hour, minute = (11, 3) if weekday == 6 else (7, 10) if day % 2 else (15, 40)
        if weekday < 7:
            moment = midnight + timedelta(hours=hour, minutes=minute)
            month.at(moment, lambda: month.arrive(next(kinds)))
            month.at(moment + 2 * MINUTE, lambda: month.arrive(next(kinds)))
            month.at(moment + 7 * MINUTE, month.sync)
    hand = START.replace(hour=15, minute=48) + timedelta(days=BY_HAND - 1)
    month.at(hand, month.give_by_hand)
    month.at(hand + MINUTE, month.sync)
    leaves = START.replace(hour=15, minute=51) + timedelta(days=LEAVES - 1)
    month.at(leaves, month.leave)
    month.at(leaves + MINUTE, month.sync)
    holiday = START.replace(hour=15, minute=53) + timedelta(days=HOLIDAY - 1)
    month.at(holiday, month.close_a_day)
    month.at(holiday + MINUTE, month.sync)


@pytest.fixture(scope="module")
def month(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with Sandbox(leads=60, seed=11, now=START, frozen=True, golden=False) as box:
        home = tmp_path_factory.mktemp("home") / "baton"
        month = Month(Stage(box, home, BATON_GO_LIVE_AT=START.isoformat()))
        month.set(START + MINUTE)
        month.sync()
        month.edit(
            *(
                "insert into policy.absences by name select "
                f"'away_{number}' as absence_id, '{user}' as user_id, timestamp '{since}' "
                f"as starts_at, timestamp '{until}' as ends_at, 'holiday' as reason"
                for number, (user, since, until) in enumerate(AWAY)
            )
        )
        planned(month)
        month.play(START + timedelta(days=DAYS))
        yield month


# What the report calls a clock that is not decided yet, and all it counts.
REPORTED = {"green": "running", "yellow": "running", "red": "overdue"}
STATES = ("met", "breached", "overdue", "running", "closed")


def clocks(month: Month) -> dict[str, dict[str, Any]]:
    found = month.stage.rows(
        "select lead_key, owner_id, sla_tier, clock_started_at, sla_warn_at, sla_due_at, "
        "first_response_at, sla_status from lifecycle.lead_clocks"
    )
    return {row["lead_key"]: row for row in found}


def test_every_clock_stands_as_counted_by_the_minute(month: Month) -> None:
    month.set(month.now + MINUTE)
    month.sync()
    held = clocks(month)
    counted = {key: one.as_row(month.now) for key, one in month.promises.items()}
    assert len(counted) > 20
    assert held.keys() == counted.keys()
    wrong = {key: (held[key], row) for key, row in counted.items() if held[key] != row}
    assert wrong == {}
    assert {row["sla_status"] for row in counted.values()} >= {"met", "breached", "red"}


def test_the_sla_table_counts_every_clock_with_whose_it_was(month: Month) -> None:
    month.set(month.now + MINUTE)
    month.sync()
    counted: dict[tuple[str, str], Counter[str]] = {}
    for promise in (*month.closed, *month.promises.values()):
        status = promise.status(month.now)
        after = month.promises[promise.lead_key]
        if after is not promise and promise.touched_at is None:
            status = "closed" if after.since <= promise.due_at else "breached"
        whose = counted.setdefault((promise.tier["tier_id"], promise.owner), Counter())
        whose[REPORTED.get(status, status)] += 1
    held = {
        (row["sla_tier"], row["owner_id"]): Counter(
            {name: row[name] for name in STATES if row[name]}
        )
        for row in month.stage.rows("select * from reporting.rpt_sla")
    }
    assert held == counted
    assert any(owner == GEORGE for _, owner in held)


def test_who_had_to_be_told_was_told_on_time_and_once(month: Month) -> None:
    # What a clock was told of before its lead went to another is judged up to that moment.
    ends = [(promise, month.now) for promise in month.promises.values()]
    ends += [(promise, month.promises[promise.lead_key].since) for promise in month.closed]
    wrong = {
        f"{promise.lead_key} of {promise.owner}": (promise.told, expected)
        for promise, until in ends
        if promise.told != (expected := promise.expected(month.agreed, until))
    }
    assert wrong == {}
    told = [kind for promise, _ in ends for kind in promise.told]
    assert set(told) == {"remind", "escalate", "coach"}


def test_who_left_has_no_lead_and_who_came_in_got_the_whole_time(month: Month) -> None:
    assert all(promise.owner not in month.gone for promise in month.promises.values())
    moved = month.stage.rows("select * from ledger.ops.assignments where cause = 'owner_inactive'")
    assert {row["previous_owner_id"] for row in moved} == {GEORGE}
    assert len(month.closed) == len(moved) > 0


def test_a_lead_given_by_hand_keeps_its_promise_with_the_new_owner(month: Month) -> None:
    promise = month.given_by_hand
    assert promise.owner == EMI
    assert promise.clock_owner != EMI
    assert month.lead(promise.lead_key)["OwnerId"] == EMI


def test_a_holiday_decided_late_moves_the_clocks_that_run_with_a_row_that_says_so(
    month: Month,
) -> None:
    assert month.moved
    said = month.stage.rows("select * from ledger.ops.clock_moves")
    assert {row["lead_key"] for row in said} == {one.lead_key for one in month.moved}
    assert all("holidays.csv row moved" in row["reason"] for row in said)


def test_the_credits_of_the_draw_sum_to_zero(month: Month) -> None:
    credits = month.stage.rows(
        """
        select entry.key as rep, arg_max(entry.value, draw_number)::bigint as credit
        from ledger.ops.assignments, json_each(credits_after) as entry
        where credits_after is not null
        group by entry.key
        """
    )
    assert sum(row["credit"] for row in credits) == 0, credits
