-- No lead lost: whoever has a live record has a profile, and a key that was joined to
-- another leaves none behind.
{{ config(tags=["gate"]) }}
with alive as (select distinct lead_key from {{ ref("people") }} where not is_deleted)
select alive.lead_key as person, profiles.lead_key as profile
from alive
full join {{ ref("lead_profiles") }} as profiles on alive.lead_key = profiles.lead_key
where alive.lead_key is null or profiles.lead_key is null
