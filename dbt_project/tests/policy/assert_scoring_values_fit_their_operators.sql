-- Values are text, and text that is no number compares as null: such a rule never
-- matches. A pattern in capitals is as silent, because what it is held against is in
-- lower case.
with
    rules as (
        select
            'scoring_rules.csv' as file,
            rule_id as row_id,
            operator,
            value,
            half_life_days
        from {{ ref("scoring_rules") }}
        union all
        select
            'score_exceptions.csv' as file,
            exception_id as row_id,
            operator,
            value,
            null
        from {{ ref("score_exceptions") }}
    ),
    ends as (
        select
            *,
            try_cast(split_part(value, '|', 1) as double) as low,
            try_cast(split_part(value, '|', 2) as double) as high
        from rules
    ),
    judged as (
        select
            *,
            case
                when coalesce(trim(value), '') = ''
                then 'has no value'
                when
                    operator in ('at_least', 'at_most')
                    and try_cast(value as double) is null
                then printf('%s needs one number and has %s', operator, value)
                when operator = 'between' and (low is null or high is null)
                then printf('between needs two numbers as low|high and has %s', value)
                when operator = 'between' and low > high
                then printf('between has its ends the wrong way round: %s', value)
                when operator = 'is_set' and lower(value) not in ('true', 'false')
                then printf('is_set needs true or false and has %s', value)
                when operator = 'matches' and try(regexp_matches('', value)) is null
                then printf('%s is not a regular expression', value)
                when
                    operator = 'matches'
                    and regexp_matches(regexp_replace(value, '\\.', '', 'g'), '[A-Z]')
                then printf('%s has capitals and is held against lower case', value)
                when half_life_days <= 0
                then concat('has a half_life_days of ', half_life_days)
            end as problem
        from ends
    )
select
    file,
    row_id,
    problem,
    'Correct the value, or use eq or in for words; leave half_life_days empty for ever'
    as cure
from judged
where problem is not null
order by file, row_id
