{#
  The open windows of every calendar between two moments, in UTC: calendar_id, local_date,
  opens_at, closes_at, length, and how long the calendar was open before. Lengths are
  microseconds.

  A minute is open where the clock on the wall there shows an hour that is open. So the
  hours of a day are laid over the stretches in which the offset of the zone stays what it
  is: on the day it changes, an hour that is skipped is nobody's, and one that comes twice
  counts twice.
#}
{% macro open_windows(since, until) %}
    (
        with
            zones as (
                select calendar_id, min(time_zone) as time_zone
                from {{ ref("business_hours") }}
                group by calendar_id
            ),
            -- A local date begins and ends up to 14 hours off the date in UTC.
            days as (
                select
                    unnest(
                        generate_series(
                            date_trunc('day', {{ since }}) - to_days(2),
                            date_trunc('day', {{ until }}) + to_days(2),
                            to_days(1)
                        )
                    ) as midnight
            ),
            probed as (
                select
                    zones.time_zone,
                    days.midnight,
                    {{ utc_offset("zones.time_zone", "days.midnight") }} as utc_offset,
                    lead(
                        {{ utc_offset("zones.time_zone", "days.midnight") }}
                    ) over of_zone as offset_after
                from (select distinct time_zone from zones) as zones
                cross join days
                window of_zone as (partition by zones.time_zone order by days.midnight)
            ),
            -- Zones change at a full quarter of an hour in UTC, once on such a day.
            changing as (
                select
                    *,
                    unnest(
                        generate_series(midnight, midnight + to_days(1), to_minutes(15))
                    ) as quarter
                from probed
                where utc_offset <> offset_after
            ),
            changes as (
                select
                    time_zone,
                    min(midnight) as from_at,
                    arg_min(utc_offset, midnight) as utc_offset
                from probed
                group by time_zone
                union all
                select
                    time_zone,
                    min(quarter) as from_at,
                    any_value(offset_after) as utc_offset
                from changing
                where {{ utc_offset("time_zone", "quarter") }} = offset_after
                group by time_zone, midnight
            ),
            stretches as (
                select
                    *,
                    lead(from_at, 1, timestamp '9999-01-01') over (
                        partition by time_zone order by from_at
                    ) as until_at
                from changes
            ),
            hours as (
                select
                    hours.calendar_id,
                    days.midnight::date as local_date,
                    hours.opens,
                    hours.closes
                from days
                inner join
                    {{ ref("business_hours") }} as hours
                    on isodow(days.midnight) = hours.weekday
                left join
                    {{ ref("holidays") }} as holidays
                    on hours.calendar_id = holidays.calendar_id
                    and days.midnight::date = holidays.holiday_date
                where holidays.holiday_id is null
                union all
                -- A day of its own has the hours that stand there, or none.
                select
                    holidays.calendar_id,
                    holidays.holiday_date as local_date,
                    holidays.opens,
                    holidays.closes
                from days
                inner join
                    {{ ref("holidays") }} as holidays
                    on days.midnight::date = holidays.holiday_date
                where holidays.opens is not null
            ),
            opened as (
                select
                    hours.calendar_id,
                    hours.local_date,
                    greatest(
                        hours.local_date + hours.opens - stretches.utc_offset,
                        stretches.from_at
                    ) as opens_at,
                    least(
                        hours.local_date + hours.closes - stretches.utc_offset,
                        stretches.until_at
                    ) as closes_at
                from hours
                inner join zones on hours.calendar_id = zones.calendar_id
                inner join stretches on zones.time_zone = stretches.time_zone
            )
        select
            calendar_id,
            local_date,
            opens_at,
            closes_at,
            (epoch_us(closes_at) - epoch_us(opens_at))::bigint as length,
            coalesce(
                sum(epoch_us(closes_at) - epoch_us(opens_at)) over (
                    partition by calendar_id
                    order by opens_at
                    rows between unbounded preceding and 1 preceding
                ),
                0
            )::bigint as open_before
        from opened
        where opens_at < closes_at
    )
{% endmacro %}


{# How far the clock on the wall of a zone is ahead of UTC at a moment, as an interval. #}
{% macro utc_offset(zone, moment) -%}
    (timezone({{ zone }}, timezone('UTC', {{ moment }})) - {{ moment }})
{%- endmacro %}


{#
  When each of many clocks runs out. `marks` has mark_key, calendar_id, clock (wall,
  business_hours or next_business_day), starts_at and minutes; the answer is mark_key and
  falls_at. `windows` is a relation of open windows from before the first start until late
  enough; where they end too early, falls_at is null.
#}
{% macro clocks_out(marks, windows) %}
    (
        with
            running as (select *, minutes * 60000000::bigint as runs from {{ marks }}),
            opened as (select *, open_before + length as open_after from {{ windows }}),
            mornings as (
                select
                    windows.calendar_id,
                    windows.local_date,
                    min(windows.opens_at) as opens_at,
                    min(windows.open_before) as open_before
                from opened as windows
                group by windows.calendar_id, windows.local_date
            ),
            zones as (
                select calendar_id, min(time_zone) as time_zone
                from {{ ref("business_hours") }}
                group by calendar_id
            ),
            -- How long the calendar has been open by the start, counted like the
            -- windows.
            by_start as (
                select
                    marks.mark_key,
                    marks.calendar_id,
                    marks.runs,
                    {{ open_by("marks.starts_at") }} as open_by_start
                from running as marks
                asof left join
                    opened as windows
                    on marks.calendar_id = windows.calendar_id
                    and marks.starts_at >= windows.opens_at
                where marks.clock = 'business_hours'
                union all
                -- A day is over when it is over there, not in UTC.
                select
                    marks.mark_key,
                    marks.calendar_id,
                    marks.runs,
                    mornings.open_before as open_by_start
                from
                    (
                        select
                            marks.*,
                            timezone(
                                zones.time_zone, timezone('UTC', marks.starts_at)
                            )::date as local_date
                        from running as marks
                        inner join zones on marks.calendar_id = zones.calendar_id
                        where marks.clock = 'next_business_day'
                    ) as marks
                asof inner join
                    mornings
                    on marks.calendar_id = mornings.calendar_id
                    and marks.local_date < mornings.local_date
            )
        select mark_key, starts_at + to_microseconds(runs) as falls_at
        from running
        where clock = 'wall'
        union all
        select
            by_start.mark_key,
            windows.opens_at + to_microseconds(
                by_start.open_by_start + by_start.runs - windows.open_before
            ) as falls_at
        from by_start
        asof inner join
            opened as windows
            on by_start.calendar_id = windows.calendar_id
            and by_start.open_by_start + by_start.runs <= windows.open_after
    )
{% endmacro %}


{#
  How long a calendar was open by a moment, in microseconds since its windows began; between
  two moments it was open for the difference. `windows` is the last window that opened by
  then, found by an asof join; before the first it is null.
#}
{% macro open_by(moment) -%}
    coalesce(
        windows.open_before
        + least(windows.length, epoch_us({{ moment }}) - epoch_us(windows.opens_at)),
        0
    )
{%- endmacro %}


{#
  How many minutes a calendar is open between two moments, for many of them. `spans` has
  span_key, calendar_id, from_at and until_at; the answer is span_key and open_minutes, with
  the fraction of a minute. `windows` reach from before the first to after the last.
#}
{% macro open_time(spans, windows) %}
    (
        with
            spanned as (select * from {{ spans }}),
            opened as (select * from {{ windows }}),
            begun as (
                select spans.*, {{ open_by("spans.from_at") }} as open_by_begin
                from spanned as spans
                asof left join
                    opened as windows
                    on spans.calendar_id = windows.calendar_id
                    and spans.from_at >= windows.opens_at
            )
        select
            begun.span_key,
            ({{ open_by("begun.until_at") }} - begun.open_by_begin)
            / 60000000.0 as open_minutes
        from begun
        asof left join
            opened as windows
            on begun.calendar_id = windows.calendar_id
            and begun.until_at >= windows.opens_at
    )
{% endmacro %}


{# The furthest moment calendars are unrolled to. #}
{% macro clock_horizon() -%}
    {{ as_of() }} + to_days({{ constant_number("clock_horizon_days") }}::integer)
{%- endmacro %}
