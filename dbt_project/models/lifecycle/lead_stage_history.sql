-- One row per lead, stage it entered and time in which we believed so: from when to
-- when, known from when until when, on which evidence.
{{ config(access="public") }}
-- depends_on: {{ ref('leads_touched') }}
with
    stories as (select * from {{ ref("int_stages__entered") }} {{ where_touched() }}),
    stages as (select * from {{ ref("lifecycle_stages") }}),
    ranked as (
        select stories.*, stages.stage_rank
        from stories
        inner join stages on stories.lifecycle_stage = stages.lifecycle_stage
    ),
    -- Who is passed over is never in the stage: it leaves it as it enters.
    bounded as (
        select
            *,
            case
                when is_passed_over then entered_at else lead(entered_at) over moves
            end as left_at,
            not is_passed_over
            and coalesce(stage_rank < lag(stage_rank) over moves, false) as is_backward,
            row_number() over (
                partition by lead_key, known_at, lifecycle_stage order by stage_number
            )
            = 1 as is_first
        from ranked
        window
            moves as (
                partition by lead_key, known_at, is_passed_over order by stage_number
            )
    ),
    -- Evidence out of order is shown with both pieces, never put right in silence.
    out_of_order as (
        select
            higher.lead_key,
            higher.known_at,
            higher.stage_number,
            string_agg(
                printf(
                    '%s on %s (%s) is before %s on %s (%s)',
                    higher.lifecycle_stage,
                    strftime(higher.entered_at, '%Y-%m-%d'),
                    higher.evidence,
                    lower.lifecycle_stage,
                    strftime(lower.entered_at, '%Y-%m-%d'),
                    lower.evidence
                ),
                '; '
                order by lower.stage_rank
            ) as flag
        from bounded as higher
        inner join
            bounded as lower
            on higher.lead_key = lower.lead_key
            and higher.known_at = lower.known_at
            and higher.stage_rank > lower.stage_rank
            and higher.entered_at < lower.entered_at
        where higher.is_first and lower.is_first and lower.stage_rank > 0
        group by higher.lead_key, higher.known_at, higher.stage_number
    ),
    flagged as (
        select
            bounded.*,
            nullif(
                concat_ws('; ', out_of_order.flag, bounded.contradiction), ''
            ) as flag
        from bounded
        left join
            out_of_order
            on bounded.lead_key = out_of_order.lead_key
            and bounded.known_at = out_of_order.known_at
            and bounded.stage_number = out_of_order.stage_number
    ),
    -- What stayed as it was when something else became known is one row.
    compared as (
        select
            *,
            story_number - row_number() over (
                partition by
                    lead_key,
                    stage_number,
                    lifecycle_stage,
                    entered_at,
                    left_at,
                    evidence,
                    is_passed_over,
                    is_backward,
                    flag
                order by story_number
            ) as belief
        from flagged
    )
select
    lead_key,
    stage_number::integer as stage_number,
    lifecycle_stage,
    entered_at,
    left_at,
    min(known_at) as known_at,
    case when not bool_or(known_until is null) then max(known_until) end as known_until,
    arg_min(known_by, story_number) as known_by,
    bool_or(known_until is null) as is_current,
    evidence,
    is_backward,
    is_passed_over,
    flag
from compared
group by
    lead_key,
    stage_number,
    lifecycle_stage,
    entered_at,
    left_at,
    evidence,
    is_passed_over,
    is_backward,
    flag,
    belief
