-- A rule that counted twice, or points that no reason names, and a rep cannot check
-- the score any more.
{{ config(group="scoring") }}
with
    reasons as (
        select
            lead_key,
            unnest(
                from_json(
                    score_rules,
                    '[{"rule_id": "varchar", "dimension": "varchar", "points": "integer"}]'
                ),
                recursive := true
            )
        from {{ ref("lead_scores") }}
    ),
    summed as (
        select
            lead_key,
            sum(points) filter (where dimension = 'fit') as fit_points,
            sum(points) filter (where dimension = 'intent') as intent_points,
            count(*) - count(distinct rule_id) as repeats
        from reasons
        group by lead_key
    )
select scores.lead_key, summed.fit_points, summed.intent_points, summed.repeats
from {{ ref("lead_scores") }} as scores
cross join
    (
        select
            max(max_points) filter (where dimension = 'fit') as fit_cap,
            max(max_points) filter (where dimension = 'intent') as intent_cap
        from {{ ref("score_caps") }}
    ) as caps
left join summed on scores.lead_key = summed.lead_key
where
    coalesce(summed.repeats, 0) > 0
    or scores.fit_points <> least(coalesce(summed.fit_points, 0), caps.fit_cap)
    or scores.intent_points <> least(coalesce(summed.intent_points, 0), caps.intent_cap)
