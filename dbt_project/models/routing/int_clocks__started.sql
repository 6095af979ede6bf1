-- One row per lead and first-touch clock that was started for it: who had the lead
-- while it ran, its times after every move, and the first touch by a person in it.
{{ config(materialized="view", access="protected") }}
select clocks.*
from {{ clocks_started("true", ref("human_activities")) }} as clocks
