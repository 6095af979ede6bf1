-- A rep twice in one pool stands twice in the draw and in the list of candidates. A
-- rep without a weight is not drawn at all: 0 says so on purpose, less than 0 is a
-- slip.
select
    'pool_members.csv' as file,
    max(member_id) as row_id,
    printf('%s is %d times in the pool %s', user_id, count(*), pool) as problem,
    'Keep one row and give it the weight' as cure
from {{ ref("pool_members") }}
group by pool, user_id
having count(*) > 1
union all
select
    'pool_members.csv', member_id, printf('has the weight %d', weight), 'Use 0 or more'
from {{ ref("pool_members") }}
where weight < 0
