-- A day that closes before it opens, or a zone nobody knows, makes every due time of
-- a rep null or wrong; two windows that overlap count the same hour twice.
with
    zones as (select name from pg_timezone_names()),
    hours as (
        select
            *,
            lead(opens) over (
                partition by calendar_id, weekday order by opens, closes
            ) as opens_next,
            min(time_zone) over (partition by calendar_id) as zone_of_calendar
        from {{ ref("business_hours") }}
    ),
    judged as (
        select
            hours_id,
            case
                when opens is null or closes is null or opens >= closes
                then concat('opens at ', opens, ' and closes at ', closes)
                when weekday is null or weekday not between 1 and 7
                then concat('has the weekday ', weekday)
                when time_zone is null or time_zone not in (select name from zones)
                then
                    concat(
                        'has the zone ', time_zone, ', which is not on the IANA list'
                    )
                when time_zone <> zone_of_calendar
                then
                    printf(
                        'has the zone %s and others of %s have %s',
                        time_zone,
                        calendar_id,
                        zone_of_calendar
                    )
                when closes > opens_next
                then
                    concat(
                        'closes at ',
                        closes,
                        ', after the next window of that day opens'
                    )
            end as problem
        from hours
    )
select
    'business_hours.csv' as file,
    hours_id as row_id,
    problem,
    'Write local times as 09:00, weekdays as 1 (Monday) to 7, and one zone such as Europe/Paris'
    as cure
from judged
where problem is not null
union all
select distinct
    'reps.csv',
    reps.user_id,
    printf(
        'has the calendar %s, which has no hours', coalesce(reps.calendar_id, '(none)')
    ),
    'Name a calendar_id of business_hours.csv'
from {{ ref("reps") }} as reps
where coalesce(reps.calendar_id, '') not in (select calendar_id from hours)
