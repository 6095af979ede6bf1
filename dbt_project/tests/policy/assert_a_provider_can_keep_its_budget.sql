-- A budget that is not kept is money: a provider that is asked costs something, what it
-- answers is remembered, and a queued lookup comes to an end.
with
    judged as (
        select
            provider,
            case
                when monthly_budget < 0
                then 'has a budget below zero'
                when cost < 0 or cost > 1
                then 'costs ' || cost || ' credits a call, and one call is one credit'
                when cost = 0 and monthly_budget > 0
                then 'costs nothing and has a budget'
                when found_days < 1 or missing_days < 1
                then 'forgets its answers at once'
                when ask_again_minutes < 1
                then 'is asked again without a pause'
                when most_asks < 1 or most_asks > 100
                then 'is asked ' || most_asks || ' times for one lookup'
            end as problem
        from {{ ref("enrichment_providers") }}
    )
select
    'enrichment_providers.csv' as file,
    provider as row_id,
    problem,
    'Write whole numbers from 1 up; cost and monthly_budget 0 for one that is never asked'
    as cure
from judged
where problem is not null
