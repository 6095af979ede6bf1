-- An account no rule takes would never be handed over, and where no role is required
-- two people of any kind are a buying group. Both look like patience from outside.
with
    rules as (select * from {{ ref("buying_group_rules") }}),
    roles as (select * from {{ ref("buying_roles") }})
select
    'buying_group_rules.csv' as file,
    coalesce(arg_max(rule_id, priority), '(no row)') as row_id,
    'is the last rule and does not take every account' as problem,
    'End the file with a rule whose segment is empty' as cure
from rules
having not coalesce(arg_max(segment is null, priority), false)
union all
select
    'buying_group_rules.csv',
    rule_id,
    printf('asks for the segment %s, which segments.csv does not have', segment),
    'Name a segment of segments.csv'
from rules
where segment not in (select segment from {{ ref("segments") }})
union all
select
    'buying_group_rules.csv',
    rule_id,
    printf('asks for %d percent of the required roles', min_coverage_percent),
    'Ask for 0 to 100 percent'
from rules
where min_coverage_percent not between 0 and 100
union all
select
    'buying_roles.csv',
    '(no row)',
    'no role is required, so every account is covered',
    'Set is_required of the roles without whom nobody buys'
from roles
having count(*) filter (where is_required) = 0
union all
select
    'personas.csv',
    persona_id,
    printf('gives the role %s, which buying_roles.csv does not have', buying_role),
    'Name a role of buying_roles.csv, or leave it empty'
from {{ ref("personas") }}
where buying_role not in (select buying_role from roles)
