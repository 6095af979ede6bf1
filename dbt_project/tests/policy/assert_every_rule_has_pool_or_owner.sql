-- A rule without a destination swallows the leads it matches; one with two never
-- uses its pool, but for a pod's: that is asked when nobody of the pod can. A pool
-- that nobody is in is the same as no pool.
with
    members as (select distinct pool from {{ ref("pool_members") }} where weight > 0),
    judged as (
        select
            rules.rule_id,
            case
                when rules.pool is null and rules.owner_from is null
                then 'has neither pool nor owner_from'
                when
                    rules.pool is not null
                    and rules.owner_from is not null
                    and rules.owner_from <> 'account_pod'
                then 'has both pool and owner_from'
                when rules.pool is not null and members.pool is null
                then
                    printf(
                        'names the pool %s, in which nobody has a weight', rules.pool
                    )
            end as problem,
            'Fill in one of the two cells, with a pool that pool_members.csv has members for'
            as cure
        from {{ ref("routing_rules") }} as rules
        left join members on rules.pool = members.pool
        union all
        select
            rule_id,
            case
                when owner_from is null or owner_from = 'account_pod'
                then 'names no person and says what to do while one is away'
                else 'does not say what to do while the person it names is away'
            end,
            'Fill in if_owner_away with keep or next_rule where owner_from names a person'
        from {{ ref("routing_rules") }}
        where
            (owner_from is not null and owner_from <> 'account_pod')
            <> (if_owner_away is not null)
        union all
        select
            rule_id,
            'names a person and asks for a role',
            'Leave role empty, or ask account_pod'
        from {{ ref("routing_rules") }}
        where role is not null and pool is null and owner_from <> 'account_pod'
    )
select 'routing_rules.csv' as file, rule_id as row_id, problem, cure
from judged
where problem is not null
order by rule_id
