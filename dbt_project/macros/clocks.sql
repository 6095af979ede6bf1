{#
  The first-touch clocks of each lead: who had the lead while each ran, its times after every
  move, and the first touch by a person while it ran. Whoever works on the leads of one run asks
  for these only: `leads` is a condition on assignments, `activities` where their touches stand.
  This is the one meaning of touched: on a channel that was agreed, since the clock began.
#}
{% macro clocks_started(leads, activities) %}
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
            -- The newest owner of each clock, with all who had it before.
            held as (
                select
                    *,
                    min(as_of) over of_clock as clock_started_at,
                    first(owner_id) over of_clock as clock_owner_id,
                    first(calendar_id) over of_clock as calendar_as_assigned,
                    first(channels) over of_clock as channels_promised,
                    list({'owner_id':owner_id, 'since':as_of}) over of_clock as holders
                from numbered
                window
                    of_clock as (
                        partition by lead_key, clock_number order by as_of, draw_number
                    )
                qualify
                    row_number() over (
                        partition by lead_key, clock_number
                        order by as_of desc, draw_number desc
                    )
                    = 1
            ),
            clocks as (
                select
                    *,
                    lead(clock_started_at) over (
                        partition by lead_key order by clock_number
                    ) as next_clock_at
                from held
            ),
            heard as (
                select
                    clocks.lead_key,
                    clocks.clock_number,
                    activities.owner_id,
                    activities.channel,
                    activities.occurred_at,
                    activities.occurred_at <= clocks.sla_due_at as is_in_time,
                    -- What was agreed when the owner was given: an edit unmakes no
                    -- touch.
                    coalesce(
                        list_contains(
                            string_split(
                                coalesce(clocks.channels_promised, tiers.channels), '|'
                            ),
                            activities.channel
                        ),
                        true
                    ) as is_agreed
                from clocks
                inner join
                    {{ activities }} as activities
                    on clocks.lead_key = activities.lead_key
                    and activities.channel is not null
                    and activities.occurred_at >= clocks.clock_started_at
                    and coalesce(activities.occurred_at < clocks.next_clock_at, true)
                left join
                    {{ ref("sla_tiers") }} as tiers on clocks.sla_tier = tiers.tier_id
            ),
            touches as (
                select
                    lead_key,
                    clock_number,
                    count(*) as touch_count,
                    count(*) filter (where is_in_time) as touches_in_time,
                    min(occurred_at) filter (where is_agreed) as first_at,
                    arg_min(owner_id, occurred_at) filter (where is_agreed) as first_by,
                    arg_min(channel, occurred_at) filter (
                        where is_agreed
                    ) as first_channel
                from heard
                group by lead_key, clock_number
            )
        select
            clocks.assignment_key,
            clocks.lead_key,
            clocks.clock_number::integer as clock_number,
            coalesce(clocks.cause, 'handover') as cause,
            clocks.owner_id,
            clocks.previous_owner_id,
            clocks.backup_owner_id,
            clocks.routing_rule,
            clocks.pool,
            clocks.account_key,
            clocks.given_by,
            clocks.sla_tier,
            clocks.clock_owner_id,
            clocks.holders,
            -- The promise is counted by whose hours it was made; rows older than the
            -- column do not say.
            coalesce(clocks.calendar_as_assigned, reps.calendar_id) as calendar_id,
            clocks.as_of as assigned_at,
            clocks.recorded_at as routed_at,
            clocks.clock_started_at,
            clocks.next_clock_at,
            clocks.due_as_assigned,
            clocks.sla_warn_at,
            clocks.sla_due_at,
            clocks.times_moved,
            clocks.move_reason,
            touches.first_at as first_response_at,
            touches.first_by as first_response_by,
            touches.first_channel as first_response_channel,
            coalesce(touches.touch_count, 0) as touch_count,
            coalesce(touches.touches_in_time, 0) as touches_in_time
        from clocks
        left join
            touches
            on clocks.lead_key = touches.lead_key
            and clocks.clock_number = touches.clock_number
        left join {{ ref("reps") }} as reps on clocks.clock_owner_id = reps.user_id
    )
{% endmacro %}


{# The newest clock of each lead, which is its newest owner's. #}
{% macro assigned(leads, activities) -%}
    (select * from {{ clocks_started(leads, activities) }} where next_clock_at is null)
{%- endmacro %}


{#
  How first-touch clocks stand, and what ended them: lead_clock_history for some clocks only,
  which are rows of int_clocks__started. What came first ended a clock: the touch, the next
  clock, or the lead's leaving the funnel; a touch in time meets it all the same.
#}
{% macro clocks_of(clocks) %}
    (
        with
            clocks as (select * from {{ clocks }}),
            tiers as (select * from {{ ref("sla_tiers") }}),
            stages as (
                select
                    history.lead_key,
                    history.stage_number,
                    coalesce(history.entered_at, history.known_at) as entered_at,
                    history.left_at,
                    stages.is_way_out or not stages.is_open as is_out,
                    count(*) filter (
                        where not (stages.is_way_out or not stages.is_open)
                    ) over (partition by history.lead_key order by history.stage_number)
                    as stages_in
                from {{ ref("lead_stage_history") }} as history
                inner join
                    {{ ref("lifecycle_stages") }} as stages
                    on history.lifecycle_stage = stages.lifecycle_stage
                where
                    history.is_current
                    and not history.is_passed_over
                    and history.lead_key in (select lead_key from clocks)
            ),
            -- Out of the funnel is one time, by however many stages it goes.
            absences as (
                select
                    lead_key,
                    min(entered_at) as left_funnel_at,
                    case
                        when not bool_or(left_at is null) then max(left_at)
                    end as came_back_at
                from stages
                where is_out
                group by lead_key, stages_in
            ),
            -- Who came back before the next clock began did not leave this one.
            left_funnel as (
                select
                    clocks.lead_key,
                    clocks.clock_number,
                    min(absences.left_funnel_at) as left_funnel_at
                from clocks
                inner join
                    absences
                    on clocks.lead_key = absences.lead_key
                    and coalesce(clocks.next_clock_at >= absences.left_funnel_at, true)
                    and (
                        absences.came_back_at is null
                        or absences.came_back_at >= clocks.next_clock_at
                    )
                group by clocks.lead_key, clocks.clock_number
            ),
            ended as (
                select
                    clocks.*,
                    tiers.most_touches,
                    left_funnel.left_funnel_at,
                    coalesce(
                        clocks.first_response_at <= clocks.sla_due_at, false
                    ) as is_met,
                    case
                        when clocks.first_response_at <= clocks.sla_due_at
                        then clocks.first_response_at
                        else
                            least(
                                clocks.first_response_at,
                                left_funnel.left_funnel_at,
                                clocks.next_clock_at
                            )
                    end as ended_at
                from clocks
                left join tiers on clocks.sla_tier = tiers.tier_id
                left join
                    left_funnel
                    on clocks.lead_key = left_funnel.lead_key
                    and clocks.clock_number = left_funnel.clock_number
            ),
            judged as (
                select
                    *,
                    case
                        when sla_due_at is null
                        then null
                        when is_met
                        then 'met'
                        when ended_at <= sla_due_at
                        then 'closed'
                        when ended_at is not null
                        then 'breached'
                        when {{ as_of() }} >= sla_due_at
                        then 'red'
                        when {{ as_of() }} >= sla_warn_at
                        then 'yellow'
                        else 'green'
                    end as sla_status,
                    least(ended_at, sla_due_at, {{ as_of() }}) as decided_at
                from ended
            )
        select
            lead_key || ':' || clock_number as clock_key,
            assignment_key,
            lead_key,
            clock_number,
            next_clock_at is null as is_newest,
            cause,
            -- Who had the lead when it was decided.
            coalesce(
                list_filter(holders, lambda holder:holder.since <= decided_at)[-1],
                holders[1]
            ).owner_id as owner_id,
            owner_id as last_owner_id,
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
            ended_at,
            case
                ended_at
                when first_response_at
                then 'touched'
                when left_funnel_at
                then 'left the funnel'
                when next_clock_at
                then 'another clock began'
            end as ended_by,
            case
                sla_status when 'green' then sla_warn_at when 'yellow' then sla_due_at
            end as next_change_at
        from judged
    )
{% endmacro %}
