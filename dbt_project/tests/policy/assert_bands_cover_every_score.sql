-- A lead whose points fall between two bands has no score and leaves the table in
-- silence; one in two bands is there twice. Every total that the rules can give
-- needs exactly one band.
with
    bands as (
        select *, lag(max_points) over (order by min_points) as max_before
        from {{ ref("score_bands") }}
    ),
    possible as (
        select
            (
                select sum(points) from {{ ref("scoring_rules") }} where points < 0
            ) as lowest,
            (select sum(max_points) from {{ ref("score_caps") }}) as highest
    )
select
    'score_bands.csv' as file,
    band_id as row_id,
    printf(
        'covers %d to %d after a band that ends at %d',
        min_points,
        max_points,
        max_before
    ) as problem,
    'Let min_points be one more than the max_points of the band before' as cure
from bands
where max_before is not null and min_points is distinct from max_before + 1
union all
select
    'score_bands.csv',
    band_id,
    'ends before it begins',
    'Swap min_points and max_points'
from bands
where min_points > max_points or min_points is null or max_points is null
union all
select
    'score_bands.csv',
    arg_min(bands.band_id, bands.min_points),
    printf(
        'begins at %d, and rules can take a lead to %d',
        min(min_points),
        any_value(lowest)
    ),
    'Lower its min_points'
from bands
cross join possible
having min(bands.min_points) > any_value(possible.lowest)
union all
select
    'score_bands.csv',
    arg_max(bands.band_id, bands.max_points),
    printf('ends at %d, and the caps allow %d', max(max_points), any_value(highest)),
    'Raise its max_points'
from bands
cross join possible
having max(bands.max_points) < any_value(possible.highest)
union all
select
    'score_bands.csv',
    'icp_score ' || scores.icp_score,
    printf('%d bands give this score', count(bands.band_id)),
    'Give every score from 1 to 10 one band'
from (select unnest(range(1, 11)) as icp_score) as scores
left join bands on scores.icp_score = bands.icp_score
group by scores.icp_score
having count(bands.band_id) <> 1
union all
select
    'score_bands.csv', band_id, printf('gives the score %d', icp_score), 'Use 1 to 10'
from bands
where icp_score not between 1 and 10
