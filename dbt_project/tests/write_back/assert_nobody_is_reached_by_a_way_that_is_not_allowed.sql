-- Who opted out or has not agreed is not to be written to, and who declined calls is
-- not to be called, whatever first_contact_actions.csv says.
{{ config(group="write_back") }}
select packed.lead_key, packed.first_channel
from {{ ref("int_leads__packed") }} as packed
inner join {{ ref("lead_profiles") }} as profiles on packed.lead_key = profiles.lead_key
where
    case
        packed.first_channel
        when 'e-mail'
        then profiles.has_opted_out or profiles.lacks_consent
        when 'phone'
        then not profiles.may_be_called
        else false
    end
