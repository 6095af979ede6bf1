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
    clocks as (
        select lead_key, clock_started_at, first_response_at is not null as is_touched
        from
            {{
                assigned(
                    among_touched("assignments.lead_key")
                    ~ " and assignments.as_of < "
                    ~ as_of(),
                    ref("lead_activities"),
                )
            }} as assigned
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
    clocks.clock_started_at,
    clocks.is_touched,
    profiles.is_open and profiles.is_handed_over as is_held,
    profiles.is_open and profiles.is_handed_over and not clocks.is_touched as is_waiting
from assignments
inner join profiles on assignments.lead_key = profiles.lead_key
inner join clocks on assignments.lead_key = clocks.lead_key
