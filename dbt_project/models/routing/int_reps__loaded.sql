-- One row per rep of the policy: whether it is here, what it can, how many leads it
-- owns, and how many of them wait for its first touch.
{{ config(materialized="view") }}
with
    reps as (select * from {{ ref("int_reps__available") }}),
    skills as (
        select
            user_id,
            list(value) filter (where kind = 'language') as languages,
            list(value) filter (where kind = 'skill') as skills
        from {{ ref("rep_skills") }}
        group by user_id
    ),
    loads as (
        select
            owner_id,
            count(*)::integer as open_leads,
            (count(*) filter (where is_waiting))::integer as waiting_leads
        from {{ ref("int_leads__assigned") }}
        where is_held
        group by owner_id
    )
select
    reps.*,
    coalesce(skills.languages, []) as languages,
    coalesce(skills.skills, []) as skills,
    coalesce(loads.open_leads, 0) as open_leads,
    coalesce(loads.waiting_leads, 0) as waiting_leads,
    least(
        reps.most_open_leads - coalesce(loads.open_leads, 0),
        reps.most_waiting_leads - coalesce(loads.waiting_leads, 0)
    ) as room_left
from reps
left join skills on reps.user_id = skills.user_id
left join loads on reps.user_id = loads.owner_id
