-- A misspelt column is not an error to SQL: the rule never matches and nobody is
-- told. A rule may read a column of lead_profiles (its contract is read here) or the
-- number of one touch type.
{%- set columns = graph.nodes["model.baton.lead_profiles"].columns if execute else {} %}
with
    known as (
        select touch_type as attribute
        from {{ ref("touch_types") }}
        {% for column in columns %}
            union all
            select '{{ column }}' as attribute
        {% endfor %}
    ),
    rules as (
        select 'scoring_rules.csv' as file, rule_id as row_id, attribute
        from {{ ref("scoring_rules") }}
        union all
        select 'score_exceptions.csv' as file, exception_id as row_id, attribute
        from {{ ref("score_exceptions") }}
    )
select
    rules.file,
    rules.row_id,
    printf(
        'reads %s, which no lead has', coalesce(rules.attribute, '(nothing)')
    ) as problem,
    'Name a column of lead_profiles or a touch_type of touch_types.csv; the nearest is '
    || (
        select arg_min(attribute, levenshtein(attribute, coalesce(rules.attribute, '')))
        from known
    ) as cure
from rules
where coalesce(rules.attribute, '') not in (select attribute from known)
order by rules.file, rules.row_id
