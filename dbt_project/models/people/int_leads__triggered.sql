-- One row per lead with a touch: why now, what else around it, what it read last.
-- depends_on: {{ ref('leads_touched') }}
with
    touches as (select * from {{ ref("lead_touches") }} {{ where_touched() }}),
    -- Who left the funnel comes back by what it wished for since: the wish before that
    -- was answered, however clear it was.
    wishes as (
        select
            touches.*,
            coalesce(touches.occurred_at > in_stage.left_at, true) as is_unanswered
        from touches
        left join
            {{ ref("int_leads__in_stage") }} as in_stage
            on touches.lead_key = in_stage.lead_key
        where touches.is_trigger
    ),
    -- The latest wish opens the window; inside it the clearest wish is the reason.
    latest as (
        select
            lead_key,
            max(occurred_at) as latest_at,
            bool_or(is_unanswered) as has_unanswered
        from wishes
        group by lead_key
    ),
    triggers as (
        select wishes.*
        from wishes
        inner join latest on wishes.lead_key = latest.lead_key
        where
            wishes.is_unanswered = latest.has_unanswered
            and wishes.occurred_at
            > latest.latest_at
            - to_days({{ constant_number("look_back_days") }}::integer)
        qualify
            row_number() over (
                partition by wishes.lead_key
                order by wishes.trigger_rank, wishes.occurred_at desc, wishes.touch_key
            )
            = 1
    ),
    around as (
        select touches.lead_key, touches.touch_label, count(*) as times
        from touches
        inner join triggers on touches.lead_key = triggers.lead_key
        where
            touches.touch_key <> triggers.touch_key
            and touches.occurred_at
            between triggers.occurred_at
            - to_days(
                {{ constant_number("look_back_days") }}::integer
            ) and triggers.occurred_at
            + to_days(1)
        group by touches.lead_key, touches.touch_label
    ),
    recent as (
        select
            lead_key,
            string_agg(
                times || ' × ' || touch_label, ', ' order by times desc, touch_label
            ) as recent_touches,
            sum(times) as touch_count_7d
        from around
        group by lead_key
    ),
    contents as (
        select lead_key, asset, max(occurred_at) as occurred_at
        from touches
        where is_content
        group by lead_key, asset
        qualify
            row_number() over (
                partition by lead_key order by max(occurred_at) desc, asset
            )
            <= {{ constant_number("last_contents") }}
    ),
    last_contents as (
        select
            lead_key,
            string_agg(asset, ' | ' order by occurred_at desc, asset) as last_contents
        from contents
        group by lead_key
    ),
    counts as (
        select
            lead_key,
            count(*) filter (where touch_type like '%page_view') as page_view_count,
            count(*) filter (where touch_type = 'content_download') as download_count,
            count(*) filter (where touch_type = 'email_open') as email_open_count,
            arg_max(form_name, occurred_at) filter (
                where form_name is not null
            ) as submitted_form
        from touches
        group by lead_key
    )
select
    counts.lead_key,
    triggers.touch_key as trigger_key,
    triggers.touch_type as trigger_type,
    triggers.asset as trigger_asset,
    triggers.url as trigger_url,
    triggers.occurred_at as trigger_at,
    triggers.landed_at as trigger_landed_at,
    recent.recent_touches,
    coalesce(recent.touch_count_7d, 0)::integer as touch_count_7d,
    last_contents.last_contents,
    counts.submitted_form,
    counts.page_view_count::integer as page_view_count,
    counts.download_count::integer as download_count,
    counts.email_open_count::integer as email_open_count
from counts
left join triggers on counts.lead_key = triggers.lead_key
left join recent on counts.lead_key = recent.lead_key
left join last_contents on counts.lead_key = last_contents.lead_key
