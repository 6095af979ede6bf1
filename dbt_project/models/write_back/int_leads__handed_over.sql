-- One row per touched lead that was handed over, with its record as it stands by now:
-- a view,
-- because the record Baton has just made is known by its receipt before any pull
-- shows it.
{{ config(access="private") }}
with
    -- Also who was erased since the packets were made.
    packed as (select * from {{ ref("int_leads__packed") }} where {{ not_erased() }}),
    created as (
        select lead_key, arg_max(vendor_id, receipt_seq) as lead_id
        from {{ recorded("receipts") }}
        where
            target = 'salesforce.lead'
            and status = 'accepted'
            and vendor_id is not null
            and lead_key in (select lead_key from packed)
        group by lead_key
    ),
    policy as (
        select creates, wait_minutes
        from {{ ref("crm_creation") }}
        order by priority
        limit 1
    ),
    identity as (
        select any_value(instance_url) as instance_url
        from {{ ref("stg_salesforce__identity") }}
    ),
    placed as (
        select
            packed.* exclude (record_url),
            packed.record_url as map_record_url,
            created.lead_id is not null as is_created,
            -- Once a pull has shown the record, what it says counts: it may have been
            -- converted since, which makes it read-only, or deleted by a person.
            coalesce(
                packed.open_lead_id,
                case when shown.lead_id is null then created.lead_id end
            ) as lead_id
        from packed
        left join created on packed.lead_key = created.lead_key
        left join
            {{ ref("stg_salesforce__leads") }} as shown
            on created.lead_id = shown.lead_id
    )
select
    placed.* exclude (map_record_url, lead_id, is_created),
    coalesce(placed.lead_id, placed.salesforce_contact_id) as who_id,
    coalesce(placed.lead_id, placed.salesforce_lead_id, placed.salesforce_contact_id)
    is null
    and not placed.is_created
    and coalesce(
        policy.creates = 'baton'
        or placed.owner_assigned_at + to_minutes(policy.wait_minutes) <= {{ as_of() }},
        false
    ) as is_to_create,
    {{
        record_address(
            "placed.lead_id", "placed.salesforce_contact_id", "placed.map_record_url"
        )
    }} as record_url
from placed
cross join identity
left join policy on true
