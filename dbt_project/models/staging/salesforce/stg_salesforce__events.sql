-- One row per Salesforce calendar event.
{{ config(touched="self") }}
{%- set shape = {
    "Id": "VARCHAR",
    "WhoId": "VARCHAR",
    "WhatId": "VARCHAR",
    "OwnerId": "VARCHAR",
    "Subject": "VARCHAR",
    "StartDateTime": "VARCHAR",
    "EndDateTime": "VARCHAR",
    "ActivityDateTime": "VARCHAR",
    "CreatedById": "VARCHAR",
    "CreatedDate": "VARCHAR",
} -%}
with
    source as (
        select *
        from
            {{ newest_versions(source("raw_salesforce", "salesforce__events"), shape) }}
    ),
    renamed as (
        select
            'salesforce:event:' || _key as record_key,
            _key as event_id,
            record."WhoId" as who_id,
            record."OwnerId" as owner_id,
            {{ clean_text('record."Subject"') }} as subject,
            record."CreatedById" as created_by_id,
            coalesce(
                {{ clean_time('record."EndDateTime"') }},
                {{ clean_time('record."StartDateTime"') }},
                {{ clean_time('record."ActivityDateTime"') }}
            ) as ended_at,
            {{ clean_time('record."CreatedDate"') }} as created_at,
            _is_deleted as is_deleted,
            _seq,
            _extracted_at
        from source
    )
select *
from renamed
