"""The tables of one lead told whole, and of its neighbours, as a run publishes them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import duckdb

from flows.draw import Candidate, draw

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
    "lifecycle_stages": [
        {"lifecycle_stage": "mql", "is_open": True},
        {"lifecycle_stage": "recycled", "is_open": True, "is_way_out": True},
        {"lifecycle_stage": "disqualified", "is_open": False, "is_way_out": True},
    ],
    "reps": [{"user_id": AVA, "calendar_id": "new_york"}],
    "business_hours": [
        {"calendar_id": "new_york", "time_zone": "America/New_York", "weekday": day,
         "opens": "09:00:00", "closes": "18:00:00"}
        for day in range(1, 6)
    ],
}  # fmt: skip
RULES = [
    {"rule_id": "demo", "dimension": "intent", "points": 40, "full_points": 45,
     "observed_at": "2026-11-22 06:00:00", "next_change_at": "2026-11-24 04:00:00",
     "reason": "asked for a demo"},
    {"rule_id": "size", "dimension": "fit", "points": 20, "full_points": 20,
     "observed_at": None, "next_change_at": None, "reason": "company of the right size"},
]  # fmt: skip

TABLES = """
create schema people; create schema lifecycle; create schema scoring; create schema ops;
create schema quality; create schema reporting; create schema routing;
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
select record_key, case record_id when '2' then 'L2' else lead_key end as lead_key,
    timestamp '2026-11-01' as as_of
from people.people;
create table ops.memberships as
select * from (values
    ('salesforce:lead:2', 'L2', timestamp '2026-11-01'),
    ('salesforce:lead:2', 'L1', timestamp '2026-11-10')
) as t(record_key, lead_key, as_of);
create table people.lead_profiles as
select distinct
    lead_key, email, full_name, 'Director' as job_title, null as phone, 'Acme' as company_name,
    'acme.example' as company_domain, 200 as employee_count, 'software' as industry,
    'us' as country, null as account_name, lead_key = 'L1' as has_opted_out, 1 as duplicate_count,
    lead_key = 'L1' as lacks_consent, lead_key <> 'L1' as may_be_called,
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
    timestamp '2026-11-23 16:00' as sla_due_at,
    case lead_key when 'L1' then timestamp '2026-11-24 08:00' end as first_response_at
from people.lead_profiles;
create table lifecycle.lead_stage_history as
select 'L1' as lead_key, t.*, 'source' as known_by, false as is_backward,
    false as is_passed_over, known_until is null as is_current
from (values
    (1, 'lead', timestamp '2026-11-01', null::timestamp, timestamp '2026-11-01',
        timestamp '2026-11-22 07:00', 'first seen', null),
    (1, 'lead', timestamp '2026-11-01', timestamp '2026-11-22 07:00', timestamp '2026-11-22 07:00',
        null, 'first seen', null),
    (2, 'mql', timestamp '2026-11-22 07:00', null, timestamp '2026-11-22 07:00',
        timestamp '2026-11-25', 'decision: score 8 of 10', null),
    (2, 'mql', timestamp '2026-11-22 07:00', timestamp '2026-11-23', timestamp '2026-11-25',
        null, 'decision: score 8 of 10', null),
    (3, 'sql', timestamp '2026-11-23', null, timestamp '2026-11-25',
        null, 'status said late', 'sql on 2026-11-01 is before mql on 2026-11-22')
) as t(stage_number, lifecycle_stage, entered_at, left_at, known_at, known_until, evidence, flag);
create table people.lead_touches as
select
    'L1' as lead_key, timestamp '2026-11-01' + to_days(n::integer) as occurred_at,
    'page_view' as touch_type, 'page view' as touch_label, 'Page ' || n as asset, null as url,
    null as campaign, false as is_trigger,
    timestamp '2026-11-01' + to_days(n::integer + (n = 12)::integer * 9) as landed_at
from range(20) as r(n);
create table people.lead_activities as
select 'L1' as lead_key, 'call' as activity_type, 'call' as channel, 'First call' as subject,
'005A' as owner_id, 'Ava Morgan' as owner_name, timestamp '2026-11-24 08:00' as occurred_at;
create table scoring.lead_scores as
select
    lead_key, if(lead_key = 'L3', 5, 8) as icp_score, 20 as fit_points, 40 as intent_points,
    lead_key = 'L1' as is_mql_proposed, null as exception_id, null as exception_reason,
    timestamp '2026-11-24 04:00' as next_change_at, $rules::json as score_rules,
    '+40 asked for a demo; +20 company of the right size' as score_reasons
from people.lead_profiles;
create table routing.lead_readiness as
select
    lead_key,
    case lead_key
        when 'L3' then 'its score of 5 is below the threshold'
        when 'L4' then 'it waits for its context check (errored)'
    end as why_not
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
create table reporting.rpt_rep_load as
select user_id, 1 as leads_given, credit::bigint as credit, credit::bigint as worst_credit
from (values ('005A', $ava), ('005B', $ben)) as t(user_id, credit);
create table reporting.rpt_seams as
select 'L1' as lead_key, 1 as seam_number, 'form to MAP' as seam, 30.0 as seconds,
true as is_slowest;
create table ops.runs as
select timestamp '2026-11-22 05:00' as go_live_at, timestamp '2026-11-22 07:00' as as_of;
create table ops.decisions as
select
    'L1' as lead_key, 'mql' as decision, 'score 8 of 10' as reason, 8 as icp_score,
    20 as fit_points, 45 as intent_points,
    '+45 asked for a demo; +20 company of the right size' as score_reasons,
    'demo_request' as trigger_type,
    timestamp '2026-11-22 06:00' as trigger_at, 'incomplete' as context_status,
    'phone' as context_gaps, timestamp '2026-11-22 07:00' as mql_at, 'p1' as policy_version,
    timestamp '2026-11-22 07:00' as as_of, 'run1' as run_id;
create table ops.assignments as
select
    'L1:mql' as assignment_key, 'L1' as lead_key, '005A' as owner_id, 'west' as routing_rule,
    'west' as pool, 'hot' as sla_tier, timestamp '2026-11-23 15:30' as sla_warn_at,
    timestamp '2026-11-23 16:00' as sla_due_at, '005B' as backup_owner_id, 1 as draw_number,
    'handover' as cause, null::varchar as previous_owner_id, 'new_york' as calendar_id,
    'pool' as given_by, timestamp '2026-11-22 07:00' as clock_since,
    $candidates::json as candidates, $before::json as credits_before,
    $after::json as credits_after, timestamp '2026-11-22 07:00' as as_of, 'run1' as run_id;
create table ops.clock_moves (assignment_key text, lead_key text, due_before timestamp,
    sla_warn_at timestamp, sla_due_at timestamp, reason text, policy_version text,
    as_of timestamp);
create table ops.receipts as
select
    1 as receipt_seq, 'r1' as receipt_id, 'slack.message' as target, 'L1:mql' as row_key,
    'L1' as lead_key, 'accepted' as status, 'D1' as vendor_id, null as reason,
    '{"text": "Jane is yours"}'::json as sent, '{}'::json as before,
    timestamp '2026-11-22 07:01' as recorded_at, timestamp '2026-11-22 07:00' as as_of,
    'run1' as run_id;
"""


def publish(home: Path, after: dict[str, int], *more: str) -> None:
    """Publish these tables, with a draw that ended so, changed by some more statements."""
    folder = home / "published"
    folder.mkdir()
    values = {
        "candidates": json.dumps(CANDIDATES),
        "before": json.dumps(BEFORE),
        "rules": json.dumps(RULES),
        "after": json.dumps(after),
        "ava": str(after[AVA]),
        "ben": str(after[BEN]),
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
        for statement in more:
            store.execute(statement)
    (folder / "current").write_text("a.duckdb")
