-- One row per lead a decision is due for: hand it over, give it to another, or adopt
-- it as the CRM has it.
-- depends_on: {{ ref('leads_touched') }}
with
    profiles as (select * from {{ ref("lead_profiles") }} {{ where_touched() }}),
    scores as (select * from {{ ref("lead_scores") }}),
    reroutes as (select * from {{ ref("int_leads__to_reroute") }}),
    checks as (
        select
            lead_key,
            arg_max(status, as_of) as context_status,
            arg_max_null(gaps, as_of) as context_gaps
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
            {{ why_not_due("profiles", "scores") }} is null as is_due
        from profiles
        inner join scores on profiles.lead_key = scores.lead_key
        left join checks on profiles.lead_key = checks.lead_key
    )
select
    proposed.*,
    reroutes.cause,
    reroutes.previous_assignment_key,
    reroutes.previous_owner_id,
    reroutes.gives_to,
    reroutes.new_owner_id,
    coalesce(reroutes.clock, 'restart') as clock,
    reroutes.clock_started_at,
    reroutes.sla_tier as previous_tier,
    reroutes.sla_warn_at as previous_warn_at,
    reroutes.sla_due_at as previous_due_at,
    reroutes.calendar_id as previous_calendar_id,
    reroutes.backup_owner_id as previous_backup_id,
    case
        when reroutes.lead_key is not null
        then 'reroute'
        when is_due and {{ is_checked("context_status") }}
        then 'mql'
        when is_due
        then 'wait'
        else 'adopted'
    end as decision
from proposed
left join reroutes on proposed.lead_key = reroutes.lead_key
where
    is_due
    or reroutes.lead_key is not null
    or (
        (is_mql_in_crm or (is_mql_proposed and is_open))
        and not is_adopted
        and handover_number = 0
    )
