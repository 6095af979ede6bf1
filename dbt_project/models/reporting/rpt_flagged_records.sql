-- One row per record that can be read but not believed, with the reason.
with
    submissions as (select * from {{ ref("stg_hubspot__form_submissions") }}),
    known as (select distinct email from {{ ref("people") }} where email is not null)
select record_key, 'submission without an e-mail address: belongs to nobody' as reason
from submissions
where email is null
union all
select
    record_key, 'submission with an impossible time: not placed in any story' as reason
from submissions
where submitted_at is null
union all
select submissions.record_key, 'submission of an address no contact has yet' as reason
from submissions
left join known on submissions.email = known.email
where submissions.email is not null and known.email is null
union all
select
    record_key, 'page view with an impossible time: not placed in any story' as reason
from {{ ref("stg_hubspot__page_events") }}
where occurred_at is null
union all
select
    record_key,
    'e-mail event with an impossible time: not placed in any story' as reason
from {{ ref("stg_hubspot__email_events") }}
where occurred_at is null
union all
select record_key, 'record without an e-mail address: joins no other' as reason
from {{ ref("people") }}
where email is null and not is_deleted
union all
select
    people.record_key,
    'several names on one e-mail address: one person is assumed' as reason
from {{ ref("people") }} as people
inner join {{ ref("lead_profiles") }} as profiles on people.lead_key = profiles.lead_key
where profiles.has_two_names and not people.is_deleted
union all
select
    record_key, 'name of more than 255 characters: cut where a system cuts it' as reason
from {{ ref("people") }}
where length(full_name) > 255
union all
select
    contacts.record_key,
    'lifecycle stage unknown to the policy: ' || contacts.lifecycle_stage
from {{ ref("stg_hubspot__contacts") }} as contacts
left join
    {{ ref("lifecycle_stages") }} as stages
    on contacts.lifecycle_stage = stages.hubspot_stage
where
    contacts.lifecycle_stage is not null
    and contacts.lifecycle_stage not in ('subscriber', 'evangelist', 'other')
    and stages.lifecycle_stage is null
{%- for system, object, status in [
        ("salesforce", "leads", "status"),
        ("hubspot", "contacts", "lead_status"),
    ] %}
    union all
    select
        records.record_key,
        'lead status unknown to the policy, read as open: ' || records.{{ status }}
    from {{ ref("stg_" ~ system ~ "__" ~ object) }} as records
    left join
        {{ ref("lead_statuses") }} as statuses
        on statuses.system = '{{ system }}'
        and lower(trim(records.{{ status }})) = statuses.vendor_status
    where
        not records.is_deleted
        and nullif(trim(records.{{ status }}), '') is not null
        and statuses.status_id is null
{%- endfor %}
