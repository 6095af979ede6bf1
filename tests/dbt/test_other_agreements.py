"""Where the documents disagree, the other side is an edit of policy rows and of nothing else."""

from __future__ import annotations

from datetime import datetime

import pytest

from flows.warehouse import Warehouse
from tests.dbt.conftest import NOW, House

pytestmark = pytest.mark.timeout(300)

AT = NOW.replace(tzinfo=None)


def due(warehouse: Warehouse, tier: str, calendar: str) -> datetime:
    """When a lead given away now must be touched, UTC."""
    answer = warehouse.value(
        "select due_at from routing.int_calendars__due where tier_id = ? and calendar_id = ?",
        [tier, calendar],
    )
    assert isinstance(answer, datetime)
    return answer


def stages(warehouse: Warehouse) -> dict[str, str]:
    """What the policy makes of each written example."""
    found = warehouse.rows("select example_id, lifecycle_stage from policy.definition_verdicts")
    return {row["example_id"]: row["lifecycle_stage"] for row in found}


# Now is Monday, nine in the morning in New York: three in the afternoon in Berlin, ten at night
# in Tokyo. A day is open for nine hours.
@pytest.mark.parametrize(
    ("edit", "tier", "due_at"),
    [
        (
            None,
            "hand_raiser_demo",
            {"new_york": "06-01 15:00", "berlin": "06-01 15:00", "tokyo": "06-02 02:00"},
        ),
        (
            "set clock = 'wall', minutes = 5, warn_minutes = 3 where tier_id = 'hand_raiser_demo'",
            "hand_raiser_demo",
            {"new_york": "06-01 13:05", "berlin": "06-01 13:05", "tokyo": "06-01 13:05"},
        ),
        (
            "set clock = 'next_business_day' where tier_id = 'hand_raiser_demo'",
            "hand_raiser_demo",
            {"new_york": "06-02 15:00", "berlin": "06-02 09:00", "tokyo": "06-02 02:00"},
        ),
        (
            None,
            "standard",
            {"new_york": "06-08 16:00"},
        ),
        (
            "set minutes = 1440, warn_minutes = 1080 where tier_id = 'standard'",
            "standard",
            {"new_york": "06-03 19:00", "berlin": "06-04 10:00"},
        ),
    ],
    ids=[
        "two business hours, as shipped",
        "five minutes by the clock on the wall",
        "two hours of the next business day",
        "48 business hours, as shipped",
        "24 business hours",
    ],
)
def test_a_clock_is_a_row_of_policy(
    house: House, edit: str | None, tier: str, due_at: dict[str, str]
) -> None:
    with house.tried() as warehouse:
        if edit:
            warehouse.execute(f"update policy.sla_tiers {edit}")
        for calendar, moment in due_at.items():
            expected = datetime.fromisoformat(f"2026-{moment}")
            assert due(warehouse, tier, calendar) == expected, calendar


def test_who_waits_by_another_clock_is_also_told_of_it(house: House) -> None:
    with house.tried() as warehouse:
        warehouse.execute("update policy.sla_tiers set tier_id = 'minutes' where priority = 10")
        tiers = warehouse.rows("select example_id, sla_tier from policy.definition_verdicts")
    told = {row["example_id"]: row["sla_tier"] for row in tiers}
    assert told["demo_from_target_account"] == "minutes"
    assert told["guide_by_director_in_software"] == "standard"


def test_a_lead_may_be_ready_by_what_it_did_and_by_no_score(house: House) -> None:
    shipped = stages(house.warehouse)
    with house.tried() as warehouse:
        warehouse.execute("update policy.score_bands set is_mql = false")
        by_trigger = stages(warehouse)
        warehouse.execute(
            "insert into policy.score_exceptions values ('trial', 50, 'trial_signup', 'at_least', "
            "'1', 'always_mql', 'a submission at the bottom of the funnel is enough')"
        )
        with_trials = stages(warehouse)
    ready = {name for name, stage in shipped.items() if stage == "mql"}
    raised = {name for name, stage in by_trigger.items() if stage == "mql"}
    tried = {name for name, stage in with_trials.items() if stage == "mql"}
    assert {"demo_from_target_account", "sales_asked_by_executive"} <= raised < ready
    assert "guide_by_director_in_software" in ready - raised
    assert {"trial_from_icp_account", "trial_by_tiny_shop"} <= tried - raised
    assert not {"demo_by_student", "demo_by_competitor"} & tried


def test_a_field_that_is_filled_in_may_be_enough(house: House) -> None:
    with house.tried() as warehouse:
        warehouse.execute("update policy.score_bands set is_mql = false")
        warehouse.execute("delete from policy.score_exceptions where effect = 'always_mql'")
        warehouse.execute(
            "insert into policy.score_exceptions values ('sized', 50, 'employee_count', "
            "'at_least', '1', 'always_mql', 'who says how large the company is means it')"
        )
        found = stages(warehouse)
    assert found["guide_by_director_in_software"] == "mql"
    assert found["demo_from_private_mailbox"] == "lead"


def test_acceptance_is_a_stage_or_a_part_of_sql(house: House) -> None:
    asked = "select lifecycle_stage from ({}) where lead_key = 'accepted' and field = 'status'"
    query = asked.format(house.queries["lead_crm_evidence"])
    with house.tried() as warehouse:
        house.fill(
            "people.int_evidence__stated",
            lead_key="accepted",
            field="status",
            lifecycle_stage="sal",
            entered_at=AT,
            known_at=AT,
        )
        assert warehouse.value(query) == "sal"
        warehouse.execute(
            "update policy.constants set value = 'false' where constant_id = 'sal_is_used'"
        )
        assert warehouse.value(query) == "sql"


def test_consent_is_asked_for_where_a_row_asks(house: House) -> None:
    query = f"select lead_key, lacks_consent from ({house.queries['int_leads__permitted']})"
    with house.tried() as warehouse:
        for lead, basis in (("silent", None), ("agreed", "freely given consent from contact")):
            house.fill(
                "people.int_leads__described",
                lead_key=lead,
                legal_bases=basis,
                has_declined_calls=False,
            )
            house.fill("people.lead_facts", lead_key=lead, field="country", value="de")
        before = {row["lead_key"]: row["lacks_consent"] for row in warehouse.rows(query)}
        warehouse.execute(
            "insert into policy.consent_rules values ('de', 10, 'de', null, "
            "'freely given consent from contact', true, 'asked for by the legal team')"
        )
        after = {row["lead_key"]: row["lacks_consent"] for row in warehouse.rows(query)}
    assert before == {"silent": False, "agreed": False}
    assert after == {"silent": True, "agreed": False}


def test_an_example_of_a_named_account_goes_where_a_lead_of_it_would(house: House) -> None:
    rule = "select routing_rule from policy.definition_verdicts where example_id = ?"
    with house.tried() as warehouse:
        assert warehouse.value(rule, ["sales_asked_by_executive"]) == "emea"
        # Below the domain that is named, and of a pool: no person is.
        house.fill(
            "policy.named_accounts", named_account_id="n", domain="shop.example", pool="dach"
        )
        house.fill(
            "policy.routing_rules",
            rule_id="named",
            priority=25,
            owner_from="named_account",
            if_owner_away="next_rule",
        )
        warehouse.execute(
            "update policy.definition_examples set email_domain = 'eu.shop.example' "
            "where example_id = 'sales_asked_by_executive'"
        )
        assert warehouse.value(rule, ["sales_asked_by_executive"]) == "named"
