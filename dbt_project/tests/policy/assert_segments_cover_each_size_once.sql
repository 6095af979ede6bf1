-- A company in two segments would be there twice, with its leads; one between two has
-- none, and rules that name a segment pass it by.
with
    segments as (
        select
            *,
            lag(segment_id) over (order by min_employees) as segment_before,
            lag(max_employees) over (order by min_employees) as max_before
        from {{ ref("segments") }}
    ),
    judged as (
        select
            segment_id,
            case
                when min_employees > max_employees
                then
                    printf(
                        'begins at %d people and ends at %d',
                        min_employees,
                        max_employees
                    )
                when min_employees <= max_before
                then
                    printf(
                        'begins at %d people, and %s goes on to %d',
                        min_employees,
                        segment_before,
                        max_before
                    )
                when min_employees > max_before + 1
                then
                    printf(
                        'begins at %d people, and %s ends at %d',
                        min_employees,
                        segment_before,
                        max_before
                    )
            end as problem
        from segments
    )
select
    'segments.csv' as file,
    segment_id as row_id,
    problem,
    'Let min_employees be one more than the max_employees of the segment before' as cure
from judged
where problem is not null
order by segment_id
