-- A cause without a row leaves a lead with an owner who cannot keep it; a row nobody
-- knows is never used. Who left cannot keep anything.
with
    known as (select unnest(['owner_inactive', 'account_changed', 'by_hand']) as cause),
    rules as (select * from {{ ref("reroute_rules") }})
select
    'reroute_rules.csv' as file,
    cause as row_id,
    'is missing' as problem,
    'Add a row for it; gives_to nobody says that nothing is done' as cure
from known
where cause not in (select cause from rules)
union all
select
    'reroute_rules.csv',
    cause,
    'is no cause Baton knows',
    'Use owner_inactive, account_changed or by_hand'
from rules
where cause not in (select cause from known)
union all
select
    'reroute_rules.csv',
    cause,
    'gives to nobody, and the lead stays with somebody who has left',
    'Use draw, account_owner or crm_owner'
from rules
where cause = 'owner_inactive' and gives_to = 'nobody'
order by row_id
