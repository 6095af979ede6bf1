-- One row per lead: the single source of truth both teams read.
{{ config(access="public") }}
-- depends_on: {{ ref('leads_touched') }}
with
    profiles as (select * from {{ ref("lead_profiles") }} {{ where_touched() }}),
    scores as (select * from {{ ref("lead_scores") }}),
    staged as (select * from {{ ref("int_leads__staged") }}),
    owned as (select * from {{ ref("int_leads__owned") }}),
    cold as (select * from {{ ref("int_leads__cold") }}),
    -- Turned down without a reason: nothing can be learned from it until the rep says
    -- why.
    needing_a_reason as (
        select disposition
        from {{ ref("dispositions") }}
        where needs_reason and {{ constant("disqualified_needs_reason") }} = 'true'
    ),
    checks as (
        select
            lead_key,
            arg_max(status, as_of) as context_status,
            -- Nothing missing is an answer too.
            arg_max_null(gaps, as_of) as context_gaps
        from {{ recorded("context_checks", "quality") }}
        group by lead_key
    ),
    -- When the MAP had put the submission on the contact: the first seam after the
    -- form.
    visible as (
        select people.lead_key, min(versions.version_at) as visible_at
        from profiles
        inner join {{ ref("people") }} as people on profiles.lead_key = people.lead_key
        inner join
            {{ ref("stg_hubspot__contact_versions") }} as versions
            on people.record_key = versions.record_key
        where versions.version_at >= profiles.trigger_at
        group by people.lead_key
    )
select
    profiles.lead_key,
    profiles.email,
    profiles.full_name,
    profiles.job_title,
    profiles.company_name,
    profiles.company_domain,
    profiles.employee_count,
    profiles.industry,
    profiles.country,
    staged.lifecycle_stage,
    profiles.lead_status,
    profiles.disposition,
    profiles.disposition_reason,
    case
        when
            needing_a_reason.disposition is not null
            and profiles.disposition_reason is null
        then 'disposition_reason'
    end as disposition_gap,
    case
        when
            needing_a_reason.disposition is not null
            and profiles.disposition_reason is null
        then coalesce(owned.owner_id, profiles.current_owner_id)
    end as disposition_gap_owner_id,
    scores.icp_score,
    scores.fit_points,
    scores.intent_points,
    scores.score_reasons,
    profiles.trigger_type,
    profiles.trigger_asset,
    profiles.trigger_url,
    profiles.trigger_at,
    profiles.first_touch_source,
    profiles.first_touch_source_detail,
    profiles.first_touch_campaign,
    profiles.first_touch_at,
    staged.lead_at,
    staged.mql_at,
    staged.sal_at,
    staged.sql_at,
    staged.opportunity_at,
    staged.customer_at,
    staged.stage_flags,
    cold.cold_at,
    cold.reengagement_rule,
    cold.reengagement_owner_id,
    cold.reengage_at,
    owned.decision,
    owned.decision_reason,
    -- An adopted lead has the owner the CRM gave it.
    coalesce(
        owned.owner_id,
        case when owned.decision = 'adopted' then profiles.current_owner_id end
    ) as owner_id,
    owned.owner_assigned_at,
    owned.routing_rule,
    owned.pool,
    owned.sla_tier,
    owned.sla_warn_at,
    owned.sla_due_at,
    owned.sla_status,
    owned.first_response_at,
    coalesce(checks.context_status, 'unchecked') as context_status,
    checks.context_gaps,
    profiles.account_key,
    profiles.has_opted_out,
    profiles.has_two_names,
    profiles.duplicate_count,
    profiles.record_url,
    owned.policy_version,
    profiles.hubspot_contact_id,
    profiles.salesforce_lead_id,
    profiles.salesforce_contact_id,
    profiles.trigger_at as submitted_at,
    visible.visible_at,
    profiles.trigger_landed_at as extracted_at,
    owned.scored_at,
    owned.routed_at,
    owned.written_at,
    owned.confirmed_at,
    owned.notified_at,
    least(owned.next_change_at, scores.next_change_at) as next_change_at
from profiles
inner join scores on profiles.lead_key = scores.lead_key
inner join staged on profiles.lead_key = staged.lead_key
left join owned on profiles.lead_key = owned.lead_key
left join cold on profiles.lead_key = cold.lead_key
left join needing_a_reason on profiles.disposition = needing_a_reason.disposition
left join checks on profiles.lead_key = checks.lead_key
left join visible on profiles.lead_key = visible.lead_key
