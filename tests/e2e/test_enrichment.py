"""What is missing is bought once, for whoever is hottest, and everybody can see where it is from.

One home, played from its first sync: a month's budget, a person who arrives, a crash in the
middle of a call, a provider that is down, a key that is revoked, and everything built anew.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from flows.status import read_status, status_lines
from flows.story import read_story, story_lines
from flows.sync import Summary
from flows.warehouse import Warehouse, published
from tests.e2e.stage import OF_THE_RUN, ROOT, Stage, clean_environment, differences, run_dbt, told

# Thirty syncs and a rebuild; what it proves stands in test_enrich.py too, without them.
pytestmark = pytest.mark.slow

NOW = datetime(2026, 3, 18, 15, 30, tzinfo=UTC)
BUDGET = 12
SYNC = """
import asyncio, sys
from pathlib import Path
from flows.settings import Settings
from flows.sync import sync_once
asyncio.run(sync_once(Settings.load(Path(sys.argv[1]))))
"""
LAST = """
select * exclude (body) from ledger.ops.enrichment_calls
qualify row_number() over (partition by call_id order by call_seq desc) = 1
order by call_seq
"""


class Played:
    """The stage, and what was told and asked at each page of the story."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.told: dict[str, Summary] = {}
        self.asked: dict[str, list[str]] = {}
        self.arrived: dict[str, Any] = {}
        self.listed: list[dict[str, Any]] = []
        self.status: dict[str, dict[str, Any]] = {}

    def requests(self) -> list[str]:
        answer = self.stage.control("GET", "/requests?system=clearbit")
        return [one["query"].partition("=")[2].replace("%40", "@") for one in answer["requests"]]

    def sync(self, page: str, **settings: object) -> None:
        self.stage.forget_requests()
        self.told[page] = self.stage.sync(**settings)
        self.asked[page] = self.requests()
        self.status[page] = read_status(self.stage.home)

    def budget(self, calls: int) -> None:
        with Warehouse(self.stage.home) as warehouse:
            warehouse.execute(
                "update policy.enrichment_providers set monthly_budget = ? "
                "where provider = 'clearbit'",
                [calls],
            )

    def crash(self) -> None:
        """Kill a sync while Clearbit holds back an answer."""
        stage = self.stage
        stage.trouble("timeout", "clearbit", times=1, seconds=60)
        file = stage.env_file(BATON_CLEARBIT_TIMEOUT=60)
        run = subprocess.Popen(
            [sys.executable, "-c", SYNC, str(file)], cwd=ROOT, env=clean_environment()
        )
        try:
            deadline = time.monotonic() + 180
            while not stage.control("GET", "/faults")["faults"][0]["seen"]:
                assert run.poll() is None, "The sync ended before it asked."
                assert time.monotonic() < deadline, "Nothing was asked."
                time.sleep(0.05)
        finally:
            run.kill()
            run.wait()
        stage.control("DELETE", "/faults")


@pytest.fixture(scope="module")
def played(set_up: Callable[..., Stage]) -> Played:
    stage = set_up(leads=120, now=NOW, frozen=True, limits=False)
    stage.control("POST", "/clearbit", {"always_found": True})
    played = Played(stage)
    played.sync("without a key", BATON_CLEARBIT_KEY="")
    played.budget(BUDGET)
    stage.advance(minutes=2)
    played.told["dry"] = stage.sync(dry_run=True)
    played.asked["dry"] = played.requests()
    played.sync("with a budget")
    played.listed = stage.rows("select * from people.enrichment_candidates order by place")
    for page in ("after", "and after"):
        stage.advance(minutes=2)
        played.sync(page)
    # A month later somebody new asks for a demo, and is the first to be asked for.
    stage.advance(days=31)
    (played.arrived,) = stage.arrive(1, "new")
    played.sync("arrival")
    # April is spent; in May the process dies in the middle of a call.
    stage.advance(days=30)
    played.crash()
    stage.advance(minutes=2)
    played.sync("after the crash")
    stage.advance(days=31)
    stage.trouble("drop", "clearbit", times=None)
    played.sync("down")
    stage.control("DELETE", "/faults")
    stage.advance(days=1)
    stage.control("POST", "/clearbit", {"revoked": True})
    played.sync("revoked")
    stage.control("POST", "/clearbit", {"revoked": False})
    return played


def test_without_a_key_nobody_is_asked_and_nothing_is_wrong(played: Played) -> None:
    assert played.asked["without a key"] == []
    assert played.told["without a key"].troubles == []
    assert not any(played.told["without a key"].enriched.values())


def test_a_dry_run_spends_nothing(played: Played) -> None:
    assert played.asked["dry"] == []


def test_the_budget_goes_to_the_hottest_and_never_twice(played: Played) -> None:
    first = played.told["with a budget"]
    assert first.enriched["spent"] == len(played.asked["with a budget"]) == BUDGET
    assert len(set(played.asked["with a budget"])) == BUDGET
    # The golden lead of whom nothing is known asked for a demo an hour ago.
    assert any(one.startswith("rnolan@") for one in played.asked["with a budget"])
    recent = played.stage.column(
        f"select coalesce(trigger_at > timestamp '{NOW:%Y-%m-%d}' - interval 7 day, false) "
        f"from ({LAST}) as calls join people.lead_profiles using (lead_key) "
        f"where calls.run_id = '{first.run_id}' order by calls.call_seq"
    )
    assert len(recent) == BUDGET
    assert recent == sorted(recent, reverse=True)
    assert len(played.listed) > BUDGET
    assert played.asked["after"] == played.asked["and after"] == []
    everything = [one for page in played.asked.values() for one in page]
    people = [one for one in everything if "@" in one]
    # Whoever was refused, lost on the way or cut off was not answered; all others only once.
    answered = {row["lookup"] for row in played.stage.rows(LAST) if row["status"] == "found"}
    assert len(answered) >= BUDGET
    assert all(people.count(one) == 1 for one in answered if "@" in one and one in people)


def test_nothing_is_written_once_nothing_is_new(played: Played) -> None:
    assert played.told["and after"].written == {}
    assert played.told["and after"].messages == 0
    assert played.told["and after"].touched == 0


def test_what_was_found_fills_the_profile_and_says_where_it_is_from(played: Played) -> None:
    stage = played.stage
    rows = stage.rows(
        f"select calls.lookup, calls.kind, profiles.* from ({LAST}) as calls "
        "join people.lead_profiles as profiles using (lead_key) where calls.status = 'found'"
    )
    assert rows
    for row in rows:
        facts = {
            one["field"]: one
            for one in stage.rows(
                f"select * from people.lead_facts where lead_key = '{row['lead_key']}'"
            )
        }
        assert any(one["provider"] == "clearbit" for one in facts.values())
        for name, fact in facts.items():
            assert str(row[name]) == fact["value"]
            assert (fact["provider"] is None) == (fact["source"] != "provider")


def test_a_company_is_asked_once_for_all_its_people(played: Played) -> None:
    domains = [
        row["lookup"].rpartition("@")[2]
        for row in played.stage.rows(LAST)
        if row["status"] == "found" and row["kind"] == "company"
    ]
    assert len(domains) == len(set(domains))


def test_whoever_arrives_is_asked_for_before_they_are_judged(played: Played) -> None:
    email = played.arrived["email"]
    calls = {row["lookup"]: row for row in played.stage.rows(LAST)}
    missing = played.stage.world.truth.by_email[email]["missing"]
    domain = email.partition("@")[2]
    if email not in calls and domain not in calls:
        # Half of the newcomers come complete, and nobody is asked about them.
        assert missing == []
        return
    call = calls.get(email) or calls[domain]
    assert call["run_id"] == played.told["arrival"].run_id
    checked = played.stage.rows(
        "select arg_max(gaps, as_of) as gaps from ledger.quality.context_checks "
        f"where lead_key = '{call['lead_key']}'"
    )
    assert "company_name" not in (checked[0]["gaps"] or "")


def test_a_crash_costs_the_call_it_cut_off_and_is_told_once(played: Played) -> None:
    stage = played.stage
    (lost,) = [row for row in stage.rows(LAST) if row["reason"] and "ended before" in row["reason"]]
    assert lost["status"] == "unknown"
    told = played.told["after the crash"]
    assert [one for one in told.troubles if "cut off by a crash" in one]
    assert lost["lookup"] not in played.asked["after the crash"]
    assert told.enriched["spent"] == min(BUDGET - 1, len(played.asked["after the crash"]))
    (line,) = played.status["after the crash"]["enrichment"]
    assert line["lost"] == 1
    assert line["used"] == told.enriched["spent"] + 1


def test_a_provider_that_is_down_costs_three_tries_and_no_word(played: Played) -> None:
    assert len(played.asked["down"]) == 3
    assert played.told["down"].troubles == []
    assert played.told["down"].rejected == 0


def test_a_revoked_key_is_told_and_stops_nothing_else(played: Played) -> None:
    told = played.told["revoked"]
    assert len(played.asked["revoked"]) == 1
    assert [one for one in told.troubles if "clearbit looks nobody up (401" in one]
    assert told.needs_a_person
    lines = "\n".join(status_lines(played.status["revoked"]))
    assert "Enrichment: calls of the month" in lines
    assert "last call refused (401" in lines


def test_no_address_and_no_key_stands_in_what_is_told(played: Played) -> None:
    key = played.stage.box.env["BATON_CLEARBIT_KEY"]
    for page, told_of in played.told.items():
        words = " ".join(told_of.troubles)
        assert "@" not in words, page
        assert key not in words
    reasons = played.stage.column("select coalesce(reason, '') from ledger.ops.enrichment_calls")
    assert not [reason for reason in reasons if "@" in reason or key in reason]


def test_a_story_says_whom_each_value_is_believed_of(played: Played) -> None:
    (key, *_) = played.stage.column(
        "select lead_key from people.lead_facts where provider = 'clearbit' order by lead_key"
    )
    with published(played.stage.home) as reader:
        lines = "\n".join(story_lines(read_story(reader, key)))
    assert "What is believed, and whom" in lines
    assert "found by clearbit (clearbit:" in lines


def test_everything_built_anew_is_the_same(played: Played, tmp_path: Path) -> None:
    rebuilt = played.stage.copy(tmp_path / "rebuilt")
    # The budget was made smaller behind the back of the policy's files: the copy has it too.
    ran = run_dbt(rebuilt, "run", "--full-refresh", "--exclude", "policy_version")
    assert ran.returncode == 0, ran.stdout[-3000:]
    found = differences(played.stage.home, rebuilt, ignore=OF_THE_RUN)
    assert not found, told(found)
