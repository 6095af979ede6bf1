-- One row per account with leads: how many, how good, how eager together.
{{ config(materialized="view", access="public") }}
with
    profiles as (select lead_key, account_key from {{ ref("lead_profiles") }}),
    scores as (select * from {{ ref("lead_scores") }})
select
    profiles.account_key,
    count(*) as lead_count,
    max(scores.icp_score) as best_icp_score,
    max(scores.fit_points) as best_fit_points,
    sum(scores.intent_points)::bigint as intent_points
from profiles
inner join scores on profiles.lead_key = scores.lead_key
where profiles.account_key is not null
group by profiles.account_key
