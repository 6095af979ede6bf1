"""Credits are spent once, the hottest first, and every one of them is known."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from flows.connectors.enrichment import Answer, Kind, Status
from flows.ledger import Ledger
from flows.settings import Settings
from flows.steps.enrich import Enriched, enrich, open_providers
from flows.warehouse import Warehouse

pytestmark = pytest.mark.timeout(180)
NOW = datetime(2026, 3, 30, 12, tzinfo=UTC)
POLICY = """
    create or replace table policy.enrichment_providers as select * from (values
        ('hubspot', 10, 0, 0, 90, 30, 60, 1), ('clearbit', 20, 1, {budget}, 90, 30, 5, 3)
    ) as t (provider, priority, cost, monthly_budget, found_days, missing_days, ask_again_minutes,
            most_asks)
"""
CANDIDATES = """
    create or replace table people.enrichment_candidates as
    select 'clearbit' as provider, kind, lookup, 'L1' as lead_key, place
    from (
        select
            lookup,
            place,
            case when contains(lookup, '@') then 'person' else 'company' end as kind
        from (select unnest(?::varchar[]) as lookup, unnest(range(1, ?)) as place)
    )
    where lookup not in (
        select lookup from ledger.ops.enrichment_calls
        where status in ('found', 'missing', 'pending', 'unknown')
    )
"""


class Told:
    """A provider that answers as it is told: statuses by lookup, the last one stays."""

    system = "clearbit"

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.answers: dict[str, list[Answer]] = {}
        self.usual: Status = "found"
        self.dies = False

    def say(self, lookup: str, *statuses: Status, **more: Any) -> None:
        self.answers[lookup] = [Answer(status, **more) for status in statuses]

    def look_up(self, kind: Kind, lookup: str) -> Answer:
        self.asked.append(lookup)
        if self.dies:
            raise KeyboardInterrupt
        script = self.answers.get(lookup)
        if script:
            return script.pop(0) if len(script) > 1 else script[0]
        body = {"company": {"name": "x"}} if self.usual == "found" else None
        return Answer(self.usual, body=body, reason=f"told {self.usual}")

    def close(self) -> None:
        """Nothing is held."""


class Month:
    """A ledger, a provider and a list of candidates; each ``run`` is a run of its own."""

    def __init__(self, warehouse: Warehouse) -> None:
        self.warehouse, self.provider, self.now = warehouse, Told(), NOW
        self.lookups: list[str] = []
        self.lists = 0
        self.budget(100)
        warehouse.execute("create schema if not exists people")

    def budget(self, calls: int) -> None:
        self.warehouse.execute("create schema if not exists policy")
        self.warehouse.execute(POLICY.format(budget=calls))

    def _list(self) -> None:
        self.lists += 1
        self.warehouse.execute(CANDIDATES, [self.lookups, len(self.lookups) + 1])

    def run(self, **later: float) -> Enriched:
        self.now += timedelta(**(later or {"minutes": 2}))
        ledger = Ledger(self.warehouse)
        ledger.begin(self.now, None)
        self.provider.asked.clear()
        return enrich(self.warehouse, ledger, [self.provider], self._list)

    def rows(self, **where: Any) -> list[dict[str, Any]]:
        found = self.warehouse.rows("select * from ledger.ops.enrichment_calls order by call_seq")
        return [row for row in found if all(row[name] == value for name, value in where.items())]

    def statuses(self, lookup: str) -> list[str]:
        return [row["status"] for row in self.rows(lookup=lookup)]


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    with Warehouse(tmp_path_factory.mktemp("home")) as warehouse:
        warehouse.prepare()
        yield warehouse


@pytest.fixture
def month(opened: Warehouse) -> Iterator[Month]:
    yield Month(opened)
    for table in ("enrichment_calls", "runs"):
        opened.execute(f"delete from ledger.ops.{table}")


def people(number: int) -> list[str]:
    return [f"p{at:04d}@c{at:04d}.example" for at in range(number)]


def test_of_a_thousand_the_hottest_hundred_are_asked_and_nobody_again(month: Month) -> None:
    month.lookups = people(1000)
    first = month.run()
    assert month.provider.asked == month.lookups[:100]
    assert first.counts() == {"found": 100, "missing": 0, "pending": 0, "spent": 100}
    for _ in range(10):
        assert month.run() == Enriched()
        assert month.provider.asked == []
    assert month.run(days=2).spent == 100
    assert month.provider.asked == month.lookups[100:200]
    assert {row["period"] for row in month.rows()} == {"2026-03", "2026-04"}


def test_each_call_is_in_the_ledger_before_and_after_with_its_answer_whole(month: Month) -> None:
    month.lookups = people(1)
    body = {"person": {"name": {"fullName": 'Ä "quoted" \\ name'}}, "company": None, "n": [1, None]}
    month.provider.say(month.lookups[0], "found", body=body, reason="200")
    month.run()
    before, after = month.rows()
    assert (before["status"], after["status"]) == ("intent", "found")
    assert before["call_id"] == after["call_id"] == f"clearbit:person:{month.lookups[0]}:2026-03"
    assert json.loads(after["body"]) == body


def test_a_crash_costs_one_call_which_is_known_counted_and_told_once(month: Month) -> None:
    month.lookups = people(5)
    month.budget(3)
    month.provider.say(month.lookups[0], "found")
    real = month.provider.look_up

    def dies_second(kind: Kind, lookup: str) -> Answer:
        if lookup == month.lookups[1]:
            raise KeyboardInterrupt
        return real(kind, lookup)

    month.provider.look_up = dies_second  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        month.run()
    assert month.statuses(month.lookups[1]) == ["intent"]
    month.provider.look_up = real  # type: ignore[method-assign]
    after = month.run()
    assert month.statuses(month.lookups[1]) == ["intent", "unknown"]
    assert "1 lookups were cut off" in after.troubles[0]
    assert month.provider.asked == [month.lookups[2]]
    assert month.run().troubles == []
    assert month.provider.asked == []


def test_what_is_queued_is_asked_again_for_the_same_credit_until_it_is_there(month: Month) -> None:
    month.lookups = people(2)
    month.budget(2)
    month.provider.say(month.lookups[0], "pending", "pending", "found")
    assert month.run().counts() == {"found": 1, "missing": 0, "pending": 1, "spent": 2}
    assert month.run(minutes=2).counts() == {"found": 0, "missing": 0, "pending": 0, "spent": 0}
    assert month.run(minutes=5).pending == 1
    done = month.run(minutes=5)
    assert (done.found, done.spent) == (1, 0)
    assert month.statuses(month.lookups[0])[1::2] == ["pending", "pending", "found"]
    assert {row["attempt"] for row in month.rows(lookup=month.lookups[0])} == {1, 2, 3}
    assert month.run(minutes=5).counts() == Enriched().counts()


def test_what_stays_queued_counts_as_a_miss_in_the_end(month: Month) -> None:
    month.lookups = people(1)
    month.provider.say(month.lookups[0], "pending")
    for _ in range(3):
        month.run(minutes=6)
    assert month.rows()[-1]["status"] == "missing"
    assert month.rows()[-1]["reason"] == "still queued after 3 asks"
    month.run(minutes=6)
    assert month.provider.asked == []


def test_a_queued_lookup_of_last_month_is_not_paid_again(month: Month) -> None:
    month.lookups = people(1)
    month.provider.say(month.lookups[0], "pending", "found")
    month.run()
    later = month.run(days=2)
    assert (later.found, later.spent) == (1, 0)
    assert {row["period"] for row in month.rows()} == {"2026-03"}


def test_a_refusal_ends_the_round_is_told_and_buys_nothing(month: Month) -> None:
    month.lookups = people(3)
    month.provider.usual = "refused"
    refused = month.run()
    assert month.provider.asked == month.lookups[:1]
    assert refused.spent == 0
    assert "clearbit looks nobody up (told refused)" in refused.troubles[0]
    assert month.run(minutes=2).troubles == []
    assert month.provider.asked == []
    month.provider.usual = "found"
    assert month.run(hours=1).spent == 3
    assert month.provider.asked == month.lookups


@pytest.mark.parametrize("status", ["unknown", "unreached"])
def test_a_provider_that_is_down_is_left_alone_for_longer_and_longer(
    month: Month, status: Status
) -> None:
    month.lookups = people(50)
    month.provider.usual = status
    calls = []
    for _ in range(24 * 6):
        told = month.run(minutes=10)
        calls.append(len(month.provider.asked))
        assert told.troubles == []
    assert calls[0] == 3
    assert sum(calls) <= 12
    month.provider.usual = "found"
    month.run(days=1)
    assert month.provider.asked


def test_too_many_calls_end_the_round_until_the_provider_says(month: Month) -> None:
    month.lookups = people(3)
    month.provider.say(
        month.lookups[0], "throttled", again_at=NOW + timedelta(minutes=6), reason="429"
    )
    assert month.run(minutes=2).spent == 0
    assert month.provider.asked == month.lookups[:1]
    month.run(minutes=2)
    assert month.provider.asked == []
    month.provider.say(month.lookups[0], "found")
    assert month.run(minutes=4).spent == 3


def test_a_company_that_came_with_its_person_is_not_asked_for(month: Month) -> None:
    month.lookups = ["ann@acme.example", "acme.example", "bolt.example"]
    month.run()
    assert month.provider.asked == ["ann@acme.example", "bolt.example"]


def test_whoever_is_not_known_by_name_is_listed_anew_for_the_company(month: Month) -> None:
    month.lookups = ["ann@acme.example"]
    month.provider.say("ann@acme.example", "missing")
    listed = month._list

    def list_then_company() -> None:
        if month.rows(lookup="ann@acme.example", status="missing"):
            month.lookups = ["ann@acme.example", "acme.example"]
        listed()

    month._list = list_then_company  # type: ignore[method-assign]
    assert month.run().counts() == {"found": 1, "missing": 1, "pending": 0, "spent": 2}
    assert month.provider.asked == ["ann@acme.example", "acme.example"]


def test_no_list_is_made_where_nothing_can_be_spent(month: Month) -> None:
    month.lookups = people(1)
    month.budget(0)
    assert month.run() == Enriched()
    month.budget(1)
    month.run()
    month.run()
    assert month.lists == 1


def test_a_run_stops_asking_when_its_time_is_over(
    month: Month, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flows.steps.enrich.MOST_SECONDS", 0.0)
    month.lookups = people(2)
    assert month.run() == Enriched()
    assert month.provider.asked == []


def test_a_key_opens_the_provider_and_no_key_leaves_it_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings: Callable[..., Settings] = Settings
    assert open_providers(settings(clearbit_key=None)) == ([], [])
    (provider,), told = open_providers(settings(clearbit_key="sk_1"))
    provider.close()
    assert (provider.system, told) == ("clearbit", [])
    monkeypatch.setitem(sys.modules, "clearbit", None)
    none, told = open_providers(settings(clearbit_key="sk_1"))
    assert none == []
    assert "Python 3.11 only" in told[0]
