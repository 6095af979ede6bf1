-- No lead lost: a submission with an address somebody has, and a time that can be, is a
-- touch, also when the contact arrives some runs after it.
{{ config(tags=["gate"]) }}
select submissions.record_key
from {{ ref("stg_hubspot__form_submissions") }} as submissions
where
    submissions.submitted_at is not null
    and submissions.email in (select email from {{ ref("people") }})
    and submissions.record_key not in (select touch_key from {{ ref("lead_touches") }})
