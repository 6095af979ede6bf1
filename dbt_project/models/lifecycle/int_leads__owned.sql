-- One row per lead with a decision: what was decided, who owns it, and how its clock
-- stands.
-- depends_on: {{ ref('leads_touched') }}
with
    decisions as (
        select *
        from
            {{ recorded("decisions") }} {{ where_touched() }} and as_of <= {{ as_of() }}
        -- A hand-over speaks louder than the adoption before it.
        qualify
            row_number() over (partition by lead_key order by decision desc, as_of) = 1
    ),
    assignments as (
        select *
        from
            {{ recorded("assignments") }}
            {{ where_touched() }} and as_of <= {{ as_of() }}
        qualify row_number() over (partition by lead_key order by as_of desc) = 1
    ),
    responses as (
        select activities.lead_key, min(activities.occurred_at) as first_response_at
        from {{ ref("lead_activities") }} as activities
        inner join assignments on activities.lead_key = assignments.lead_key
        where activities.occurred_at >= assignments.as_of
        group by activities.lead_key
    ),
    -- Receipts of earlier runs: this run's come after this table.
    receipts as (
        select
            lead_key,
            min(recorded_at) filter (where target = 'salesforce.lead') as written_at,
            min(recorded_at) filter (
                where target in ('slack.message', 'smtp.message')
            ) as notified_at
        from
            {{ recorded("receipts") }}
            {{ where_touched() }} and status = 'accepted' and as_of < {{ as_of() }}
        group by lead_key
    ),
    confirmed as (
        select baton_lead_key as lead_key, min(known_at) as confirmed_at
        from
            {{ by_present_key(ref("stg_salesforce__lead_versions"), "baton_lead_key") }}
        where baton_lead_key in (select lead_key from assignments)
        group by baton_lead_key
    )
select
    decisions.lead_key,
    decisions.decision,
    decisions.reason as decision_reason,
    decisions.policy_version,
    decisions.as_of as decided_at,
    decisions.recorded_at as scored_at,
    assignments.owner_id,
    assignments.as_of as owner_assigned_at,
    assignments.recorded_at as routed_at,
    assignments.routing_rule,
    assignments.pool,
    assignments.sla_tier,
    assignments.sla_warn_at,
    assignments.sla_due_at,
    responses.first_response_at,
    case
        when assignments.sla_due_at is null
        then null
        when responses.first_response_at <= assignments.sla_due_at
        then 'met'
        when responses.first_response_at is not null
        then 'breached'
        when {{ as_of() }} >= assignments.sla_due_at
        then 'red'
        when {{ as_of() }} >= assignments.sla_warn_at
        then 'yellow'
        else 'green'
    end as sla_status,
    case
        when responses.first_response_at is not null
        then null
        when {{ as_of() }} < assignments.sla_warn_at
        then assignments.sla_warn_at
        when {{ as_of() }} < assignments.sla_due_at
        then assignments.sla_due_at
    end as next_change_at,
    receipts.written_at,
    confirmed.confirmed_at,
    receipts.notified_at
from decisions
left join assignments on decisions.lead_key = assignments.lead_key
left join responses on decisions.lead_key = responses.lead_key
left join receipts on decisions.lead_key = receipts.lead_key
left join confirmed on decisions.lead_key = confirmed.lead_key
