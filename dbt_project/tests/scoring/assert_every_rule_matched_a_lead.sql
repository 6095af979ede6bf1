-- A rule that no lead matches is either new, or was never right. A warning, not an
-- error: an empty warehouse says nothing about its rules.
{{ config(severity="warn") }}
with
    scores as (select matched_rules from {{ ref("lead_scores") }}),
    matched as (
        select distinct unnest(string_split(matched_rules, ',')) as rule_id from scores
    )
select
    'scoring_rules.csv' as file,
    rule_id as row_id,
    'gave points to no lead' as problem,
    'Check its attribute and value, or delete it' as cure
from {{ ref("scoring_rules") }}
where
    exists (select 1 from scores)
    and rule_id not in (select rule_id from matched where rule_id is not null)
order by rule_id
