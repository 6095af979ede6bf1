-- One row per HubSpot form.
{{ config(touched="self") }}
{%- set shape = {"id": "VARCHAR", "name": "VARCHAR", "formType": "VARCHAR"} -%}
with
    source as (
        select *
        from {{ newest_versions(source("raw_hubspot", "hubspot__forms"), shape) }}
    ),
    renamed as (
        select
            'hubspot:form:' || _key as record_key,
            _key as form_id,
            {{ clean_text("record.name") }} as form_name,
            record."formType" as form_type,
            _is_deleted as is_deleted,
            _seq,
            _extracted_at
        from source
    )
select *
from renamed
