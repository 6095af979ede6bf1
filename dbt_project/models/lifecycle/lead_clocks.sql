-- One row per lead that was given to somebody: how its first-touch clock stands.
{{ config(materialized="view", access="public") }}
with
    assignments as (select * from {{ ref("lead_assignments") }}),
    tiers as (select * from {{ ref("sla_tiers") }}),
    closed as (
        select staged.lead_key
        from {{ ref("int_leads__staged") }} as staged
        inner join
            {{ ref("lifecycle_stages") }} as stages
            on staged.lifecycle_stage = stages.lifecycle_stage
        where not stages.is_open
    ),
    -- Whose owner was told that it ran out did not leave in time.
    ran_out as (
        select distinct assignment_key
        from {{ source("ops", "sla_actions") }}
        where action = 'coach'
    ),
    judged as (
        select
            assignments.*,
            tiers.most_touches,
            case
                when assignments.sla_due_at is null
                then null
                when assignments.first_response_at <= assignments.sla_due_at
                then 'met'
                when assignments.first_response_at is not null
                then 'breached'
                when closed.lead_key is not null and ran_out.assignment_key is not null
                then 'breached'
                when closed.lead_key is not null
                then 'closed'
                when {{ as_of() }} >= assignments.sla_due_at
                then 'red'
                when {{ as_of() }} >= assignments.sla_warn_at
                then 'yellow'
                else 'green'
            end as sla_status
        from assignments
        left join tiers on assignments.sla_tier = tiers.tier_id
        left join closed on assignments.lead_key = closed.lead_key
        left join ran_out on assignments.assignment_key = ran_out.assignment_key
    )
select
    assignment_key,
    lead_key,
    cause,
    owner_id,
    previous_owner_id,
    backup_owner_id,
    routing_rule,
    pool,
    sla_tier,
    calendar_id,
    assigned_at,
    routed_at,
    clock_started_at,
    due_as_assigned,
    sla_warn_at,
    sla_due_at,
    move_reason,
    first_response_at,
    first_response_by,
    first_response_channel,
    touch_count,
    coalesce(touches_in_time > most_touches, false) as is_hammered,
    sla_status,
    coalesce(sla_status in ('green', 'yellow', 'red'), false) as is_running,
    case
        sla_status when 'green' then sla_warn_at when 'yellow' then sla_due_at
    end as next_change_at
from judged
