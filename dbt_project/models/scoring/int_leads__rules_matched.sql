-- One row per lead and rule that matched: its points now, and when they change by
-- themselves.
-- depends_on: {{ ref('leads_touched') }}
with
    attributes as (
        select * from {{ ref("int_leads__attributes") }} {{ where_touched() }}
    ),
    rules as (select * from {{ ref("scoring_rules") }}),
    matched as (
        select
            attributes.lead_key,
            rules.rule_id,
            rules.dimension,
            rules.points as full_points,
            rules.half_life_days * 86400 as half_life_seconds,
            -- Least of a null and a time is the time, and a fact without a time has
            -- no age.
            case
                when attributes.observed_at is not null
                then least(attributes.observed_at, {{ as_of() }})
            end as observed_at,
            rules.reason
        from attributes
        inner join rules on attributes.attribute = rules.attribute
        where {{ rule_matches("attributes.value", "rules.operator", "rules.value") }}
    ),
    decayed as (
        select
            *,
            case
                when half_life_seconds is null or observed_at is null
                then full_points
                else
                    round(
                        full_points * pow(
                            0.5,
                            date_diff('second', observed_at, {{ as_of() }})
                            / half_life_seconds
                        )
                    )::integer
            end as points
        from matched
    )
select
    lead_key,
    rule_id,
    dimension,
    points,
    full_points,
    observed_at,
    -- The rounded points drop once the decayed ones are below the next half: exact to
    -- the second, so that only leads whose points change are looked at again.
    case
        when points <> 0 and half_life_seconds is not null and observed_at is not null
        then
            observed_at + to_seconds(
                floor(
                    half_life_seconds * log2(abs(full_points) / (abs(points) - 0.5))
                )::bigint
                + 1
            )
    end as next_change_at,
    reason
from decayed
