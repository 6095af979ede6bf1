-- The models speak of these eight stages by name; one that is missing would take its
-- leads out of the table. The funnel's own are in rising order, the ways out of it
-- have rank 0.
with
    funnel as (
        select
            unnest(
                ['lead', 'mql', 'sal', 'sql', 'opportunity', 'customer']
            ) as lifecycle_stage,
            unnest(range(1, 7)) as stage_rank
        union all
        select unnest(['recycled', 'disqualified']), 0
    )
select
    'lifecycle_stages.csv' as file,
    funnel.lifecycle_stage as row_id,
    case
        when stages.lifecycle_stage is null
        then 'is missing'
        else printf('has the rank %d', stages.stage_rank)
    end as problem,
    printf('Have one row for it with stage_rank %d', funnel.stage_rank) as cure
from funnel
left join
    {{ ref("lifecycle_stages") }} as stages
    on funnel.lifecycle_stage = stages.lifecycle_stage
where stages.stage_rank is distinct from funnel.stage_rank
order by funnel.stage_rank
