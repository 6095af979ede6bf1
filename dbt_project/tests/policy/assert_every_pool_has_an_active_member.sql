-- A pool whose members all left sends its leads to the catch-all person without a
-- word. Reps are CRM users by id; before the first pull no user is known, and then
-- nothing can be said.
with
    users as (select * from {{ ref("stg_salesforce__users") }}),
    integration as (select user_id from {{ ref("stg_salesforce__identity") }}),
    members as (
        select
            pool_members.pool,
            coalesce(users.is_active, false)
            and pool_members.weight > 0
            and pool_members.user_id not in (select user_id from integration) as is_able
        from {{ ref("pool_members") }} as pool_members
        left join users on pool_members.user_id = users.user_id
        union all
        -- One that is only named there has no member at all.
        select pool, null as is_able
        from {{ ref("pools") }}
    )
select
    'pool_members.csv' as file,
    pool as row_id,
    printf(
        'none of the %d members of this pool is an active user of the CRM',
        count(is_able)
    ) as problem,
    'Add a member whose user_id is an active user and whose weight is above 0' as cure
from members
where exists (select 1 from users)
group by pool
having not coalesce(bool_or(is_able), false)
order by pool
