-- One row per account to be handed over as a buying group now: ready, owned by a rep,
-- awake since go-live, and not handed over before.
{{ config(materialized="view") }}
with
    accounts as (select account_key, owner_id from {{ ref("accounts") }}),
    reps as (select user_id from {{ ref("int_reps__available") }} where why_not is null)
select readiness.*, accounts.owner_id
from {{ ref("account_readiness") }} as readiness
inner join accounts on readiness.account_key = accounts.account_key
inner join reps on accounts.owner_id = reps.user_id
where
    readiness.is_ready
    and readiness.last_trigger_at >= {{ go_live_at() }}
    and readiness.account_key
    not in (select account_key from {{ source("ops", "account_handovers") }})
