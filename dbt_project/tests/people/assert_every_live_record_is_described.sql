-- An incremental run once emptied this table of everyone it had not touched. What is
-- kept between runs holds every live record, under the lead it belongs to now.
{{ config(group="people") }}
select people.record_key, people.lead_key, described.lead_key as described_as
from {{ ref("people") }} as people
full join
    {{ ref("int_leads__records_described") }} as described
    on people.record_key = described.record_key
where
    (not people.is_deleted or people.record_key is null)
    and people.lead_key is distinct from described.lead_key
