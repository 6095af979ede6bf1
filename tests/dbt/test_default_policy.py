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
    effects = {
        (row["attribute"], row["operator"], row["value"]): row["effect"]
        for row in rows("score_exceptions")
    }
    assert effects["trigger_type", "eq", "demo_request"] == "always_mql"
    assert effects["trigger_type", "eq", "contact_sales"] == "always_mql"
    assert effects["is_competitor", "eq", "true"] == "never_mql"


def test_a_perfect_company_alone_is_not_called() -> None:
    caps = {row["dimension"]: int(row["max_points"]) for row in rows("score_caps")}
    threshold = min(
        int(row["min_points"]) for row in rows("score_bands") if row["is_mql"] == "true"
    )
    assert caps["fit"] < threshold


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


def test_the_rep_is_told_of_seven_days_and_five_contents() -> None:
    constants = {row["constant_id"]: row["value"] for row in rows("constants")}
    assert (constants["look_back_days"], constants["last_contents"]) == ("7", "5")


def test_a_company_of_100_to_500_people_is_the_one_that_buys() -> None:
    sizes = {
        row["value"]: int(row["points"])
        for row in rows("scoring_rules")
        if row["attribute"] == "employee_count"
    }
    assert max(sizes, key=lambda size: sizes[size]) == "100|500"


def test_a_title_is_weak_an_action_strong_and_a_demo_outweighs_a_download() -> None:
    points = {row["rule_id"]: int(row["points"]) for row in rows("scoring_rules")}
    titles = [
        int(row["points"]) for row in rows("scoring_rules") if row["attribute"] == "job_title"
    ]
    assert max(titles) <= points["downloaded_content"] < points["asked_for_demo"]


def test_what_is_done_fades_and_what_somebody_is_does_not() -> None:
    faded = {(row["dimension"], bool(row["half_life_days"])) for row in rows("scoring_rules")}
    assert faded == {("fit", False), ("intent", True)}


def test_the_definition_has_the_example_and_the_counter_example_of_the_documents() -> None:
    examples = {row["example_id"]: row for row in rows("definition_examples")}
    assert examples["demo_from_target_account"]["expected_stage"] == "mql"
    student = examples["webinar_by_student"]
    assert (student["is_counter_example"], student["expected_stage"]) == ("true", "lead")


def test_the_stages_are_those_of_the_documents_and_sal_is_one_of_them() -> None:
    order = sorted(rows("lifecycle_stages"), key=lambda row: int(row["stage_rank"]))
    funnel = ["lead", "mql", "sal", "sql", "opportunity", "customer"]
    assert [row["lifecycle_stage"] for row in order if int(row["stage_rank"])] == funnel
    out = {row["lifecycle_stage"] for row in order if row["is_way_out"] == "true"}
    assert out == {"recycled", "disqualified"}
    constants = {row["constant_id"]: row["value"] for row in rows("constants")}
    assert constants["sal_is_used"] == "true"


def test_a_lead_is_open_contacted_qualified_disqualified_or_given_back() -> None:
    named = {row["lead_status"] for row in rows("lead_statuses")}
    assert named == {"open", "contacted", "qualified", "disqualified", "recycled"}


def test_disqualified_wants_a_reason() -> None:
    constants = {row["constant_id"]: row["value"] for row in rows("constants")}
    assert constants["disqualified_needs_reason"] == "true"
    needs = {row["disposition"] for row in rows("dispositions") if row["needs_reason"] == "true"}
    assert needs == {"not_a_fit", "wrong_role"}


@pytest.mark.parametrize("system", ["salesforce", "hubspot"])
@pytest.mark.parametrize(
    ("word", "disposition"),
    [
        # Converted, working, no response, bad fit.
        ("converted", "converted"),
        ("working", "working"),
        ("no response", "no_response"),
        ("bad fit", "not_a_fit"),
        # Accepted, recycled, not a fit, duplicate, wrong role.
        ("accepted", "accepted"),
        ("recycled", "recycled"),
        ("not a fit", "not_a_fit"),
        ("duplicate", "duplicate"),
        ("wrong role", "wrong_role"),
        # Open, contacted, qualified, disqualified.
        ("open", ""),
        ("contacted", "working"),
        ("qualified", "accepted"),
        ("disqualified", "not_a_fit"),
    ],
)
def test_every_word_of_the_three_vocabularies_has_its_disposition(
    system: str, word: str, disposition: str
) -> None:
    said = {
        row["vendor_status"].replace("_", " "): row["disposition"]
        for row in rows("lead_statuses")
        if row["system"] == system
    }
    assert said[word] == disposition
    assert disposition in {"", *(row["disposition"] for row in rows("dispositions"))}


def test_a_clock_warns_before_it_runs_out_and_nobody_is_hammered() -> None:
    for tier in rows("sla_tiers"):
        assert 0 < int(tier["warn_minutes"]) < int(tier["minutes"]), tier["tier_id"]
        # Six attempts in two hours are the documents' example of what not to do.
        assert 1 <= int(tier["most_touches"]) < 6, tier["tier_id"]
        assert set(tier["channels"].split("|")) == {"call", "email", "meeting"}


def test_everybody_has_a_backup_but_who_ends_the_chain_and_a_most_they_may_own() -> None:
    reps = {row["user_id"]: row for row in rows("reps")}
    (last,) = (row["user_id"] for row in reps.values() if row["is_catch_all"] == "true")
    for user_id, row in reps.items():
        if user_id == last:
            assert (row["backup_user_id"], row["most_open_leads"]) == ("", "")
            assert row["most_waiting_leads"] == ""
        else:
            assert row["backup_user_id"] in reps.keys() - {user_id}
            assert 0 < int(row["most_waiting_leads"]) < int(row["most_open_leads"])


def test_a_demo_is_answered_by_a_call_and_everything_else_in_writing() -> None:
    first: dict[str, str] = {}
    for row in sorted(rows("first_contact_actions"), key=lambda row: int(row["priority"])):
        if not row["persona"] and not row["seniority"]:
            first.setdefault(row["trigger_type"], row["channel"])
    assert first.pop("demo_request") == first.pop("contact_sales") == "phone"
    assert set(first.values()) == {"e-mail"}


def test_nobody_is_asked_for_a_consent_until_the_policy_names_a_country() -> None:
    (rule,) = rows("consent_rules")
    assert (rule["country"], rule["region"], rule["accepted_bases"]) == ("", "", "")
