-- One row per lead: all we know of it before it is judged.
{{ config(access="public") }}
-- depends_on: {{ ref('leads_touched') }}
with
    described as (
        select * from {{ ref("int_leads__described") }} {{ where_touched() }}
    ),
    facts as (
        select
            lead_key,
            {% for field in fields_believed() %}
                max(value) filter (
                    where field = '{{ field }}'
                ) as {{ field }}{{ "," if not loop.last }}
            {% endfor %}
        from {{ ref("lead_facts") }} {{ where_touched() }}
        group by lead_key
    ),
    regions as (
        select country, min(region) as region
        from {{ ref("country_names") }}
        group by country
    ),
    in_crm as (select * from {{ ref("int_leads__in_crm") }}),
    in_stage as (select * from {{ ref("int_leads__in_stage") }}),
    triggered as (select * from {{ ref("int_leads__triggered") }}),
    interactions as (select * from {{ ref("int_leads__interactions") }}),
    accounts as (select * from {{ ref("accounts") }}),
    classified as (select * from {{ ref("int_leads__classified") }}),
    permitted as (select * from {{ ref("int_leads__permitted") }}),
    channels as (select * from {{ ref("channels") }}),
    sources as (
        select distinct
            first_touch_source_as_named as source,
            lower(trim(first_touch_source_detail)) as detail
        from described
    ),
    channelled as (
        select sources.source, sources.detail, channels.channel
        from sources
        inner join
            channels
            on (channels.source is null or channels.source = sources.source)
            and (
                channels.source_detail is null
                or channels.source_detail = sources.detail
            )
        qualify
            row_number() over (
                partition by sources.source, sources.detail order by channels.priority
            )
            = 1
    ),
    -- Of earlier runs only: this run's decisions come after its profiles.
    decisions as (
        select
            lead_key,
            count(*) filter (where decision = 'mql') as handover_number,
            bool_or(decision = 'adopted') as is_adopted,
            min(as_of) as decided_at
        from {{ recorded("decisions") }}
        where as_of < {{ as_of() }}
        group by lead_key
    ),
    assignments as (
        select
            lead_key,
            arg_max(owner_id, as_of) as owner_id,
            max(as_of) as owner_assigned_at
        from {{ recorded("assignments") }}
        where as_of < {{ as_of() }}
        group by lead_key
    )
select
    described.lead_key,
    described.email,
    described.first_name,
    described.last_name,
    described.full_name,
    facts.job_title,
    facts.company_name,
    described.company_domain,
    facts.employee_count::bigint as employee_count,
    facts.industry,
    facts.country,
    regions.region,
    facts.phone,
    facts.technology_stack,
    classified.buying_role,
    classified.territory,
    classified.segment,
    classified.persona,
    classified.seniority,
    classified.product,
    classified.language,
    classified.named_account_id,
    classified.named_account_owner_id,
    classified.named_account_pool,
    described.is_free_mail,
    described.is_competitor,
    described.has_opted_out,
    permitted.lacks_consent,
    permitted.may_be_called,
    described.has_two_names,
    described.account_key,
    accounts.account_name,
    accounts.parent_account_key,
    accounts.owner_id as account_owner_id,
    accounts.opportunity_owner_id,
    coalesce(in_crm.crm_lead_owner_id, in_crm.map_owner_id) as current_owner_id,
    described.hubspot_contact_id,
    in_crm.crm_lead_id as salesforce_lead_id,
    in_crm.crm_contact_id as salesforce_contact_id,
    in_crm.is_converted,
    in_crm.duplicate_count::integer as duplicate_count,
    in_crm.lead_status,
    in_crm.disposition,
    in_crm.disposition_reason,
    coalesce(in_stage.lifecycle_stage, 'lead') as crm_stage,
    coalesce(in_stage.is_mql_in_crm, false) as is_mql_in_crm,
    in_stage.mql_in_crm_at,
    -- Worked: not won, and not turned down unless it did something since.
    coalesce(
        in_stage.is_worked or triggered.trigger_at > in_stage.recycled_at,
        in_stage.lead_key is null
    ) as is_open,
    triggered.trigger_key,
    triggered.trigger_type,
    triggered.trigger_asset,
    triggered.trigger_url,
    triggered.trigger_at,
    triggered.trigger_landed_at,
    triggered.recent_touches,
    coalesce(triggered.touch_count_7d, 0) as touch_count_7d,
    triggered.last_contents,
    triggered.submitted_form,
    coalesce(triggered.page_view_count, 0) as page_view_count,
    coalesce(triggered.download_count, 0) as download_count,
    coalesce(triggered.email_open_count, 0) as email_open_count,
    interactions.previous_interactions,
    channelled.channel as first_touch_source,
    described.first_touch_source_detail,
    described.first_touch_campaign,
    described.first_touch_at,
    described.lead_at,
    coalesce(
        in_crm.map_record_url, in_crm.crm_lead_id, in_crm.crm_contact_id
    ) as record_url,
    coalesce(decisions.handover_number, 0) > 0
    and in_stage.recycled_at is null as is_handed_over,
    coalesce(decisions.handover_number, 0)::integer as handover_number,
    in_stage.recycled_at,
    coalesce(decisions.is_adopted, false) as is_adopted,
    decisions.decided_at,
    assignments.owner_id,
    assignments.owner_assigned_at
from described
left join facts on described.lead_key = facts.lead_key
left join regions on facts.country = regions.country
left join in_crm on described.lead_key = in_crm.lead_key
left join triggered on described.lead_key = triggered.lead_key
left join interactions on described.lead_key = interactions.lead_key
left join accounts on described.account_key = accounts.account_key
left join classified on described.lead_key = classified.lead_key
left join permitted on described.lead_key = permitted.lead_key
left join in_stage on described.lead_key = in_stage.lead_key
left join decisions on described.lead_key = decisions.lead_key
left join assignments on described.lead_key = assignments.lead_key
left join
    channelled
    on described.first_touch_source_as_named is not distinct from channelled.source
    and lower(trim(described.first_touch_source_detail))
    is not distinct from channelled.detail
