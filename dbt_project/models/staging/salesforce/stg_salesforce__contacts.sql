-- One row per Salesforce contact.
{{ config(touched="self") }}
{%- set shape = {
    "Id": "VARCHAR",
    "AccountId": "VARCHAR",
    "FirstName": "VARCHAR",
    "LastName": "VARCHAR",
    "Email": "VARCHAR",
    "Title": "VARCHAR",
    "Phone": "VARCHAR",
    "LeadSource": "VARCHAR",
    "OwnerId": "VARCHAR",
    "MasterRecordId": "VARCHAR",
    "MailingCountry": "VARCHAR",
    "CreatedDate": "VARCHAR",
    "SystemModstamp": "VARCHAR",
    "LastModifiedById": "VARCHAR",
    "HasOptedOutOfEmail": "BOOLEAN",
    "DoNotCall": "BOOLEAN",
} -%}
with
    source as (
        select *
        from
            {{
                newest_versions(
                    source("raw_salesforce", "salesforce__contacts"), shape
                )
            }}
    ),
    renamed as (
        select
            'salesforce:contact:' || _key as record_key,
            _key as contact_id,
            record."AccountId" as account_id,
            {{ clean_email('record."Email"') }} as email,
            {{ clean_text('record."FirstName"') }} as first_name,
            {{ clean_text('record."LastName"') }} as last_name,
            {{ clean_text('record."Title"') }} as job_title,
            {{ clean_text('record."Phone"') }} as phone,
            {{ clean_text('record."MailingCountry"') }} as country,
            record."LeadSource" as lead_source,
            record."OwnerId" as owner_id,
            record."MasterRecordId" as master_record_id,
            coalesce(record."HasOptedOutOfEmail", false) as has_opted_out,
            coalesce(record."DoNotCall", false) as has_declined_calls,
            record."LastModifiedById" as modified_by_id,
            {{ clean_time('record."CreatedDate"') }} as created_at,
            {{ clean_time('record."SystemModstamp"') }} as modified_at,
            _is_deleted as is_deleted,
            _seq,
            _extracted_at
        from source
    )
select *
from renamed
