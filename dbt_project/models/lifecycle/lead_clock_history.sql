-- One row per lead and first-touch clock that was started for it: whose it was, how it
-- stands, and what ended it.
{{ config(materialized="view", access="public") }}
select clocks.*
from {{ clocks_of(ref("int_clocks__started")) }} as clocks
