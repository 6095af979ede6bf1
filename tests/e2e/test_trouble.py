"""What goes wrong between here and there, and what must be true when it is over.

Faults are scripted in the sandbox and crashes are real: a process of its own, killed.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from flows.errors import PipelineError, SettingsError
from sandbox.lumenfold import REPS
from tests.e2e.stage import (
    Stage,
    assert_each_was_served_once,
    fingerprints,
    run_child,
)

NOW = datetime(2026, 3, 18, 15, 30, tzinfo=UTC)
WORLD = {"leads": 150, "now": NOW, "frozen": True, "limits": False}
PERSISTENT = 10_000

# Dies without a word at one place of the sync, as a machine does that loses its power.
CRASH = """
import asyncio, os, signal, sys
from pathlib import Path
from flows.running import plainly
from flows.settings import Settings
from flows.steps import write_back
from flows.sync import sync_once

where = sys.argv[2]

def die():
    os.kill(os.getpid(), signal.SIGKILL)

def before_sending(connector, object_name, key, rows):
    die()
    yield

def after_the_first(connector, object_name, key, rows):
    for receipt in write_back.push(connector, object_name, key, rows):
        die()
        yield receipt

async def do(address, work, *arguments):
    if where == f"before {address}":
        die()
    if where == f"{address} intended":
        arguments = (*arguments[:-1], before_sending)
    if where == f"{address} sent":
        arguments = (*arguments[:-1], after_the_first)
    told = await plainly(address, work, *arguments)
    if where == f"after {address}":
        die()
    return told

asyncio.run(sync_once(Settings.load(Path(sys.argv[1])), do=do))
"""

BATON = (sys.executable, "-m", "flows.cli")

pytestmark = pytest.mark.faults


def state(stage: Stage) -> dict[str, Any]:
    """What matters of a home and its world, by e-mail: keys are minted in the order of arrival."""
    leads = stage.rows(
        """
        select
            coalesce(email, company_name) as who, lifecycle_stage, lead_status, icp_score,
            score_reasons, decision, owner_id, routing_rule, sla_tier, context_status,
            context_gaps, trigger_type, trigger_asset, first_touch_source
        from lifecycle.lead_lifecycle order by all
        """
    )
    records = stage.control("GET", "/records/salesforce/Lead")["records"]
    told = [str(one.get("channel") or one.get("to")) for one in stage.messages().values()]
    return {
        "leads": leads,
        "owners": sorted((str(one["Email"]), one["OwnerId"]) for one in records),
        "scores": sorted((str(one["Email"]), str(one.get("baton_score__c"))) for one in records),
        "told": sorted(told),
    }


# --- before any work ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def calm(set_up: Callable[..., Stage]) -> Stage:
    """The same world as ``rough``, undisturbed."""
    stage = set_up(**WORLD)
    stage.sync()
    return stage


@pytest.fixture(autouse=True)
def no_trouble_left(calm: Stage) -> Iterator[None]:
    yield
    calm.control("DELETE", "/faults")


@pytest.mark.parametrize("name", ["BATON_HUBSPOT_TOKEN", "BATON_SALESFORCE_CLIENT_SECRET"])
def test_a_missing_credential_is_named_before_anything_is_opened(calm: Stage, name: str) -> None:
    before = fingerprints(calm.home)
    calm.forget_requests()
    with pytest.raises(SettingsError, match=name):
        calm.sync(**{name: ""})
    assert calm.control("GET", "/requests")["count"] == 0
    assert fingerprints(calm.home) == before


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("BATON_HUBSPOT_BASE_URL", "http://127.0.0.1:9", "hubspot"),
        ("BATON_SALESFORCE_LOGIN_URL", "http://127.0.0.1:9", "salesforce"),
        ("BATON_SLACK_BASE_URL", "http://127.0.0.1:9/api", "slack"),
        ("BATON_SMTP_PORT", "9", "smtp"),
        ("BATON_HUBSPOT_TOKEN", "pat-na1-wrong-wrong", "hubspot"),
        ("BATON_SALESFORCE_CLIENT_SECRET", "wrongsecret", "salesforce"),
        ("BATON_SLACK_TOKEN", "xoxb-wrong-wrong", "slack"),
        ("BATON_SMTP_PASSWORD", "wrongsecret", "smtp"),
    ],
)
def test_a_system_that_does_not_answer_or_let_us_in_stops_the_run_before_any_work(
    calm: Stage, name: str, value: str, said: str
) -> None:
    before = fingerprints(calm.home)
    with pytest.raises(PipelineError) as caught:
        calm.sync(**{name: value})
    told = str(caught.value)
    assert told.startswith(f"{said}: ")
    assert "wrong" not in told.replace("the token is wrong", "")
    assert "\n" not in told
    assert fingerprints(calm.home) == before


# --- trouble that passes, and trouble that stays ------------------------------------------------


def test_a_run_that_failed_is_taken_up_and_ends_where_an_undisturbed_one_does(
    set_up: Callable[..., Stage], calm: Stage
) -> None:
    rough = set_up(**WORLD)
    # It stays: one stream fails for good, late, when much has landed already.
    rough.trouble("status", "salesforce", "/query", after=6, times=PERSISTENT, status=500)
    with pytest.raises(PipelineError, match=r"^salesforce[.:]") as caught:
        rough.sync()
    assert "\n" not in str(caught.value)
    assert rough.effects() == []
    phases = rough.column("select phase from ledger.ops.runs order by recorded_at")
    assert phases == ["begun", "failed"]
    assert rough.value("select count(*) from raw.hubspot__contacts") > 100
    rough.control("DELETE", "/faults")

    # It passes: each of these once, in one run.
    rough.trouble(
        "status", "hubspot", "/contacts/search", status=429, body={"policyName": "SECONDLY"}
    )
    rough.trouble("status", "hubspot", "/owners", status=502)
    rough.trouble("drop", "hubspot", "/forms")
    rough.trouble("truncate", "hubspot", "/email")
    rough.trouble(
        "status",
        "salesforce",
        "/query",
        status=401,
        body=[{"errorCode": "INVALID_SESSION_ID", "message": "Session expired or invalid"}],
    )
    rough.trouble("status", "salesforce", "/query", after=3, status=503)
    rough.trouble("html", "salesforce", "/query", after=5)
    rough.trouble("drop", "salesforce", "/composite", after=0)
    rough.trouble("timeout", "salesforce", "/query", after=8, seconds=5)
    rough.trouble(
        "status", "slack", "users.lookupByEmail", status=429, headers={"Retry-After": "1"}
    )
    rough.trouble("status", "slack", "chat.postMessage", status=429, headers={"Retry-After": "1"})
    told = rough.sync(BATON_SALESFORCE_TIMEOUT=2)
    assert not told.needs_a_person, told.troubles
    met = [one for one in rough.control("GET", "/faults")["faults"] if one["seen"] > one["after"]]
    assert len(met) >= 9
    rough.control("DELETE", "/faults")
    assert_each_was_served_once(rough)
    assert state(rough) == state(calm)
    rough.forget_requests()
    assert rough.sync().written == {}
    assert rough.writes() == []


def test_what_was_refused_or_lost_on_the_way_out_is_done_in_the_next_run_and_nothing_twice(
    calm: Stage,
) -> None:
    # The answer is lost after the effect, at each system, and one door is shut for a while.
    calm.arrive(6, "demo")
    for system, path in (
        ("salesforce", "/composite/sobjects/Lead"),
        ("salesforce", "/composite/sobjects/Task"),
        ("hubspot", "/contacts/batch/update"),
        ("slack", "chat.postMessage"),
    ):
        calm.trouble("drop_after", system, path)
    told = calm.sync()
    assert told.unknown == 1
    assert told.needs_a_person
    calm.control("DELETE", "/faults")
    again = calm.sync()
    assert (again.unknown, again.rejected, again.messages) == (0, 0, 0)
    assert_each_was_served_once(calm)

    calm.arrive(3, "demo")
    revoked = {"ok": False, "error": "token_revoked"}
    calm.trouble("status", "slack", "chat.postMessage", times=None, status=200, body=revoked)
    calm.trouble("status", "salesforce", "/composite/sobjects", times=None, status=500)
    told = calm.sync()
    assert told.needs_a_person
    assert told.messages == 0
    assert all("\n" not in trouble for trouble in told.troubles)
    calm.control("DELETE", "/faults")
    told = calm.sync()
    assert not told.needs_a_person
    assert told.messages == 3
    assert_each_was_served_once(calm)
    calm.forget_requests()
    assert calm.sync().written == {}
    assert calm.writes() == []


# --- crashes ------------------------------------------------------------------------------------


def test_a_process_killed_anywhere_leaves_one_owner_one_message_and_one_task_per_lead(
    calm: Stage,
) -> None:
    for where in (
        "before staging",  # everything landed, nothing built
        "after decisions",  # decided and drawn, nothing written
        "salesforce.lead intended",
        "salesforce.lead sent",
        "slack.message intended",
        "slack.message sent",
    ):
        calm.advance(minutes=5)
        calm.arrive(3, "demo")
        child = run_child(CRASH, calm.env_file(), where)
        assert child.returncode == -9, (where, child.stderr[-2000:])
    calm.advance(minutes=5)
    told = calm.sync()
    assert (told.unknown, told.rejected, told.troubles) == (0, 0, [])
    assert_each_was_served_once(calm)
    calm.advance(minutes=5)
    calm.sync()
    calm.forget_requests()
    assert calm.sync().written == {}
    assert calm.writes() == []


# --- people -------------------------------------------------------------------------------------


def test_a_person_may_change_the_owner_and_not_the_score(calm: Stage) -> None:
    jane = calm.lead("jane.smith@acme.example")
    manager = REPS[7].user_id
    new_owner = next(rep.user_id for rep in REPS if rep.user_id != jane["owner_id"])
    calm.advance(minutes=5)
    record = jane["salesforce_lead_id"]
    calm.mutate(
        "salesforce",
        "Lead",
        record,
        by=manager,
        OwnerId=new_owner,
        baton_score__c=jane["icp_score"] - 3,
    )
    calm.forget_requests()
    calm.sync()
    held = calm.control("GET", f"/records/salesforce/Lead/{record}")
    assert held["OwnerId"] == new_owner
    assert held["baton_score__c"] == jane["icp_score"]
    writing = [one for one in calm.effects("salesforce") if one["id"] == record][-1]
    assert "OwnerId" not in writing["fields"]
    calm.advance(minutes=5)
    calm.sync()
    calm.forget_requests()
    calm.sync()
    assert calm.writes() == []
    held = calm.control("GET", f"/records/salesforce/Lead/{record}")
    assert held["OwnerId"] == new_owner


# --- bad input ----------------------------------------------------------------------------------


def test_what_cannot_be_read_is_set_aside_with_its_reason_and_the_rest_goes_on(calm: Stage) -> None:
    address = f"{calm.box.env['BATON_HUBSPOT_BASE_URL']}/crm/owners/2026-09"
    token = {"Authorization": f"Bearer {calm.box.env['BATON_HUBSPOT_TOKEN']}"}
    owners = httpx.get(address, headers=token, params={"limit": 100}).json()
    owners["results"] += ["not a record", {"email": "no.id@lumenfold.example"}]
    calm.trouble("status", "hubspot", "/owners", status=200, body=owners)
    calm.advance(minutes=5)
    calm.arrive(1, "demo")
    told = calm.sync()
    calm.control("DELETE", "/faults")
    assert told.quarantined == 2
    assert told.needs_a_person
    assert told.messages == 1
    reasons = calm.column(
        "select reason from ledger.ops.quarantine where address = 'hubspot.owners' order by 1"
    )
    assert reasons == ["no usable id", "not a JSON object"]
    # Known by now: it is told once.
    calm.trouble("status", "hubspot", "/owners", status=200, body=owners)
    calm.advance(minutes=5)
    assert calm.sync().quarantined == 0


@pytest.mark.parametrize(
    ("dirt", "reason"),
    [
        ("contact_without_email", "without an e-mail address"),
        ("submission_without_email", "submission without an e-mail address"),
        ("two_leads_one_email", "several names on one e-mail address"),
        ("impossible_page_event_date", "page view with an impossible time"),
        ("impossible_submission_date", "submission with an impossible time"),
        ("unknown_lifecyclestage", "lifecycle stage unknown to the policy"),
    ],
)
def test_planted_dirt_is_flagged_with_its_reason(calm: Stage, dirt: str, reason: str) -> None:
    planted = calm.world.truth.dirt[dirt]
    names = {
        str(one) for entry in planted for one in (entry if isinstance(entry, list) else [entry])
    }
    flagged = {
        str(row["record_key"]).rpartition(":")[2]
        for row in calm.rows("select * from reporting.rpt_flagged_records")
        if reason in row["reason"]
    }
    assert names <= flagged


def test_every_submission_is_in_one_state(calm: Stage) -> None:
    found = calm.rows(
        """
        select
            (select count(*) from staging.stg_hubspot__form_submissions) as submissions,
            count(*) as listed,
            count(distinct submission_id) as distinct_ones,
            count(*) filter (where state is null) as without
        from reporting.rpt_submissions
        """
    )
    (row,) = found
    assert row["submissions"] == row["listed"] == row["distinct_ones"]
    assert row["without"] == 0


def test_no_address_of_a_person_and_no_secret_is_told_in_any_summary(
    calm: Stage, tmp_path: Path
) -> None:
    told = " ".join(str(one) for one in calm.column("select summary from ledger.ops.runs"))
    assert "@" not in told.replace("***@", "")
    for name, value in calm.box.env.items():
        if "SECRET" in name or "TOKEN" in name or "PASSWORD" in name:
            assert value not in told


# --- a merge after the hand-over ----------------------------------------------------------------


@pytest.fixture(scope="module")
def merged(calm: Stage) -> dict[str, Any]:
    """Jane's contact, merged after her hand-over with one that was known before her."""
    jane = calm.lead("jane.smith@acme.example")
    spoilt = {str(one) for entries in calm.world.truth.dirt.values() for one in entries}
    old = [
        one["hubspot_contact_ids"][0]
        for one in calm.world.truth.people
        if one["hubspot_contact_ids"]
        and one["emails"]
        and not one["golden"]
        and not one["salesforce_lead_ids"]
        and not spoilt & set(one["hubspot_contact_ids"])
    ][10]
    before = calm.messages()
    given = calm.value("select count(*) from ledger.ops.assignments")
    calm.advance(minutes=5)
    pair = {"winner": jane["hubspot_contact_id"], "loser": old}
    survivor = calm.control("POST", "/merge", {"system": "hubspot", **pair})["id"]
    for _ in range(2):
        calm.advance(minutes=5)
        calm.sync()
    return {"jane": jane, "messages": before, "assignments": given, "survivor": survivor}


def test_after_a_merge_the_survivor_speaks_for_the_person(
    calm: Stage, merged: dict[str, Any]
) -> None:
    joined = calm.lead("jane.smith@acme.example")
    assert joined["lead_key"] < merged["jane"]["lead_key"]
    assert joined["full_name"] == "Jane Smith"
    assert joined["hubspot_contact_id"] == merged["survivor"]


def test_after_a_merge_the_decision_stands_and_nobody_is_told_again(
    calm: Stage, merged: dict[str, Any]
) -> None:
    assert calm.messages() == merged["messages"]
    assert calm.value("select count(*) from ledger.ops.assignments") == merged["assignments"]
    joined, jane = calm.lead("jane.smith@acme.example"), merged["jane"]
    assert (joined["decision"], joined["routing_rule"]) == ("mql", jane["routing_rule"])
