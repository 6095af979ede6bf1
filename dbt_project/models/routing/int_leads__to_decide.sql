-- One row per lead a decision is due for: hand it over, or adopt it as the CRM has it.
-- depends_on: {{ ref('leads_touched') }}
with
    profiles as (
        select
            null::varchar as territory,
            null::varchar as segment,
            null::varchar as persona,
            null::varchar as product,
            null::varchar as language,
            null::varchar as named_account_owner_id,
            null::varchar as named_account_pool,
            null::varchar as parent_account_key
        where false
        union all by name
        select *
        from {{ ref("lead_profiles") }} {{ where_touched() }}
    ),
    scores as (select * from {{ ref("lead_scores") }}),
    checks as (
        select
            lead_key,
            arg_max(status, as_of) as context_status,
            arg_max(gaps, as_of) as context_gaps
        from {{ recorded("context_checks", "quality") }}
        group by lead_key
    ),
    proposed as (
        select
            profiles.*,
            scores.icp_score,
            scores.fit_points,
            scores.intent_points,
            scores.score_reasons,
            scores.exception_reason,
            scores.is_mql_proposed,
            coalesce(checks.context_status, 'unchecked') as context_status,
            checks.context_gaps,
            -- Only what happened after go-live is handed over; what came before is
            -- adopted.
            scores.is_mql_proposed
            and profiles.is_open
            and not profiles.is_handed_over
            and profiles.trigger_at >= {{ go_live_at() }} as is_due
        from profiles
        inner join scores on profiles.lead_key = scores.lead_key
        left join checks on profiles.lead_key = checks.lead_key
    )
select
    proposed.*,
    case
        when is_due and context_status in ('complete', 'incomplete')
        then 'mql'
        when is_due
        then 'wait'
        else 'adopted'
    end as decision
from proposed
where
    is_due
    or (
        (is_mql_in_crm or (is_mql_proposed and is_open))
        and not is_adopted
        and not is_handed_over
    )
