-- A day of its own is closed, or has hours that end after they begin: hours over
-- midnight are two days, and two that overlap count the same hour twice.
with
    days as (
        select
            *,
            lead(opens) over of_day as opens_next,
            bool_or(opens is null) over of_day_whole as is_closed_too,
            count(*) over of_day_whole as rows_of_day
        from {{ ref("holidays") }}
        window
            of_day as (partition by calendar_id, holiday_date order by opens, closes),
            of_day_whole as (partition by calendar_id, holiday_date)
    ),
    judged as (
        select
            holiday_id,
            case
                when (opens is null) <> (closes is null)
                then 'has a time to open or to close, and not both'
                when opens >= closes
                then concat('opens at ', opens, ' and closes at ', closes)
                when rows_of_day > 1 and is_closed_too
                then
                    concat(
                        'stands beside another row of ',
                        holiday_date,
                        ', and one of them is closed'
                    )
                when closes > opens_next
                then
                    concat(
                        'closes at ',
                        closes,
                        ', after the next window of that day opens'
                    )
            end as problem
        from days
    )
select
    'holidays.csv' as file,
    holiday_id as row_id,
    problem,
    'Leave opens and closes empty on a closed day, or write both as 09:00 and 13:00'
    as cure
from judged
where problem is not null
order by holiday_id
