-- One row per lead and attribute that a rule reads: profile columns and counted
-- touches.
-- depends_on: {{ ref('leads_touched') }}
-- A profile column is true now; a touch is as old as its latest occurrence.
with
    profiles as (
        select lead_key, columns(* exclude (lead_key))::varchar
        from {{ ref("lead_profiles") }} {{ where_touched() }}
    ),
    read_by_rules as (
        select attribute
        from {{ ref("scoring_rules") }}
        union
        select attribute
        from {{ ref("score_exceptions") }}
    ),
    unpivoted as (
        select *
        from
            profiles unpivot include nulls(
                value for attribute in (columns(* exclude (lead_key)))
            )
    ),
    touches as (
        select
            lead_key,
            touch_type as attribute,
            count(*)::varchar as value,
            max(occurred_at) as observed_at
        from {{ ref("lead_touches") }} {{ where_touched() }}
        group by lead_key, touch_type
    ),
    unioned as (
        select lead_key, attribute, value, cast(null as timestamp) as observed_at
        from unpivoted
        union all
        select lead_key, attribute, value, observed_at
        from touches
    )
select unioned.*
from unioned
inner join read_by_rules on unioned.attribute = read_by_rules.attribute
