-- A rep listed twice beside one lead would be drawn twice as often.
{{ config(tags=["gate"]) }}
select lead_key, user_id
from {{ ref("lead_candidates") }}
group by lead_key, user_id
having count(*) > 1
