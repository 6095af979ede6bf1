-- One row per contact's role in an opportunity.
{{ config(touched="self") }}
{%- set shape = {
    "Id": "VARCHAR",
    "OpportunityId": "VARCHAR",
    "ContactId": "VARCHAR",
    "Role": "VARCHAR",
} -%}
with
    source as (
        select *
        from
            {{
                newest_versions(
                    source("raw_salesforce", "salesforce__opportunity_contact_roles"),
                    shape,
                )
            }}
    ),
    renamed as (
        select
            'salesforce:opportunity_contact_role:' || _key as record_key,
            record."OpportunityId" as opportunity_id,
            record."ContactId" as contact_id,
            {{ clean_text('record."Role"') }} as role,
            _is_deleted as is_deleted,
            _seq,
            _extracted_at
        from source
    )
select *
from renamed
