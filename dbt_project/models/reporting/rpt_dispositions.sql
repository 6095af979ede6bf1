-- One row per owner, disposition and reason: how many leads, what follows, and how many
-- lack the reason they need.
with
    leads as (select * from {{ ref("lead_lifecycle") }}),
    dispositions as (select * from {{ ref("dispositions") }})
select
    coalesce(leads.disposition_gap_owner_id, leads.owner_id) as owner_id,
    dispositions.disposition,
    dispositions.outcome,
    leads.disposition_reason,
    dispositions.next_step,
    dispositions.next_step_owner,
    count(*) as leads,
    count(leads.disposition_gap) as gaps
from leads
inner join dispositions on leads.disposition = dispositions.disposition
group by all
