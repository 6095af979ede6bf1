-- A country in no territory passes by every rule that names one, and a row behind a
-- wider one, or of a place that country_names.csv does not know, is never reached.
with
    places as (select distinct country, region from {{ ref("country_names") }}),
    taken as (
        select places.country, territories.territory_id, territories.priority
        from places
        inner join
            {{ ref("territories") }} as territories
            on (territories.country is null or territories.country = places.country)
            and (territories.region is null or territories.region = places.region)
    ),
    first_rows as (
        select country, arg_min(territory_id, priority) as territory_id
        from taken
        group by country
    ),
    -- A row without country and region takes also whoever's country is unknown.
    everything as (
        select min(priority) as priority
        from {{ ref("territories") }}
        where country is null and region is null
    )
select
    'territories.csv' as file,
    country as row_id,
    'no row takes this country of country_names.csv' as problem,
    'Add a row for the country or for its region' as cure
from places
where country not in (select country from first_rows)
union all
select
    'territories.csv',
    territory_id,
    case
        when territory_id not in (select territory_id from taken)
        then 'no country of country_names.csv is in this row'
        else 'is never reached: rows before it take every country of it'
    end,
    'Correct country and region, or give the narrower row the lower priority'
from {{ ref("territories") }} as territories
cross join everything
where
    territory_id not in (select territory_id from first_rows)
    and territories.priority is distinct from everything.priority
order by row_id
