-- One row per completed call, e-mail, meeting or other deed of a person in sales with a
-- lead: a view of staging, so that whoever has just called is known to have called.
{{ config(materialized="view", access="protected") }}
-- depends_on: {{ ref('int_people__renamed') }}
with
    known as (select lead_key, record_id from {{ ref("people") }}),
    people as (
        select lead_key, record_id
        from known
        union
        -- A rep may call about a record Baton has just made, before any pull has
        -- shown it.
        select lead_key, vendor_id as record_id
        from {{ recorded("receipts") }}
        where
            target = 'salesforce.lead'
            and status = 'accepted'
            and vendor_id is not null
            and vendor_id not in (select record_id from known)
    ),
    users as (select * from {{ ref("stg_salesforce__users") }}),
    machines as (
        select user_id
        from {{ ref("stg_salesforce__identity") }}
        union
        select user_id
        from {{ ref("machine_users") }}
        union
        -- Salesforce's own word for a person is Standard.
        select user_id
        from users
        where user_type <> 'Standard'
    ),
    humans as (
        select user_id, full_name
        from users
        where user_id not in (select user_id from machines)
    ),
    types as (select * from {{ ref("activity_types") }} where system = 'salesforce'),
    activities as (
        select
            record_key as activity_key,
            who_id,
            owner_id,
            created_by_id,
            coalesce(lower(task_subtype), 'task') as activity_type,
            subject,
            completed_at as occurred_at
        from {{ ref("stg_salesforce__tasks") }}
        -- Our own task is an errand, and completed it is still not a touch.
        where is_completed and baton_task_key is null and not is_deleted
        union all
        select
            record_key as activity_key,
            who_id,
            owner_id,
            created_by_id,
            'meeting' as activity_type,
            subject,
            ended_at as occurred_at
        from {{ ref("stg_salesforce__events") }}
        where not is_deleted and ended_at <= {{ as_of() }}
    )
select
    activities.activity_key,
    people.lead_key,
    activities.activity_type,
    types.channel,
    activities.subject,
    activities.owner_id,
    humans.full_name as owner_name,
    activities.occurred_at
from activities
inner join people on activities.who_id = people.record_id
inner join humans on activities.owner_id = humans.user_id
left join machines on activities.created_by_id = machines.user_id
left join types on activities.activity_type = types.vendor_type
where
    activities.occurred_at is not null
    and machines.user_id is null
    and coalesce(types.is_human, true)
