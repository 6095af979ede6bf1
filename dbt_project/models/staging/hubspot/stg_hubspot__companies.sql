-- One row per HubSpot company: its newest version.
{{ config(touched="self") }}
{%- set shape = {
    "id": "VARCHAR",
    "url": "VARCHAR",
    "createdAt": "VARCHAR",
    "properties": {
        "name": "VARCHAR",
        "domain": "VARCHAR",
        "website": "VARCHAR",
        "phone": "VARCHAR",
        "country": "VARCHAR",
        "state": "VARCHAR",
        "city": "VARCHAR",
        "industry": "VARCHAR",
        "numberofemployees": "VARCHAR",
        "annualrevenue": "VARCHAR",
        "lifecyclestage": "VARCHAR",
        "hubspot_owner_id": "VARCHAR",
        "hs_parent_company_id": "VARCHAR",
        "hs_num_open_deals": "VARCHAR",
        "hs_is_target_account": "VARCHAR",
        "hs_ideal_customer_profile": "VARCHAR",
        "hs_merged_object_ids": "VARCHAR",
        "createdate": "VARCHAR",
        "hs_lastmodifieddate": "VARCHAR",
    },
} -%}
with
    source as (
        select *
        from {{ newest_versions(source("raw_hubspot", "hubspot__companies"), shape) }}
    ),
    renamed as (
        select
            'hubspot:company:' || _key as record_key,
            _key as company_id,
            {{ clean_text("record.properties.name") }} as company_name,
            coalesce(
                {{ domain_of("record.properties.domain") }},
                {{ domain_of("record.properties.website") }}
            ) as domain,
            {{ clean_text("record.properties.website") }} as website,
            {{ clean_text("record.properties.phone") }} as phone,
            {{ clean_text("record.properties.country") }} as country,
            {{ clean_text("record.properties.state") }} as state,
            {{ clean_text("record.properties.city") }} as city,
            {{ clean_text("record.properties.industry") }} as industry,
            try_cast(
                try_cast(record.properties.numberofemployees as double) as bigint
            ) as employee_count,
            try_cast(record.properties.annualrevenue as double) as annual_revenue,
            record.properties.lifecyclestage as lifecycle_stage,
            record.properties.hubspot_owner_id as owner_id,
            record.properties.hs_parent_company_id as parent_id,
            try_cast(
                try_cast(record.properties.hs_num_open_deals as double) as bigint
            ) as open_deal_count,
            coalesce(
                record.properties.hs_is_target_account = 'true', false
            ) as is_target_account,
            record.properties.hs_ideal_customer_profile as ideal_customer_tier,
            record.properties.hs_merged_object_ids as merged_object_ids,
            record.url as record_url,
            coalesce(
                {{ clean_time("record.properties.createdate") }},
                {{ clean_time("record.createdAt") }}
            ) as created_at,
            {{ clean_time("record.properties.hs_lastmodifieddate") }} as modified_at,
            _is_deleted as is_deleted,
            _seq,
            _extracted_at
        from source
    )
select *
from renamed
