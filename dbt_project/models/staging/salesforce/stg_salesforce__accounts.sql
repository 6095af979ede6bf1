-- One row per Salesforce account.
{{ config(touched="self") }}
{%- set shape = {
    "Id": "VARCHAR",
    "Name": "VARCHAR",
    "Website": "VARCHAR",
    "Industry": "VARCHAR",
    "BillingCountry": "VARCHAR",
    "OwnerId": "VARCHAR",
    "ParentId": "VARCHAR",
    "Type": "VARCHAR",
    "CreatedDate": "VARCHAR",
    "MasterRecordId": "VARCHAR",
    "LastModifiedById": "VARCHAR",
    "NumberOfEmployees": "BIGINT",
} -%}
with
    source as (
        select *
        from
            {{
                newest_versions(
                    source("raw_salesforce", "salesforce__accounts"), shape
                )
            }}
    ),
    renamed as (
        select
            'salesforce:account:' || _key as record_key,
            _key as account_id,
            {{ clean_text('record."Name"') }} as account_name,
            {{ domain_of('record."Website"') }} as domain,
            {{ clean_text('record."Industry"') }} as industry,
            record."NumberOfEmployees" as employee_count,
            {{ clean_text('record."BillingCountry"') }} as country,
            record."OwnerId" as owner_id,
            record."ParentId" as parent_id,
            record."LastModifiedById" as modified_by_id,
            {{ clean_time('record."CreatedDate"') }} as created_at,
            _is_deleted as is_deleted,
            _seq,
            _extracted_at
        from source
    )
select *
from renamed
