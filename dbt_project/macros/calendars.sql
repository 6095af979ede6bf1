{#
  The open windows of every calendar around now, in UTC, with the open minutes before each.
  The zone is applied to each local time, so the day the clock changes is as long as it is.
#}
{% macro open_windows() %}
    (
        with
            days as (
                select
                    unnest(
                        generate_series(
                            date_trunc('day', {{ as_of() }}) - to_days(2),
                            date_trunc('day', {{ as_of() }})
                            + to_days({{ var("business_days_ahead") }}),
                            to_days(1)
                        )
                    )::date as local_date
            ),
            opened as (
                select
                    hours.calendar_id,
                    -- A day is over when it is over there, not in UTC.
                    days.local_date
                    > timezone(hours.time_zone, timezone('UTC', {{ as_of() }}))::date
                    as is_after_today,
                    timezone(
                        'UTC', timezone(hours.time_zone, days.local_date + hours.opens)
                    ) as opens_at,
                    timezone(
                        'UTC', timezone(hours.time_zone, days.local_date + hours.closes)
                    ) as closes_at
                from days
                inner join
                    {{ ref("business_hours") }} as hours
                    on isodow(days.local_date) = hours.weekday
                left join
                    {{ ref("holidays") }} as holidays
                    on hours.calendar_id = holidays.calendar_id
                    and days.local_date = holidays.holiday_date
                where holidays.holiday_id is null
            ),
            ahead as (
                select
                    calendar_id,
                    is_after_today,
                    greatest(opens_at, {{ as_of() }}) as opens_at,
                    closes_at
                from opened
                where closes_at > {{ as_of() }}
            )
        select
            calendar_id,
            is_after_today,
            opens_at,
            closes_at,
            date_diff('second', opens_at, closes_at) as seconds,
            coalesce(
                sum(date_diff('second', opens_at, closes_at)) over (
                    partition by calendar_id
                    order by opens_at
                    rows between unbounded preceding and 1 preceding
                ),
                0
            ) as seconds_before
        from ahead
    )
{% endmacro %}
