-- One row per recorded lead key whose person goes by another key by now: joined to an
-- earlier one, or split from it.
{{ config(materialized="table") }}
select keys.lead_key as recorded_key, people.lead_key
from {{ source("ops", "lead_keys") }} as keys
inner join {{ ref("people") }} as people on keys.record_key = people.record_key
where keys.lead_key <> people.lead_key
