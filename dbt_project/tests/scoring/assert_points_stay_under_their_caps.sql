-- The caps keep a perfect company that does nothing from being called, and a curious
-- student too.
select scores.lead_key
from {{ ref("lead_scores") }} as scores
cross join
    (
        select
            max(max_points) filter (where dimension = 'fit') as fit_cap,
            max(max_points) filter (where dimension = 'intent') as intent_cap
        from {{ ref("score_caps") }}
    ) as caps
where scores.fit_points > caps.fit_cap or scores.intent_points > caps.intent_cap
