-- One row per open first-touch clock: oldest first, with its colour.
select
    lead_key,
    owner_id,
    sla_tier,
    owner_assigned_at,
    sla_warn_at,
    sla_due_at,
    sla_status,
    routing_rule
from {{ ref("lead_lifecycle") }}
where sla_status in ('green', 'yellow', 'red')
order by owner_assigned_at
