-- One row per lead to be routed and person (pool, pod) a rule may name, as long as
-- there is somebody behind it.
{{ config(materialized="view") }}
with
    leads as (
        select *
        from {{ ref("int_leads__to_decide") }}
        where decision in ('mql', 'reroute')
    ),
    accounts as (select * from {{ ref("accounts") }}),
    reps as (select * from {{ ref("int_reps__available") }} where why_not is null),
    persons as (
        select lead_key, 'current_owner' as owner_from, current_owner_id as owner_id
        from leads
        union all
        select lead_key, 'opportunity_owner', opportunity_owner_id
        from leads
        union all
        select lead_key, 'account_owner', account_owner_id
        from leads
        union all
        select leads.lead_key, 'parent_account_owner', accounts.owner_id
        from leads
        inner join accounts on leads.parent_account_key = accounts.account_key
        union all
        select lead_key, 'named_account', named_account_owner_id
        from leads
    ),
    present as (
        select
            persons.lead_key,
            persons.owner_from,
            persons.owner_id,
            reps.away_until is not null as is_away
        from persons
        inner join reps on persons.owner_id = reps.user_id
    )
select lead_key, owner_from, owner_id, null as owner_pool, null as owner_pod, is_away
from present
union all
select lead_key, 'named_account', null, named_account_pool, null, false
from leads
where
    named_account_pool is not null
    and lead_key
    not in (select lead_key from present where owner_from = 'named_account')
union all
-- The account's owner may have left; the pod still knows the account.
select leads.lead_key, 'account_pod', null, null, owners.pod, false
from leads
inner join {{ ref("reps") }} as owners on leads.account_owner_id = owners.user_id
where owners.pod is not null and owners.pod in (select pod from reps)
