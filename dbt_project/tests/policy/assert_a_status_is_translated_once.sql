-- Two rows for one status give a lead two stages, and what becomes of it would depend
-- on
-- which is read first.
select
    'lead_statuses.csv' as file,
    string_agg(status_id, ', ' order by status_id) as row_id,
    printf(
        '%s of %s is translated %d times', vendor_status, system, count(*)
    ) as problem,
    'Keep one row of this status' as cure
from {{ ref("lead_statuses") }}
group by system, vendor_status
having count(*) > 1
order by row_id
