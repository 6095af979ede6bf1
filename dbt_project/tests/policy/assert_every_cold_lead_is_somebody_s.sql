-- A cold lead nobody looks at again is lost. The last row of reengagement_rules takes
-- every one and names a rep; a row that names nobody, or somebody who is no rep, would
-- send it to no one.
with
    rules as (
        select *, priority = max(priority) over () as is_last
        from {{ ref("reengagement_rules") }}
    ),
    reps as (select user_id from {{ ref("reps") }}),
    found as (
        select
            rule_id as row_id,
            'is the last row and does not take every cold lead' as problem,
            'Leave lifecycle_stage and disposition of the last row empty, and let it name a user'
            as cure,
            priority
        from rules
        where
            is_last
            and (
                lifecycle_stage is not null
                or disposition is not null
                or owner_from <> 'user'
            )
        union all
        select
            rule_id,
            coalesce('names ' || owner_user_id || ', who is no rep', 'names nobody'),
            'Write the CRM user id of a row of reps.csv into owner_user_id',
            priority
        from rules
        where
            owner_from = 'user'
            and (
                owner_user_id is null or owner_user_id not in (select user_id from reps)
            )
        union all
        select
            rule_id,
            printf('looks at the lead again after %d days', after_days),
            'Write a number of days of 0 or more into after_days',
            priority
        from rules
        where after_days < 0
        union all
        select
            '(no row)',
            'there is no row, so a cold lead is nobody''s',
            'Add a row with empty lifecycle_stage and disposition that names a user',
            0
        where not exists (select 1 from rules)
    )
select 'reengagement_rules.csv' as file, row_id, problem, cure
from found
order by priority, problem
