-- One row per HubSpot owner, archived ones included.
{{ config(touched="self") }}
{%- set shape = {
    "id": "VARCHAR",
    "email": "VARCHAR",
    "firstName": "VARCHAR",
    "lastName": "VARCHAR",
    "archived": "BOOLEAN",
} -%}
with
    source as (
        select *
        from {{ newest_versions(source("raw_hubspot", "hubspot__owners"), shape) }}
    ),
    renamed as (
        select
            'hubspot:owner:' || _key as record_key,
            _key as owner_id,
            {{ clean_email("record.email") }} as email,
            trim(concat_ws(' ', record."firstName", record."lastName")) as full_name,
            coalesce(record.archived, false) as is_archived,
            _is_deleted as is_deleted,
            _seq,
            _extracted_at
        from source
    )
select *
from renamed
