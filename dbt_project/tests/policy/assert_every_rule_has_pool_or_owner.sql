-- A rule without a destination swallows the leads it matches; one with two never
-- uses its pool. A pool that nobody is in is the same as no pool.
with
    members as (select distinct pool from {{ ref("pool_members") }} where weight > 0),
    judged as (
        select
            rules.rule_id,
            case
                when rules.pool is null and rules.owner_from is null
                then 'has neither pool nor owner_from'
                when rules.pool is not null and rules.owner_from is not null
                then 'has both pool and owner_from'
                when rules.pool is not null and members.pool is null
                then
                    printf(
                        'names the pool %s, in which nobody has a weight', rules.pool
                    )
            end as problem
        from {{ ref("routing_rules") }} as rules
        left join members on rules.pool = members.pool
    )
select
    'routing_rules.csv' as file,
    rule_id as row_id,
    problem,
    'Fill in one of the two cells, with a pool that pool_members.csv has members for'
    as cure
from judged
where problem is not null
order by rule_id
