-- A pattern that is no regular expression stops the run in the middle; one in capitals
-- is held against a title in lower case and never matches.
with
    patterns as (
        select 'personas.csv' as file, persona_id as row_id, pattern
        from {{ ref("personas") }}
        union all
        select 'seniorities.csv' as file, seniority_id as row_id, pattern
        from {{ ref("seniorities") }}
    ),
    judged as (
        select
            *,
            case
                when try(regexp_matches('', pattern)) is null
                then printf('%s is not a regular expression', pattern)
                when regexp_matches(regexp_replace(pattern, '\\.', '', 'g'), '[A-Z]')
                then printf('%s has capitals and is held against lower case', pattern)
            end as problem
        from patterns
        where pattern is not null
    )
select
    file,
    row_id,
    problem,
    'Write a pattern in lower case whose brackets are closed, for example \b(vp|head)\b'
    as cure
from judged
where problem is not null
order by file, row_id
