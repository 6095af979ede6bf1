-- One row per calendar and SLA tier: when a lead assigned now must be warned about
-- and touched.
{{ config(materialized="view") }}
with
    windows as (select * from {{ open_windows(as_of(), clock_horizon()) }}),
    calendars as (select distinct calendar_id from {{ ref("business_hours") }}),
    tiers as (select * from {{ ref("sla_tiers") }}),
    marks as (
        select
            {
                'calendar_id':calendars.calendar_id,
                'tier_id':tiers.tier_id,
                'mark':mark.name
            } as mark_key,
            calendars.calendar_id,
            tiers.clock,
            {{ as_of() }} as starts_at,
            mark.minutes
        from calendars
        cross join tiers
        cross join
            unnest(
                [
                    {'name':'warn', 'minutes':tiers.warn_minutes},
                    {'name':'due', 'minutes':tiers.minutes}
                ]
            ) as marked(mark)
    )
select
    mark_key.calendar_id,
    mark_key.tier_id,
    max(falls_at) filter (where mark_key.mark = 'warn') as warn_at,
    max(falls_at) filter (where mark_key.mark = 'due') as due_at
from {{ clocks_out("marks", "windows") }}
group by mark_key.calendar_id, mark_key.tier_id
