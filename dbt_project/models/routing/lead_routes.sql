-- One row per lead due for a decision: the rule that matched, the pool or the fixed
-- owner, the tier.
{{ config(access="public") }}
-- depends_on: {{ ref('leads_touched') }}
with
    leads as (select * from {{ ref("int_leads__to_decide") }} {{ where_touched() }}),
    owners as (select * from {{ ref("int_leads__owners_named") }}),
    tiers as (select * from {{ ref("sla_tiers") }}),
    -- Whom the policy gives a lead to by name is asked no rule.
    ruled_leads as (
        select *
        from leads
        where decision in ('mql', 'reroute') and new_owner_id is null
    ),
    given as (select * from leads where decision in ('mql', 'reroute')),
    ruled as (select * from {{ first_routing_rule("ruled_leads", "owners") }}),
    tiered as (select * from {{ first_sla_tier("given") }})
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
    -- A lead that was given back and came again is handed over once more.
    leads.lead_key
    || ':mql'
    || case
        when leads.handover_number > 0 then ':' || (leads.handover_number + 1) else ''
    end as decision_key,
    leads.account_key,
    leads.language,
    leads.cause,
    leads.previous_owner_id,
    leads.clock,
    leads.clock_started_at,
    leads.previous_warn_at,
    leads.previous_due_at,
    leads.previous_calendar_id,
    leads.previous_backup_id,
    ruled.routing_rule,
    ruled.routing_reason,
    ruled.pool,
    ruled.pod,
    ruled.role,
    coalesce(leads.new_owner_id, ruled.fixed_owner_id) as fixed_owner_id,
    case
        when leads.new_owner_id is not null
        then leads.gives_to
        when ruled.fixed_owner_id is not null
        then ruled.owner_from
    end as given_by,
    -- The promise made at the hand-over stays, as long as the policy still knows it.
    coalesce(kept.tier_id, tiered.sla_tier) as sla_tier,
    promised.channels
from leads
left join ruled on leads.lead_key = ruled.lead_key
left join tiered on leads.lead_key = tiered.lead_key
left join tiers as kept on leads.previous_tier = kept.tier_id
left join
    tiers as promised on coalesce(kept.tier_id, tiered.sla_tier) = promised.tier_id
