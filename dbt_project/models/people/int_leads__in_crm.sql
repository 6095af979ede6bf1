-- One row per lead: its records in the CRM now, who owns them and what they say.
-- depends_on: {{ ref('leads_touched') }}
with
    people as (select * from {{ ref("people") }} {{ where_touched() }}),
    statuses as (select * from {{ ref("lead_statuses") }}),
    owners as (select * from {{ ref("stg_hubspot__owners") }}),
    users as (select * from {{ ref("stg_salesforce__users") }}),
    -- Of several CRM leads the oldest open one is written; the others repeat it.
    crm_leads as (
        select
            people.lead_key,
            arg_min(
                leads.lead_id,
                (leads.is_converted::int, leads.created_at, leads.lead_id)
            ) as crm_lead_id,
            arg_min(
                leads.is_converted,
                (leads.is_converted::int, leads.created_at, leads.lead_id)
            ) as is_converted,
            arg_min(
                leads.owner_id,
                (leads.is_converted::int, leads.created_at, leads.lead_id)
            ) as owner_id,
            arg_min(
                lower(trim(leads.status)),
                (leads.is_converted::int, leads.created_at, leads.lead_id)
            ) as status,
            arg_min(
                leads.disqualification_reason,
                (leads.is_converted::int, leads.created_at, leads.lead_id)
            ) as disqualification_reason,
            count(*) filter (where not leads.is_converted) - 1 as duplicate_count
        from {{ ref("stg_salesforce__leads") }} as leads
        inner join people on leads.record_key = people.record_key
        where not leads.is_deleted
        group by people.lead_key
    ),
    crm_contacts as (
        select
            people.lead_key,
            arg_min(
                contacts.contact_id, (contacts.created_at, contacts.contact_id)
            ) as crm_contact_id,
            arg_min(
                contacts.owner_id, (contacts.created_at, contacts.contact_id)
            ) as owner_id
        from {{ ref("stg_salesforce__contacts") }} as contacts
        inner join people on contacts.record_key = people.record_key
        where not contacts.is_deleted
        group by people.lead_key
    ),
    map_contacts as (
        select
            people.lead_key,
            arg_max(lower(contacts.lead_status), contacts.modified_at) as status,
            arg_max(users.user_id, contacts.modified_at) filter (
                where users.user_id is not null
            ) as owner_id,
            arg_max(contacts.record_url, contacts.modified_at) as record_url
        from {{ ref("stg_hubspot__contacts") }} as contacts
        inner join people on contacts.record_key = people.record_key
        left join owners on contacts.owner_id = owners.owner_id
        left join users on owners.email = users.email
        where not contacts.is_deleted
        group by people.lead_key
    ),
    keys as (select distinct lead_key from people where not is_deleted)
select
    keys.lead_key,
    crm_leads.crm_lead_id,
    coalesce(crm_leads.is_converted, false) as is_converted,
    crm_contacts.crm_contact_id,
    greatest(coalesce(crm_leads.duplicate_count, 0), 0) as duplicate_count,
    case
        when not crm_leads.is_converted then crm_leads.owner_id
    end as crm_lead_owner_id,
    crm_contacts.owner_id as crm_contact_owner_id,
    map_contacts.owner_id as map_owner_id,
    coalesce(crm_statuses.lead_status, map_statuses.lead_status, 'open') as lead_status,
    -- Of one system with its status: what the other said of an older one is over.
    case
        when crm_statuses.lead_status is not null
        then crm_statuses.disposition
        else map_statuses.disposition
    end as disposition,
    crm_leads.disqualification_reason as disposition_reason,
    map_contacts.record_url as map_record_url
from keys
left join crm_leads on keys.lead_key = crm_leads.lead_key
left join crm_contacts on keys.lead_key = crm_contacts.lead_key
left join map_contacts on keys.lead_key = map_contacts.lead_key
left join
    statuses as crm_statuses
    on crm_statuses.system = 'salesforce'
    and crm_leads.status = crm_statuses.vendor_status
left join
    statuses as map_statuses
    on map_statuses.system = 'hubspot'
    and map_contacts.status = map_statuses.vendor_status
