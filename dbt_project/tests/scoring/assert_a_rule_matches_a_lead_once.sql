-- A rule that counted twice would give its points twice, and the score would not be
-- the sum of its reasons.
{{ config(group="scoring") }}
select lead_key, rule_id
from {{ ref("int_leads__rules_matched") }}
group by lead_key, rule_id
having count(*) > 1
