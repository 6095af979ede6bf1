-- No lead lost: whoever has a profile stands in the one table both teams read.
{{ config(tags=["gate"]) }}
select profiles.lead_key
from {{ ref("lead_profiles") }} as profiles
left join
    {{ ref("lead_lifecycle") }} as lifecycle on profiles.lead_key = lifecycle.lead_key
where lifecycle.lead_key is null
