-- One row per lead: fit and intent points, the score from 1 to 10, why, and whether
-- it is MQL.
{{ config(access="public") }}
-- depends_on: {{ ref('leads_touched') }}
-- depends_on: {{ ref('scoring_rules') }}
-- depends_on: {{ ref('score_exceptions') }}
with
    profiles as (select * from {{ ref("lead_profiles") }} {{ where_touched() }}),
    touches as (select * from {{ ref("lead_touches") }} {{ where_touched() }}),
    attributes as ({{ attributes_of("profiles", "touches", attributes_read()) }}),
    satisfied as ({{ rows_satisfied("attributes") }}),
    points as ({{ points_of("satisfied") }}),
    scores as ({{ scores_of("profiles", "points") }})
select *
from scores
