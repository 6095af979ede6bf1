-- One row per form submission and the one state it is in: no lead is lost.
with
    submissions as (select * from {{ ref("stg_hubspot__form_submissions") }}),
    addresses as (select email, lead_key from {{ ref("people") }} where is_of_address),
    leads as (select * from {{ ref("lead_lifecycle") }})
select
    submissions.submission_id,
    submissions.form_id,
    submissions.submitted_at,
    leads.lead_key,
    case
        when submissions.email is null
        then 'quarantined: no e-mail address'
        when submissions.submitted_at is null
        then 'quarantined: impossible time'
        when leads.lead_key is null
        then 'quarantined: no contact has this address yet'
        when leads.lifecycle_stage = 'disqualified'
        then 'disqualified'
        when leads.lifecycle_stage = 'recycled'
        then 'recycled'
        when leads.owner_id is not null or leads.lifecycle_stage not in ('lead', 'mql')
        then 'owned'
        else 'nurture'
    end as state
from submissions
left join addresses on submissions.email = addresses.email
left join leads on addresses.lead_key = leads.lead_key
