-- One row per open lead whose owner can no longer be its owner: why, and whom the
-- policy gives it to.
-- depends_on: {{ ref('leads_touched') }}
with
    assigned as (select * from {{ ref("int_leads__assigned") }} {{ where_touched() }}),
    profiles as (
        select *
        from
            {{ ref("lead_profiles") }}
            {{ where_touched() }}
            and is_open
            and is_handed_over
            and crm_stage <> 'opportunity'
            -- Who was converted is of the account's owner until it left the funnel and
            -- was handed over anew.
            and (not is_converted or crm_stage in ('lead', 'mql', 'sal'))
    ),
    users as (select * from {{ ref("stg_salesforce__users") }}),
    reps as (select * from {{ ref("int_reps__available") }}),
    -- People of the CRM who can own a lead at all; a queue is nobody.
    persons as (
        select user_id
        from users
        where
            is_active
            and user_id
            not in (select user_id from {{ ref("stg_salesforce__identity") }})
    ),
    -- Who owned the record when the lead was given, and whether it was ever seen with
    -- the owner it was given to.
    seen as (
        select
            assigned.lead_key,
            coalesce(
                arg_max(versions.owner_id, versions._seq) filter (
                    where versions.known_at <= assigned.assigned_at
                ),
                arg_min(versions.owner_id, versions._seq)
            ) as owner_then,
            bool_or(
                versions.known_at > assigned.assigned_at
                and versions.owner_id = assigned.owner_id
            ) as was_seen_given
        from assigned
        inner join profiles on assigned.lead_key = profiles.lead_key
        inner join
            {{ ref("stg_salesforce__lead_versions") }} as versions
            on versions.record_key = 'salesforce:lead:' || profiles.salesforce_lead_id
        group by assigned.lead_key
    ),
    told as (
        select
            assigned.*,
            profiles.account_key as account_key_now,
            account_owners.user_id as account_owner_id,
            persons.user_id as crm_owner_id,
            -- A person may give a lead to somebody who is no rep; they may keep it.
            owners.user_id is null
            or (
                owner_reps.user_id is null and assigned.cause is distinct from 'by_hand'
            ) as is_owner_inactive,
            -- Rows older than the column do not say which account it was.
            assigned.cause <> 'by_hand'
            and not assigned.is_touched
            and (
                assigned.account_key is distinct from profiles.account_key
                or (
                    assigned.given_by = 'account_owner'
                    and assigned.owner_id <> account_owners.user_id
                )
            ) as is_account_changed,
            profiles.salesforce_lead_id is not null
            and not profiles.is_converted
            and profiles.current_owner_id <> assigned.owner_id
            and (
                profiles.current_owner_id is distinct from seen.owner_then
                or seen.was_seen_given
            ) as is_by_hand
        from assigned
        inner join profiles on assigned.lead_key = profiles.lead_key
        left join seen on assigned.lead_key = seen.lead_key
        left join persons on profiles.current_owner_id = persons.user_id
        left join persons as owners on assigned.owner_id = owners.user_id
        left join reps as owner_reps on assigned.owner_id = owner_reps.user_id
        left join
            reps as account_owners
            on profiles.account_owner_id = account_owners.user_id
            and account_owners.why_not is null
    ),
    causes as (
        select
            told.* exclude (cause),
            rules.cause,
            rules.gives_to,
            rules.clock,
            rules.priority,
            case
                rules.gives_to
                when 'account_owner'
                then told.account_owner_id
                when 'crm_owner'
                then told.crm_owner_id
            end as new_owner_id
        from told
        inner join
            {{ ref("reroute_rules") }} as rules
            on (rules.cause = 'owner_inactive' and told.is_owner_inactive)
            or (rules.cause = 'account_changed' and told.is_account_changed)
            or (rules.cause = 'by_hand' and told.is_by_hand)
        -- Before the first pull of the users nobody is known to have left.
        where exists (select 1 from users) and rules.gives_to <> 'nobody'
    ),
    -- An open clock may have been moved since.
    moved as (
        select
            assignment_key,
            arg_max(sla_warn_at, as_of) as sla_warn_at,
            arg_max(sla_due_at, as_of) as sla_due_at
        from {{ recorded("clock_moves") }}
        group by assignment_key
    )
select
    causes.lead_key,
    causes.assignment_key as previous_assignment_key,
    causes.cause,
    causes.owner_id as previous_owner_id,
    causes.gives_to,
    causes.new_owner_id,
    causes.clock,
    causes.clock_started_at,
    causes.sla_tier,
    coalesce(moved.sla_warn_at, causes.sla_warn_at) as sla_warn_at,
    coalesce(moved.sla_due_at, causes.sla_due_at) as sla_due_at,
    causes.calendar_id,
    causes.backup_owner_id
from causes
left join moved on causes.assignment_key = moved.assignment_key
where
    -- Nobody there to follow: who left is followed by a draw, who is here stays.
    causes.new_owner_id <> causes.owner_id
    or (
        causes.new_owner_id is null
        and (causes.gives_to = 'draw' or causes.cause = 'owner_inactive')
    )
qualify row_number() over (partition by causes.lead_key order by causes.priority) = 1
