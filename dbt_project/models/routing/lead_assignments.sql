-- One row per lead that was given to somebody: its newest owner, its clock after every
-- move of it, and the first touch by a person since the clock began.
{{ config(materialized="view", access="protected") }}
select assigned.*
from {{ assigned("true", ref("human_activities")) }} as assigned
