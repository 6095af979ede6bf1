-- Where nobody of a pool can, the next pool is asked; a pool that comes after itself
-- would send the lead round in a circle.
with recursive
    pools as (select pool, next_pool from {{ ref("pools") }}),
    lines as (
        select pool, next_pool, [pool] as asked
        from pools
        where next_pool is not null
        union all
        select lines.pool, pools.next_pool, list_append(lines.asked, pools.pool)
        from lines
        inner join pools on lines.next_pool = pools.pool
        where
            pools.next_pool is not null
            and not list_contains(lines.asked, lines.next_pool)
    )
select
    'pools.csv' as file,
    pool as row_id,
    'the line of pools comes back to this one: '
    || array_to_string(list_append(asked, next_pool), ' -> ') as problem,
    'End the line with absent_too or catch_all' as cure
from lines
where next_pool = pool
order by pool
