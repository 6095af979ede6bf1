-- The first rule that fits wins. A rule behind one that asks for nothing it does not
-- ask for itself never gets a lead, and whoever wrote it waits for them.
{%- set words = [
    "country",
    "region",
    "territory",
    "segment",
    "industry",
    "persona",
    "product",
    "trigger_type",
] %}
with rules as (select * from {{ ref("routing_rules") }})
select
    'routing_rules.csv' as file,
    later.rule_id as row_id,
    printf(
        'is never reached: %s comes first and takes all its leads',
        min_by(earlier.rule_id, earlier.priority)
    ) as problem,
    'Give it a lower priority than that rule, or delete it' as cure
from rules as later
inner join
    rules as earlier
    on earlier.priority < later.priority
    and (
        earlier.owner_from is null
        or (
            earlier.owner_from = later.owner_from
            and (earlier.if_owner_away = 'keep' or later.if_owner_away = 'next_rule')
        )
    )
    {%- for word in words %}
        and (earlier.{{ word }} is null or earlier.{{ word }} = later.{{ word }})
    {%- endfor %}
    {%- for number in ["icp_score", "employees"] %}
        and (
            earlier.min_{{ number }} is null
            or earlier.min_{{ number }} <= later.min_{{ number }}
        )
        and (
            earlier.max_{{ number }} is null
            or earlier.max_{{ number }} >= later.max_{{ number }}
        )
    {%- endfor %}
group by later.rule_id
order by later.rule_id
