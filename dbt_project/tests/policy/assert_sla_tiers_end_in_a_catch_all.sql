-- A lead without a tier has no clock, and nobody is reminded of it. The last tier
-- asks nothing. A tier after it would never be reached, so the last one is that of
-- the highest priority.
select
    'sla_tiers.csv' as file,
    coalesce(arg_max(tier_id, priority), '(no row)') as row_id,
    'is the last tier and does not take every lead' as problem,
    'End the file with a tier whose trigger_type and min_icp_score are empty' as cure
from {{ ref("sla_tiers") }}
having
    not coalesce(
        arg_max(trigger_type is null and min_icp_score is null, priority), false
    )
