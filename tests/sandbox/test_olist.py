"""The Olist loader keeps the files' values to the letter, on four invented rows of their shape."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from sandbox.lumenfold import INTEGRATION_USER, REPS
from sandbox.olist import DEALS, LEADS
from sandbox.server import Sandbox

NOW = datetime(2018, 12, 1, tzinfo=UTC)
SEARCHER, NAMELESS, EARLY, SOCIAL = (letter * 32 for letter in "abcd")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("olist")
    (folder / LEADS).write_text(
        "mql_id,first_contact_date,landing_page_id,origin\n"
        f"{SEARCHER},2018-02-01,{'1' * 32},organic_search\n"
        f"{NAMELESS},2017-10-20,{'2' * 32},\n"
        f"{EARLY},2018-05-10,{'3' * 32},unknown\n"
        f"{SOCIAL},2018-03-22,{'4' * 32},social\n"
    )
    (folder / DEALS).write_text(
        "mql_id,seller_id,sdr_id,sr_id,won_date,business_segment,declared_monthly_revenue\n"
        f"{SEARCHER},{'9' * 32},{'5' * 32},{'6' * 32},2018-02-26 19:58:54,pet,20000.0\n"
        # Won before the first contact, as one row of the real file is.
        f"{EARLY},{'8' * 32},{'6' * 32},{'6' * 32},2018-05-08 20:17:59,toys,0.0\n"
    )
    return folder


@pytest.fixture(scope="module")
def box(folder: Path) -> Sandbox:
    return Sandbox(olist=folder, now=NOW)


@pytest.fixture(scope="module")
def contacts(box: Sandbox) -> dict[str, dict[str, Any]]:
    rows = (row["properties"] for row in box.world.hubspot.records("contacts"))
    return {row["email"].split("@")[0]: row for row in rows}


@pytest.fixture(scope="module")
def leads(box: Sandbox) -> dict[str, dict[str, Any]]:
    return {row["Email"].split("@")[0]: row for row in box.world.salesforce.all("Lead")}


def test_origins_are_kept_to_the_letter_in_both_systems(
    contacts: dict[str, dict[str, Any]], leads: dict[str, dict[str, Any]]
) -> None:
    assert contacts[SEARCHER]["hs_analytics_source"] == "ORGANIC_SEARCH"
    assert contacts[SEARCHER]["hs_analytics_source_data_1"] == "organic_search"
    assert leads[SEARCHER]["LeadSource"] == "organic_search"
    assert leads[EARLY]["LeadSource"] == "unknown"
    assert "1" * 32 in contacts[SEARCHER]["hs_analytics_first_url"]


def test_an_empty_origin_stays_empty(
    contacts: dict[str, dict[str, Any]], leads: dict[str, dict[str, Any]]
) -> None:
    assert contacts[NAMELESS]["hs_analytics_source"] == "OFFLINE"
    assert "hs_analytics_source_data_1" not in contacts[NAMELESS]
    assert leads[NAMELESS].get("LeadSource") is None


def test_records_are_as_old_as_the_first_contact(
    contacts: dict[str, dict[str, Any]], leads: dict[str, dict[str, Any]]
) -> None:
    assert contacts[SOCIAL]["createdate"].startswith("2018-03-22T00:00:00")
    assert leads[SOCIAL]["CreatedDate"].startswith("2018-03-22T00:00:00")
    assert leads[SOCIAL]["OwnerId"] == INTEGRATION_USER


def test_a_deal_converts_its_lead_into_a_won_opportunity(
    box: Sandbox, contacts: dict[str, dict[str, Any]], leads: dict[str, dict[str, Any]]
) -> None:
    lead = leads[SEARCHER]
    deal = box.world.salesforce.get("Opportunity", lead["ConvertedOpportunityId"])
    assert deal is not None
    assert (lead["IsConverted"], lead["ConvertedDate"]) == (True, "2018-02-26")
    assert (deal["StageName"], deal["IsWon"], deal["IsClosed"]) == ("Closed Won", True, True)
    assert (deal["CloseDate"], deal["Amount"]) == ("2018-02-26", 20000.0)
    owner = box.world.salesforce.get("User", deal["OwnerId"])
    assert owner is not None
    assert owner["FederationIdentifier"] == "6" * 32
    assert owner["Email"] == f"{'6' * 32}@reps.example"
    setter = box.world.salesforce.get("User", lead["OwnerId"])
    assert setter is not None
    assert setter["FederationIdentifier"] == "5" * 32
    roles = box.world.salesforce.all("OpportunityContactRole")
    assert (deal["Id"], lead["ConvertedContactId"]) in {
        (role["OpportunityId"], role["ContactId"]) for role in roles
    }
    assert contacts[SEARCHER]["lifecyclestage"] == "customer"
    assert contacts[SOCIAL]["lifecyclestage"] == "lead"


def test_a_deal_won_before_the_first_contact_stays_so(
    box: Sandbox, leads: dict[str, dict[str, Any]]
) -> None:
    deal = box.world.salesforce.get("Opportunity", leads[EARLY]["ConvertedOpportunityId"])
    assert deal is not None
    assert deal["CloseDate"] == "2018-05-08"
    assert deal["CreatedDate"].startswith("2018-05-10")
    assert leads[EARLY]["CreatedDate"].startswith("2018-05-10")


def test_the_standing_reps_are_there_and_nothing_else_happened(box: Sandbox) -> None:
    users = {row["Id"] for row in box.world.salesforce.all("User")}
    assert {rep.user_id for rep in REPS} <= users
    assert len(users) == len(REPS) + 1 + 2
    assert box.world.salesforce.all("Task") == []
    forms = box.world.hubspot.activity.forms.values()
    assert not any(len(form.submissions) for form in forms)
    truth = box.truth()
    assert truth["counts"]["olist_deals"] == 2
    assert not any(person["golden"] for person in truth["people"])


def test_another_file_in_its_place_is_named(tmp_path: Path, folder: Path) -> None:
    (tmp_path / LEADS).write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match="mql_id"):
        Sandbox(olist=tmp_path, now=NOW)
    with pytest.raises(FileNotFoundError):
        Sandbox(olist=tmp_path / "nowhere", now=NOW)
