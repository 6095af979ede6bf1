-- The first matching row names a touch, so a row behind a wider one is never
-- reached; and a pattern in capitals is held against lower case. A trigger without a
-- rank would win over all.
with
    types as (select *, coalesce(pattern, '') as wanted from {{ ref("touch_types") }}),
    judged as (
        select
            later.touch_type,
            printf(
                'is never reached: %s comes first and takes all of it',
                earlier.touch_type
            ) as problem,
            'Give the narrower row the lower priority' as cure
        from types as later
        inner join
            types as earlier
            on later.system_object = earlier.system_object
            and earlier.priority < later.priority
            and (
                earlier.wanted = ''
                or (
                    later.match_on = earlier.match_on
                    and contains(later.wanted, earlier.wanted)
                )
            )
        union all
        select
            touch_type,
            printf('%s has capitals and is held against lower case', pattern),
            'Write the pattern in lower case'
        from types
        where wanted <> lower(wanted)
        union all
        select touch_type, 'is a trigger without a rank', 'Fill in trigger_rank'
        from types
        where is_trigger and trigger_rank is null
    )
select 'touch_types.csv' as file, touch_type as row_id, problem, cure
from judged
order by touch_type
