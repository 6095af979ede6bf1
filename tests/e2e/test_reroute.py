"""Owners leave, accounts move, managers give leads by hand: each lead has one owner, told once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.e2e.stage import Stage

NOW = datetime(2026, 3, 18, 15, 30, tzinfo=UTC)

pytestmark = pytest.mark.faults


@pytest.fixture(scope="module")
def stage(set_up: Callable[..., Stage]) -> Stage:
    """A company that went live yesterday."""
    return set_up(leads=150, now=NOW, frozen=True, limits=False)


def assignments(stage: Stage) -> list[dict[str, Any]]:
    return stage.rows("select * from ledger.ops.assignments order by draw_number")


def owners_in_crm(stage: Stage) -> dict[str, str]:
    """The owner of every Salesforce lead Baton knows, by our key."""
    records = stage.control("GET", "/records/salesforce/Lead")["records"]
    return {
        one["baton_lead_key__c"]: one["OwnerId"] for one in records if one.get("baton_lead_key__c")
    }


def record_of(stage: Stage, lead_key: str) -> str:
    records = stage.control("GET", "/records/salesforce/Lead")["records"]
    (found,) = (one["Id"] for one in records if one.get("baton_lead_key__c") == lead_key)
    return str(found)


def open_leads(stage: Stage) -> dict[str, str]:
    """The leads that may be given again, with their owners."""
    rows = stage.rows(
        "select profiles.lead_key, profiles.owner_id from people.lead_profiles as profiles "
        "where is_open and is_handed_over and not is_converted and crm_stage <> 'opportunity'"
    )
    return {row["lead_key"]: row["owner_id"] for row in rows}


def test_who_leaves_keeps_no_lead_and_who_is_given_one_by_hand_keeps_it(stage: Stage) -> None:
    stage.sync()
    stage.advance(minutes=5)
    stage.sync()  # What was written comes back, and nobody edited anything.
    before = assignments(stage)
    assert {row["cause"] for row in before} == {"handover"}
    held = open_leads(stage)
    in_crm = owners_in_crm(stage)
    rows = [row for row in before if row["lead_key"] in held and row["lead_key"] in in_crm]
    counts: dict[str, int] = {}
    for row in rows:
        counts[row["owner_id"]] = counts.get(row["owner_id"], 0) + 1
    leaver = max(sorted(counts), key=lambda rep: counts[rep])
    moved = next(row["lead_key"] for row in rows if row["owner_id"] != leaver)
    giver = held[moved]
    taker = next(rep for rep in sorted(counts) if rep not in {leaver, giver})
    told = set(stage.messages())

    stage.mutate("salesforce", "User", leaver, IsActive=False)
    stage.mutate("salesforce", "Lead", record_of(stage, moved), OwnerId=taker)
    stage.advance(minutes=5)
    summary = stage.sync()

    again = {row["lead_key"]: row for row in assignments(stage)[len(before) :]}
    left = {lead for lead, owner in held.items() if owner == leaver}
    assert again.keys() == left | {moved}
    assert summary.rerouted == len(again)
    assert {again[lead]["cause"] for lead in left} == {"owner_inactive"}
    assert {again[lead]["previous_owner_id"] for lead in left} == {leaver}
    assert leaver not in {row["owner_id"] for row in again.values()}
    by_hand = again[moved]
    assert (by_hand["cause"], by_hand["owner_id"]) == ("by_hand", taker)
    assert by_hand["previous_owner_id"] == giver
    first = next(row for row in before if row["lead_key"] == moved)
    assert by_hand["sla_due_at"] == first["sla_due_at"]
    # The CRM shows the owner of every lead, and each new owner was told once from whom.
    after = owners_in_crm(stage)
    assert {lead: after[lead] for lead in again if lead in after} == {
        lead: row["owner_id"] for lead, row in again.items() if lead in after
    }
    messages = stage.messages()
    assert messages.keys() - told == {row["assignment_key"] for row in again.values()}
    assert "Had it before" in messages[by_hand["assignment_key"]]["text"]
    owners = {
        row["lead_key"]: row["owner_id"]
        for row in stage.rows("select lead_key, owner_id from lifecycle.lead_lifecycle")
    }
    assert {lead: owners[lead] for lead in again} == {
        lead: row["owner_id"] for lead, row in again.items()
    }


def test_the_next_run_gives_nothing_again_and_a_lead_may_be_put_back(stage: Stage) -> None:
    given = assignments(stage)
    stage.advance(minutes=5)
    summary = stage.sync()
    assert (summary.rerouted, summary.messages) == (0, 0)
    assert assignments(stage) == given

    by_hand = next(row for row in given if row["cause"] == "by_hand")
    lead = by_hand["lead_key"]
    stage.mutate("salesforce", "Lead", record_of(stage, lead), OwnerId=by_hand["previous_owner_id"])
    stage.advance(minutes=5)
    assert stage.sync().rerouted == 1
    newest = assignments(stage)[-1]
    assert newest["assignment_key"] == f"{lead}:by_hand:2"
    assert newest["owner_id"] == by_hand["previous_owner_id"] == owners_in_crm(stage)[lead]
    stage.advance(minutes=5)
    assert stage.sync().rerouted == 0
