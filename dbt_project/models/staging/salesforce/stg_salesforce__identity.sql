-- One row: the Salesforce user this integration runs as.
{{ config(touched="self") }}
{%- set shape = {"user_id": "VARCHAR", "instance_url": "VARCHAR"} -%}
with
    source as (
        select *
        from
            {{
                newest_versions(
                    source("raw_salesforce", "salesforce__identity"), shape
                )
            }}
    ),
    renamed as (
        select
            'salesforce:identity:' || _key as record_key,
            record.user_id as user_id,
            record.instance_url as instance_url,
            _is_deleted as is_deleted,
            _seq,
            _extracted_at
        from source
    )
select *
from renamed
