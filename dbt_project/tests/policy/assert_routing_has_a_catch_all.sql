-- A lead that no rule matches would be ready and never given to anybody. The last
-- rule has no condition and a pool, so that every lead ends with a person.
select
    'routing_rules.csv' as file,
    coalesce(arg_max(rule_id, priority), '(no row)') as row_id,
    'is the last rule and does not take every lead' as problem,
    'End the file with a rule whose only filled cells are rule_id, priority, pool and reason'
    as cure
from {{ ref("routing_rules") }}
having
    not coalesce(
        arg_max(
            owner_from is null
            and country is null
            and region is null
            and industry is null
            and min_icp_score is null
            and min_employees is null
            and trigger_type is null
            and pool is not null,
            priority
        ),
        false
    )
