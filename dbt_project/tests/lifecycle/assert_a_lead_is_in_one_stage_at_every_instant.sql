-- Two stages at one time count a lead twice in the funnel, none loses it: whenever it
-- is
-- asked, each story goes on from its first stage without a gap and without an overlap.
with
    history as (select * from {{ ref("lead_stage_history") }} where not is_passed_over),
    overlapping as (
        select one.lead_key, 'two stages at one time' as problem
        from history as one
        inner join
            history as other
            on one.lead_key = other.lead_key
            and one.stage_number < other.stage_number
            and (one.left_at is null or one.left_at > other.entered_at)
            and (one.known_until is null or one.known_until > other.known_at)
            and (other.known_until is null or other.known_until > one.known_at)
    ),
    ending as (
        select lead_key, 'no stage, or several, that it has not left' as problem
        from history
        where is_current
        group by lead_key
        having count(*) filter (where left_at is null) <> 1
    ),
    broken as (
        select one.lead_key, 'no stage for a while' as problem
        from history as one
        left join
            history as next
            on one.lead_key = next.lead_key
            and one.left_at = next.entered_at
            and one.known_at < coalesce(next.known_until, 'infinity')
            and next.known_at < coalesce(one.known_until, 'infinity')
        where one.left_at is not null and next.lead_key is null
    )
select lead_key, problem
from overlapping
union
select lead_key, problem
from ending
union
select lead_key, problem
from broken
