-- A lead that no rule matches would be ready and never given to anybody. The last
-- rule has no condition and a pool, so that every lead ends with a person.
{%- set conditions = [
    "owner_from",
    "country",
    "region",
    "territory",
    "segment",
    "industry",
    "min_icp_score",
    "max_icp_score",
    "min_employees",
    "max_employees",
    "persona",
    "product",
    "role",
    "trigger_type",
] %}
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
            coalesce({{ conditions | join("::varchar, ") }}::varchar) is null
            and pool is not null,
            priority
        ),
        false
    )
