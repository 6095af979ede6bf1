-- One row per lead: fit and intent points, the score from 1 to 10, why, and whether
-- it is MQL.
{{ config(access="public") }}
-- depends_on: {{ ref('leads_touched') }}
with
    profiles as (select lead_key from {{ ref("lead_profiles") }} {{ where_touched() }}),
    matched as (
        select * from {{ ref("int_leads__rules_matched") }} {{ where_touched() }}
    ),
    attributes as (
        select * from {{ ref("int_leads__attributes") }} {{ where_touched() }}
    ),
    caps as (select * from {{ ref("score_caps") }}),
    bands as (select * from {{ ref("score_bands") }}),
    exceptions as (select * from {{ ref("score_exceptions") }}),
    excepted as (
        select
            attributes.lead_key,
            exceptions.exception_id,
            exceptions.effect,
            exceptions.reason
        from attributes
        inner join exceptions on attributes.attribute = exceptions.attribute
        where
            {{
                rule_matches(
                    "attributes.value", "exceptions.operator", "exceptions.value"
                )
            }}
        qualify
            row_number() over (
                partition by attributes.lead_key order by exceptions.priority
            )
            = 1
    ),
    summed as (
        select
            lead_key,
            dimension,
            sum(points) as points,
            min(next_change_at) as next_change_at
        from matched
        group by lead_key, dimension
    ),
    capped as (
        select
            summed.lead_key,
            sum(least(summed.points, caps.max_points)) filter (
                where summed.dimension = 'fit'
            ) as fit_points,
            sum(least(summed.points, caps.max_points)) filter (
                where summed.dimension = 'intent'
            ) as intent_points,
            min(summed.next_change_at) as next_change_at
        from summed
        inner join caps on summed.dimension = caps.dimension
        group by summed.lead_key
    ),
    explained as (
        select
            lead_key,
            string_agg(
                printf('%+d ', points) || reason,
                '; '
                order by abs(points) desc, rule_id
            ) as score_reasons,
            list(rule_id order by rule_id) as matched_rules
        from matched
        where points <> 0
        group by lead_key
    ),
    totals as (
        select
            profiles.lead_key,
            coalesce(capped.fit_points, 0)::integer as fit_points,
            coalesce(capped.intent_points, 0)::integer as intent_points,
            capped.next_change_at
        from profiles
        left join capped on profiles.lead_key = capped.lead_key
    )
select
    totals.lead_key,
    totals.fit_points,
    totals.intent_points,
    bands.icp_score,
    explained.score_reasons,
    array_to_string(explained.matched_rules, ',') as matched_rules,
    excepted.exception_id,
    excepted.reason as exception_reason,
    case
        excepted.effect
        when 'always_mql'
        then true
        when 'never_mql'
        then false
        else bands.is_mql
    end as is_mql_proposed,
    totals.next_change_at
from totals
inner join
    bands
    on totals.fit_points + totals.intent_points
    between bands.min_points and bands.max_points
left join explained on totals.lead_key = explained.lead_key
left join excepted on totals.lead_key = excepted.lead_key
