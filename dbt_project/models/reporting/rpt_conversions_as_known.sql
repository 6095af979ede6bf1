-- One row per quarter of MQL entry and day on which a number of it changed: how many
-- MQLs it has and how far they came, as it was known at the end of that day.
-- Told by the evidence believed then and by who was one person then, so that what was
-- said of a quarter once can be said again; every change since is a row with its day.
{%- set later_stages = ["sal", "sql", "opportunity", "customer"] %}
with
    evidence as (
        select record_key, lifecycle_stage, entered_at, known_at, retracted_at
        from {{ ref("lead_stage_evidence") }}
        where record_key is not null and lifecycle_stage is not null
    ),
    memberships as (
        select
            record_key,
            lead_key,
            -- What is older than the first note of it belonged to the same person.
            case
                when row_number() over story = 1 then timestamp '-infinity' else as_of
            end as known_at,
            lead(as_of) over story as known_until
        from {{ source("ops", "memberships") }}
        window story as (partition by record_key order by as_of)
        union all
        select record_key, lead_key, timestamp '-infinity', null
        from {{ ref("people") }}
        where
            record_key
            not in (select record_key from {{ source("ops", "memberships") }})
    ),
    believed as (
        select
            memberships.lead_key,
            evidence.lifecycle_stage,
            evidence.entered_at,
            greatest(evidence.known_at, memberships.known_at) as known_at,
            least(evidence.retracted_at, memberships.known_until) as known_until
        from evidence
        inner join memberships on evidence.record_key = memberships.record_key
    ),
    pieces as (
        select * from believed where known_until is null or known_until > known_at
    ),
    learned as (
        select lead_key, known_at
        from pieces
        union
        select lead_key, known_until
        from pieces
        where known_until is not null
    ),
    instants as (
        select
            lead_key,
            known_at,
            lead(known_at) over (partition by lead_key order by known_at) as known_until
        from learned
    ),
    stories as (
        select
            instants.lead_key,
            instants.known_at,
            any_value(instants.known_until) as known_until,
            min(pieces.entered_at) filter (
                where pieces.lifecycle_stage = 'mql'
            ) as mql_at,
            {% for stage in later_stages %}
                max(pieces.entered_at) filter (
                    where pieces.lifecycle_stage = '{{ stage }}'
                ) as {{ stage }}_at {{ "," if not loop.last }}
            {% endfor %}
        from instants
        inner join
            pieces
            on instants.lead_key = pieces.lead_key
            and pieces.known_at <= instants.known_at
            and (pieces.known_until is null or pieces.known_until > instants.known_at)
        group by instants.lead_key, instants.known_at
    ),
    -- A story counts from when it was known, and no longer from when another was.
    counted as (
        select mql_at, sal_at, sql_at, opportunity_at, customer_at, known_at, 1 as times
        from stories
        where mql_at is not null
        union all
        select
            mql_at,
            sal_at,
            sql_at,
            opportunity_at,
            customer_at,
            known_until,
            -1 as times
        from stories
        where mql_at is not null and known_until is not null
    ),
    changes as (
        select
            date_trunc('quarter', mql_at)::date as quarter,
            known_at::date as known_on,
            sum(times) as mql,
            {% for stage in later_stages %}
                sum(
                    case when {{ stage }}_at >= mql_at then times else 0 end
                ) as {{ stage }} {{ "," if not loop.last }}
            {% endfor %}
        from counted
        group by all
    )
select
    quarter,
    known_on,
    (sum(mql) over story)::bigint as mqls,
    {% for stage in later_stages %}
        (sum({{ stage }}) over story)::bigint as became_{{ stage }}
        {{ "," if not loop.last }}
    {% endfor %}
from changes
window story as (partition by quarter order by known_on)
qualify mql <> 0 {% for stage in later_stages %} or {{ stage }} <> 0 {% endfor %}
