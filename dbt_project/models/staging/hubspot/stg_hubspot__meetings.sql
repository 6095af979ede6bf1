-- One row per HubSpot meeting: its newest version.
{{ config(touched="self") }}
{%- set shape = {
    "id": "VARCHAR",
    "url": "VARCHAR",
    "createdAt": "VARCHAR",
    "associations": {"contacts": ["VARCHAR"], "companies": ["VARCHAR"]},
    "properties": {
        "hs_timestamp": "VARCHAR",
        "hs_meeting_title": "VARCHAR",
        "hs_meeting_start_time": "VARCHAR",
        "hs_meeting_end_time": "VARCHAR",
        "hs_meeting_outcome": "VARCHAR",
        "hubspot_owner_id": "VARCHAR",
        "hs_createdate": "VARCHAR",
        "hs_lastmodifieddate": "VARCHAR",
    },
} -%}
with
    source as (
        select *
        from {{ newest_versions(source("raw_hubspot", "hubspot__meetings"), shape) }}
    ),
    renamed as (
        select
            'hubspot:meeting:' || _key as record_key,
            _key as meeting_id,
            nullif(
                array_to_string(record.associations.contacts, ';'), ''
            ) as contact_ids,
            nullif(
                array_to_string(record.associations.companies, ';'), ''
            ) as company_ids,
            record.properties.hubspot_owner_id as owner_id,
            {{ clean_text("record.properties.hs_meeting_title") }} as title,
            lower(record.properties.hs_meeting_outcome) as outcome,
            record.url as record_url,
            coalesce(
                {{ clean_time("record.properties.hs_meeting_start_time") }},
                {{ clean_time("record.properties.hs_timestamp") }}
            ) as starts_at,
            {{ clean_time("record.properties.hs_meeting_end_time") }} as ends_at,
            coalesce(
                {{ clean_time("record.properties.hs_createdate") }},
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
