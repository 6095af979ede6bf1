-- A warning after the due time warns nobody. A clock longer than the open hours
-- looked ahead in a calendar would never run out: its due time is null.
with
    tiers as (select * from {{ ref("sla_tiers") }}),
    calendars as (
        select
            calendar_id,
            sum(date_diff('minute', opens, closes))
            * floor({{ var("business_days_ahead") }} / 7 - 1) as open_minutes
        from {{ ref("business_hours") }}
        group by calendar_id
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
                calendars.open_minutes::bigint
            ) as problem,
            'Shorten it, or open the calendar of business_hours.csv for longer' as cure
        from tiers
        inner join
            calendars
            on tiers.clock = 'business_hours'
            and tiers.minutes > calendars.open_minutes
    )
select 'sla_tiers.csv' as file, tier_id as row_id, problem, cure
from judged
where problem is not null
order by tier_id
