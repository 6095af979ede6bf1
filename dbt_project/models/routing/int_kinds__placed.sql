-- One row per kind of lead to be given (rule, pool, pod, owner, language) and place in
-- its line: who is asked there, and what is asked of them.
{{ config(materialized="view") }}
with
    kinds as (
        select distinct routing_rule, pool, pod, role, fixed_owner_id, language
        from {{ ref("lead_routes") }}
        where decision in ('mql', 'reroute')
    ),
    pools as (select * from {{ ref("int_pools__asked") }}),
    ends as (select coalesce(max(place), 0) + 1 as place from pools)
-- A person named gets it, here or not, with full books or not.
select
    kinds.*,
    0 as place,
    'person' as asked,
    null as asked_pool,
    null as asked_role,
    null as asked_skill,
    false as must_work_now,
    false as must_speak_language,
    true as is_in_spite
from kinds
where fixed_owner_id is not null
union all
select kinds.*, 0, 'pod', null, role, null, false, false, false
from kinds
where fixed_owner_id is null and pod is not null
union all
select
    kinds.*,
    pools.place,
    'pool',
    pools.asked_pool,
    -- The rule's own demand is on the first who are asked.
    coalesce(
        case when kinds.pod is null and pools.place = 1 then kinds.role end, pools.role
    ),
    pools.skill,
    pools.must_work_now and not pools.is_in_spite,
    pools.must_speak_language,
    pools.is_in_spite
from kinds
inner join pools on kinds.pool = pools.pool
where kinds.fixed_owner_id is null
union all
-- No queue without a person: where nobody is left, the catch-all person takes it.
select kinds.*, ends.place, 'catch_all', null, null, null, false, false, true
from kinds
cross join ends
where kinds.fixed_owner_id is null
