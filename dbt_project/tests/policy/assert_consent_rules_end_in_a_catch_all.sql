-- Of a country no row takes nothing is allowed, and a basis with a capital is on no
-- record: both silence reps who may write.
select
    'consent_rules.csv' as file,
    coalesce(arg_max(rule_id, priority), '(no row)') as row_id,
    'is the last row and does not take every country' as problem,
    'End the file with a row whose country and region are empty' as cure
from {{ ref("consent_rules") }}
having not coalesce(arg_max(country is null and region is null, priority), false)
union all
select
    'consent_rules.csv',
    rule_id,
    'has an accepted basis with capitals or blanks around it, or an empty one',
    'Write the bases in lower case with only | between them'
from {{ ref("consent_rules") }}
where
    len(
        list_filter(
            string_split(accepted_bases, '|'),
            lambda basis:basis = '' or basis <> lower(trim(basis))
        )
    )
    > 0
order by row_id
