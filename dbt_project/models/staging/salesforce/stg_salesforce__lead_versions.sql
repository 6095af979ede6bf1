-- One row per version of a Salesforce lead: what it said, who wrote it, and when we
-- learned it.
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
            payload ->> '$.OwnerId' as owner_id,
            {{ clean_text("payload ->> '$.Title'") }} as job_title,
            {{ clean_text("payload ->> '$.Company'") }} as company_name,
            {{ clean_text("payload ->> '$.Phone'") }} as phone,
            {{ clean_text("payload ->> '$.Country'") }} as country,
            {{ clean_text("payload ->> '$.Industry'") }} as industry,
            try_cast(payload ->> '$.NumberOfEmployees' as bigint) as employee_count,
            payload ->> '$.LastModifiedById' as modified_by_id,
            coalesce(
                try_cast(payload ->> '$.IsConverted' as boolean), false
            ) as is_converted,
            coalesce(_version_at, _extracted_at) as version_at,
            _extracted_at as known_at,
            _seq
        from source
    )
select *
from renamed
