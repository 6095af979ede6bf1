-- One row per HubSpot contact: its newest version.
{{ config(touched="self") }}
{%- set shape = {
    "id": "VARCHAR",
    "url": "VARCHAR",
    "createdAt": "VARCHAR",
    "properties": {
        "email": "VARCHAR",
        "firstname": "VARCHAR",
        "lastname": "VARCHAR",
        "jobtitle": "VARCHAR",
        "company": "VARCHAR",
        "website": "VARCHAR",
        "phone": "VARCHAR",
        "country": "VARCHAR",
        "state": "VARCHAR",
        "city": "VARCHAR",
        "industry": "VARCHAR",
        "numemployees": "VARCHAR",
        "annualrevenue": "VARCHAR",
        "lifecyclestage": "VARCHAR",
        "hs_lead_status": "VARCHAR",
        "hubspot_owner_id": "VARCHAR",
        "hs_analytics_source": "VARCHAR",
        "hs_analytics_source_data_1": "VARCHAR",
        "hs_analytics_source_data_2": "VARCHAR",
        "hs_analytics_first_url": "VARCHAR",
        "hs_analytics_first_timestamp": "VARCHAR",
        "hs_email_optout": "VARCHAR",
        "hs_legal_basis": "VARCHAR",
        "hs_merged_object_ids": "VARCHAR",
        "hs_calculated_merged_vids": "VARCHAR",
        "hs_seniority": "VARCHAR",
        "hs_role": "VARCHAR",
        "web_technologies": "VARCHAR",
        "hs_v2_date_entered_marketingqualifiedlead": "VARCHAR",
        "hs_lifecyclestage_marketingqualifiedlead_date": "VARCHAR",
        "createdate": "VARCHAR",
        "lastmodifieddate": "VARCHAR",
        "baton_lead_key": "VARCHAR",
        "baton_score": "VARCHAR",
        "baton_score_reasons": "VARCHAR",
        "baton_trigger": "VARCHAR",
        "baton_context_gaps": "VARCHAR",
    },
} -%}
with
    source as (
        select *
        from {{ newest_versions(source("raw_hubspot", "hubspot__contacts"), shape) }}
    ),
    renamed as (
        select
            'hubspot:contact:' || _key as record_key,
            _key as contact_id,
            {{ clean_email("record.properties.email") }} as email,
            {{ clean_text("record.properties.firstname") }} as first_name,
            {{ clean_text("record.properties.lastname") }} as last_name,
            {{ clean_text("record.properties.jobtitle") }} as job_title,
            {{ clean_text("record.properties.company") }} as company_name,
            {{ clean_text("record.properties.website") }} as website,
            {{ clean_text("record.properties.phone") }} as phone,
            {{ clean_text("record.properties.country") }} as country,
            {{ clean_text("record.properties.state") }} as state,
            {{ clean_text("record.properties.city") }} as city,
            {{ clean_text("record.properties.industry") }} as industry,
            {{ clean_text("record.properties.numemployees") }} as employee_range,
            {{ clean_text("record.properties.hs_seniority") }} as seniority,
            {{ clean_text("record.properties.hs_role") }} as buying_role,
            {{ clean_text("record.properties.web_technologies") }} as technology_stack,
            record.properties.lifecyclestage as lifecycle_stage,
            record.properties.hs_lead_status as lead_status,
            record.properties.hubspot_owner_id as owner_id,
            record.properties.hs_analytics_source as source,
            record.properties.hs_analytics_source_data_1 as source_detail,
            {{ clean_text("record.properties.hs_analytics_source_data_2") }}
            as campaign,
            record.properties.hs_analytics_first_url as first_url,
            coalesce(
                record.properties.hs_email_optout = 'true', false
            ) as has_opted_out,
            lower({{ clean_text("record.properties.hs_legal_basis") }}) as legal_bases,
            record.properties.hs_merged_object_ids as merged_object_ids,
            record.properties.hs_calculated_merged_vids as merged_vids,
            record.properties.baton_lead_key as baton_lead_key,
            try_cast(record.properties.baton_score as double) as baton_score,
            record.properties.baton_score_reasons as baton_score_reasons,
            record.properties.baton_trigger as baton_trigger,
            record.properties.baton_context_gaps as baton_context_gaps,
            record.url as record_url,
            {{ clean_time("record.properties.hs_analytics_first_timestamp") }}
            as first_seen_at,
            coalesce(
                {{ clean_time("record.properties.createdate") }},
                {{ clean_time("record.createdAt") }}
            ) as created_at,
            coalesce(
                {{
                    clean_time(
                        "record.properties.hs_v2_date_entered_marketingqualifiedlead"
                    )
                }},
                {{
                    clean_time(
                        "record.properties.hs_lifecyclestage_marketingqualifiedlead_date"
                    )
                }}
            ) as mql_at,
            {{ clean_time("record.properties.lastmodifieddate") }} as modified_at,
            _is_deleted as is_deleted,
            _seq,
            _extracted_at
        from source
    )
select *
from renamed
