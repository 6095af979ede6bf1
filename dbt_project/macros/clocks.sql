{#
  The newest owner of each lead, its clock after every move of it, and the first touch by a
  person since the clock began. Whoever works on the leads of one run asks for these only:
  `leads` is a condition on assignments.lead_key, `activities` where their touches stand.
#}
{% macro assigned(leads, activities) %}
    (
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
                where assignments.as_of <= {{ as_of() }} and {{ leads }}
            ),
            -- Who got a lead with its clock as it stood goes on with that clock.
            followed as (
                select
                    *,
                    coalesce(cause, 'handover') <> 'handover'
                    -- Rows older than the column are known by their due time.
                    and coalesce(
                        clock_since < as_of,
                        due_as_assigned
                        in (lag(due_as_assigned) over story, lag(sla_due_at) over story)
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
                    first(calendar_id) over of_clock as calendar_as_assigned,
                    first(channels) over of_clock as channels_promised
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
            heard as (
                select
                    newest.lead_key,
                    activities.owner_id,
                    activities.channel,
                    activities.occurred_at,
                    activities.occurred_at <= newest.sla_due_at as is_in_time,
                    -- What was agreed when the owner was given: an edit unmakes no
                    -- touch.
                    coalesce(
                        list_contains(
                            string_split(
                                coalesce(newest.channels_promised, tiers.channels), '|'
                            ),
                            activities.channel
                        ),
                        true
                    ) as is_agreed
                from newest
                inner join
                    {{ activities }} as activities
                    on newest.lead_key = activities.lead_key
                    and activities.channel is not null
                    and activities.occurred_at >= newest.clock_started_at
                left join
                    {{ ref("sla_tiers") }} as tiers on newest.sla_tier = tiers.tier_id
            ),
            touches as (
                select
                    lead_key,
                    count(*) as touch_count,
                    count(*) filter (where is_in_time) as touches_in_time,
                    min(occurred_at) filter (where is_agreed) as first_at,
                    arg_min(owner_id, occurred_at) filter (where is_agreed) as first_by,
                    arg_min(channel, occurred_at) filter (
                        where is_agreed
                    ) as first_channel
                from heard
                group by lead_key
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
    )
{% endmacro %}


{#
  How the clock of each assignment stands: lead_clocks for some assignments only, which are
  rows of lead_assignments.
#}
{% macro clocks_of(assignments) %}
    (
        with
            assignments as (select * from {{ assignments }}),
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
                        when
                            closed.lead_key is not null
                            and ran_out.assignment_key is not null
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
    )
{% endmacro %}
