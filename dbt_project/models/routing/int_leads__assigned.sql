-- One row per lead that was given to somebody: the newest owner, since when, and
-- whether its first touch is still awaited.
-- depends_on: {{ ref('leads_touched') }}
with
    profiles as (
        select lead_key, is_open, is_handed_over
        from {{ ref("lead_profiles") }} {{ where_touched() }}
    ),
    -- Of earlier runs only: this run's owners are recorded after this table.
    assignments as (
        select *
        from
            {{ recorded("assignments") }} {{ where_touched() }}
            and as_of < {{ as_of() }}
        qualify
            row_number() over (
                partition by lead_key order by as_of desc, draw_number desc
            )
            = 1
    ),
    activities as (
        select lead_key, max(occurred_at) as last_touched_at
        from {{ ref("lead_activities") }} {{ where_touched() }}
        group by lead_key
    )
select
    assignments.lead_key,
    assignments.assignment_key,
    assignments.owner_id,
    assignments.cause,
    assignments.given_by,
    assignments.account_key,
    assignments.sla_tier,
    assignments.sla_warn_at,
    assignments.sla_due_at,
    assignments.calendar_id,
    assignments.backup_owner_id,
    assignments.as_of as assigned_at,
    coalesce(assignments.clock_since, assignments.as_of) as clock_started_at,
    coalesce(
        activities.last_touched_at
        >= coalesce(assignments.clock_since, assignments.as_of),
        false
    ) as is_touched,
    profiles.is_open
    and profiles.is_handed_over
    and not coalesce(
        activities.last_touched_at
        >= coalesce(assignments.clock_since, assignments.as_of),
        false
    ) as is_waiting
from assignments
inner join profiles on assignments.lead_key = profiles.lead_key
left join activities on assignments.lead_key = activities.lead_key
