-- Where nobody of a pool can, the next pool is asked; a pool that comes after itself
-- would send the lead round in a circle.
select
    'pools.csv' as file,
    start as row_id,
    'the line of pools comes back to this one: ' || chain as problem,
    'End the line with absent_too or catch_all' as cure
from {{ circles_of(ref("pools"), "pool", "next_pool") }}
order by start
