-- The history keeps the first evidence of each stage: two rows of one stage would
-- count a lead twice in the funnel.
select lead_key, lifecycle_stage
from {{ ref("lead_stage_history") }}
group by lead_key, lifecycle_stage
having count(*) > 1
