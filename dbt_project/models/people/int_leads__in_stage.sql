-- One row per lead with evidence: the stage it is in by the CRM, the MAP and what
-- earlier runs decided, since when, and when it last left the funnel.
-- depends_on: {{ ref('leads_touched') }}
with
    evidence as (
        select *
        from
            {{ ref("lead_crm_evidence") }} {{ where_touched() }}
            and retracted_at is null
    ),
    stages as (select * from {{ ref("lifecycle_stages") }}),
    -- Of earlier runs only: this run's decisions come after its profiles.
    decided as (
        select decisions.*
        from {{ decisions_as_evidence("<") }} as decisions {{ where_touched() }}
    ),
    pieces as (
        select *
        from evidence
        union all by name
        select *
        from decided
    ),
    followed as (
        select followed.* from {{ stages_followed("pieces", ["lead_key"]) }} as followed
    ),
    told as (
        select lead_key, {{ stages_entered("followed") }} as story
        from followed
        group by lead_key
    ),
    mql as (
        select evidence.lead_key, min(evidence.entered_at) as mql_in_crm_at
        from evidence
        inner join
            stages
            on evidence.lifecycle_stage = stages.lifecycle_stage
            and stages.is_mql_or_later
        group by evidence.lead_key
    )
select
    told.lead_key,
    coalesce(told.story.stage, 'lead') as lifecycle_stage,
    told.story.since as stage_entered_at,
    coalesce(stages.is_open, true) as is_worked,
    case when told.story.is_out then told.story.left_at end as recycled_at,
    told.story.left_at as left_at,
    mql.lead_key is not null as is_mql_in_crm,
    mql.mql_in_crm_at
from told
left join stages on told.story.stage = stages.lifecycle_stage
left join mql on told.lead_key = mql.lead_key
