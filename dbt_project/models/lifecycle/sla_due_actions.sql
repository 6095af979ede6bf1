-- One row per reminder, escalation or coaching note that is due now and was not given:
-- who is to be told, and why that person.
{{ config(materialized="view", access="protected") }}
with recursive
    -- What stands in the CRM by now is not known from an older reading of it.
    readings as (
        select max(as_of) as read_at
        from {{ source("ops", "stream_counts") }}
        where address = 'salesforce.tasks'
    ),
    given as (
        select lead_key, action, max(as_of) as given_at
        from {{ recorded("sla_actions") }}
        group by lead_key, action
    ),
    clocks as (
        select *, {{ as_of() }} >= sla_due_at as has_run_out
        from {{ ref("lead_clocks") }}
        where
            is_running
            and sla_warn_at <= {{ as_of() }}
            and sla_due_at
            > {{ as_of() }}
            - to_days({{ constant_number("clock_acted_on_within_days") }}::integer)
    ),
    users as (
        select user_id, full_name
        from {{ ref("stg_salesforce__users") }}
        where is_active and not is_deleted
    ),
    reps as (select * from {{ ref("int_reps__available") }}),
    -- The owner's backup, that one's backup, and so on; at the end the catch-all.
    chain as (
        select
            clocks.assignment_key,
            clocks.owner_id,
            coalesce(reps.backup_user_id, clocks.backup_owner_id) as user_id,
            1 as place
        from clocks
        left join reps on clocks.owner_id = reps.user_id
        where clocks.has_run_out
        union all
        select
            chain.assignment_key, chain.owner_id, reps.backup_user_id, chain.place + 1
        from chain
        inner join reps on chain.user_id = reps.user_id
        where reps.backup_user_id is not null and chain.place < 50
    ),
    candidates as (
        select
            asked.assignment_key,
            asked.user_id,
            asked.place,
            coalesce(reps.full_name, asked.user_id) as full_name,
            case
                when reps.user_id is null
                then 'is no rep'
                when reps.why_not is not null
                then reps.why_not
                when reps.away_until is not null
                then strftime(reps.away_until, 'away until %Y-%m-%d %H:%M')
            end as why_not,
            -- Where nobody is left somebody still has to be told.
            reps.is_catch_all and reps.why_not is null as is_last_resort
        from
            (
                select assignment_key, owner_id, user_id, place
                from chain
                union all
                select
                    clocks.assignment_key, clocks.owner_id, reps.user_id, 1000 as place
                from clocks
                inner join reps on reps.is_catch_all
                where clocks.has_run_out
            ) as asked
        left join reps on asked.user_id = reps.user_id
        where asked.user_id is not null and asked.user_id <> asked.owner_id
    ),
    chosen as (
        select
            assignment_key,
            coalesce(
                arg_min(user_id, place) filter (where why_not is null),
                arg_min(user_id, place) filter (where is_last_resort)
            ) as user_id,
            coalesce(min(place) filter (where why_not is null), 1000) as place
        from candidates
        group by assignment_key
    ),
    backups as (
        select
            chosen.assignment_key,
            chosen.user_id,
            coalesce(
                'passed over ' || string_agg(
                    candidates.full_name || ' (' || candidates.why_not || ')',
                    ', '
                    order by candidates.place
                ),
                'the owner''s backup'
            ) as reason
        from chosen
        left join
            candidates
            on chosen.assignment_key = candidates.assignment_key
            and chosen.place > candidates.place
        where chosen.user_id is not null
        group by chosen.assignment_key, chosen.user_id
    ),
    due as (
        select clocks.*, 'remind' as action, owner_id as user_id, 'the owner' as reason
        from clocks
        where not has_run_out
        union all
        select clocks.*, 'escalate' as action, backups.user_id, backups.reason
        from clocks
        inner join backups on clocks.assignment_key = backups.assignment_key
        union all
        select clocks.*, 'coach' as action, owner_id as user_id, 'the owner' as reason
        from clocks
        where has_run_out
    )
select
    due.assignment_key || ':' || due.action as action_key,
    due.assignment_key,
    due.lead_key,
    due.action,
    due.user_id,
    due.owner_id,
    due.sla_due_at,
    due.reason,
    coalesce(
        readings.read_at
        >= {{ as_of() }}
        - to_minutes({{ constant_number("activities_read_within_minutes") }}::integer),
        false
    ) as is_known_by_now
from due
cross join readings
-- Who may not log in reads nothing, and a lead of theirs is given to somebody else.
inner join users on due.user_id = users.user_id
left join given on due.lead_key = given.lead_key and due.action = given.action
-- Once for a clock, whoever it is handed on to.
where given.given_at is null or given.given_at < due.clock_started_at
