-- One row per lead with a decision: what was decided, who owns it, and how its clock
-- stands.
-- depends_on: {{ ref('leads_touched') }}
with
    decisions as (
        select *
        from
            {{ recorded("decisions") }} {{ where_touched() }} and as_of <= {{ as_of() }}
        -- A hand-over speaks louder than the adoption before it, the newest loudest.
        qualify
            row_number() over (partition by lead_key order by decision desc, as_of desc)
            = 1
    ),
    assigned as (
        select assigned.*
        from
            {{
                assigned(
                    among_touched("assignments.lead_key"), ref("lead_activities")
                )
            }} as assigned
    ),
    clocks as (select clocks.* from {{ clocks_of("assigned") }} as clocks),
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
        where baton_lead_key in (select lead_key from clocks)
        group by baton_lead_key
    )
select
    decisions.lead_key,
    decisions.decision,
    decisions.reason as decision_reason,
    decisions.policy_version,
    decisions.as_of as decided_at,
    decisions.recorded_at as scored_at,
    clocks.last_owner_id as owner_id,
    clocks.assigned_at as owner_assigned_at,
    clocks.routed_at,
    clocks.routing_rule,
    clocks.pool,
    clocks.sla_tier,
    clocks.sla_warn_at,
    clocks.sla_due_at,
    clocks.first_response_at,
    clocks.sla_status,
    clocks.next_change_at,
    receipts.written_at,
    confirmed.confirmed_at,
    receipts.notified_at
from decisions
left join clocks on decisions.lead_key = clocks.lead_key
left join receipts on decisions.lead_key = receipts.lead_key
left join confirmed on decisions.lead_key = confirmed.lead_key
