-- One row per cold lead: who looks at it again, and when; the first row of
-- reengagement_rules that fits and names somebody.
-- depends_on: {{ ref('leads_touched') }}
with
    staged as (select * from {{ ref("int_leads__staged") }} {{ where_touched() }}),
    profiles as (select * from {{ ref("lead_profiles") }} {{ where_touched() }}),
    owned as (select * from {{ ref("int_leads__owned") }}),
    stages as (select * from {{ ref("lifecycle_stages") }}),
    rules as (select * from {{ ref("reengagement_rules") }}),
    reps as (
        select user_id from {{ ref("int_reps__available") }} where why_not is null
    ),
    cold as (
        select
            staged.lead_key,
            staged.lifecycle_stage,
            staged.stage_entered_at as cold_at,
            profiles.disposition,
            coalesce(owned.owner_id, profiles.current_owner_id) as last_owner_id
        from staged
        inner join
            stages on staged.lifecycle_stage = stages.lifecycle_stage and stages.is_cold
        inner join profiles on staged.lead_key = profiles.lead_key
        left join owned on staged.lead_key = owned.lead_key
    )
select
    cold.lead_key,
    cold.cold_at,
    rules.rule_id as reengagement_rule,
    reps.user_id as reengagement_owner_id,
    cold.cold_at + to_days(rules.after_days) as reengage_at
from cold
inner join
    rules
    on (rules.lifecycle_stage is null or rules.lifecycle_stage = cold.lifecycle_stage)
    and (rules.disposition is null or rules.disposition = cold.disposition)
-- Whoever is named may have left; the next row then names somebody.
left join
    reps
    on reps.user_id = case
        rules.owner_from
        when 'last_owner'
        then cold.last_owner_id
        else rules.owner_user_id
    end
qualify
    row_number() over (
        partition by cold.lead_key order by reps.user_id is null, rules.priority
    )
    = 1
