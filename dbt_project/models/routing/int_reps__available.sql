-- One row per rep of the policy: the CRM user behind it, and whether it can take a
-- lead.
{{ config(materialized="view") }}
with
    reps as (select * from {{ ref("reps") }}),
    users as (select * from {{ ref("stg_salesforce__users") }}),
    identity as (select user_id from {{ ref("stg_salesforce__identity") }})
select
    reps.user_id,
    users.full_name,
    reps.calendar_id,
    reps.is_catch_all,
    reps.backup_user_id,
    case
        when users.user_id is null
        then 'not a user of the CRM'
        when not users.is_active
        then 'inactive in the CRM'
        when reps.user_id in (select user_id from identity)
        then 'is the integration'
    end as why_not
from reps
left join users on reps.user_id = users.user_id
