-- A pool that pools.csv does not know asks nothing of its members, and says nothing of
-- what happens when nobody of it can: its leads would fall to the catch-all person.
with
    named as (
        select
            'routing_rules.csv' as file,
            rule_id as row_id,
            pool,
            'Use a pool of pools.csv' as cure
        from {{ ref("routing_rules") }}
        union all
        select 'pool_members.csv', member_id, pool, 'Use a pool of pools.csv'
        from {{ ref("pool_members") }}
        union all
        select 'named_accounts.csv', named_account_id, pool, 'Use a pool of pools.csv'
        from {{ ref("named_accounts") }}
        union all
        select 'pools.csv', pool, next_pool, 'Use a pool of this file'
        from {{ ref("pools") }}
    )
select
    file,
    row_id,
    printf('names the pool %s, which pools.csv lacks', pool) as problem,
    cure
from named
where pool is not null and pool not in (select pool from {{ ref("pools") }})
union all
select
    'pools.csv',
    pool,
    'says '
    || when_nobody
    || ' and next_pool is '
    || case when next_pool is null then 'empty' else 'filled' end,
    'Fill in next_pool with when_nobody next_pool, and only then'
from {{ ref("pools") }}
where (when_nobody = 'next_pool') <> (next_pool is not null)
order by file, row_id
