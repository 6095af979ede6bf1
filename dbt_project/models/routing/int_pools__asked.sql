-- One row per pool and place in its line: which pool is asked first, which one when
-- nobody of it can, and so on; the catch-all person comes after the last.
{{ config(materialized="view") }}
with recursive
    pools as (select * from {{ ref("pools") }}),
    lines as (
        select
            pool, 1 as place, pool as asked_pool, false as is_in_spite, [pool] as asked
        from pools
        union all
        select
            lines.pool,
            lines.place + 1 as place,
            case
                when pools.when_nobody = 'next_pool'
                then pools.next_pool
                else lines.asked_pool
            end as asked_pool,
            pools.when_nobody = 'absent_too' as is_in_spite,
            list_append(lines.asked, pools.next_pool) as asked
        from lines
        inner join pools on lines.asked_pool = pools.pool
        where
            not lines.is_in_spite
            and (
                pools.when_nobody = 'absent_too'
                or (
                    pools.when_nobody = 'next_pool'
                    -- A guard refuses a circle; a query must end all the same.
                    and not list_contains(lines.asked, pools.next_pool)
                )
            )
    )
select
    lines.pool,
    lines.place,
    lines.asked_pool,
    lines.is_in_spite,
    pools.role,
    pools.must_work_now,
    pools.must_speak_language,
    pools.skill
from lines
inner join pools on lines.asked_pool = pools.pool
