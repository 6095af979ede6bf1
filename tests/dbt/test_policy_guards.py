"""A bad policy scores nobody: each guard finds the row it was written for, and says so in words."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from flows import warehouse as doors
from flows.errors import PolicyError
from flows.warehouse import Warehouse
from tests.house import DBT, MADE_BY_TOOLS

pytestmark = pytest.mark.timeout(300)

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
DECISIONS = ("lead_scores", "lead_routes", "lead_candidates")

# One broken row per line: the guard, the statement that breaks it, the file and row it must name,
# and a word of the problem.
BROKEN: tuple[tuple[str, str, str, str, str], ...] = (
    (
        "assert_every_policy_table_has_an_owner",
        "delete from policy.policy_owners where policy_table = 'pools'",
        "policy_owners.csv",
        "pools",
        "nobody owns",
    ),
    (
        "assert_every_policy_table_has_an_owner",
        "update policy.policy_owners set policy_table = 'pool' where policy_table = 'pools'",
        "policy_owners.csv",
        "pool",
        "no such policy table",
    ),
    (
        "assert_every_scoring_rule_reads_a_known_attribute",
        "update policy.scoring_rules set attribute = 'employe_count' where rule_id = 'size_small'",
        "scoring_rules.csv",
        "size_small",
        "employe_count",
    ),
    (
        "assert_every_scoring_rule_reads_a_known_attribute",
        "update policy.score_exceptions set attribute = 'job' where exception_id = 'student'",
        "score_exceptions.csv",
        "student",
        "reads job",
    ),
    (
        "assert_scoring_values_fit_their_operators",
        "update policy.scoring_rules set value = '20 to 99' where rule_id = 'size_small'",
        "scoring_rules.csv",
        "size_small",
        "two numbers",
    ),
    (
        "assert_scoring_values_fit_their_operators",
        "update policy.scoring_rules set value = '99|20' where rule_id = 'size_small'",
        "scoring_rules.csv",
        "size_small",
        "wrong way round",
    ),
    (
        "assert_scoring_values_fit_their_operators",
        "update policy.scoring_rules set value = 'once' where rule_id = 'asked_for_demo'",
        "scoring_rules.csv",
        "asked_for_demo",
        "one number",
    ),
    (
        "assert_scoring_values_fit_their_operators",
        "update policy.scoring_rules set value = '(ceo' where rule_id = 'title_executive'",
        "scoring_rules.csv",
        "title_executive",
        "not a regular expression",
    ),
    (
        "assert_scoring_values_fit_their_operators",
        r"update policy.scoring_rules set value = '\bCEO\b' where rule_id = 'title_executive'",
        "scoring_rules.csv",
        "title_executive",
        "capitals",
    ),
    (
        "assert_scoring_values_fit_their_operators",
        "update policy.scoring_rules set half_life_days = 0 where rule_id = 'asked_for_demo'",
        "scoring_rules.csv",
        "asked_for_demo",
        "half_life_days",
    ),
    (
        "assert_scoring_values_fit_their_operators",
        "update policy.score_exceptions set value = '' where exception_id = 'competitor'",
        "score_exceptions.csv",
        "competitor",
        "no value",
    ),
    (
        "assert_bands_cover_every_score",
        "update policy.score_bands set min_points = 46 where band_id = 'band_6'",
        "score_bands.csv",
        "band_6",
        "46 to 49 after a band that ends at 43",
    ),
    (
        "assert_bands_cover_every_score",
        "update policy.score_bands set min_points = 40 where band_id = 'band_6'",
        "score_bands.csv",
        "band_6",
        "40 to 49 after a band that ends at 43",
    ),
    (
        "assert_bands_cover_every_score",
        "update policy.score_bands set min_points = -20 where band_id = 'band_1'",
        "score_bands.csv",
        "band_1",
        "begins at -20",
    ),
    (
        "assert_bands_cover_every_score",
        "update policy.score_bands set max_points = 99 where band_id = 'band_10'",
        "score_bands.csv",
        "band_10",
        "ends at 99",
    ),
    (
        "assert_bands_cover_every_score",
        "update policy.score_bands set icp_score = 8 where band_id = 'band_7'",
        "score_bands.csv",
        "icp_score 7",
        "0 bands",
    ),
    (
        "assert_every_dimension_has_a_cap",
        "delete from policy.score_caps where dimension = 'intent'",
        "score_caps.csv",
        "intent",
        "no row",
    ),
    (
        "assert_routing_has_a_catch_all",
        "delete from policy.routing_rules where rule_id = 'inbound'",
        "routing_rules.csv",
        "hot_inbound",
        "does not take every lead",
    ),
    (
        "assert_routing_has_a_catch_all",
        "delete from policy.routing_rules",
        "routing_rules.csv",
        "(no row)",
        "does not take every lead",
    ),
    (
        "assert_every_rule_has_pool_or_owner",
        "update policy.routing_rules set pool = null where rule_id = 'emea'",
        "routing_rules.csv",
        "emea",
        "neither",
    ),
    (
        "assert_every_rule_has_pool_or_owner",
        "update policy.routing_rules set pool = 'emea' where rule_id = 'current_owner'",
        "routing_rules.csv",
        "current_owner",
        "both",
    ),
    (
        "assert_every_rule_has_pool_or_owner",
        "update policy.routing_rules set pool = 'emeaa' where rule_id = 'emea'",
        "routing_rules.csv",
        "emea",
        "nobody",
    ),
    (
        "assert_every_pool_has_an_active_member",
        "update staging.stg_salesforce__users set is_active = false "
        "where user_id = '005000000000005AAA'",
        "pool_members.csv",
        "apac",
        "none of the 1 members",
    ),
    (
        "assert_every_pool_has_an_active_member",
        "delete from policy.pool_members where pool = 'apac'",
        "pool_members.csv",
        "apac",
        "none of the 0 members",
    ),
    (
        "assert_every_rule_has_pool_or_owner",
        "update policy.routing_rules set if_owner_away = null where rule_id = 'account_owner'",
        "routing_rules.csv",
        "account_owner",
        "does not say what to do",
    ),
    (
        "assert_every_rule_has_pool_or_owner",
        "update policy.routing_rules set if_owner_away = 'keep' where rule_id = 'emea'",
        "routing_rules.csv",
        "emea",
        "names no person",
    ),
    (
        "assert_every_rule_has_pool_or_owner",
        "update policy.routing_rules set role = 'ae' where rule_id = 'account_owner'",
        "routing_rules.csv",
        "account_owner",
        "asks for a role",
    ),
    (
        "assert_every_pool_is_known",
        "update policy.pools set next_pool = 'inbuond' where pool = 'inbound_fast'",
        "pools.csv",
        "inbound_fast",
        "inbuond",
    ),
    (
        "assert_every_pool_is_known",
        "delete from policy.pools where pool = 'apac'",
        "routing_rules.csv",
        "apac",
        "pools.csv lacks",
    ),
    (
        "assert_every_pool_is_known",
        "delete from policy.pools where pool = 'apac'",
        "pool_members.csv",
        "apac_5",
        "pools.csv lacks",
    ),
    (
        "assert_every_pool_is_known",
        "insert into policy.named_accounts values ('a', 'a.example', null, 'top', 'x')",
        "named_accounts.csv",
        "a",
        "the pool top",
    ),
    (
        "assert_every_pool_is_known",
        "update policy.pools set next_pool = null where pool = 'dach'",
        "pools.csv",
        "dach",
        "next_pool is empty",
    ),
    (
        "assert_every_pool_is_known",
        "update policy.pools set next_pool = 'emea' where pool = 'apac'",
        "pools.csv",
        "apac",
        "next_pool is filled",
    ),
    (
        "assert_no_line_of_pools_is_circular",
        "update policy.pools set when_nobody = 'next_pool', next_pool = 'dach' where pool = 'emea'",
        "pools.csv",
        "dach",
        "dach -> emea -> dach",
    ),
    (
        "assert_absences_end_after_they_begin",
        "insert into policy.absences values ('leave', '005000000000003AAA', "
        "'2026-12-24 00:00', '2026-12-24 00:00', 'x')",
        "absences.csv",
        "leave",
        "begins 2026-12-24 00:00:00 and ends 2026-12-24 00:00:00",
    ),
    (
        "assert_what_a_pool_asks_somebody_has",
        "update policy.reps set role = 'ae' where user_id = '005000000000005AAA'",
        "pools.csv",
        "apac",
        "the role sdr",
    ),
    (
        "assert_what_a_pool_asks_somebody_has",
        "update policy.pools set skill = 'keigo' where pool = 'apac'",
        "pools.csv",
        "apac",
        "the skill keigo",
    ),
    (
        "assert_what_a_pool_asks_somebody_has",
        "delete from policy.rep_skills where user_id = '005000000000004AAA'",
        "pools.csv",
        "dach",
        "language",
    ),
    (
        "assert_what_a_pool_asks_somebody_has",
        "update policy.routing_rules set role = 'manager' where rule_id = 'emea'",
        "routing_rules.csv",
        "emea",
        "the role manager",
    ),
    (
        "assert_what_a_pool_asks_somebody_has",
        "update policy.routing_rules set role = 'intern', pool = null, "
        "owner_from = 'account_pod' where rule_id = 'emea'",
        "routing_rules.csv",
        "emea",
        "the role intern",
    ),
    (
        "assert_every_routing_rule_can_be_reached",
        "update policy.routing_rules set priority = 5 where rule_id = 'inbound'",
        "routing_rules.csv",
        "emea",
        "inbound comes first",
    ),
    (
        "assert_every_routing_rule_can_be_reached",
        "insert into policy.routing_rules by name select 'large' as rule_id, 51 as priority, "
        "'us' as country, 5000 as min_employees, 'apac' as pool, 'x' as reason",
        "routing_rules.csv",
        "large",
        "enterprise_us comes first",
    ),
    (
        "assert_every_cause_to_reroute_has_an_answer",
        "delete from policy.reroute_rules where cause = 'by_hand'",
        "reroute_rules.csv",
        "by_hand",
        "is missing",
    ),
    (
        "assert_every_cause_to_reroute_has_an_answer",
        "insert into policy.reroute_rules values ('bored', 9, 'draw', 'keep', 'x')",
        "reroute_rules.csv",
        "bored",
        "no cause",
    ),
    (
        "assert_every_cause_to_reroute_has_an_answer",
        "update policy.reroute_rules set gives_to = 'nobody' where cause = 'owner_inactive'",
        "reroute_rules.csv",
        "owner_inactive",
        "somebody who has left",
    ),
    (
        "assert_routing_has_a_catch_all",
        "update policy.routing_rules set persona = 'sales' where rule_id = 'inbound'",
        "routing_rules.csv",
        "inbound",
        "does not take every lead",
    ),
    (
        "assert_pool_members_are_listed_once",
        "update policy.pool_members set user_id = '005000000000003AAA' where member_id = 'emea_4'",
        "pool_members.csv",
        "emea_4",
        "2 times in the pool emea",
    ),
    (
        "assert_exactly_one_catch_all_rep",
        "update policy.reps set is_catch_all = true where user_id = '005000000000001AAA'",
        "reps.csv",
        "005000000000001AAA, 005000000000008AAA",
        "2 reps",
    ),
    (
        "assert_exactly_one_catch_all_rep",
        "update policy.reps set is_catch_all = false",
        "reps.csv",
        "(no row)",
        "0 reps",
    ),
    (
        "assert_exactly_one_catch_all_rep",
        "delete from staging.stg_salesforce__users where user_id = '005000000000008AAA'",
        "reps.csv",
        "005000000000008AAA",
        "not an active user",
    ),
    (
        "assert_backup_is_not_circular",
        "update policy.reps set backup_user_id = '005000000000001AAA' "
        "where user_id = '005000000000008AAA'",
        "reps.csv",
        "005000000000001AAA",
        "005000000000001AAA -> 005000000000008AAA -> 005000000000001AAA",
    ),
    (
        "assert_backup_is_not_circular",
        "update policy.reps set backup_user_id = user_id where user_id = '005000000000003AAA'",
        "reps.csv",
        "005000000000003AAA",
        "comes back",
    ),
    (
        "assert_every_calendar_has_hours",
        "update policy.business_hours set closes = '08:00' where hours_id = 'paris_1'",
        "business_hours.csv",
        "paris_1",
        "opens at 09:00:00 and closes at 08:00:00",
    ),
    (
        "assert_every_calendar_has_hours",
        "update policy.business_hours set time_zone = 'Europe/Pariss' where calendar_id = 'paris'",
        "business_hours.csv",
        "paris_1",
        "Europe/Pariss",
    ),
    (
        "assert_every_calendar_has_hours",
        "delete from policy.business_hours where calendar_id = 'tokyo'",
        "reps.csv",
        "005000000000005AAA",
        "tokyo",
    ),
    (
        "assert_sla_tiers_end_in_a_catch_all",
        "update policy.sla_tiers set min_icp_score = 5 where tier_id = 'standard'",
        "sla_tiers.csv",
        "standard",
        "does not take every lead",
    ),
    (
        "assert_every_clock_warns_and_runs_out",
        "update policy.sla_tiers set warn_minutes = 121 where tier_id = 'hand_raiser_demo'",
        "sla_tiers.csv",
        "hand_raiser_demo",
        "warns after 121 of 120",
    ),
    (
        "assert_every_clock_warns_and_runs_out",
        "update policy.sla_tiers set channels = 'call|fax' where tier_id = 'standard'",
        "sla_tiers.csv",
        "standard",
        "call|fax, which names no channel",
    ),
    (
        "assert_every_clock_warns_and_runs_out",
        "update policy.sla_tiers set most_touches = 0 where tier_id = 'standard'",
        "sla_tiers.csv",
        "standard",
        "0 touches are enough",
    ),
    (
        "assert_every_clock_warns_and_runs_out",
        "update policy.constants set value = 'two' where constant_id = 'clock_horizon_days'",
        "constants.csv",
        "clock_horizon_days",
        "whole number of days",
    ),
    (
        "assert_every_clock_warns_and_runs_out",
        # A month of days of its own in which nobody works: the longest clock never runs out.
        "insert into policy.holidays select 'closed_' || n, 'paris', "
        "date '2026-07-01' + n::integer, null, null, 'closed' from range(40) as days(n)",
        "sla_tiers.csv",
        "standard",
        "paris has only",
    ),
    (
        "assert_days_of_their_own_make_sense",
        "update policy.holidays set opens = time '13:00', closes = time '09:00' "
        "where holiday_id = 'paris_2026_christmas'",
        "holidays.csv",
        "paris_2026_christmas",
        "opens at 13:00:00 and closes at 09:00:00",
    ),
    (
        "assert_days_of_their_own_make_sense",
        "update policy.holidays set opens = time '09:00' where holiday_id = 'paris_2026_christmas'",
        "holidays.csv",
        "paris_2026_christmas",
        "not both",
    ),
    (
        "assert_days_of_their_own_make_sense",
        "insert into policy.holidays values ('paris_again', 'paris', date '2026-12-25', "
        "time '09:00', time '12:00', 'open in the morning')",
        "holidays.csv",
        "paris_2026_christmas",
        "one of them is closed",
    ),
    (
        "assert_every_clock_warns_and_runs_out",
        "update policy.sla_tiers set minutes = 100000 where tier_id = 'standard'",
        "sla_tiers.csv",
        "standard",
        "days looked ahead",
    ),
    (
        "assert_every_trigger_named_is_a_trigger",
        "update policy.sla_tiers set trigger_type = 'demo' where tier_id = 'hand_raiser_demo'",
        "sla_tiers.csv",
        "hand_raiser_demo",
        "no trigger",
    ),
    (
        "assert_every_trigger_named_is_a_trigger",
        "update policy.first_contact_actions set trigger_type = 'demo' "
        "where action_id = 'demo_request'",
        "first_contact_actions.csv",
        "demo_request",
        "no trigger",
    ),
    (
        "assert_first_contacts_end_in_no_contact",
        "delete from policy.first_contact_actions where action_id = 'nobody'",
        "first_contact_actions.csv",
        "call_instead",
        "without an answer",
    ),
    (
        "assert_consent_rules_end_in_a_catch_all",
        "update policy.consent_rules set region = 'emea' where rule_id = 'catch_all'",
        "consent_rules.csv",
        "catch_all",
        "does not take every country",
    ),
    (
        "assert_consent_rules_end_in_a_catch_all",
        "update policy.consent_rules set accepted_bases = 'Performance of a contract'",
        "consent_rules.csv",
        "catch_all",
        "with capitals",
    ),
    (
        "assert_touch_patterns_can_match",
        "update policy.touch_types set pattern = '/Pricing' where touch_type = 'pricing_page_view'",
        "touch_types.csv",
        "pricing_page_view",
        "capitals",
    ),
    (
        "assert_touch_patterns_can_match",
        "update policy.touch_types set priority = 5 where touch_type = 'form_submission'",
        "touch_types.csv",
        "contact_sales",
        "never reached",
    ),
    (
        "assert_touch_patterns_can_match",
        "update policy.touch_types set trigger_rank = null where touch_type = 'trial_signup'",
        "touch_types.csv",
        "trial_signup",
        "without a rank",
    ),
    (
        "assert_channels_have_a_catch_all",
        "delete from policy.channels where channel_id = 'catch_all'",
        "channels.csv",
        "source_offline",
        "does not take every source",
    ),
    (
        "assert_matched_words_are_lower_case",
        "update policy.routing_rules set country = 'DE' where rule_id = 'dach_de'",
        "routing_rules.csv",
        "dach_de",
        "capitals",
    ),
    (
        "assert_every_stage_is_there",
        "delete from policy.lifecycle_stages where lifecycle_stage = 'sal'",
        "lifecycle_stages.csv",
        "sal",
        "missing",
    ),
    (
        "assert_every_constant_is_there",
        "update policy.constants set value = 'a week' where constant_id = 'look_back_days'",
        "constants.csv",
        "look_back_days",
        "has the value a week",
    ),
    (
        "assert_every_constant_is_there",
        "delete from policy.constants where constant_id = 'sal_is_used'",
        "constants.csv",
        "sal_is_used",
        "is missing",
    ),
    (
        "assert_a_status_is_translated_once",
        "update policy.lead_statuses set vendor_status = 'new' where status_id = 'sf_open'",
        "lead_statuses.csv",
        "sf_new, sf_open",
        "translated 2 times",
    ),
    (
        "assert_every_cold_lead_is_somebody_s",
        "update policy.reengagement_rules set lifecycle_stage = 'recycled' where rule_id = 'cold'",
        "reengagement_rules.csv",
        "cold",
        "does not take every cold lead",
    ),
    (
        "assert_every_cold_lead_is_somebody_s",
        "update policy.reengagement_rules set owner_user_id = '005x' where rule_id = 'cold'",
        "reengagement_rules.csv",
        "cold",
        "005x, who is no rep",
    ),
    (
        "assert_every_cold_lead_is_somebody_s",
        "update policy.reengagement_rules set after_days = -1 where rule_id = 'bad_timing'",
        "reengagement_rules.csv",
        "bad_timing",
        "after -1 days",
    ),
    (
        "assert_every_stage_is_there",
        "update policy.lifecycle_stages set is_way_out = false where lifecycle_stage = 'recycled'",
        "lifecycle_stages.csv",
        "recycled",
        "leads on",
    ),
    (
        "assert_matched_words_are_lower_case",
        "update policy.industry_names set name = 'Insurance' where name = 'insurance'",
        "industry_names.csv",
        "Insurance",
        "capitals",
    ),
    (
        "assert_every_source_has_a_rank",
        "delete from policy.field_precedence where precedence_id = 'any_form'",
        "field_precedence.csv",
        "any_form",
        "how far to believe form",
    ),
    (
        "assert_every_source_has_a_rank",
        "insert into policy.field_precedence values ('again', 'any', 'crm', 9, 'x')",
        "field_precedence.csv",
        "any_crm",
        "crm is ranked 2 times for any",
    ),
    (
        "assert_every_source_has_a_rank",
        "update policy.field_precedence set rank = 3 where precedence_id = 'any_crm'",
        "field_precedence.csv",
        "any_provider",
        "rank 3 is given 2 times",
    ),
    (
        "assert_fields_to_enrich_are_known",
        "update policy.enrichment_fields set field = 'employes' where field = 'employee_count'",
        "enrichment_fields.csv",
        "employes",
        "is not a field",
    ),
    (
        "assert_fields_to_enrich_are_known",
        "insert into policy.field_precedence values ('title_crm', 'title', 'crm', 1, 'x')",
        "field_precedence.csv",
        "title_crm",
        '"title" is not a field',
    ),
    (
        "assert_a_provider_can_keep_its_budget",
        "update policy.enrichment_providers set monthly_budget = 50 where provider = 'hubspot'",
        "enrichment_providers.csv",
        "hubspot",
        "costs nothing and has a budget",
    ),
    (
        "assert_a_provider_can_keep_its_budget",
        "update policy.enrichment_providers set monthly_budget = -1 where provider = 'clearbit'",
        "enrichment_providers.csv",
        "clearbit",
        "below zero",
    ),
    (
        "assert_a_provider_can_keep_its_budget",
        "update policy.enrichment_providers set missing_days = 0 where provider = 'clearbit'",
        "enrichment_providers.csv",
        "clearbit",
        "forgets its answers",
    ),
    (
        "assert_a_provider_can_keep_its_budget",
        "update policy.enrichment_providers set ask_again_minutes = 0 where provider = 'clearbit'",
        "enrichment_providers.csv",
        "clearbit",
        "without a pause",
    ),
    (
        "assert_a_provider_can_keep_its_budget",
        "update policy.enrichment_providers set most_asks = 0 where provider = 'clearbit'",
        "enrichment_providers.csv",
        "clearbit",
        "is asked 0 times",
    ),
    (
        "assert_shared_mailboxes_are_names_before_the_at",
        "update policy.shared_mailboxes set local_part = 'Info' where local_part = 'info'",
        "shared_mailboxes.csv",
        "Info",
        "capitals",
    ),
    (
        "assert_shared_mailboxes_are_names_before_the_at",
        "insert into policy.shared_mailboxes values ('info@acme.example', 'x')",
        "shared_mailboxes.csv",
        "info@acme.example",
        "is an address",
    ),
    (
        "assert_shared_mailboxes_are_names_before_the_at",
        "insert into policy.shared_mailboxes values ('info+berlin', 'x')",
        "shared_mailboxes.csv",
        "info+berlin",
        "has a tag",
    ),
    (
        "assert_segments_cover_each_size_once",
        "update policy.segments set min_employees = 99 where segment_id = 'mid_market'",
        "segments.csv",
        "mid_market",
        "begins at 99 people, and smb goes on to 99",
    ),
    (
        "assert_segments_cover_each_size_once",
        "update policy.segments set min_employees = 2000 where segment_id = 'enterprise'",
        "segments.csv",
        "enterprise",
        "begins at 2000 people, and mid_market ends at 999",
    ),
    (
        "assert_segments_cover_each_size_once",
        "update policy.segments set max_employees = 10 where segment_id = 'mid_market'",
        "segments.csv",
        "mid_market",
        "begins at 100 people and ends at 10",
    ),
    (
        "assert_title_patterns_can_match",
        "update policy.personas set pattern = '(cfo' where persona_id = 'finance'",
        "personas.csv",
        "finance",
        "not a regular expression",
    ),
    (
        "assert_title_patterns_can_match",
        "update policy.seniorities set pattern = 'VP' where seniority_id = 'director'",
        "seniorities.csv",
        "director",
        "capitals",
    ),
    (
        "assert_seniorities_and_products_end_in_a_catch_all",
        "delete from policy.seniorities where seniority_id = 'staff'",
        "seniorities.csv",
        "student",
        "does not take everything",
    ),
    (
        "assert_seniorities_and_products_end_in_a_catch_all",
        "delete from policy.products",
        "products.csv",
        "(no row)",
        "does not take everything",
    ),
    (
        "assert_seniorities_and_products_end_in_a_catch_all",
        "update policy.products set priority = 15 where product_id = 'catch_all'",
        "products.csv",
        "routing_pages",
        "never reached",
    ),
    (
        "assert_every_country_has_a_territory",
        "delete from policy.territories where territory_id = 'apac'",
        "territories.csv",
        "jp",
        "no row takes",
    ),
    (
        "assert_every_country_has_a_territory",
        "update policy.territories set priority = 5 where territory_id = 'emea'",
        "territories.csv",
        "dach_de",
        "never reached",
    ),
    (
        "assert_every_country_has_a_territory",
        "update policy.territories set country = 'dee' where territory_id = 'dach_de'",
        "territories.csv",
        "dach_de",
        "no country",
    ),
    (
        "assert_named_accounts_have_one_destination",
        "insert into policy.named_accounts values ('acme', 'acme.example', null, null, 'x')",
        "named_accounts.csv",
        "acme",
        "neither",
    ),
    (
        "assert_named_accounts_have_one_destination",
        "insert into policy.named_accounts "
        "values ('acme', 'acme.example', '005000000000001AAA', 'emea', 'x')",
        "named_accounts.csv",
        "acme",
        "both",
    ),
    (
        "assert_named_accounts_have_one_destination",
        "insert into policy.named_accounts "
        "values ('acme', 'acme.example', '005000000000099AAA', null, 'x')",
        "named_accounts.csv",
        "acme",
        "not in reps.csv",
    ),
    (
        "assert_named_accounts_have_one_destination",
        "insert into policy.named_accounts values ('acme', 'acme.example', null, 'emeaa', 'x')",
        "named_accounts.csv",
        "acme",
        "not in pools.csv",
    ),
    (
        "assert_named_accounts_have_one_destination",
        "insert into policy.named_accounts select 'acme', min(domain), null, 'emea', 'x' "
        "from policy.free_mail_domains",
        "named_accounts.csv",
        "acme",
        "private mailboxes",
    ),
    (
        "assert_named_accounts_have_one_destination",
        "insert into policy.named_accounts values ('acme', 'www.Acme.example/', null, 'emea', 'x')",
        "named_accounts.csv",
        "acme",
        "not a domain",
    ),
    (
        "assert_matched_words_are_lower_case",
        "update policy.products set pattern = '/Routing' where product_id = 'routing_pages'",
        "products.csv",
        "routing_pages",
        "capitals",
    ),
    (
        "assert_policy_agrees_with_its_examples",
        "update policy.scoring_rules set points = 5 where rule_id = 'started_trial'",
        "definition_examples.csv",
        "trial_in_dach",
        "is lead by the policy (score 6: +20 company of 100 to 500 people",
    ),
    (
        "assert_policy_agrees_with_its_examples",
        "delete from policy.score_exceptions where exception_id = 'student'",
        "definition_examples.csv",
        "demo_by_student",
        "is mql by the policy (score 5: whoever asks for a demo is called",
    ),
    (
        "assert_policy_agrees_with_its_examples",
        "update policy.sla_tiers set min_icp_score = 10 where tier_id = 'trial_icp'",
        "definition_examples.csv",
        "trial_from_icp_account",
        "gets the tier standard by the policy",
    ),
    (
        "assert_policy_agrees_with_its_examples",
        "update policy.routing_rules set pool = 'inbound', country = 'ca' "
        "where rule_id = 'enterprise_us'",
        "definition_examples.csv",
        "enterprise_that_reads",
        "is routed by the rule inbound",
    ),
    (
        "assert_policy_agrees_with_its_examples",
        "update policy.seniorities set pattern = 'vice' where seniority_id = 'director'",
        "definition_examples.csv",
        "guide_by_director_in_software",
        "has the seniority staff by seniorities.csv, but the example says director",
    ),
    (
        "assert_policy_agrees_with_its_examples",
        "update policy.definition_examples set touches = 'demo_requst:1' "
        "where example_id = 'demo_by_student'",
        "definition_examples.csv",
        "demo_by_student",
        'did "demo_requst:1", which is no touch type with a number',
    ),
    (
        "assert_policy_agrees_with_its_examples",
        "update policy.definition_examples set is_counter_example = true "
        "where example_id = 'trial_in_dach'",
        "definition_examples.csv",
        "trial_in_dach",
        "is a counter-example and expects mql",
    ),
    (
        "assert_buying_groups_can_be_judged",
        "update policy.buying_group_rules set segment = 'smb' where rule_id = 'anywhere'",
        "buying_group_rules.csv",
        "anywhere",
        "does not take every account",
    ),
    (
        "assert_buying_groups_can_be_judged",
        "update policy.buying_group_rules set segment = 'giant' where rule_id = 'enterprise'",
        "buying_group_rules.csv",
        "enterprise",
        "the segment giant",
    ),
    (
        "assert_buying_groups_can_be_judged",
        "update policy.buying_group_rules set min_coverage_percent = 150 "
        "where rule_id = 'enterprise'",
        "buying_group_rules.csv",
        "enterprise",
        "150 percent",
    ),
    (
        "assert_buying_groups_can_be_judged",
        "update policy.buying_roles set is_required = false",
        "buying_roles.csv",
        "(no row)",
        "every account is covered",
    ),
    (
        "assert_buying_groups_can_be_judged",
        "update policy.personas set buying_role = 'champoin' where persona_id = 'operations'",
        "personas.csv",
        "operations",
        "the role champoin",
    ),
)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A copy of the dbt project that may be broken."""
    copy = tmp_path_factory.mktemp("project") / "dbt_project"
    shutil.copytree(DBT, copy, ignore=shutil.ignore_patterns(*MADE_BY_TOOLS))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(doors, "DBT_PROJECT", copy)
        yield copy


@pytest.fixture(scope="module")
def warehouse(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    """A home whose CRM users are staged and whose policy is not loaded yet."""
    with Warehouse(tmp_path_factory.mktemp("home")) as opened:
        opened.prepare()
        opened.dbt("run", "--select", "staging")
        opened.execute(
            "insert into staging.stg_salesforce__users by name "
            "select '00500000000000' || number || 'AAA' as user_id, "
            "'salesforce:user:' || number as record_key, true as is_active "
            "from range(1, 9) as numbers (number)"
        )
        yield opened


@pytest.fixture
def edit(project: Path) -> Iterator[Any]:
    """Change a policy file; it is put back after the test."""
    before: dict[Path, str] = {}

    def change(file: str, old: str, new: str) -> None:
        path = project / "seeds" / "policy" / file
        text = path.read_text()
        before.setdefault(path, text)
        assert old in text, f"{file} no longer holds {old}"
        path.write_text(text.replace(old, new, 1))

    yield change
    for path, text in before.items():
        path.write_text(text)


def compiled(warehouse: Warehouse) -> dict[str, str]:
    """The query of every guard, by name."""
    results = warehouse.dbt("compile", "--select", "path:tests/policy").results
    return {one.node.name: one.node.compiled_code for one in results}


def test_a_policy_is_refused_by_row_and_the_last_good_one_stays(
    warehouse: Warehouse, edit: Any
) -> None:
    edit("score_bands.csv", "band_6,44,49", "band_6,45,49")
    with pytest.raises(PolicyError, match="no earlier one") as refused:
        warehouse.take_over_policy(NOW)
    assert "score_bands.csv, row band_6: covers 45 to 49" in str(refused.value)
    assert "Nobody was scored" in str(refused.value)

    edit("score_bands.csv", "band_6,45,49", "band_6,44,49")
    assert warehouse.take_over_policy(NOW) is None
    version = warehouse.value("select policy_version from policy.policy_version")

    edit("routing_rules.csv", "hot_inbound,90", "hot_inbound,99")
    message = warehouse.take_over_policy(NOW)
    assert message is not None
    assert "routing_rules.csv, row hot_inbound: priority 99 is there more than once" in message
    assert warehouse.value("select policy_version from policy.policy_version") == version
    assert warehouse.value("select count(*) from policy.routing_rules where priority = 99") == 1

    edit("scoring_rules.csv", "between,20|99,8", "between,20|99,eight")
    message = warehouse.take_over_policy(NOW)
    assert message is not None
    assert "seeds/policy/scoring_rules.csv" in message
    assert "between,20|99,eight" in message
    assert "points" in message
    assert warehouse.value("select policy_version from policy.policy_version") == version


def test_each_guard_names_the_file_the_row_and_the_cure(warehouse: Warehouse) -> None:
    guards = compiled(warehouse)
    assert warehouse.value("select count(*) from policy.scoring_rules"), "run the module as a whole"
    silent = {name for name, query in guards.items() if warehouse.rows(query)}
    assert not silent, f"These guards refuse the default policy: {sorted(silent)}"
    wrong = []
    for guard, statement, file, row, word in BROKEN:
        warehouse.execute("begin")
        try:
            warehouse.execute(statement)
            found = warehouse.rows(guards[guard])
        finally:
            warehouse.execute("rollback")
        if not any(
            one["file"] == file and one["row_id"] == row and word in one["problem"] and one["cure"]
            for one in found
        ):
            wrong.append(f"{guard} after {statement!r} said {found}")
    assert not wrong, "\n".join(wrong)
    untried = guards.keys() - {guard for guard, *_ in BROKEN}
    assert not untried, f"Break a row for each of these guards: {sorted(untried)}"


def test_before_the_first_pull_nobody_is_known_and_the_policy_passes(warehouse: Warehouse) -> None:
    guards = compiled(warehouse)
    warehouse.execute("begin")
    try:
        warehouse.execute("delete from staging.stg_salesforce__users")
        refusing = {name for name, query in guards.items() if warehouse.rows(query)}
    finally:
        warehouse.execute("rollback")
    assert not refusing


def test_every_guard_and_every_test_of_a_policy_file_stands_before_every_decision(
    warehouse: Warehouse,
) -> None:
    """dbt runs a test before whatever reads all that the test reads: a failure skips it."""
    nodes: dict[str, Any] = warehouse._parse().nodes
    above: dict[str, set[str]] = {}

    def ancestors(key: str) -> set[str]:
        if key not in above:
            parents = getattr(nodes[key].depends_on, "nodes", [])
            parents = [parent for parent in parents if parent in nodes]
            above[key] = set(parents).union(*(ancestors(parent) for parent in parents))
        return above[key]

    of_policy = {
        key: set(node.depends_on.nodes)
        for key, node in nodes.items()
        if key.startswith("test.")
        and node.original_file_path.startswith(("seeds/policy", "models/policy", "tests/policy"))
    }
    assert len(of_policy) > 100
    late = [
        f"{key} is not run before {decision}"
        for decision in DECISIONS
        for key, read in of_policy.items()
        if not read <= ancestors(f"model.baton.{decision}")
    ]
    assert not late, "\n".join(late)


def test_dbt_build_alone_decides_nothing_under_a_bad_policy(
    warehouse: Warehouse, edit: Any
) -> None:
    edit("sla_tiers.csv", "standard,99,,", "standard,99,,5")
    result = warehouse._invoke("build", "--exclude", "resource_type:unit_test")
    assert not result.success
    status = {one.node.name: str(one.status) for one in result.result.results}
    assert status["assert_sla_tiers_end_in_a_catch_all"] == "fail"
    assert {status[decision] for decision in DECISIONS} == {"skipped"}
    assert status["lead_lifecycle"] == status["sync_salesforce__lead"] == "skipped"
