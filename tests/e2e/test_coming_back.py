"""A lead that left comes back: what a person did stays, and a new wish reaches a rep anew."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from sandbox.lumenfold import FORM
from tests.e2e.stage import SEARCH_LAG, Stage

NOW = datetime(2026, 3, 18, 15, 30, tzinfo=UTC)
RECYCLED = {"hs_lead_status": "BAD_TIMING", "lifecyclestage": "lead"}

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def stage(set_up: Callable[..., Stage]) -> Stage:
    """A company that went live yesterday."""
    return set_up(leads=60, now=NOW, frozen=True, limits=False)


def a_lead_we_made_mql(stage: Stage) -> dict[str, Any]:
    """One that stood as lead in HubSpot until we wrote it, and is an open lead in Salesforce."""
    return stage.rows(
        "select lifecycle.* from lifecycle.lead_lifecycle as lifecycle "
        "inner join ledger.ops.receipts as receipts on lifecycle.lead_key = receipts.lead_key "
        "inner join people.lead_profiles as profiles on lifecycle.lead_key = profiles.lead_key "
        "where lifecycle.decision = 'mql' and lifecycle.lifecycle_stage = 'mql' "
        "and receipts.target = 'hubspot.contact' and receipts.status = 'accepted' "
        "and (receipts.before ->> '$.lifecyclestage') = 'lead' "
        "and profiles.salesforce_lead_id is not null and not profiles.is_converted "
        "order by lifecycle.lead_key limit 1"
    )[0]


def contact(stage: Stage, lead: dict[str, Any]) -> dict[str, Any]:
    """What HubSpot holds of a lead now."""
    found = stage.control("GET", f"/records/hubspot/contacts/{lead['hubspot_contact_id']}")
    properties: dict[str, Any] = found["properties"]
    return properties


def given(stage: Stage, lead: dict[str, Any]) -> list[dict[str, Any]]:
    return stage.rows(
        "select assignment_key, cause, owner_id from ledger.ops.assignments "
        f"where lead_key = '{lead['lead_key']}' order by draw_number"
    )


def told(stage: Stage, lead: dict[str, Any]) -> list[str]:
    return sorted(key for key in stage.messages() if key.startswith(lead["lead_key"]))


def sync(stage: Stage) -> None:
    stage.advance(minutes=5)
    stage.sync()


def is_recycled(stage: Stage, email: str, since: datetime) -> None:
    """Assert that it stands in the cold list since then, with somebody and a day."""
    lead = stage.lead(email)
    assert lead["lifecycle_stage"] == "recycled"
    assert lead["cold_at"] == since.replace(tzinfo=None)
    assert lead["reengagement_owner_id"] is not None
    assert lead["reengage_at"] > lead["cold_at"]


def test_who_was_recycled_is_left_alone_handed_over_anew_and_let_go_when_its_deal_is_lost(
    stage: Stage,
) -> None:
    stage.sync()
    sync(stage)  # What was written comes back.
    lead = a_lead_we_made_mql(stage)
    email = lead["email"]
    first = given(stage, lead)
    assert [row["cause"] for row in first] == ["handover"]
    assert told(stage, lead) == [first[0]["assignment_key"]]
    assert contact(stage, lead)["lifecyclestage"] == "marketingqualifiedlead"

    # A person recycles it in HubSpot, and sets the stage back to what it was before us.
    stage.advance(hours=1)
    stage.mutate("hubspot", "contacts", lead["hubspot_contact_id"], **RECYCLED)
    left_at = stage.world.clock.now()
    stage.advance(seconds=SEARCH_LAG)
    sync(stage)
    is_recycled(stage, email, left_at)
    sync(stage)
    is_recycled(stage, email, left_at)
    held = contact(stage, lead)
    assert {name: held[name] for name in RECYCLED} == RECYCLED
    assert given(stage, lead) == first

    # It asks for a demo again: another hand-over, with its own owner and message.
    stage.world.hubspot.submit(
        FORM["demo"].guid,
        {"email": email},
        page_url=FORM["demo"].url,
        at=stage.world.clock.now(),
    )
    stage.advance(seconds=SEARCH_LAG)
    sync(stage)
    again = given(stage, lead)
    assert [row["cause"] for row in again] == ["handover", "handover"]
    assert again[0] == first[0]
    assert told(stage, lead) == sorted(row["assignment_key"] for row in again)
    back = stage.lead(email)
    assert (back["lifecycle_stage"], back["trigger_type"]) == ("mql", "demo_request")
    assert back["trigger_at"] > left_at.replace(tzinfo=None)
    assert back["owner_id"] == again[1]["owner_id"]
    assert contact(stage, lead)["lifecyclestage"] == "marketingqualifiedlead"
    sync(stage)
    assert given(stage, lead) == again
    assert len(told(stage, lead)) == 2

    # Sales converts it, and the deal is lost.
    deal = convert(stage, back)
    sync(stage)
    assert stage.lead(email)["lifecycle_stage"] == "opportunity"
    stage.advance(hours=1)
    stage.mutate("salesforce", "Opportunity", deal, StageName="Closed Lost")
    lost_at = stage.world.clock.now()
    sync(stage)
    is_recycled(stage, email, lost_at)
    assert stage.lead(email)["opportunity_at"] is not None
    assert given(stage, lead) == again


def convert(stage: Stage, lead: dict[str, Any]) -> str:
    """Convert its Salesforce lead as its owner does; returns the opportunity."""
    owner = lead["owner_id"]
    account = stage.mutate("salesforce", "Account", None, by=owner, Name="Come Back Ltd")
    person = stage.mutate(
        "salesforce", "Contact", None, by=owner,
        AccountId=account, LastName="Back", Email=lead["email"], OwnerId=owner,
    )  # fmt: skip
    deal = stage.mutate(
        "salesforce", "Opportunity", None, by=owner,
        Name="Come Back Ltd", AccountId=account, StageName="Prospecting",
        CloseDate="2026-06-30", OwnerId=owner,
    )  # fmt: skip
    stage.mutate(
        "salesforce", "OpportunityContactRole", None, by=owner,
        OpportunityId=deal, ContactId=person, IsPrimary=True,
    )  # fmt: skip
    stage.world.salesforce.convert(
        lead["salesforce_lead_id"], account, person, deal, at=stage.world.clock.now()
    )
    return deal
