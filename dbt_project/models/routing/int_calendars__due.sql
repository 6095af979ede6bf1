-- One row per calendar and SLA tier: when a lead assigned now must be warned about
-- and touched.
{{ config(materialized="view") }}
with
    windows as (select * from {{ open_windows() }}),
    calendars as (select distinct calendar_id from {{ ref("business_hours") }}),
    tiers as (select * from {{ ref("sla_tiers") }}),
    marks as (
        select
            tiers.tier_id,
            tiers.clock,
            'warn' as mark,
            tiers.warn_minutes * 60 as seconds
        from tiers
        union all
        select tiers.tier_id, tiers.clock, 'due' as mark, tiers.minutes * 60 as seconds
        from tiers
    ),
    next_days as (
        select calendar_id, min(opens_at) filter (where is_after_today) as opens_at
        from windows
        group by calendar_id
    ),
    placed as (
        select
            calendars.calendar_id,
            marks.tier_id,
            marks.mark,
            case
                marks.clock
                when 'wall'
                then {{ as_of() }} + to_seconds(marks.seconds)
                when 'next_business_day'
                then next_days.opens_at + to_seconds(marks.seconds)
                else
                    windows.opens_at
                    + to_seconds(marks.seconds - windows.seconds_before)
            end as falls_at
        from calendars
        cross join marks
        left join next_days on calendars.calendar_id = next_days.calendar_id
        left join
            windows
            on calendars.calendar_id = windows.calendar_id
            and marks.clock = 'business_hours'
            and marks.seconds > windows.seconds_before
            and marks.seconds <= windows.seconds_before + windows.seconds
    )
select
    calendar_id,
    tier_id,
    max(falls_at) filter (where mark = 'warn') as warn_at,
    max(falls_at) filter (where mark = 'due') as due_at
from placed
group by calendar_id, tier_id
