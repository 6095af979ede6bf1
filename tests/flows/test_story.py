"""One person's story is found, told whole, and its draw can be done again by whoever doubts it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from flows.draw import ONE_LEAD, Candidate, draw
from flows.errors import WarehouseError
from flows.status import duration, summary_lines, table_lines
from flows.story import read_story, story_lines
from flows.warehouse import Reader, published

AVA, BEN = "005A", "005B"
BEFORE = {AVA: 0, BEN: 0}
DRAWN = draw([Candidate(AVA, 1), Candidate(BEN, 1)], BEFORE)
CANDIDATES = [
    {"rep": AVA, "name": "Ava Morgan", "weight": 1, "why_not": None},
    {"rep": BEN, "name": "Ben Ortiz", "weight": 1, "why_not": None},
    {"rep": "005C", "name": "Chloe Durand", "weight": 0, "why_not": "not in pool west"},
]
POLICY: dict[str, list[dict[str, Any]]] = {
    "scoring_rules": [
        {"rule_id": "size", "dimension": "fit", "points": 20, "half_life_days": None,
         "reason": "company of the right size"},
        {"rule_id": "demo", "dimension": "intent", "points": 45, "half_life_days": 30.0,
         "reason": "asked for a demo"},
    ],
    "score_caps": [
        {"dimension": "fit", "max_points": 60},
        {"dimension": "intent", "max_points": 70},
    ],
    "score_bands": [{"icp_score": 7, "is_mql": True}, {"icp_score": 6, "is_mql": False}],
    "routing_rules": [{"rule_id": "west", "reason": "the west has a team"}],
    "sla_tiers": [{"tier_id": "hot", "clock": "business_hours", "minutes": 120,
                   "reason": "two business hours"}],
    "reps": [{"user_id": AVA, "calendar_id": "new_york"}],
    "business_hours": [{"calendar_id": "new_york", "time_zone": "America/New_York"}],
}  # fmt: skip

TABLES = """
create schema people; create schema lifecycle; create schema scoring; create schema ops;
create schema quality; create schema reporting;
create table people.people as
select * from (values
    ('hubspot:contact:1', 'hubspot', 'contact', '1', 'L1', 'jane@acme.example', 'Jane'),
    ('salesforce:lead:2', 'salesforce', 'lead', '2', 'L1', 'jane@acme.example', 'Jane'),
    ('hubspot:contact:3', 'hubspot', 'contact', '3', 'L3', 'cold@acme.example', null),
    ('hubspot:contact:4', 'hubspot', 'contact', '4', 'L4', 'twins@acme.example', null),
    ('hubspot:contact:5', 'hubspot', 'contact', '5', 'L5', 'twins@acme.example', null)
) as t(record_key, system, object, record_id, lead_key, email, full_name),
(select timestamp '2026-11-01' as created_at, false as is_deleted);
create table ops.lead_keys as
select record_key, case record_id when '2' then 'L2' else lead_key end as lead_key
from people.people;
create table people.lead_profiles as
select distinct
    lead_key, email, full_name, 'Director' as job_title, null as phone, 'Acme' as company_name,
    'acme.example' as company_domain, 200 as employee_count, 'software' as industry,
    'us' as country, null as account_name, lead_key = 'L1' as has_opted_out, 1 as duplicate_count,
    false as is_competitor, true as is_open, 'demo_request' as trigger_type,
    'Request a demo' as trigger_asset, null as trigger_url,
    timestamp '2026-11-22 06:00' as trigger_at, timestamp '2026-11-01' as first_touch_at,
    'organic' as first_touch_source, 'google' as first_touch_source_detail,
    null as first_touch_campaign
from people.people;
create table people.lead_facts as
select * from (values
    ('L1', 'company_name', 'Acme', 'human', null, 'salesforce:lead:2', timestamp '2026-11-02'),
    ('L1', 'industry', 'software', 'provider', 'clearbit', 'clearbit:company:acme.example', null)
) as t(lead_key, field, value, source, provider, evidence_key, retrieved_at);
create table ops.enrichment_calls as
select * from (values
    (1, 'c', 'intent', 1, null), (2, 'c', 'pending', 1, timestamp '2026-11-22 07:05')
) as t(call_seq, call_id, status, attempt, ask_again_at),
(select 'L1' as lead_key, 'clearbit' as provider, 'company' as kind, '202' as reason,
    timestamp '2026-11-22 07:00' as as_of);
create table lifecycle.lead_lifecycle as
select
    lead_key, 'mql' as lifecycle_stage, 'open' as lead_status, null as disposition,
    null as disposition_reason, case lead_key when 'L1' then '005A' end as owner_id,
    null as record_url, case lead_key when 'L1' then 'green' end as sla_status,
    timestamp '2026-11-23 16:00' as sla_due_at, null::timestamp as first_response_at
from people.lead_profiles;
create table lifecycle.lead_stage_history as
select
    'L1' as lead_key, 1 as stage_number, 'mql' as lifecycle_stage,
    timestamp '2026-11-22 07:00' as entered_at, null::timestamp as left_at,
    timestamp '2026-11-22 07:00' as known_at, 'source' as known_by,
    'decision: score 8 of 10' as evidence, false as is_backward, true as is_current,
    'sql on 2026-11-01 is before mql on 2026-11-22' as flag;
create table people.lead_touches as
select
    'L1' as lead_key, timestamp '2026-11-01' + to_days(n::integer) as occurred_at,
    'page_view' as touch_type, 'page view' as touch_label, 'Page ' || n as asset, null as url,
    null as campaign, false as is_trigger
from range(20) as r(n);
create table people.lead_activities as
select 'L1' as lead_key, 'call' as activity_type, 'First call' as subject, '005A' as owner_id,
'Ava Morgan' as owner_name, timestamp '2026-11-22 08:00' as occurred_at;
create table scoring.lead_scores as
select
    lead_key, 8 as icp_score, 20 as fit_points, 40 as intent_points,
    lead_key = 'L1' as is_mql_proposed, null as exception_id, null as exception_reason,
    null::timestamp as next_change_at, 'demo,size' as matched_rules,
    '+40 asked for a demo; +20 company of the right size' as score_reasons
from people.lead_profiles;
create table quality.context_checks as
select 'c1' as check_id, 'L1' as lead_key, 'incomplete' as status, timestamp '2026-11-22' as as_of;
create table quality.context_gaps as
select 'c1' as check_id, 'phone' as field, 'warning' as severity, 'nobody can call' as why,
'marketing ops' as owner, 'ask for it on the form' as fix, 'Request a demo' as origin;
create table reporting.rpt_flagged_records as
select 'hubspot:contact:1' as record_key, 'several names on one e-mail address' as reason;
create table ops.quarantine as
select 'hubspot.contacts' as address, '9' as record_key, 'unreadable' as reason;
create table reporting.rpt_seams as
select 'L1' as lead_key, 1 as seam_number, 'form to MAP' as seam, 30.0 as seconds,
true as is_slowest;
create table ops.runs as
select timestamp '2026-11-22 05:00' as go_live_at, timestamp '2026-11-22 07:00' as as_of;
create table ops.decisions as
select
    'L1' as lead_key, 'mql' as decision, 'score 8 of 10' as reason, 8 as icp_score,
    20 as fit_points, 40 as intent_points, '' as score_reasons, 'demo_request' as trigger_type,
    timestamp '2026-11-22 06:00' as trigger_at, 'incomplete' as context_status,
    'phone' as context_gaps, timestamp '2026-11-22 07:00' as mql_at, 'p1' as policy_version,
    timestamp '2026-11-22 07:00' as as_of, 'run1' as run_id;
create table ops.assignments as
select
    'L1' as lead_key, '005A' as owner_id, 'west' as routing_rule, 'west' as pool,
    'hot' as sla_tier, timestamp '2026-11-23 15:30' as sla_warn_at,
    timestamp '2026-11-23 16:00' as sla_due_at, '005B' as backup_owner_id, 1 as draw_number,
    $candidates::json as candidates, $before::json as credits_before,
    $after::json as credits_after, timestamp '2026-11-22 07:00' as as_of, 'run1' as run_id;
create table ops.receipts as
select
    1 as receipt_seq, 'r1' as receipt_id, 'slack.message' as target, 'L1:mql' as row_key,
    'L1' as lead_key, 'accepted' as status, 'D1' as vendor_id, null as reason,
    '{"text": "Jane is yours"}'::json as sent, '{}'::json as before,
    timestamp '2026-11-22 07:01' as recorded_at, 'run1' as run_id;
"""


def _made(home: Path, after: dict[str, int]) -> None:
    folder = home / "published"
    folder.mkdir()
    values = {
        "candidates": json.dumps(CANDIDATES),
        "before": json.dumps(BEFORE),
        "after": json.dumps(after),
    }
    with duckdb.connect(str(folder / "a.duckdb")) as store:
        for statement in TABLES.split(";\n"):
            used = {name: text for name, text in values.items() if f"${name}" in statement}
            if statement.strip():
                store.execute(statement, used or None)
        store.execute(
            "create table ops.policy_versions (policy_version text, policy_table text, "
            "policy_row json, as_of timestamp)"
        )
        for table, rows in POLICY.items():
            for row in rows:
                store.execute(
                    "insert into ops.policy_versions values ('p1', ?, ?, timestamp '2026-11-22')",
                    [table, json.dumps(row)],
                )
    (folder / "current").write_text("a.duckdb")


@pytest.fixture
def reader(baton_home: Path) -> Iterator[Reader]:
    _made(baton_home, DRAWN.credits_after)
    with published(baton_home) as opened:
        yield opened


@pytest.mark.parametrize("who", ["jane@acme.example", " JANE@acme.example ", "L1", "l1", "L2"])
def test_a_person_is_found_by_address_by_key_and_by_a_key_merged_away(
    reader: Reader, who: str
) -> None:
    assert read_story(reader, who)["lead_key"] == "L1"


def test_each_value_says_who_is_believed_and_what_was_asked(reader: Reader) -> None:
    told = "\n".join(story_lines(read_story(reader, "L1")))
    assert "company_name     Acme: entered by a person in the CRM (salesforce:lead:2, since" in told
    assert "software: found by clearbit (clearbit:company:acme.example)" in told
    assert "asked clearbit for the company: pending (202), due again 2026-11-22 07:05" in told
    assert "nothing but the name" in "\n".join(story_lines(read_story(reader, "L3")))


@pytest.mark.parametrize("who", ["nobody@acme.example", "L99", "", "%"])
def test_who_is_not_known_is_said_without_the_address(reader: Reader, who: str) -> None:
    with pytest.raises(WarehouseError, match="nobody here") as error:
        read_story(reader, who)
    assert "nobody@" not in str(error.value)


def test_an_address_of_two_leads_lists_both(reader: Reader) -> None:
    with pytest.raises(WarehouseError, match="L4, L5"):
        read_story(reader, "twins@acme.example")


def test_each_rule_shows_the_points_it_gives_now_and_the_points_it_gave_at_first(
    reader: Reader,
) -> None:
    rules = {rule["rule_id"]: rule for rule in read_story(reader, "L1")["score"]["rules"]}
    assert (rules["demo"]["points"], rules["demo"]["full_points"]) == (40, 45)
    assert (rules["size"]["points"], rules["size"]["full_points"]) == (20, 20)


def test_every_candidate_has_a_reason_and_the_draw_adds_up(reader: Reader) -> None:
    given = read_story(reader, "L1")["assignments"][0]
    assert given["owner"] == "Ava Morgan"
    assert [one["why_not"] for one in given["candidates"]] == [None, None, "not in pool west"]
    assert given["draw"]["done_again"] is True
    for rep in given["draw"]["reps"]:
        total = rep["credit_before"] + rep["share"] - rep["pays"]
        assert total == pytest.approx(rep["credit_after"])


def test_a_recorded_draw_that_comes_out_otherwise_is_noticed(baton_home: Path) -> None:
    _made(baton_home, {AVA: 0, BEN: -ONE_LEAD})
    with published(baton_home) as reader:
        story = read_story(reader, "L1")
    assert story["assignments"][0]["draw"]["done_again"] is False
    assert any("ANOTHER ANSWER" in line for line in story_lines(story))


def test_the_due_time_is_told_where_the_owner_is(reader: Reader) -> None:
    given = read_story(reader, "L1")["assignments"][0]
    assert given["due_where_the_owner_is"] == "Mon 23 Nov 11:00 in America/New_York"


def test_a_lead_that_was_not_handed_over_says_why(reader: Reader) -> None:
    story = read_story(reader, "cold@acme.example")
    assert story["why_no_hand_over"] == "score 8 of 10 is below the threshold of 7"
    assert any("not handed over" in line for line in story_lines(story))


def test_the_story_is_told_whole_and_in_order(reader: Reader) -> None:
    text = "\n".join(story_lines(read_story(reader, "L1")))
    order = [
        "Jane <jane@acme.example>",
        "salesforce:lead:2",
        "several names on one e-mail address",
        "First touch",
        "sql on 2026-11-01 is before mql",
        "page view: Page 5",
        "page view: Page 19",
        "+40 of +45  asked for a demo [demo, halves every 30 days]",
        "marketing ops must mend it: ask for it on the form",
        "handed over: score 8 of 10",
        "Chloe Durand         not in pool west",
        "draw 1, done again just now: the same answer",
        "2.0 h of business hours",
        "slack.message: accepted as D1",
        "Jane is yours",
        "call by Ava Morgan: First call",
        "30.0 s  form to MAP (slowest)",
    ]
    places = [text.index(words) for words in order]
    assert places == sorted(places)
    assert "Page 4" not in text, "only the last fifteen touches are told"


def test_a_story_is_one_json_object(reader: Reader) -> None:
    assert json.loads(json.dumps(read_story(reader, "L1"), default=str))["lead_key"] == "L1"


@pytest.mark.parametrize(
    ("seconds", "told"), [(0, "0.0 s"), (119, "119.0 s"), (7200, "2.0 h"), (200000, "2.3 d")]
)
def test_a_duration_is_told_in_a_unit_a_person_would_choose(seconds: float, told: str) -> None:
    assert duration(seconds) == told


def test_a_table_keeps_its_columns_apart_and_cuts_long_cells() -> None:
    lines = table_lines(["name", "n"], [("a\nb", 1), ("x" * 300, None), (True, 22)])
    assert lines[0].startswith("name")
    assert lines[2].startswith("a b")
    assert lines[4].startswith("true")
    assert lines[4].endswith(" 22")
    assert max(map(len, lines)) < 110
    assert table_lines(["n"], []) == ["n", "-"]


@pytest.fixture
def a_summary() -> Callable[..., dict[str, Any]]:
    from flows.sync import Summary

    return lambda **known: Summary(**known).as_dict()


def test_a_run_is_told_with_names_and_what_needs_a_person(
    a_summary: Callable[..., dict[str, Any]],
) -> None:
    told = "\n".join(
        summary_lines(
            a_summary(
                extracted={"hubspot.contacts": 2, "hubspot.forms": 1, "salesforce.leads": 0},
                gaps=2,
                gaps_by_field={"country": 1, "phone": 3},
                assigned=2,
                owners={AVA: 1, "unknown": 1},
                skipped={"hubspot.forms": "status 403", "salesforce.tasks columns": "Phone"},
                rejected=1,
                troubles=["salesforce.lead: 1 rows rejected."],
                dry_run=True,
            ),
            {AVA: "Ava Morgan"},
        )
    )
    assert "3 new versions from hubspot" in told
    assert "from salesforce" not in told
    assert "phone 3, country 1" in told
    assert "Ava Morgan 1, unknown 1" in told
    assert "  skipped    hubspot.forms: status 403" in told
    assert "  skipped    salesforce.tasks columns: Phone" in told
    assert "1 rows rejected, 0 without an answer" in told
    assert "nothing of this was written" in told
