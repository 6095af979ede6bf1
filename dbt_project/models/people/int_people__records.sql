-- One row per person record of any system, with what links it to other records.
{{ config(unique_key="record_key", touched="self") }}
with
    hubspot_contacts as (
        select
            record_key,
            'hubspot' as system,
            'contact' as object,
            contact_id as record_id,
            email,
            trim(concat_ws(' ', first_name, last_name)) as full_name,
            created_at,
            is_deleted,
            list_transform(
                list_sort(
                    list_distinct(
                        list_filter(
                            list_concat(
                                string_split(coalesce(merged_object_ids, ''), ';'),
                                list_transform(
                                    string_split(coalesce(merged_vids, ''), ';'),
                                    lambda pair:split_part(pair, ':', 1)
                                )
                            ),
                            lambda id:id <> '' and id <> contact_id
                        )
                    )
                ),
                lambda id:'hubspot:contact:' || id
            ) as linked_record_keys,
            _seq
        from {{ ref("stg_hubspot__contacts") }}
    ),
    salesforce_leads as (
        select
            record_key,
            'salesforce' as system,
            'lead' as object,
            lead_id as record_id,
            email,
            trim(concat_ws(' ', first_name, last_name)) as full_name,
            created_at,
            is_deleted,
            list_filter(
                [
                    'salesforce:lead:' || master_record_id,
                    'salesforce:contact:' || converted_contact_id
                ],
                lambda link:link is not null
            ) as linked_record_keys,
            _seq
        from {{ ref("stg_salesforce__leads") }}
    ),
    salesforce_contacts as (
        select
            record_key,
            'salesforce' as system,
            'contact' as object,
            contact_id as record_id,
            email,
            trim(concat_ws(' ', first_name, last_name)) as full_name,
            created_at,
            is_deleted,
            list_filter(
                ['salesforce:contact:' || master_record_id],
                lambda link:link is not null
            ) as linked_record_keys,
            _seq
        from {{ ref("stg_salesforce__contacts") }}
    ),
    unioned as (
        select *
        from hubspot_contacts
        union all
        select *
        from salesforce_leads
        union all
        select *
        from salesforce_contacts
    )
select *
from unioned
{% if is_incremental() %}
    where _seq > (select coalesce(max(_seq), 0) from {{ this }})
{% endif %}
