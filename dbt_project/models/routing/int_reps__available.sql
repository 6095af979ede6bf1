-- One row per rep of the policy: the CRM user behind it, whether it can take leads at
-- all, and whether it is here.
{{ config(materialized="view", access="protected") }}
with
    reps as (select * from {{ ref("reps") }}),
    users as (select * from {{ ref("stg_salesforce__users") }}),
    identity as (select user_id from {{ ref("stg_salesforce__identity") }}),
    zones as (
        select calendar_id, any_value(time_zone) as time_zone
        from {{ ref("business_hours") }}
        group by calendar_id
    ),
    -- The first moment of work from now on: now itself, while the calendar is open.
    working as (
        select calendar_id, min(greatest(opens_at, {{ as_of() }})) as works_at
        from {{ open_windows(as_of(), clock_horizon()) }}
        where closes_at > {{ as_of() }}
        group by calendar_id
    ),
    -- Who is on leave from Monday cannot take on Friday night what is due on Monday.
    away as (
        select reps.user_id, max(absences.ends_at) as away_until
        from reps
        inner join {{ ref("absences") }} as absences on reps.user_id = absences.user_id
        inner join zones on reps.calendar_id = zones.calendar_id
        left join working on reps.calendar_id = working.calendar_id
        where
            coalesce(working.works_at, {{ as_of() }})
            >= {{ in_utc("absences.starts_at", "zones.time_zone") }}
            and coalesce(working.works_at, {{ as_of() }})
            < {{ in_utc("absences.ends_at", "zones.time_zone") }}
        group by reps.user_id
    )
select
    reps.user_id,
    users.full_name,
    reps.calendar_id,
    reps.is_catch_all,
    reps.backup_user_id,
    reps.role,
    reps.pod,
    reps.most_open_leads,
    reps.most_waiting_leads,
    case
        when users.user_id is null
        then 'not a user of the CRM'
        when not users.is_active
        then 'inactive in the CRM'
        when reps.user_id in (select user_id from identity)
        then 'is the integration'
    end as why_not,
    away.away_until,
    coalesce(working.works_at <= {{ as_of() }}, false) as is_at_work,
    timezone(zones.time_zone, timezone('UTC', working.works_at)) as works_at
from reps
left join users on reps.user_id = users.user_id
left join zones on reps.calendar_id = zones.calendar_id
left join working on reps.calendar_id = working.calendar_id
left join away on reps.user_id = away.user_id
