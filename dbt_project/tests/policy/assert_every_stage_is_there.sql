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
        when stages.stage_rank <> funnel.stage_rank
        then printf('has the rank %d', stages.stage_rank)
        when stages.is_way_out
        then 'is a stage of the funnel and leads out of it'
        else 'is a way out of the funnel and leads on'
    end as problem,
    printf(
        'Have one row for it with stage_rank %d and is_way_out %s',
        funnel.stage_rank,
        case when funnel.stage_rank = 0 then 'true' else 'false' end
    ) as cure
from funnel
left join
    {{ ref("lifecycle_stages") }} as stages
    on funnel.lifecycle_stage = stages.lifecycle_stage
where
    stages.stage_rank is distinct from funnel.stage_rank
    or stages.is_way_out is distinct from (funnel.stage_rank = 0)
order by funnel.stage_rank
