-- One row per Salesforce user.
{{ config(touched="self") }}
{%- set shape = {
    "Id": "VARCHAR",
    "Name": "VARCHAR",
    "Email": "VARCHAR",
    "TimeZoneSidKey": "VARCHAR",
    "UserType": "VARCHAR",
    "IsActive": "BOOLEAN",
} -%}
with
    source as (
        select *
        from {{ newest_versions(source("raw_salesforce", "salesforce__users"), shape) }}
    ),
    renamed as (
        select
            'salesforce:user:' || _key as record_key,
            _key as user_id,
            {{ clean_text('record."Name"') }} as full_name,
            {{ clean_email('record."Email"') }} as email,
            record."TimeZoneSidKey" as time_zone,
            record."UserType" as user_type,
            coalesce(record."IsActive", false) as is_active,
            _is_deleted as is_deleted,
            _seq,
            _extracted_at
        from source
    )
select *
from renamed
