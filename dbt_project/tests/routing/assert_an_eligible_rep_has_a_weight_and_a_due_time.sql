-- The draw takes weights above zero, and a hand-over without a due time has no clock.
select lead_key, user_id
from {{ ref("lead_candidates") }}
where
    is_eligible
    and (
        weight <= 0 or sla_due_at is null or sla_warn_at is null or why_not is not null
    )
