-- One row per version of a HubSpot contact: its stage, and when we learned it.
{{ config(unique_key="_seq", touched="self") }}
with
    source as (
        select *
        from {{ source("raw_hubspot", "hubspot__contacts") }}
        {% if is_incremental() %}
            where _seq > (select coalesce(max(_seq), 0) from {{ this }})
        {% endif %}
    ),
    renamed as (
        select
            'hubspot:contact:' || _key as record_key,
            lower(payload ->> '$.properties.lifecyclestage') as lifecycle_stage,
            lower(payload ->> '$.properties.hs_lead_status') as lead_status,
            coalesce(_version_at, _extracted_at) as version_at,
            _extracted_at as known_at,
            _seq
        from source
    )
select *
from renamed
