-- One row per lead to be handed over and rep: eligible or why not, weight, and when
-- it would be due.
{{ config(access="public") }}
-- depends_on: {{ ref('leads_touched') }}
with
    routes as (
        select *
        from {{ ref("lead_routes") }} {{ where_touched() }} and decision = 'mql'
    ),
    reps as (select * from {{ ref("int_reps__available") }}),
    members as (select * from {{ ref("pool_members") }}),
    due as (select * from {{ ref("int_calendars__due") }}),
    considered as (
        select
            routes.lead_key,
            routes.sla_tier,
            reps.user_id,
            reps.full_name,
            reps.calendar_id,
            reps.backup_user_id,
            reps.is_catch_all,
            members.weight,
            case
                when reps.why_not is not null
                then reps.why_not
                when
                    routes.fixed_owner_id is not null
                    and routes.fixed_owner_id <> reps.user_id
                then 'rule ' || routes.routing_rule || ' names another'
                when routes.fixed_owner_id is null and members.user_id is null
                then 'not in pool ' || coalesce(routes.pool, '(none)')
                when routes.fixed_owner_id is null and members.weight <= 0
                then 'weight 0 in pool ' || routes.pool
            end as why_not
        from routes
        cross join reps
        left join
            members on routes.pool = members.pool and reps.user_id = members.user_id
    ),
    -- No queue without a person: where nobody is left, the catch-all person takes it.
    settled as (
        select
            * replace (
                case
                    when
                        is_catch_all
                        and why_not like 'not in pool%'
                        and not bool_or(why_not is null) over (partition by lead_key)
                    then null
                    else why_not
                end as why_not
            )
        from considered
    )
select
    settled.lead_key,
    settled.user_id,
    settled.full_name,
    settled.why_not is null as is_eligible,
    case
        when settled.why_not is null then coalesce(settled.weight, 1) else 0
    end as weight,
    settled.why_not,
    settled.backup_user_id,
    due.warn_at as sla_warn_at,
    due.due_at as sla_due_at
from settled
left join
    due on settled.calendar_id = due.calendar_id and settled.sla_tier = due.tier_id
