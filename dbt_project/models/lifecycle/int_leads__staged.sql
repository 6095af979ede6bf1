-- One row per lead: the stage it is in, and when it entered each.
-- depends_on: {{ ref('leads_touched') }}
with
    history as (select * from {{ ref("lead_stage_history") }} {{ where_touched() }}),
    stages as (select * from {{ ref("lifecycle_stages") }})
select
    history.lead_key,
    -- Forward stages never lapse by themselves; leaving the funnel counts when it
    -- came last.
    case
        when
            arg_max(
                history.lifecycle_stage, (history.entered_at, stages.stage_rank)
            ) filter (where history.lifecycle_stage in ('recycled', 'disqualified'))
            is not null
            and max(history.entered_at) filter (where stages.stage_rank = 0)
            >= max(history.entered_at) filter (where stages.stage_rank > 0)
            and max(stages.stage_rank) < 5
        then
            arg_max(history.lifecycle_stage, history.entered_at) filter (
                where stages.stage_rank = 0
            )
        else arg_max(history.lifecycle_stage, stages.stage_rank)
    end as lifecycle_stage,
    min(history.entered_at) filter (where history.lifecycle_stage = 'lead') as lead_at,
    min(history.entered_at) filter (where history.lifecycle_stage = 'mql') as mql_at,
    min(history.entered_at) filter (where history.lifecycle_stage = 'sal') as sal_at,
    min(history.entered_at) filter (where history.lifecycle_stage = 'sql') as sql_at,
    min(history.entered_at) filter (
        where history.lifecycle_stage = 'opportunity'
    ) as opportunity_at,
    min(history.entered_at) filter (
        where history.lifecycle_stage = 'customer'
    ) as customer_at,
    string_agg(history.flag, '; ' order by history.stage_number) as stage_flags
from history
inner join stages on history.lifecycle_stage = stages.lifecycle_stage
group by history.lead_key
