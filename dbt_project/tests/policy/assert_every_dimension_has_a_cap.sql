-- Points of a dimension without a cap are joined away, so its rules would count for
-- nothing. A cap below zero would turn every lead down.
select
    'score_caps.csv' as file,
    dimensions.dimension as row_id,
    case
        when caps.dimension is null
        then 'has no row, so its rules count for nothing'
        else printf('has the cap %d', caps.max_points)
    end as problem,
    'Give each of fit and intent one row with a max_points above zero' as cure
from (select unnest(['fit', 'intent']) as dimension) as dimensions
left join {{ ref("score_caps") }} as caps on dimensions.dimension = caps.dimension
where caps.dimension is null or coalesce(caps.max_points, 0) <= 0
