-- A key that is not in the ledger cannot be found again in the next run. A build
-- without
-- any run (the data team's, on a copy without a ledger) may have them.
{{ config(tags=["gate"]) }}
select record_key, lead_key
from {{ ref("people") }}
where
    starts_with(lead_key, 'unminted:')
    and exists (select 1 from {{ source("ops", "runs") }})
