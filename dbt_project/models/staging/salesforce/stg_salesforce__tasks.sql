-- One row per Salesforce task.
{{ config(touched="self") }}
{%- set shape = {
    "Id": "VARCHAR",
    "WhoId": "VARCHAR",
    "WhatId": "VARCHAR",
    "OwnerId": "VARCHAR",
    "Subject": "VARCHAR",
    "Status": "VARCHAR",
    "Type": "VARCHAR",
    "TaskSubtype": "VARCHAR",
    "ActivityDate": "VARCHAR",
    "CompletedDateTime": "VARCHAR",
    "CreatedById": "VARCHAR",
    "CreatedDate": "VARCHAR",
    "baton_task_key__c": "VARCHAR",
    "IsClosed": "BOOLEAN",
} -%}
with
    source as (
        select *
        from {{ newest_versions(source("raw_salesforce", "salesforce__tasks"), shape) }}
    ),
    renamed as (
        select
            'salesforce:task:' || _key as record_key,
            _key as task_id,
            record."WhoId" as who_id,
            record."OwnerId" as owner_id,
            {{ clean_text('record."Subject"') }} as subject,
            record."TaskSubtype" as task_subtype,
            record."CreatedById" as created_by_id,
            coalesce(record."IsClosed", false) as is_completed,
            record."baton_task_key__c" as baton_task_key,
            coalesce(
                {{ clean_time('record."CompletedDateTime"') }},
                {{ clean_time('record."ActivityDate"') }}
            ) as completed_at,
            {{ clean_time('record."CreatedDate"') }} as created_at,
            _is_deleted as is_deleted,
            _seq,
            _extracted_at
        from source
    )
select *
from renamed
