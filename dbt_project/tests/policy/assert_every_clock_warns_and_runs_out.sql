-- A warning after the due time warns nobody. A clock longer than the open hours
-- looked ahead in a calendar would never run out: its due time is null.
with
    tiers as (select * from {{ ref("sla_tiers") }}),
    horizons as (
        select try_cast(value as integer) as days
        from {{ ref("constants") }}
        where constant_id = 'clock_horizon_days'
    ),
    days as (
        select
            calendar_id,
            weekday,
            sum(date_diff('minute', opens, closes)) as open_minutes
        from {{ ref("business_hours") }}
        group by calendar_id, weekday
    ),
    weeks as (
        select
            calendar_id,
            sum(open_minutes) as open_minutes,
            max(open_minutes) as longest_day
        from days
        group by calendar_id
    ),
    -- The most days of their own that stand in the days looked ahead, from any of them.
    closed as (
        select calendar_id, max(days) as days
        from
            (
                select holidays.calendar_id, count(*) as days
                from {{ ref("holidays") }} as holidays
                cross join horizons
                inner join
                    {{ ref("holidays") }} as others
                    on holidays.calendar_id = others.calendar_id
                    and others.holiday_date
                    between holidays.holiday_date and holidays.holiday_date
                    + to_days(horizons.days)
                group by holidays.calendar_id, holidays.holiday_id
            )
        group by calendar_id
    ),
    calendars as (
        select
            weeks.calendar_id,
            -- A week may be cut at either end.
            weeks.open_minutes * (floor(horizons.days / 7) - 1)
            - weeks.longest_day * coalesce(closed.days, 0) as open_minutes
        from weeks
        cross join horizons
        left join closed on weeks.calendar_id = closed.calendar_id
    ),
    judged as (
        select
            tier_id,
            case
                when minutes <= 0
                then printf('is due after %d minutes', minutes)
                when warn_minutes <= 0 or warn_minutes >= minutes
                then printf('warns after %d of %d minutes', warn_minutes, minutes)
            end as problem,
            'Let warn_minutes lie between 0 and minutes' as cure
        from tiers
        union all
        select
            tiers.tier_id,
            printf(
                'is due after %d open minutes, and %s has only %d in the days looked ahead',
                tiers.minutes,
                calendars.calendar_id,
                greatest(calendars.open_minutes, 0)::bigint
            ) as problem,
            'Shorten it, open the calendar of business_hours.csv for longer, or look '
            || 'further ahead with clock_horizon_days of constants.csv' as cure
        from tiers
        inner join
            calendars
            on tiers.clock <> 'wall'
            and tiers.minutes > calendars.open_minutes
        union all
        select
            tier_id,
            'counts touches by ' || channels || ', which names no channel' as problem,
            'Write call, email or meeting, with | between them' as cure
        from tiers
        where
            not regexp_full_match(
                channels, '(call|email|meeting)(\|(call|email|meeting))*'
            )
        union all
        select
            tier_id,
            printf('says %d touches are enough', most_touches) as problem,
            'Let most_touches be 1 or more' as cure
        from tiers
        where most_touches < 1
    )
select 'sla_tiers.csv' as file, tier_id as row_id, problem, cure
from judged
where problem is not null
union all
select
    'constants.csv',
    'clock_horizon_days',
    'is not there as a whole number of days from 14 to 365',
    'Write how many days ahead calendars are looked up, such as 60'
where coalesce((select min(days) from horizons), 0) not between 14 and 365
order by 1, 2
