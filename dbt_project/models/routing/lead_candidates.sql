-- One row per lead to be given and rep: eligible or why not, its places in the line,
-- and when it would be due.
{{ config(access="public") }}
-- depends_on: {{ ref('leads_touched') }}
with
    routes as (
        select *
        from
            {{ ref("lead_routes") }} {{ where_touched() }}
            and decision in ('mql', 'reroute')
    ),
    judged as (select * from {{ ref("int_candidates__judged") }}),
    due as (select * from {{ ref("int_calendars__due") }})
select
    routes.lead_key,
    judged.user_id,
    judged.full_name,
    judged.why_not is null as is_eligible,
    judged.weight,
    judged.why_not,
    judged.places,
    judged.room_left,
    judged.backup_user_id,
    judged.calendar_id,
    due.warn_at as sla_warn_at,
    due.due_at as sla_due_at
from routes
inner join
    judged
    on routes.routing_rule is not distinct from judged.routing_rule
    and routes.pool is not distinct from judged.pool
    and routes.pod is not distinct from judged.pod
    and routes.role is not distinct from judged.role
    and routes.fixed_owner_id is not distinct from judged.fixed_owner_id
    and routes.language is not distinct from judged.language
left join due on judged.calendar_id = due.calendar_id and routes.sla_tier = due.tier_id
