-- One row per version of a contact's role in an opportunity, and when we learned it.
{{ config(unique_key="_seq", touched="self") }}
with
    source as (
        select *
        from {{ source("raw_salesforce", "salesforce__opportunity_contact_roles") }}
        {% if is_incremental() %}
            where _seq > (select coalesce(max(_seq), 0) from {{ this }})
        {% endif %}
    ),
    renamed as (
        select
            _key as role_id,
            payload ->> '$.OpportunityId' as opportunity_id,
            payload ->> '$.ContactId' as contact_id,
            _is_deleted as is_deleted,
            {{ clean_time("payload ->> '$.CreatedDate'") }} as created_at,
            _extracted_at as known_at,
            _seq
        from source
    )
select *
from renamed
