-- The models and `baton status` ask for these by name; one that is missing or of
-- another kind would say nothing and change the rows of every lead.
with
    asked as (
        select
            unnest(
                [
                    'look_back_days',
                    'last_contents',
                    'colleagues_named',
                    'clock_horizon_days',
                    'activities_read_within_minutes',
                    'clock_acted_on_within_days',
                    'clocks_looked_at_within_minutes'
                ]
            ) as constant_id,
            'number' as kind
        union all
        select unnest(['disqualified_needs_reason', 'sal_is_used']), 'yes or no'
        union all
        select 'lost_opportunity_stage', 'way out'
    ),
    ways_out as (
        select lifecycle_stage from {{ ref("lifecycle_stages") }} where is_way_out
    )
select
    'constants.csv' as file,
    asked.constant_id as row_id,
    case
        when constants.constant_id is null
        then 'is missing'
        else printf('has the value %s', constants.value)
    end as problem,
    case
        asked.kind
        when 'number'
        then 'Have one row for it with a number of 0 or more'
        when 'way out'
        then
            'Have one row for it with a stage of lifecycle_stages.csv that is a way out'
        else 'Have one row for it with true or false'
    end as cure
from asked
left join
    {{ ref("constants") }} as constants on asked.constant_id = constants.constant_id
where
    case
        asked.kind
        when 'number'
        then coalesce(try_cast(constants.value as double) < 0, true)
        when 'way out'
        then
            coalesce(
                constants.value not in (select lifecycle_stage from ways_out), true
            )
        else coalesce(constants.value not in ('true', 'false'), true)
    end
order by asked.constant_id
