-- One row per submission of a HubSpot form.
{{ config(touched="self") }}
{%- set shape = {
    "formId": "VARCHAR",
    "submission": {
        "conversionId": "VARCHAR",
        "submittedAt": "BIGINT",
        "pageUrl": "VARCHAR",
        "values": [{"name": "VARCHAR", "value": "VARCHAR"}],
    },
} -%}
with
    source as (
        select *
        from
            {{
                newest_versions(
                    source("raw_hubspot", "hubspot__form_submissions"), shape
                )
            }}
    ),
    renamed as (
        select
            'hubspot:form_submission:' || _key as record_key,
            _key as submission_id,
            record."formId" as form_id,
            {{
                clean_email(
                    "list_filter(record.submission.\"values\", lambda v: v.name = 'email')[1].value"
                )
            }}
            as email,
            record.submission."pageUrl" as page_url,
            case
                when
                    record.submission."submittedAt"
                    between 631152000000 and 4102444800000
                then make_timestamp(record.submission."submittedAt" * 1000)
            end as submitted_at,
            _is_deleted as is_deleted,
            _seq,
            _extracted_at
        from source
    )
select *
from renamed
