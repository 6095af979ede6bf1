-- One row per lead and stage it entered: from when to when, known when, on which
-- evidence.
{{ config(access="public") }}
-- depends_on: {{ ref('leads_touched') }}
with
    profiles as (select * from {{ ref("lead_profiles") }} {{ where_touched() }}),
    stages as (select * from {{ ref("lifecycle_stages") }}),
    evidence as (
        select
            lead_key,
            'lead' as lifecycle_stage,
            least(lead_at, first_touch_at) as entered_at,
            least(lead_at, first_touch_at) as known_at,
            true as is_dated,
            'first seen' as evidence
        from profiles
        union all
        select lead_key, lifecycle_stage, entered_at, known_at, is_dated, evidence
        from {{ ref("lead_crm_evidence") }} {{ where_touched() }}
        union all
        select
            lead_key,
            'mql' as lifecycle_stage,
            mql_at as entered_at,
            as_of as known_at,
            true as is_dated,
            'decision: ' || reason as evidence
        from {{ recorded("decisions") }}
        where
            mql_at is not null
            and as_of <= {{ as_of() }}
            and lead_key in (select lead_key from profiles)
    ),
    -- A vendor's own date beats the first version we happened to see; then the
    -- earliest counts.
    first_evidence as (
        select evidence.*, stages.stage_rank
        from evidence
        inner join stages on evidence.lifecycle_stage = stages.lifecycle_stage
        where evidence.lead_key in (select lead_key from profiles)
        qualify
            row_number() over (
                partition by evidence.lead_key, evidence.lifecycle_stage
                order by evidence.is_dated desc, evidence.entered_at, evidence.evidence
            )
            = 1
    ),
    ordered as (
        select
            *,
            row_number() over story as stage_number,
            lead(entered_at) over story as left_at,
            max(stage_rank) over (
                partition by lead_key
                order by entered_at, stage_rank
                rows between unbounded preceding and 1 preceding
            ) as highest_before
        from first_evidence
        window story as (partition by lead_key order by entered_at, stage_rank)
    ),
    -- Evidence out of order is shown with both pieces, never put right in silence.
    out_of_order as (
        select
            later.lead_key,
            later.lifecycle_stage,
            string_agg(
                printf(
                    '%s on %s (%s) is before %s on %s (%s)',
                    later.lifecycle_stage,
                    strftime(later.entered_at, '%Y-%m-%d'),
                    later.evidence,
                    earlier.lifecycle_stage,
                    strftime(earlier.entered_at, '%Y-%m-%d'),
                    earlier.evidence
                ),
                '; '
                order by earlier.stage_rank
            ) as flag
        from first_evidence as later
        inner join
            first_evidence as earlier
            on later.lead_key = earlier.lead_key
            and later.stage_rank > earlier.stage_rank
            and later.entered_at < earlier.entered_at
        where earlier.stage_rank > 0
        group by later.lead_key, later.lifecycle_stage
    )
select
    ordered.lead_key,
    ordered.stage_number::integer as stage_number,
    ordered.lifecycle_stage,
    ordered.entered_at,
    ordered.left_at,
    ordered.known_at,
    case when ordered.is_dated then 'source' else 'first landed' end as known_by,
    ordered.evidence,
    coalesce(ordered.stage_rank < ordered.highest_before, false) as is_backward,
    out_of_order.flag
from ordered
left join
    out_of_order
    on ordered.lead_key = out_of_order.lead_key
    and ordered.lifecycle_stage = out_of_order.lifecycle_stage
