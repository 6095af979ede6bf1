-- One row per lead due for a decision: the rule that matched, the pool or the fixed
-- owner, the tier.
{{ config(access="public") }}
-- depends_on: {{ ref('leads_touched') }}
-- depends_on: {{ ref('routing_rules') }}
-- depends_on: {{ ref('sla_tiers') }}
with
    leads as (select * from {{ ref("int_leads__to_decide") }} {{ where_touched() }}),
    owners as (select * from {{ ref("int_leads__owners_named") }}),
    handed_over as (select * from leads where decision = 'mql'),
    ruled as (select * from {{ first_routing_rule("handed_over", "owners") }}),
    tiered as (select * from {{ first_sla_tier("handed_over") }})
select
    leads.lead_key,
    leads.decision,
    leads.icp_score,
    leads.fit_points,
    leads.intent_points,
    leads.score_reasons,
    leads.exception_reason,
    leads.trigger_type,
    leads.trigger_asset,
    leads.trigger_url,
    leads.trigger_at,
    leads.context_status,
    leads.context_gaps,
    leads.mql_in_crm_at,
    leads.is_mql_in_crm,
    leads.account_key,
    leads.language,
    ruled.routing_rule,
    ruled.routing_reason,
    ruled.pool,
    ruled.pod,
    ruled.role,
    ruled.fixed_owner_id,
    tiered.sla_tier
from leads
left join ruled on leads.lead_key = ruled.lead_key
left join tiered on leads.lead_key = tiered.lead_key
