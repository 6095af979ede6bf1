-- Every field needs an order of all four sources, or a value is believed by accident.
-- The rows of `any` are that order; a field with an order of its own may name a part,
-- and none of its ranks twice.
with
    sources as (select unnest(['human', 'crm', 'provider', 'form']) as source),
    any_field as (select source from {{ ref("field_precedence") }} where field = 'any')
select
    'field_precedence.csv' as file,
    'any_' || sources.source as row_id,
    'does not say how far to believe ' || sources.source as problem,
    'Add a row with field any and this source' as cure
from sources
where sources.source not in (select source from any_field)
union all
select
    'field_precedence.csv',
    max(precedence_id),
    printf('%s is ranked %d times for %s', source, count(*), field),
    'Leave one row per field and source'
from {{ ref("field_precedence") }}
group by field, source
having count(*) > 1
union all
select
    'field_precedence.csv',
    max(precedence_id),
    printf('rank %d is given %d times for %s', rank, count(*), field),
    'Give each source a rank of its own'
from {{ ref("field_precedence") }}
group by field, rank
having count(*) > 1
