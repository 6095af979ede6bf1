-- No lead lost: what was staged and what is accounted for are the same submissions.
select staged.submission_id as staged, reported.submission_id as reported
from {{ ref("stg_hubspot__form_submissions") }} as staged
full join
    {{ ref("rpt_submissions") }} as reported
    on staged.submission_id = reported.submission_id
where staged.submission_id is null or reported.submission_id is null
