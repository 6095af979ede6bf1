-- One row per hand-over: marketing's side of the agreement. Complete context at that
-- moment is attained; else the fields at fault, with the form, campaign and source.
with
    handovers as (
        select * from {{ recorded("decisions") }} as decisions where decision = 'mql'
    ),
    -- The check the decision rests on: the newest one by then.
    checked as (
        select
            handovers.decision_key, arg_max(checks.check_id, checks.as_of) as check_id
        from handovers
        inner join
            {{ recorded("context_checks", "quality") }} as checks
            on handovers.lead_key = checks.lead_key
            and checks.as_of <= handovers.as_of
        group by handovers.decision_key
    ),
    faults as (
        select
            checked.decision_key,
            string_agg(gaps.field, ', ' order by gaps.field) as fields_at_fault,
            string_agg(distinct gaps.owner, ', ' order by gaps.owner) as owners
        from checked
        inner join
            {{ source("quality", "context_gaps") }} as gaps
            on checked.check_id = gaps.check_id
            and gaps.severity <> 'info'
        group by checked.decision_key
    ),
    leads as (select * from {{ ref("lead_lifecycle") }})
select
    handovers.decision_key,
    handovers.lead_key,
    handovers.as_of as handed_over_at,
    coalesce(handovers.trigger_asset, handovers.trigger_type, 'unknown') as form,
    coalesce(leads.first_touch_campaign, 'none') as campaign,
    coalesce(leads.first_touch_source, 'unknown') as source,
    handovers.context_status = 'complete' as is_attained,
    case
        when handovers.context_status <> 'complete'
        then coalesce(faults.fields_at_fault, handovers.context_gaps, 'unknown')
    end as fields_at_fault,
    case when handovers.context_status <> 'complete' then faults.owners end as owners
from handovers
left join leads on handovers.lead_key = leads.lead_key
left join faults on handovers.decision_key = faults.decision_key
