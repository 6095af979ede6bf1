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
    ourselves as (select user_id from {{ ref("stg_salesforce__identity") }}),
    salesforce_leads as (
        select
            leads.record_key,
            'salesforce' as system,
            'lead' as object,
            leads.lead_id as record_id,
            leads.email,
            trim(concat_ws(' ', leads.first_name, leads.last_name)) as full_name,
            leads.created_at,
            leads.is_deleted,
            list_filter(
                [
                    'salesforce:lead:' || leads.master_record_id,
                    'salesforce:contact:' || leads.converted_contact_id,
                    -- What Baton made for a person is that person's, also where no
                    -- address says so. What somebody else made carries our key only
                    -- because it was joined to it once.
                    case
                        when
                            leads.created_by_id in (select user_id from ourselves)
                            and keys.record_key <> leads.record_key
                        then keys.record_key
                    end
                ],
                lambda link:link is not null
            ) as linked_record_keys,
            leads._seq
        from {{ ref("stg_salesforce__leads") }} as leads
        left join
            {{ source("ops", "lead_keys") }} as keys
            on leads.baton_lead_key = keys.lead_key
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
