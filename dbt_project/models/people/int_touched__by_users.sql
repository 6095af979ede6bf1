-- One row per lead of which something else is told since a user of the CRM, or an owner
-- of the MAP, has changed: a name, a machine that was a person, an address.
{{ config(materialized="table") }}
{%- set in_crm_before = previous(
    "people",
    "int_leads__in_crm",
    {"lead_key": "varchar", "map_owner_id": "varchar"},
) %}
{%- set activities_before = previous(
    "people",
    "lead_activities",
    {
        "activity_key": "varchar",
        "lead_key": "varchar",
        "owner_name": "varchar",
    },
) %}
with
    -- A user may change with every login: what counts is what comes out otherwise.
    users as (
        select user_id, email
        from {{ ref("stg_salesforce__users") }}
        where _seq > {{ built("seq") }}
    ),
    owners as (
        select owner_id, email, _seq > {{ built("seq") }} as is_new
        from {{ ref("stg_hubspot__owners") }}
    ),
    activities as (
        select record_key as activity_key, owner_id, created_by_id
        from {{ ref("stg_salesforce__tasks") }}
        union all
        select record_key as activity_key, owner_id, created_by_id
        from {{ ref("stg_salesforce__events") }}
    ),
    done_by_users as (
        select activity_key
        from activities
        where
            owner_id in (select user_id from users)
            or created_by_id in (select user_id from users)
    ),
    told_before as (
        select activity_key, lead_key, owner_name
        from {{ activities_before }}
        where activity_key in (select activity_key from done_by_users)
    ),
    told_now as (
        select activity_key, lead_key, owner_name
        from {{ ref("human_activities") }}
        where activity_key in (select activity_key from done_by_users)
    ),
    -- The same person is found in both systems by the address.
    owned_now as (
        select people.lead_key, users.user_id
        from {{ ref("stg_hubspot__contacts") }} as contacts
        inner join owners on contacts.owner_id = owners.owner_id
        inner join
            {{ ref("people") }} as people on contacts.record_key = people.record_key
        left join
            {{ ref("stg_salesforce__users") }} as users on owners.email = users.email
        where owners.is_new or owners.email in (select email from users)
    ),
    owned_before as (select lead_key, map_owner_id from {{ in_crm_before }})
select lead_key
from
    (
        from told_now
        except
        from told_before
    )
union
select lead_key
from
    (
        from told_before
        except
        from told_now
    )
union
select owned_now.lead_key
from owned_now
inner join owned_before on owned_now.lead_key = owned_before.lead_key
where owned_before.map_owner_id is distinct from owned_now.user_id
union
select owned_before.lead_key
from owned_before
inner join users on owned_before.map_owner_id = users.user_id
left join owners on users.email = owners.email
where owners.owner_id is null
