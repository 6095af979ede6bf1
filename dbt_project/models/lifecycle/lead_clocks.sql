-- One row per lead that was given to somebody: how its first-touch clock stands.
{{ config(materialized="view", access="public") }}
select
    * exclude (
        clock_key, clock_number, is_newest, last_owner_id, ended_at, ended_by
    ) replace (last_owner_id as owner_id)
from {{ ref("lead_clock_history") }}
where is_newest
