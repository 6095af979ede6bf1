-- One row per running clock that the policy of now sets to another time than it has.
{{ config(materialized="view", access="protected") }}
with
    profiles as (
        select lead_key from {{ ref("lead_profiles") }} where is_open and is_handed_over
    ),
    -- Of the leads of this run, which are those the edit can affect.
    running as (
        select assigned.*, tiers.clock, tiers.minutes, tiers.warn_minutes
        from
            {{
                assigned(
                    "assignments.lead_key in (select lead_key from "
                    ~ ref("leads_touched")
                    ~ ")",
                    ref("lead_activities"),
                )
            }} as assigned
        inner join profiles on assigned.lead_key = profiles.lead_key
        inner join {{ ref("sla_tiers") }} as tiers on assigned.sla_tier = tiers.tier_id
        where assigned.first_response_at is null and assigned.sla_due_at is not null
    ),
    windows as (
        select *
        from
            {{
                open_windows(
                    "(select coalesce(min(clock_started_at), "
                    ~ as_of()
                    ~ ") from running)",
                    clock_horizon(),
                )
            }}
    ),
    marks as (
        select
            {'lead_key':lead_key, 'mark':mark.name} as mark_key,
            calendar_id,
            clock,
            clock_started_at as starts_at,
            mark.minutes
        from running
        cross join
            unnest(
                [
                    {'name':'warn', 'minutes':warn_minutes},
                    {'name':'due', 'minutes':minutes}
                ]
            ) as marked(mark)
    ),
    falling as (
        select
            mark_key.lead_key,
            max(falls_at) filter (where mark_key.mark = 'warn') as sla_warn_at,
            max(falls_at) filter (where mark_key.mark = 'due') as sla_due_at
        from {{ clocks_out("marks", "windows") }}
        group by mark_key.lead_key
    ),
    edits as (
        select
            policy_table,
            policy_row ->> '$.calendar_id' as calendar_id,
            policy_row ->> '$.tier_id' as tier_id,
            coalesce(
                policy_row ->> '$.holiday_id',
                policy_row ->> '$.hours_id',
                policy_row ->> '$.tier_id'
            ) as row_id
        from {{ ref("int_policy__changed") }}
        where policy_table in ('business_hours', 'holidays', 'sla_tiers')
    ),
    edited as (
        select
            running.lead_key,
            string_agg(
                distinct edits.policy_table || '.csv row ' || edits.row_id,
                ', '
                order by edits.policy_table || '.csv row ' || edits.row_id
            ) as edited
        from running
        inner join
            edits
            on case
                edits.policy_table
                when 'sla_tiers'
                then edits.tier_id = running.sla_tier
                else edits.calendar_id = running.calendar_id
            end
        group by running.lead_key
    )
select
    running.assignment_key || ':' || (running.times_moved + 1) as move_key,
    running.assignment_key,
    running.lead_key,
    running.sla_warn_at as warn_before,
    running.sla_due_at as due_before,
    falling.sla_warn_at,
    falling.sla_due_at,
    coalesce(
        'edited: ' || edited.edited, 'another policy than the one it was set by'
    ) as reason
from running
inner join falling on running.lead_key = falling.lead_key
left join edited on running.lead_key = edited.lead_key
where
    falling.sla_due_at is not null
    and (falling.sla_due_at, falling.sla_warn_at)
    is distinct from (running.sla_due_at, running.sla_warn_at)
