-- One row per lead that was given to somebody: how its first-touch clock stands.
{{ config(materialized="view", access="public") }}
select clocks.*
from {{ clocks_of(ref("lead_assignments")) }} as clocks
