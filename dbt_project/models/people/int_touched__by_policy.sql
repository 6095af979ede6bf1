-- One row per lead and decision table of which a changed row, old or new, can say
-- something else of the lead.
{{ config(materialized="table") }}
{#- Every lead is looked at, so only when there is something to look for. -#}
-- depends_on: {{ ref('int_people__renamed') }}
{#- Of what is said of each record, touch and answer: int_touched__by_policy_on_evidence. -#}
{%- set on_evidence = [
    "employee_ranges",
    "enrichment_providers",
    "field_precedence",
    "free_mail_domains",
    "industry_names",
    "lead_statuses",
    "score_exceptions",
    "scoring_rules",
    "shared_mailboxes",
    "touch_types",
] %}
{#- Who waits for an owner is looked at in every run, and views need no touching. -#}
{%- set nobodys = [
    "definition_examples",
    "enrichment_fields",
    "first_contact_actions",
    "policy_owners",
    "pool_members",
    "pools",
    "rep_skills",
    "routing_rules",
] %}
{%- set cells = [
    "calendar_id",
    "country",
    "dimension",
    "disposition",
    "domain",
    "lifecycle_stage",
    "match_on",
    "max_employees",
    "max_points",
    "min_employees",
    "min_points",
    "name",
    "pattern",
    "region",
    "source",
    "source_detail",
    "system",
    "tier_id",
    "user_id",
] %}
{%- set profiles_before = previous(
    "people",
    "lead_profiles",
    {
        "lead_key": "varchar",
        "account_key": "varchar",
        "job_title": "varchar",
        "employee_count": "bigint",
        "country": "varchar",
        "region": "varchar",
        "company_domain": "varchar",
        "account_key": "varchar",
        "current_owner_id": "varchar",
        "trigger_url": "varchar",
        "trigger_asset": "varchar",
        "disposition": "varchar",
        "current_owner_id": "varchar",
    },
) %}
{%- set described_before = previous(
    "people",
    "int_leads__described",
    {
        "lead_key": "varchar",
        "first_touch_source_as_named": "varchar",
        "first_touch_source_detail": "varchar",
    },
) %}
{%- set scores_before = previous(
    "scoring",
    "lead_scores",
    {
        "lead_key": "varchar",
        "fit_points": "integer",
        "intent_points": "integer",
    },
) %}
{%- set lifecycle_before = previous(
    "lifecycle",
    "lead_lifecycle",
    {
        "lead_key": "varchar",
        "lifecycle_stage": "varchar",
        "decision": "varchar",
        "owner_id": "varchar",
        "sla_tier": "varchar",
        "sla_due_at": "timestamp",
        "first_response_at": "timestamp",
        "hubspot_contact_id": "varchar",
        "salesforce_lead_id": "varchar",
        "salesforce_contact_id": "varchar",
    },
) %}
{% if not execute or policy_is_new() %}
    with
        changed as (
            select
                policy_table,
                {% for cell in cells %}
                    policy_row ->> '$.{{ cell }}' as {{ cell }},
                {% endfor %}
                -- Points above neither the old cap nor the new one are not cut by
                -- either.
                min((policy_row ->> '$.max_points')::integer) over (
                    partition by policy_table, policy_row ->> '$.dimension'
                ) as lower_cap
            from {{ ref("int_policy__changed") }}
            where
                policy_table not in (
                    '{{ on_evidence | join("', '") }}', '{{ nobodys | join("', '") }}'
                )
        ),
        assigned as (
            select lead_key, arg_max(calendar_id, (as_of, draw_number)) as calendar_id
            from {{ recorded("assignments") }}
            group by lead_key
        ),
        leads as (
            select
                profiles.lead_key,
                profiles.account_key,
                lower(coalesce(profiles.job_title, '')) as job_title,
                profiles.employee_count,
                profiles.country,
                profiles.region,
                profiles.company_domain,
                accounts.domain as account_domain,
                accounts.employee_count as account_employee_count,
                lower(profiles.trigger_url) as trigger_url,
                lower(profiles.trigger_asset) as trigger_asset,
                profiles.disposition,
                described.first_touch_source_as_named as source,
                lower(trim(described.first_touch_source_detail)) as source_detail,
                scores.fit_points,
                scores.intent_points,
                lifecycle.lifecycle_stage,
                lifecycle.owner_id,
                profiles.current_owner_id,
                lifecycle.sla_tier,
                -- A clock keeps the calendar it was set by.
                coalesce(assigned.calendar_id, reps.calendar_id) as clock_calendar_id,
                stages.is_cold,
                lifecycle.decision = 'mql' as is_handed_over,
                lifecycle.sla_due_at is not null
                and lifecycle.first_response_at is null as is_clock_open,
                lifecycle.hubspot_contact_id is not null as is_in_hubspot,
                lifecycle.salesforce_lead_id is not null
                or lifecycle.salesforce_contact_id is not null as is_in_salesforce
            from {{ profiles_before }} as profiles
            left join
                {{ described_before }} as described
                on profiles.lead_key = described.lead_key
            left join
                {{ scores_before }} as scores on profiles.lead_key = scores.lead_key
            left join
                {{ lifecycle_before }} as lifecycle
                on profiles.lead_key = lifecycle.lead_key
            left join
                {{ ref("accounts") }} as accounts
                on profiles.account_key = accounts.account_key
            left join
                {{ ref("lifecycle_stages") }} as stages
                on lifecycle.lifecycle_stage = stages.lifecycle_stage
            left join {{ ref("reps") }} as reps on lifecycle.owner_id = reps.user_id
            left join assigned on profiles.lead_key = assigned.lead_key
        )
    select distinct leads.lead_key, changed.policy_table
    from leads
    inner join
        changed
        on case
            changed.policy_table
            -- What is known of somebody.
            when 'buying_group_rules'
            then leads.account_key is not null
            when 'buying_roles'
            then leads.account_key is not null
            when 'channels'
            then
                (changed.source is null or leads.source = changed.source)
                and (
                    changed.source_detail is null
                    or leads.source_detail = changed.source_detail
                )
            when 'competitor_domains'
            then leads.company_domain = changed.domain
            when 'consent_rules'
            then
                (changed.country is null or leads.country = changed.country)
                and (changed.region is null or leads.region = changed.region)
            when 'country_languages'
            then leads.country = changed.country
            when 'country_names'
            then leads.country in (changed.name, changed.country)
            when 'dispositions'
            then leads.disposition = changed.disposition
            when 'named_accounts'
            then
                ends_with('.' || leads.company_domain, '.' || changed.domain)
                or ends_with('.' || leads.account_domain, '.' || changed.domain)
            when 'personas'
            then regexp_matches(leads.job_title, coalesce(changed.pattern, ''))
            when 'products'
            then
                contains(
                    coalesce(
                        case
                            changed.match_on
                            when 'url'
                            then leads.trigger_url
                            else leads.trigger_asset
                        end,
                        ''
                    ),
                    coalesce(changed.pattern, '')
                )
            -- A buying group is judged by the size of its account.
            when 'segments'
            then
                leads.employee_count
                between coalesce(changed.min_employees::bigint, 0) and coalesce(
                    changed.max_employees::bigint, 9223372036854775807
                )
                or leads.account_employee_count
                between coalesce(changed.min_employees::bigint, 0) and coalesce(
                    changed.max_employees::bigint, 9223372036854775807
                )
            when 'seniorities'
            then regexp_matches(leads.job_title, coalesce(changed.pattern, ''))
            when 'territories'
            then
                (changed.country is null or leads.country = changed.country)
                and (changed.region is null or leads.region = changed.region)
            -- How it is judged.
            when 'score_bands'
            then
                leads.fit_points + leads.intent_points
                between changed.min_points::integer and changed.max_points::integer
            when 'score_caps'
            then
                case
                    changed.dimension
                    when 'fit'
                    then leads.fit_points
                    else leads.intent_points
                end
                >= changed.lower_cap
            -- What was promised, and who keeps it.
            when 'absences'
            then leads.is_clock_open and leads.owner_id = changed.user_id
            when 'business_hours'
            then leads.is_clock_open and changed.calendar_id = leads.clock_calendar_id
            when 'holidays'
            then leads.is_clock_open and changed.calendar_id = leads.clock_calendar_id
            when 'reengagement_rules'
            then
                leads.is_cold
                and (
                    changed.lifecycle_stage is null
                    or leads.lifecycle_stage = changed.lifecycle_stage
                )
                and (
                    changed.disposition is null
                    or leads.disposition = changed.disposition
                )
            when 'reps'
            then changed.user_id in (leads.owner_id, leads.current_owner_id)
            when 'reroute_rules'
            then leads.is_handed_over
            when 'sla_tiers'
            then leads.is_clock_open and leads.sla_tier = changed.tier_id
            -- What is written.
            when 'crm_creation'
            then leads.is_handed_over and not leads.is_in_salesforce
            when 'field_ownership'
            then
                leads.is_handed_over
                and (changed.system <> 'hubspot' or leads.is_in_hubspot)
            -- What this list does not bound may affect everybody.
            else true
        end
{% else %} select null::varchar as lead_key, null::varchar as policy_table where false
{% endif %}
