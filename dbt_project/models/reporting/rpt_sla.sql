-- One row per tier and owner: how many first touches of all clocks that were started
-- were on time, how long they took, and where one was too many.
with
    clocks as (
        select * from {{ ref("lead_clock_history") }} where sla_status is not null
    ),
    windows as (
        select *
        from
            {{
                open_windows(
                    "(select coalesce(min(clock_started_at), "
                    ~ as_of()
                    ~ ") from clocks)",
                    as_of(),
                )
            }}
    ),
    spans as (
        select
            clock_key as span_key,
            calendar_id,
            clock_started_at as from_at,
            first_response_at as until_at
        from clocks
        where first_response_at is not null and calendar_id is not null
    ),
    waited as (select * from {{ open_time("spans", "windows") }})
select
    clocks.sla_tier,
    clocks.owner_id,
    count(*) as clocks,
    count(*) filter (where clocks.sla_status = 'met') as met,
    count(*) filter (where clocks.sla_status = 'breached') as breached,
    count(*) filter (where clocks.sla_status = 'red') as overdue,
    count(*) filter (where clocks.sla_status in ('green', 'yellow')) as running,
    count(*) filter (where clocks.sla_status = 'closed') as closed,
    -- What still runs in time, or ended in time untouched, says nothing.
    round(
        100.0
        * count(*) filter (where clocks.sla_status = 'met')
        / nullif(
            count(*) filter (where clocks.sla_status in ('met', 'breached', 'red')), 0
        ),
        1
    ) as attained_percent,
    round(median(waited.open_minutes), 1) as median_open_minutes,
    count(*) filter (where clocks.is_hammered) as hammered
from clocks
left join waited on clocks.clock_key = waited.span_key
group by clocks.sla_tier, clocks.owner_id
