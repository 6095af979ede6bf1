"""The policy as shipped says what the documents say: 1 to 10, MQL at 7, and the three clocks."""

from __future__ import annotations

import csv

import pytest

from tests.house import POLICY

pytestmark = pytest.mark.timeout(10)


def rows(table: str) -> list[dict[str, str]]:
    with (POLICY / f"{table}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_scores_go_from_1_to_10() -> None:
    assert [int(row["icp_score"]) for row in rows("score_bands")] == list(range(1, 11))


def test_a_lead_is_sales_ready_from_7() -> None:
    ready = {int(row["icp_score"]): row["is_mql"] for row in rows("score_bands")}
    assert ready == {score: str(score >= 7).lower() for score in range(1, 11)}


def test_who_asks_for_a_person_is_called_and_a_competitor_never_is() -> None:
    effects = {row["attribute"]: row["effect"] for row in rows("score_exceptions")}
    assert effects["demo_request"] == effects["contact_sales"] == "always_mql"
    assert effects["is_competitor"] == "never_mql"


@pytest.mark.parametrize(
    ("trigger", "least_score", "hours"),
    [("demo_request", "", 2), ("trial_signup", "7", 24), ("", "", 48)],
    ids=["demo request", "trial from a fitting account", "every other MQL"],
)
def test_first_touch_is_due_within(trigger: str, least_score: str, hours: int) -> None:
    (tier,) = (
        row
        for row in rows("sla_tiers")
        if (row["trigger_type"], row["min_icp_score"]) == (trigger, least_score)
    )
    assert tier["clock"] == "business_hours"
    assert int(tier["minutes"]) == hours * 60


def test_every_calendar_is_open_monday_to_friday_from_9_to_18() -> None:
    calendars: dict[str, set[tuple[int, str, str]]] = {}
    for row in rows("business_hours"):
        open_hours = (int(row["weekday"]), row["opens"], row["closes"])
        calendars.setdefault(row["calendar_id"], set()).add(open_hours)
    week = {(day, "09:00", "18:00") for day in range(1, 6)}
    assert {name for name, hours in calendars.items() if hours != week} == set()
    assert {row["calendar_id"] for row in rows("reps")} <= calendars.keys()


def test_the_owner_a_lead_has_comes_before_every_pool() -> None:
    rules = sorted(rows("routing_rules"), key=lambda row: int(row["priority"]))
    first = [row["owner_from"] for row in rules][:3]
    assert first == ["current_owner", "opportunity_owner", "account_owner"]
    assert not any(row["owner_from"] for row in rules[3:])


def test_a_hundred_people_a_month_are_bought_and_the_map_costs_nothing() -> None:
    budgets = {row["provider"]: int(row["monthly_budget"]) for row in rows("enrichment_providers")}
    assert budgets == {"hubspot": 0, "clearbit": 100}
    first = min(rows("enrichment_providers"), key=lambda row: int(row["priority"]))
    assert (first["provider"], first["cost"]) == ("hubspot", "0")


def test_a_person_is_believed_before_the_crm_then_the_provider_then_the_form() -> None:
    order = sorted(rows("field_precedence"), key=lambda row: int(row["rank"]))
    assert {row["field"] for row in order} == {"any"}
    assert [row["source"] for row in order] == ["human", "crm", "provider", "form"]


def test_what_the_hand_over_demands_of_a_company_is_worth_a_call() -> None:
    wanted = {row["field"]: row["kind"] for row in rows("enrichment_fields")}
    assert wanted["job_title"] == "person"
    assert {name for name, kind in wanted.items() if kind == "company"} == {
        "company_name",
        "employee_count",
        "industry",
        "country",
    }
