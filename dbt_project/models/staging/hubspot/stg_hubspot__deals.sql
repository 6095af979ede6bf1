-- One row per HubSpot deal: its newest version.
{{ config(touched="self") }}
{%- set shape = {
    "id": "VARCHAR",
    "url": "VARCHAR",
    "createdAt": "VARCHAR",
    "associations": {"contacts": ["VARCHAR"], "companies": ["VARCHAR"]},
    "properties": {
        "dealname": "VARCHAR",
        "amount": "VARCHAR",
        "closedate": "VARCHAR",
        "pipeline": "VARCHAR",
        "dealstage": "VARCHAR",
        "dealtype": "VARCHAR",
        "hubspot_owner_id": "VARCHAR",
        "hs_is_closed": "VARCHAR",
        "hs_is_closed_won": "VARCHAR",
        "hs_deal_stage_probability": "VARCHAR",
        "hs_forecast_amount": "VARCHAR",
        "days_to_close": "VARCHAR",
        "hs_merged_object_ids": "VARCHAR",
        "createdate": "VARCHAR",
        "hs_lastmodifieddate": "VARCHAR",
    },
} -%}
with
    source as (
        select *
        from {{ newest_versions(source("raw_hubspot", "hubspot__deals"), shape) }}
    ),
    renamed as (
        select
            'hubspot:deal:' || _key as record_key,
            _key as deal_id,
            nullif(
                array_to_string(record.associations.contacts, ';'), ''
            ) as contact_ids,
            nullif(
                array_to_string(record.associations.companies, ';'), ''
            ) as company_ids,
            record.properties.hubspot_owner_id as owner_id,
            {{ clean_text("record.properties.dealname") }} as deal_name,
            record.properties.pipeline as pipeline_id,
            record.properties.dealstage as stage_id,
            record.properties.dealtype as deal_type,
            try_cast(record.properties.amount as double) as amount,
            try_cast(record.properties.hs_forecast_amount as double) as forecast_amount,
            try_cast(
                record.properties.hs_deal_stage_probability as double
            ) as probability,
            coalesce(record.properties.hs_is_closed = 'true', false) as is_closed,
            coalesce(record.properties.hs_is_closed_won = 'true', false) as is_won,
            try_cast(
                try_cast(record.properties.days_to_close as double) as bigint
            ) as days_to_close,
            record.properties.hs_merged_object_ids as merged_object_ids,
            record.url as record_url,
            {{ clean_time("record.properties.closedate") }} as close_at,
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
