-- One row per version of a Salesforce lead: the status it had, and when we learned it.
{{ config(unique_key="_seq", touched="self") }}
with
    source as (
        select *
        from {{ source("raw_salesforce", "salesforce__leads") }}
        {% if is_incremental() %}
            where _seq > (select coalesce(max(_seq), 0) from {{ this }})
        {% endif %}
    ),
    renamed as (
        select
            'salesforce:lead:' || _key as record_key,
            lower(trim(payload ->> '$.Status')) as status,
            payload ->> '$.baton_lead_key__c' as baton_lead_key,
            coalesce(_version_at, _extracted_at) as version_at,
            _extracted_at as known_at,
            _seq
        from source
    )
select *
from renamed
