"""What an account does not give: a stream not bought, a day used up, a value not offered."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest

from tests.e2e.stage import Stage, assert_each_was_served_once, clean_environment
from tests.house import ROOT

NOW = datetime(2026, 3, 18, 15, 30, tzinfo=UTC)
WORLD = {"leads": 150, "now": NOW, "frozen": True, "limits": False}
BATON = (sys.executable, "-m", "flows.cli")
STAGE_WRITTEN = "marketingqualifiedlead"

pytestmark = pytest.mark.faults


@pytest.fixture(scope="module")
def account(set_up: Callable[..., Stage]) -> Stage:
    """A world of its own, so that nothing above changes who arrives in it, at rest."""
    stage = set_up(**WORLD)
    stage.sync()
    # What was written comes back as an echo once.
    stage.advance(minutes=5)
    stage.sync()
    return stage


@pytest.fixture
def stingy(account: Stage) -> Iterator[Stage]:
    """The same; everything is granted again afterwards."""
    yield account
    account.control("POST", "/hubspot/tier", {"tier": "enterprise"})
    account.control("POST", "/salesforce/limits", {"enabled": False, "calls_today": 0})
    offer_stage(account)


def offer_stage(stage: Stage, *, is_offered: bool = True) -> None:
    """Let HubSpot's life cycle take the stage we write, or no longer."""
    option = {"name": "lifecyclestage", "value": STAGE_WRITTEN}
    stage.control("POST", "/hubspot/properties", {"action": "remove_option", **option})
    if is_offered:
        stage.control("POST", "/hubspot/properties", {"action": "add_option", **option})


def newcomers(stage: Stage, count: int) -> set[str]:
    """Let people ask for a demo until so many of them are new; returns the contacts of these."""
    stage.advance(minutes=5)
    found: set[str] = set()
    while len(found) < count:
        found |= {
            one["hubspot_contact_id"] for one in stage.arrive(1, "demo") if one["kind"] == "new"
        }
    return found


def served(stage: Stage) -> set[str]:
    """The contacts whose lead was handed over, with an errand in the CRM and a message."""
    given = stage.rows(
        "select leads.hubspot_contact_id as contact, given.assignment_key as key "
        "from ledger.ops.assignments as given "
        "inner join lifecycle.lead_lifecycle as leads using (lead_key)"
    )
    tasks = stage.control("GET", "/records/salesforce/Task")["records"]
    done = {one.get("baton_task_key__c") for one in tasks} & stage.messages().keys()
    return {one["contact"] for one in given if one["key"] in done}


def viewers(stage: Stage) -> set[str]:
    """The contacts of whom page views are known."""
    found = stage.column("select contact_record_key from staging.stg_hubspot__page_events")
    return {str(one).rpartition(":")[2] for one in found}


def test_a_stream_the_account_has_not_bought_is_skipped_and_nobody_is_called(
    stingy: Stage,
) -> None:
    stingy.control("POST", "/hubspot/tier", {"tier": "professional"})
    arrived = newcomers(stingy, 3)
    typed = subprocess.run(
        [*BATON, "--env-file", str(stingy.env_file()), "sync", "--json"],
        cwd=ROOT,
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert typed.returncode == 0, typed.stdout[-2000:] + typed.stderr[-2000:]
    told = json.loads(typed.stdout)
    assert told["skipped"].keys() == {"hubspot.page_events"}
    assert "403" in told["skipped"]["hubspot.page_events"]
    assert told["troubles"] == []
    assert "hubspot.page_events" not in told["extracted"]
    # What comes after it is pulled all the same, and who is new is handed over.
    assert {"hubspot.email_events", "hubspot.email_campaigns"} <= told["extracted"].keys()
    assert arrived <= served(stingy)
    # Bought in the meantime: what was viewed before that is not lost.
    assert not arrived & viewers(stingy)
    stingy.control("POST", "/hubspot/tier", {"tier": "enterprise"})
    stingy.advance(minutes=5)
    again = stingy.sync()
    assert not again.needs_a_person, again.troubles
    assert again.skipped == {}
    assert arrived & viewers(stingy)


def test_when_our_share_of_the_day_is_used_up_the_rest_of_it_is_for_the_leads_that_are_ready(
    stingy: Stage,
) -> None:
    daily = stingy.world.salesforce.daily_limit
    limits = {"enabled": True, "calls_today": daily * 9 // 10}
    stingy.control("POST", "/salesforce/limits", limits)
    arrived = newcomers(stingy, 2)
    told = stingy.sync()
    (trouble,) = told.troubles
    assert trouble.startswith("salesforce: ")
    assert f"of the day's {daily} calls are used up" in trouble
    # Who we are was said with the token; nothing is read there.
    read = {address for address in told.extracted if address.startswith("salesforce.")}
    assert read <= {"salesforce.identity"}
    assert told.extracted["hubspot.form_submissions"] >= 2
    assert (told.rejected, told.unknown) == (0, 0)
    assert arrived <= served(stingy)
    (run,) = stingy.rows(
        "select phase, summary from ledger.ops.runs "
        f"where run_id = '{told.run_id}' and phase != 'begun'"
    )
    assert run["phase"] == "done"
    assert "calls are used up" in str(run["summary"])
    # The next day Salesforce is read again, the leads created meanwhile included.
    stingy.control("POST", "/salesforce/limits", {"calls_today": 0})
    stingy.advance(minutes=5)
    again = stingy.sync()
    assert not again.needs_a_person, again.troubles
    assert again.extracted["salesforce.leads"] >= 2
    assert_each_was_served_once(stingy)


def test_a_value_hubspot_does_not_take_is_told_once_and_stops_no_other_row(
    stingy: Stage,
) -> None:
    offer_stage(stingy, is_offered=False)
    others = stingy.rows(
        "select leads.hubspot_contact_id as id, leads.icp_score from lifecycle.lead_lifecycle "
        "as leads inner join staging.stg_hubspot__contacts as contacts "
        "on leads.hubspot_contact_id = contacts.contact_id where leads.decision = 'mql' "
        f"and contacts.lifecycle_stage = '{STAGE_WRITTEN}' order by leads.lead_key limit 2"
    )
    assert len(others) == 2
    for one in others:
        stingy.mutate("hubspot", "contacts", one["id"], baton_score="0")
    arrived = newcomers(stingy, 3)
    for times_told in (1, 0):  # it is tried in every run, and told as a change of schema once
        told = stingy.sync()
        refused = stingy.rows(
            "select row_key, sent ->> '$.lifecyclestage' as stage from ledger.ops.receipts "
            f"where target = 'hubspot.contact' and run_id = '{told.run_id}' "
            "and status = 'rejected'"
        )
        assert arrived <= {one["row_key"] for one in refused}
        assert {one["stage"] for one in refused} == {STAGE_WRITTEN}
        assert (told.rejected, told.unknown) == (len(refused), 0)
        (trouble,) = told.troubles
        assert trouble.startswith(f"hubspot.contact: {len(refused)} rows rejected")
        events = stingy.rows(
            "select field, after, needs_a_person, cure from ledger.ops.schema_events "
            f"where run_id = '{told.run_id}' and change = 'value refused'"
        )
        assert [(one["field"], one["after"], one["needs_a_person"]) for one in events] == [
            ("lifecyclestage", STAGE_WRITTEN, True)
        ] * times_told
        assert all("Add it to the values" in one["cure"] for one in events)
        assert arrived <= served(stingy)
        stingy.advance(minutes=5)
    for one in others:
        held = stingy.control("GET", f"/records/hubspot/contacts/{one['id']}")["properties"]
        assert held["baton_score"] == str(one["icp_score"])
    offer_stage(stingy)
    told = stingy.sync()
    assert not told.needs_a_person, told.troubles
    assert told.written["hubspot.contact"] == len(refused)
    assert_each_was_served_once(stingy)
