-- A rule for a trigger that no touch is called by waits for ever. Every trigger_type
-- of a policy file is a touch type that may be the reason of a hand-over.
with
    named as (
        select 'routing_rules.csv' as file, rule_id as row_id, trigger_type
        from {{ ref("routing_rules") }}
        union all
        select 'sla_tiers.csv' as file, tier_id as row_id, trigger_type
        from {{ ref("sla_tiers") }}
        union all
        select 'first_contact_actions.csv' as file, action_id as row_id, trigger_type
        from {{ ref("first_contact_actions") }}
    ),
    triggers as (select touch_type from {{ ref("touch_types") }} where is_trigger)
select
    file,
    row_id,
    printf('%s is no trigger', trigger_type) as problem,
    'Name a touch_type of touch_types.csv whose is_trigger is true' as cure
from named
where trigger_type is not null and trigger_type not in (select touch_type from triggers)
order by file, row_id
