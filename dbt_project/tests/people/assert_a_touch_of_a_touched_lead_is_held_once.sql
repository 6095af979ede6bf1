-- After a split or a merge a touch moves with its person. Held twice, it would score
-- twice. Only touches of this run's leads are looked up, so that it can be asked in
-- every run; `unique` asks it of all.
{{ config(tags=["gate"]) }}
with
    of_this_run as (
        select touch_key
        from {{ ref("lead_touches") }}
        where lead_key in (select lead_key from {{ ref("leads_touched") }})
    )
select touch_key, count(*) as times
from {{ ref("lead_touches") }}
where touch_key in (select touch_key from of_this_run)
group by touch_key
having count(*) > 1
