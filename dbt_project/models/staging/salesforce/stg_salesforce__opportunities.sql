-- One row per Salesforce opportunity.
{{ config(touched="self") }}
{%- set shape = {
    "Id": "VARCHAR",
    "Name": "VARCHAR",
    "StageName": "VARCHAR",
    "CloseDate": "VARCHAR",
    "AccountId": "VARCHAR",
    "OwnerId": "VARCHAR",
    "LeadSource": "VARCHAR",
    "CreatedDate": "VARCHAR",
    "SystemModstamp": "VARCHAR",
    "Amount": "DOUBLE",
    "IsClosed": "BOOLEAN",
    "IsWon": "BOOLEAN",
} -%}
with
    source as (
        select *
        from
            {{
                newest_versions(
                    source("raw_salesforce", "salesforce__opportunities"), shape
                )
            }}
    ),
    renamed as (
        select
            'salesforce:opportunity:' || _key as record_key,
            _key as opportunity_id,
            record."AccountId" as account_id,
            record."OwnerId" as owner_id,
            {{ clean_text('record."Name"') }} as opportunity_name,
            record."StageName" as stage_name,
            record."Amount" as amount,
            coalesce(record."IsClosed", false) as is_closed,
            coalesce(record."IsWon", false) as is_won,
            try_cast(record."CloseDate" as date) as close_date,
            {{ clean_time('record."CreatedDate"') }} as created_at,
            _is_deleted as is_deleted,
            _seq,
            _extracted_at
        from source
    )
select *
from renamed
