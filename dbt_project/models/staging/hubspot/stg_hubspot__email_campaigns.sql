-- One row per marketing e-mail that was opened or clicked.
{{ config(touched="self") }}
{%- set shape = {"id": "VARCHAR", "name": "VARCHAR", "subject": "VARCHAR"} -%}
with
    source as (
        select *
        from
            {{
                newest_versions(
                    source("raw_hubspot", "hubspot__email_campaigns"), shape
                )
            }}
    ),
    renamed as (
        select
            'hubspot:email_campaign:' || _key as record_key,
            _key as campaign_id,
            {{ clean_text("record.name") }} as campaign_name,
            {{ clean_text("record.subject") }} as subject,
            _is_deleted as is_deleted,
            _seq,
            _extracted_at
        from source
    )
select *
from renamed
