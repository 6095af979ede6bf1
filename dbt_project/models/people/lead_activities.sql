-- One row per completed call, e-mail or meeting of a person in sales with a lead.
{{ config(access="public") }}
-- depends_on: {{ ref('leads_touched') }}
with
    people as (select * from {{ ref("people") }} {{ where_touched() }}),
    integration as (select user_id from {{ ref("stg_salesforce__identity") }}),
    users as (select * from {{ ref("stg_salesforce__users") }}),
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
    activities.subject,
    activities.owner_id,
    users.full_name as owner_name,
    activities.occurred_at
from activities
inner join people on activities.who_id = people.record_id
inner join users on activities.owner_id = users.user_id
where
    activities.occurred_at is not null
    and activities.owner_id not in (select user_id from integration)
    and coalesce(activities.created_by_id, '') not in (select user_id from integration)
