"""The flow of the clocks fails, or stands still, and `baton status` says so."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from flows.status import read_status, status_lines

NOON = datetime(2026, 11, 22, 12)  # noqa: DTZ001 - the stores hold UTC without saying so
RUNS = """
create schema ops;
create table ops.runs (run_id text, phase text, as_of timestamp, summary json,
    recorded_at timestamp)
"""
# What else a status reads: nothing in it.
COPY = f"""
{RUNS};
create schema reporting; create schema lifecycle;
create table published_runs as select timestamp '2026-11-22 12:00' as as_of;
create table reporting.rpt_submissions (submission_id text, state text);
create table reporting.rpt_flagged_records (reason text);
create table lifecycle.lead_lifecycle (sla_status text);
create table lifecycle.lead_clocks (is_running boolean, clock_started_at timestamp);
create table ops.stream_counts (address text, as_of timestamp, landed bigint);
create table ops.quarantine (address text, reason text);
create table ops.receipts (receipt_seq bigint, target text, row_key text, lead_key text,
    status text, reason text, recorded_at timestamp);
create table ops.assignments (candidates json, credits_after json, draw_number int, owner_id text,
    as_of timestamp);
create table ops.decisions (policy_version text, as_of timestamp);
create table ops.policy_versions as select 'p1' as policy_version, 'constants' as policy_table,
    '{{"constant_id": "clocks_looked_at_within_minutes", "value": "15"}}'::json as policy_row,
    timestamp '2026-11-22 08:00' as as_of;
insert into lifecycle.lead_lifecycle values ('green')
"""


@pytest.fixture
def status(tmp_path: Path) -> Callable[..., tuple[dict[str, Any], str]]:
    """Ask for the state of a home in which these runs were recorded, and in what words it is told.

    A run is its flow, its phase, the minutes before noon and what its summary says.
    """

    def ask(
        *runs: tuple[str, str, int, dict[str, Any]],
        clock: int | None = 60,
        now: datetime | None = NOON,
    ) -> tuple[dict[str, Any], str]:
        (tmp_path / "published").mkdir()
        (tmp_path / "published" / "current").write_text("a.duckdb")
        for path, tables in (
            (tmp_path / "published" / "a.duckdb", COPY),
            (tmp_path / "ledger.duckdb", RUNS),
        ):
            with duckdb.connect(str(path)) as store:
                store.execute(tables)
                if tables is COPY and clock is not None:
                    began = NOON - timedelta(minutes=clock)
                    store.execute("insert into lifecycle.lead_clocks values (true, ?)", [began])
                for number, (flow, phase, minutes, summary) in enumerate(runs):
                    at, told = NOON - timedelta(minutes=minutes), {"flow": flow, **summary}
                    row = [f"r{number}", "begun", at, json.dumps({"flow": flow}), at]
                    store.execute("insert into ops.runs values (?, ?, ?, ?, ?)", row)
                    if phase != "begun":
                        ended = [f"r{number}", phase, at, json.dumps(told), at + timedelta(0, 9)]
                        store.execute("insert into ops.runs values (?, ?, ?, ?, ?)", ended)
        found = read_status(tmp_path, now)
        return found, "\n".join(status_lines(found))

    return ask


Status = Callable[..., tuple[dict[str, Any], str]]
SYNC = ("sync", "done", 1, {})


def test_clocks_that_are_looked_at_need_nobody(status: Status) -> None:
    found, told = status(SYNC, ("sla", "done", 5, {}))
    assert not found["needs_a_person"]
    assert found["run"]["run_id"] == "r0", "the last run is the last sync"
    assert "First-touch clocks: green 1\n  last looked at 2026-11-22 11:55 UTC, done\n" in told
    assert told.endswith("Nothing needs a person.")


def test_a_run_of_the_clocks_that_failed_needs_a_person_though_syncs_go_well(
    status: Status,
) -> None:
    found, told = status(("sla", "failed", 5, {"error": "salesforce: no answer."}), SYNC)
    assert found["needs_a_person"]
    assert found["run"]["phase"] == "done"
    assert "The last run of the clocks' flow failed: salesforce: no answer." in told


def test_what_a_run_of_the_clocks_left_for_a_person_is_told_once(status: Status) -> None:
    down = {"troubles": ["smtp: no connection."]}
    found, told = status(("sync", "done", 1, down), ("sla", "done", 5, {**down, "quarantined": 2}))
    assert found["needs_a_person"]
    assert told.count("smtp: no connection.") == 1
    assert "2 records were put in quarantine by the last run of the clocks' flow." in told


@pytest.mark.parametrize(
    ("runs", "clock", "silent"),
    [
        ([("sla", "done", 15, {})], 60, None),
        ([("sla", "done", 16, {})], 60, 16),
        # Begun and never ended: it dies every time, and nobody is told.
        ([("sla", "done", 20, {}), ("sla", "begun", 5, {})], 60, 20),
        ([("sla", "done", 500, {})], 14, None),  # there was nothing to look at
        ([("sla", "done", 500, {})], None, None),
        ([], 14, None),
        ([], 60, 60),  # it was never scheduled
    ],
)
def test_clocks_nobody_looks_at_need_a_person(
    status: Status, runs: list[Any], clock: int | None, silent: float | None
) -> None:
    found, told = status(*runs, SYNC, clock=clock)
    assert found["clocks_flow"]["silent_minutes"] == silent
    assert found["needs_a_person"] == (silent is not None)
    assert ("15 are allowed (constants.csv, clocks_looked_at_within_minutes)" in told) == (
        silent is not None
    )


def test_where_nothing_runs_at_all_the_clocks_stand_still_too(status: Status) -> None:
    runs = (("sync", "done", 40, {}), ("sla", "done", 40, {}))
    found, _ = status(*runs, now=NOON)
    assert found["clocks_flow"]["silent_minutes"] == 40
