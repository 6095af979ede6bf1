-- One row per lead due for a decision: the rule that matched, the pool or the fixed
-- owner, the tier.
{{ config(access="public") }}
-- depends_on: {{ ref('leads_touched') }}
with
    leads as (select * from {{ ref("int_leads__to_decide") }} {{ where_touched() }}),
    reps as (select * from {{ ref("int_reps__available") }}),
    rules as (select * from {{ ref("routing_rules") }}),
    tiers as (select * from {{ ref("sla_tiers") }}),
    named as (
        select lead_key, 'current_owner' as owner_from, current_owner_id as owner_id
        from leads
        union all
        select
            lead_key,
            'opportunity_owner' as owner_from,
            opportunity_owner_id as owner_id
        from leads
        union all
        select lead_key, 'account_owner' as owner_from, account_owner_id as owner_id
        from leads
    ),
    owners as (
        select named.*
        from named
        inner join reps on named.owner_id = reps.user_id
        where reps.why_not is null
    ),
    ruled as (
        select
            leads.lead_key,
            rules.rule_id as routing_rule,
            rules.pool,
            owners.owner_id as fixed_owner_id,
            rules.reason as routing_reason
        from leads
        cross join rules
        left join
            owners
            on leads.lead_key = owners.lead_key
            and rules.owner_from = owners.owner_from
        where
            leads.decision = 'mql'
            and (rules.owner_from is null or owners.owner_id is not null)
            and (rules.country is null or rules.country = leads.country)
            and (rules.region is null or rules.region = leads.region)
            and (rules.industry is null or rules.industry = leads.industry)
            and (rules.min_icp_score is null or rules.min_icp_score <= leads.icp_score)
            and (
                rules.min_employees is null
                or rules.min_employees <= leads.employee_count
            )
            and (rules.trigger_type is null or rules.trigger_type = leads.trigger_type)
        qualify
            row_number() over (partition by leads.lead_key order by rules.priority) = 1
    ),
    tiered as (
        select leads.lead_key, tiers.tier_id as sla_tier
        from leads
        inner join
            tiers
            on (tiers.trigger_type is null or tiers.trigger_type = leads.trigger_type)
            and (tiers.min_icp_score is null or tiers.min_icp_score <= leads.icp_score)
        qualify
            row_number() over (partition by leads.lead_key order by tiers.priority) = 1
    )
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
    ruled.routing_rule,
    ruled.routing_reason,
    ruled.pool,
    ruled.fixed_owner_id,
    tiered.sla_tier
from leads
left join ruled on leads.lead_key = ruled.lead_key
left join tiered on leads.lead_key = tiered.lead_key
