-- One row per version of a Salesforce opportunity: open, won, lost or gone, and when
-- we learned it.
{{ config(unique_key="_seq", touched="self") }}
with
    source as (
        select *
        from {{ source("raw_salesforce", "salesforce__opportunities") }}
        {% if is_incremental() %}
            where _seq > (select coalesce(max(_seq), 0) from {{ this }})
        {% endif %}
    ),
    renamed as (
        select
            _key as opportunity_id,
            coalesce(try_cast(payload ->> '$.IsClosed' as boolean), false) as is_closed,
            coalesce(try_cast(payload ->> '$.IsWon' as boolean), false) as is_won,
            _is_deleted as is_deleted,
            try_cast(payload ->> '$.CloseDate' as date) as close_date,
            {{ clean_time("payload ->> '$.CreatedDate'") }} as created_at,
            coalesce(_version_at, _extracted_at) as version_at,
            _extracted_at as known_at,
            _seq
        from source
    )
select *
from renamed
