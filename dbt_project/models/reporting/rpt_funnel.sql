-- One row per lifecycle stage: how many leads are in it, and how many ever were.
with
    stages as (select * from {{ ref("lifecycle_stages") }}),
    now_in as (
        select lifecycle_stage, count(*) as leads_now
        from {{ ref("lead_lifecycle") }}
        group by lifecycle_stage
    ),
    ever_in as (
        select lifecycle_stage, count(distinct lead_key) as leads_ever
        from {{ ref("lead_stage_history") }}
        where is_current
        group by lifecycle_stage
    )
select
    stages.lifecycle_stage,
    stages.stage_rank,
    coalesce(now_in.leads_now, 0) as leads_now,
    coalesce(ever_in.leads_ever, 0) as leads_ever
from stages
left join now_in on stages.lifecycle_stage = now_in.lifecycle_stage
left join ever_in on stages.lifecycle_stage = ever_in.lifecycle_stage
