-- One row per cold lead: whose it is now, and whether it is time to look at it again.
with leads as (select * from {{ ref("lead_lifecycle") }})
select
    lead_key,
    lifecycle_stage,
    disposition,
    cold_at,
    reengagement_rule,
    reengagement_owner_id,
    reengage_at,
    reengage_at <= {{ as_of() }} as is_due
from leads
where reengagement_owner_id is not null
