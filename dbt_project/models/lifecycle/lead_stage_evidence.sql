-- One row per lead and piece of evidence for a stage: the CRM's and the MAP's, our own
-- decisions, and when it was first seen.
{{ config(access="public") }}
-- depends_on: {{ ref('leads_touched') }}
with
    profiles as (select * from {{ ref("lead_profiles") }} {{ where_touched() }}),
    first_seen as (
        select
            lead_key,
            null as record_key,
            'first seen' as field,
            'lead' as lifecycle_stage,
            least(lead_at, first_touch_at) as entered_at,
            coalesce(
                least(lead_at, first_touch_at), timestamp '1970-01-01'
            ) as known_at,
            null::timestamp as retracted_at,
            'source' as known_by,
            false as is_said,
            'first seen' as evidence
        from profiles
    ),
    in_crm as (
        select
            lead_key,
            record_key,
            field,
            -- Where acceptance is no step of its own, who is accepted is qualified.
            case
                when lifecycle_stage = 'sal' and {{ constant("sal_is_used") }} = 'false'
                then 'sql'
                else lifecycle_stage
            end as lifecycle_stage,
            entered_at,
            known_at,
            retracted_at,
            known_by,
            is_said,
            evidence
        from {{ ref("lead_crm_evidence") }} {{ where_touched() }}
    ),
    decided as (select decisions.* from {{ decisions_as_evidence("<=") }} as decisions)
select *
from first_seen
union all
select *
from in_crm
where lead_key in (select lead_key from profiles)
union all
select *
from decided
where lead_key in (select lead_key from profiles)
