-- One row per lead: whether it is due to be handed over, and what stands against it.
{{ config(materialized="view", access="public") }}
-- depends_on: {{ ref('leads_touched') }}
with
    profiles as (select * from {{ ref("lead_profiles") }}),
    scores as (select * from {{ ref("lead_scores") }}),
    checks as (
        select lead_key, arg_max(status, as_of) as context_status
        from {{ recorded("context_checks", "quality") }}
        group by lead_key
    ),
    judged as (
        select
            profiles.lead_key,
            coalesce(checks.context_status, 'unchecked') as context_status,
            {{ why_not_due("profiles", "scores") }} as why_not_due
        from profiles
        inner join scores on profiles.lead_key = scores.lead_key
        left join checks on profiles.lead_key = checks.lead_key
    )
select
    lead_key,
    context_status,
    why_not_due is null as is_due,
    case
        when why_not_due is not null
        then why_not_due
        when not {{ is_checked("context_status") }}
        then concat('it waits for its context check (', context_status, ')')
    end as why_not
from judged
