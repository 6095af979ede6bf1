-- One row per lead that was given to somebody: its newest owner, its clock after every
-- move of it, and the first touch by a person since the clock began.
{{ config(materialized="view", access="public") }}
with
    moves as (
        select
            assignment_key,
            count(*) as times_moved,
            arg_max(sla_warn_at, as_of) as sla_warn_at,
            arg_max(sla_due_at, as_of) as sla_due_at,
            arg_max(reason, as_of) as move_reason
        from {{ source("ops", "clock_moves") }}
        where as_of <= {{ as_of() }}
        group by assignment_key
    ),
    given as (
        select
            assignments.* exclude (sla_warn_at, sla_due_at),
            assignments.sla_due_at as due_as_assigned,
            coalesce(moves.sla_warn_at, assignments.sla_warn_at) as sla_warn_at,
            coalesce(moves.sla_due_at, assignments.sla_due_at) as sla_due_at,
            coalesce(moves.times_moved, 0) as times_moved,
            moves.move_reason
        from {{ recorded("assignments") }} as assignments
        left join moves on assignments.assignment_key = moves.assignment_key
        where assignments.as_of <= {{ as_of() }}
    ),
    -- Who got a lead with its clock as it stood goes on with that clock.
    followed as (
        select
            *,
            coalesce(cause, 'handover') <> 'handover'
            and due_as_assigned in (
                lag(due_as_assigned) over story, lag(sla_due_at) over story
            ) as keeps_clock
        from given
        window story as (partition by lead_key order by as_of, draw_number)
    ),
    numbered as (
        select
            *,
            count(*) filter (where not coalesce(keeps_clock, false)) over (
                partition by lead_key order by as_of, draw_number
            ) as clock_number
        from followed
    ),
    newest as (
        select
            *,
            min(as_of) over of_clock as clock_started_at,
            first(owner_id) over of_clock as clock_owner_id,
            first(calendar_id) over of_clock as calendar_as_assigned
        from numbered
        window
            of_clock as (
                partition by lead_key, clock_number order by as_of, draw_number
            )
        qualify
            row_number() over (
                partition by lead_key order by as_of desc, draw_number desc
            )
            = 1
    ),
    touches as (
        select
            newest.lead_key,
            count(*) as touch_count,
            count(*) filter (
                where activities.occurred_at <= newest.sla_due_at
            ) as touches_in_time,
            min(activities.occurred_at) filter (where counted.is_agreed) as first_at,
            arg_min(activities.owner_id, activities.occurred_at) filter (
                where counted.is_agreed
            ) as first_by,
            arg_min(activities.channel, activities.occurred_at) filter (
                where counted.is_agreed
            ) as first_channel
        from newest
        inner join
            {{ ref("human_activities") }} as activities
            on newest.lead_key = activities.lead_key
            and activities.channel is not null
            and activities.occurred_at >= newest.clock_started_at
        left join {{ ref("sla_tiers") }} as tiers on newest.sla_tier = tiers.tier_id
        cross join
            lateral(
                select
                    tiers.channels is null
                    or list_contains(
                        string_split(tiers.channels, '|'), activities.channel
                    ) as is_agreed
            ) as counted
        group by newest.lead_key
    )
select
    newest.assignment_key,
    newest.lead_key,
    coalesce(newest.cause, 'handover') as cause,
    newest.owner_id,
    newest.previous_owner_id,
    newest.backup_owner_id,
    newest.routing_rule,
    newest.pool,
    newest.account_key,
    newest.sla_tier,
    newest.clock_owner_id,
    coalesce(reps.calendar_id, newest.calendar_as_assigned) as calendar_id,
    newest.as_of as assigned_at,
    newest.recorded_at as routed_at,
    newest.clock_started_at,
    newest.due_as_assigned,
    newest.sla_warn_at,
    newest.sla_due_at,
    newest.times_moved,
    newest.move_reason,
    touches.first_at as first_response_at,
    touches.first_by as first_response_by,
    touches.first_channel as first_response_channel,
    coalesce(touches.touch_count, 0) as touch_count,
    coalesce(touches.touches_in_time, 0) as touches_in_time
from newest
left join touches on newest.lead_key = touches.lead_key
left join {{ ref("reps") }} as reps on newest.clock_owner_id = reps.user_id
