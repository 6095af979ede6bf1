"""Who was erased is written to no system and named to nobody, whatever was about to leave."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from tests.dbt.conftest import NOW, House
from tests.house import DBT

pytestmark = pytest.mark.timeout(300)

# What is about to leave of a lead in each state, by the sync_ view it stands in.
LEAVING = {
    "sync_salesforce__lead": {"new"},
    "sync_hubspot__contact": {"new", "errand", "told", "mailed"},
    "sync_salesforce__task": {"errand"},
    "sync_slack__message": {"told", "group"},
    "sync_smtp__message": {"mailed"},
}
AT = NOW.replace(tzinfo=None)


FILLED = (
    *("staging.stg_salesforce__users", "staging.stg_salesforce__identity"),
    *("staging.stg_hubspot__contacts", "people.leads_touched", "people.lead_profiles"),
    *("lifecycle.lead_lifecycle", "write_back.int_leads__packed"),
    *("ledger.ops.assignments", "ledger.ops.receipts", "ledger.ops.account_handovers"),
    "ledger.ops.sla_actions",
)


@pytest.fixture(scope="module")
def filled(house: House) -> Iterator[House]:
    """Two people in each state, one to keep and one to erase, all of them of one company."""
    house.fill(
        "staging.stg_salesforce__users",
        user_id="u1",
        full_name="Rita Rep",
        email="rita@baton.example",
        time_zone="Europe/Berlin",
        is_active=True,
    )
    house.fill("staging.stg_salesforce__identity", instance_url="https://crm.example")
    for who in ("kept", "erased"):
        for state in ("new", "errand", "told", "mailed"):
            _hand_over(house, who, state)
    _hand_over_a_group(house, "both", ["kept told", "erased told"])
    _hand_over_a_group(house, "nobody_left", ["erased told"])
    yield house
    for table in FILLED:
        house.warehouse.execute(f"delete from {table}")


@pytest.fixture
def leads(filled: House) -> Iterator[House]:
    """The same, and nobody is erased."""
    yield filled
    filled.warehouse.execute("delete from ledger.ops.erasures")


def _hand_over(house: House, who: str, state: str) -> None:
    """A lead with an owner, and what of it was written before."""
    key, assignment = f"{who} {state}", f"{who} {state}:mql"
    person = {"email": f"{who}.{state}@acme.example", "account_key": "salesforce:acme"}
    trigger = {"trigger_type": "demo_request", "trigger_at": AT}
    contact = None if state == "new" else f"003{who}{state}"
    house.fill("people.leads_touched", lead_key=key, cause="record", as_of=AT)
    house.fill(
        "people.lead_profiles",
        lead_key=key,
        full_name=f"{who.upper()} {state}",
        has_opted_out=False,
        lacks_consent=False,
        may_be_called=True,
        **person,
        **trigger,
    )
    house.fill(
        "lifecycle.lead_lifecycle",
        lead_key=key,
        full_name=f"{who.upper()} {state}",
        decision="mql",
        owner_id="u1",
        icp_score=8,
        owner_assigned_at=AT,
        sla_tier="hand_raiser_demo",
        sla_due_at=AT + timedelta(hours=2),
        hubspot_contact_id=f"{who} {state}",
        salesforce_contact_id=contact,
        **person,
        **trigger,
    )
    house.fill(
        "staging.stg_hubspot__contacts",
        contact_id=f"{who} {state}",
        is_deleted=False,
        _extracted_at=AT,
    )
    house.fill(
        "ledger.ops.assignments", assignment_key=assignment, lead_key=key, owner_id="u1", as_of=AT
    )
    written = {"errand": (), "told": ("task",), "mailed": ("task", "slack")}.get(state, ())
    for target in written:
        house.fill(
            "ledger.ops.receipts",
            receipt_seq=1,
            target="salesforce.task" if target == "task" else "slack.message",
            row_key=assignment,
            lead_key=key,
            status="accepted" if target == "task" else "rejected",
            reason=None if target == "task" else "users_not_found",
        )


def _hand_over_a_group(house: House, name: str, keys: list[str]) -> None:
    members = [{"lead_key": key, "buying_role": "champion", "icp_score": 8} for key in keys]
    house.fill(
        "ledger.ops.account_handovers",
        handover_key=name,
        account_key="salesforce:acme",
        owner_id="u1",
        people=len(keys),
        members=json.dumps(members),
        reason="the roles are in",
    )


def leaving(house: House) -> dict[str, list[dict[str, Any]]]:
    """The rows of every sync_ view there is."""
    house.build("write_back", "int_leads__packed")
    return rows_of_views(house)


def rows_of_views(house: House) -> dict[str, list[dict[str, Any]]]:
    views = sorted(path.stem for path in (DBT / "models" / "write_back").rglob("sync_*.sql"))
    return {view: house.warehouse.rows(f"select * from write_back.{view}") for view in views}


def states(rows: list[dict[str, Any]], who: str) -> set[str]:
    """Of whom there is a row of its own; a message on a group is one of the group."""
    found = set()
    for row in rows:
        owner, state = str(row["_lead_key"]).split(" ")
        if owner == who:
            found.add("group" if row.get("_kind") == "account_handover" else state)
    return found


def erase(house: House) -> None:
    house.warehouse.execute(
        "insert into ledger.ops.erasures by name "
        "select lead_key as erasure_key, lead_key, ? as as_of, 'run' as run_id "
        "from lifecycle.lead_lifecycle where starts_with(lead_key, 'erased')",
        [AT],
    )


def test_before_anybody_is_erased_something_of_everybody_leaves(leads: House) -> None:
    rows = leaving(leads)
    assert rows.keys() == LEAVING.keys(), "say here what leaves by the new sync_ view"
    assert {view: states(found, "kept") for view, found in rows.items()} == LEAVING
    for view, found in rows.items():
        assert states(found, "erased") - {"group"} == LEAVING[view] - {"group"}, view
    assert "erased told" in str(rows).lower()


@pytest.mark.parametrize("packets", ["made after it", "made before it"])
def test_nothing_of_who_was_erased_leaves_and_all_of_the_others_does(
    leads: House, packets: str
) -> None:
    leads.build("write_back", "int_leads__packed")
    erase(leads)
    rows = rows_of_views(leads) if packets == "made before it" else leaving(leads)
    assert {view: states(found, "kept") for view, found in rows.items()} == LEAVING
    assert {view: states(found, "erased") for view, found in rows.items()} == {
        view: set() for view in LEAVING
    }
    if packets == "made after it":
        assert "erased" not in str(rows).lower()


def test_nobody_is_reminded_of_who_was_erased(leads: House) -> None:
    for who in ("kept", "erased"):
        leads.fill(
            "ledger.ops.sla_actions",
            action_key=f"{who} told:mql:remind",
            assignment_key=f"{who} told:mql",
            lead_key=f"{who} told",
            action="remind",
            user_id="u1",
            owner_id="u1",
        )
    leads.warehouse.execute(
        "update ledger.ops.assignments set sla_due_at = ?, sla_warn_at = ?",
        [AT + timedelta(hours=2), AT - timedelta(minutes=5)],
    )
    told = "select lead_key from write_back.int_messages__addressed where kind = 'remind'"
    leads.build("write_back", "int_leads__packed")
    assert {row["lead_key"] for row in leads.warehouse.rows(told)} == {"kept told", "erased told"}
    erase(leads)
    assert {row["lead_key"] for row in leads.warehouse.rows(told)} == {"kept told"}


def test_a_message_goes_to_sales_and_never_to_a_lead(leads: House) -> None:
    rows = leaving(leads)
    to_whom = {row["user_email"] for row in rows["sync_slack__message"]}
    to_whom |= {row["to_email"] for row in rows["sync_smtp__message"]}
    assert to_whom == {"rita@baton.example"}
