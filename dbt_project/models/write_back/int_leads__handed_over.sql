-- One row per touched lead that was handed over: what its record and its messages are made of.
{{ config(access="private") }}
with
    leads as (
        select * from {{ ref("lead_lifecycle") }} where decision = 'mql' and owner_id is not null
    ),
    touched as (select lead_key from {{ ref("leads_touched") }}),
    profiles as (select * from {{ ref("lead_profiles") }}),
    assignments as (
        select * from {{ source("ops", "assignments") }}
        qualify row_number() over (partition by lead_key order by as_of desc) = 1
    ),
    users as (select * from {{ ref("stg_salesforce__users") }}),
    owners as (select * from {{ ref("stg_hubspot__owners") }} where not is_archived),
    identity as (select any_value(instance_url) as instance_url from {{ ref("stg_salesforce__identity") }}),
    actions as (select * from {{ ref("first_contact_actions") }}),
    creations as (select * from {{ ref("crm_creation") }}),
    -- The record Baton made itself is known by its receipt before the next pull shows it.
    created as (
        select lead_key, arg_max(vendor_id, receipt_seq) as lead_id
        from {{ source("ops", "receipts") }}
        where target = 'salesforce.lead' and status = 'accepted' and vendor_id is not null
        group by lead_key
    )
select
    leads.* exclude (record_url),
    profiles.first_name,
    profiles.last_name,
    profiles.phone,
    profiles.technology_stack,
    profiles.recent_touches,
    profiles.last_contents,
    profiles.previous_interactions,
    profiles.is_converted,
    assignments.assignment_key,
    users.full_name as owner_name,
    users.email as owner_email,
    users.time_zone as owner_time_zone,
    owners.owner_id as hubspot_owner_id,
    case
        when not profiles.is_converted then profiles.salesforce_lead_id
    end as open_lead_id,
    coalesce(
        case when not profiles.is_converted then profiles.salesforce_lead_id end,
        created.lead_id,
        profiles.salesforce_contact_id
    ) as who_id,
    coalesce(created.lead_id, profiles.salesforce_lead_id, profiles.salesforce_contact_id) is null
    and coalesce(
        (
            select
                creates = 'baton'
                or leads.owner_assigned_at + to_minutes(wait_minutes) <= {{ as_of() }}
            from creations
            order by priority
            limit 1
        ),
        false
    ) as is_to_create,
    case
        when coalesce(leads.has_opted_out, false) and actions.channel = 'e-mail'
        then 'phone'
        else actions.channel
    end as first_channel,
    actions.opening,
    actions.mention,
    coalesce(
        identity.instance_url
        || case
            when
                coalesce(
                    case when not profiles.is_converted then profiles.salesforce_lead_id end,
                    created.lead_id
                )
                is not null
            then
                '/lightning/r/Lead/' || coalesce(
                    case when not profiles.is_converted then profiles.salesforce_lead_id end,
                    created.lead_id
                )
            else '/lightning/r/Contact/' || profiles.salesforce_contact_id
        end
        || '/view',
        leads.record_url
    ) as record_url
from leads
inner join touched on leads.lead_key = touched.lead_key
inner join profiles on leads.lead_key = profiles.lead_key
inner join assignments on leads.lead_key = assignments.lead_key
inner join users on leads.owner_id = users.user_id
left join owners on users.email = owners.email
left join created on leads.lead_key = created.lead_key
left join
    actions
    on actions.trigger_type = case
        when leads.trigger_type in (select trigger_type from {{ ref("first_contact_actions") }})
        then leads.trigger_type
        else 'default'
    end
cross join identity
