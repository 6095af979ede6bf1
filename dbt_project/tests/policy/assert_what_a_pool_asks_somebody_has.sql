-- A pool that asks for a role, a skill or a language none of its members has is an
-- empty pool: its leads go down the line without a word.
with
    reps as (select * from {{ ref("reps") }}),
    skills as (select * from {{ ref("rep_skills") }}),
    members as (
        select members.pool, members.user_id, reps.role, reps.pod
        from {{ ref("pool_members") }} as members
        inner join reps on members.user_id = reps.user_id
        where members.weight > 0
    ),
    asked as (
        select
            'pools.csv' as file,
            pool as row_id,
            'the role ' || role as demand,
            exists (
                select 1
                from members
                where members.pool = pools.pool and members.role = pools.role
            ) as is_there
        from {{ ref("pools") }} as pools
        where role is not null
        union all
        select
            'pools.csv',
            pool,
            'the skill ' || skill,
            exists (
                select 1
                from members
                inner join skills on members.user_id = skills.user_id
                where
                    members.pool = pools.pool
                    and skills.kind = 'skill'
                    and skills.value = pools.skill
            )
        from {{ ref("pools") }} as pools
        where skill is not null
        union all
        select
            'pools.csv',
            pool,
            'the lead''s language',
            exists (
                select 1
                from members
                inner join skills on members.user_id = skills.user_id
                where members.pool = pools.pool and skills.kind = 'language'
            )
        from {{ ref("pools") }} as pools
        where must_speak_language
        union all
        select
            'routing_rules.csv',
            rule_id,
            'the role ' || role,
            case
                when owner_from = 'account_pod'
                then
                    exists (
                        select 1
                        from reps
                        where reps.pod is not null and reps.role = rules.role
                    )
                else
                    exists (
                        select 1
                        from members
                        where members.pool = rules.pool and members.role = rules.role
                    )
            end
        from {{ ref("routing_rules") }} as rules
        where role is not null
    )
select
    file,
    row_id,
    printf('asks for %s, which none of those it asks has', demand) as problem,
    'Ask for what reps.csv and rep_skills.csv give a member, or leave the cell empty'
    as cure
from asked
where not is_there
order by file, row_id
