-- One row per form or campaign and missing field: what marketing owes.
with
    latest as (
        select lead_key, arg_max(check_id, as_of) as check_id
        from {{ source("quality", "context_checks") }}
        group by lead_key
    )
select
    coalesce(gaps.origin, 'unknown') as origin,
    gaps.field,
    gaps.severity,
    gaps.owner,
    gaps.fix,
    count(*) as leads
from {{ source("quality", "context_gaps") }} as gaps
inner join latest on gaps.check_id = latest.check_id
group by gaps.origin, gaps.field, gaps.severity, gaps.owner, gaps.fix
