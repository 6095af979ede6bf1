-- One row per page a known HubSpot contact visited.
{{ config(touched="self") }}
{%- set shape = {
    "id": "VARCHAR",
    "objectId": "VARCHAR",
    "eventType": "VARCHAR",
    "occurredAt": "VARCHAR",
    "properties": {
        "hs_url": "VARCHAR",
        "hs_page_title": "VARCHAR",
        "hs_utm_campaign": "VARCHAR",
    },
} -%}
with
    source as (
        select *
        from {{ newest_versions(source("raw_hubspot", "hubspot__page_events"), shape) }}
    ),
    renamed as (
        select
            'hubspot:page_event:' || _key as record_key,
            _key as event_id,
            'hubspot:contact:' || record."objectId" as contact_record_key,
            record."eventType" as event_type,
            {{ clean_text("record.properties.hs_url") }} as page_url,
            {{ clean_text("record.properties.hs_page_title") }} as page_title,
            {{ clean_text("record.properties.hs_utm_campaign") }} as campaign,
            {{ clean_time('record."occurredAt"') }} as occurred_at,
            _is_deleted as is_deleted,
            _seq,
            _extracted_at
        from source
    )
select *
from renamed
