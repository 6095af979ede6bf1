-- One row per open or click of a marketing e-mail.
{{ config(touched="self") }}
{%- set shape = {
    "id": "VARCHAR",
    "created": "BIGINT",
    "type": "VARCHAR",
    "recipient": "VARCHAR",
    "emailCampaignId": "VARCHAR",
    "url": "VARCHAR",
    "filteredEvent": "BOOLEAN",
} -%}
with
    source as (
        select *
        from
            {{ newest_versions(source("raw_hubspot", "hubspot__email_events"), shape) }}
    ),
    renamed as (
        select
            'hubspot:email_event:' || _key as record_key,
            _key as event_id,
            {{ clean_email("record.recipient") }} as email,
            record.type as event_type,
            record."emailCampaignId" as campaign_id,
            record.url as clicked_url,
            coalesce(record."filteredEvent", false) as is_filtered,
            case
                when record.created between 631152000000 and 4102444800000
                then make_timestamp(record.created * 1000)
            end as occurred_at,
            _is_deleted as is_deleted,
            _seq,
            _extracted_at
        from source
    )
select *
from renamed
