-- A lead written without an owner lies in the CRM's default queue, where nobody looks;
-- a row listed twice is sent twice. Whatever is about to leave has a key of its own and
-- belongs to a lead, or an account, handed over to a user of the CRM. One test,
-- because each of these
-- views is worked out anew by whoever reads it.
{{ config(tags=["gate"]) }}
with
    leaving as (
        select
            'sync_salesforce__lead' as sync_table,
            "baton_lead_key__c" as row_key,
            _lead_key
        from {{ ref("sync_salesforce__lead") }}
        union all
        select 'sync_salesforce__task', "baton_task_key__c", _lead_key
        from {{ ref("sync_salesforce__task") }}
        union all
        select 'sync_hubspot__contact', id, _lead_key
        from {{ ref("sync_hubspot__contact") }}
        union all
        select 'sync_slack__message', message_key, _lead_key
        from {{ ref("sync_slack__message") }}
        union all
        select 'sync_smtp__message', message_key, _lead_key
        from {{ ref("sync_smtp__message") }}
    ),
    leads as (select lead_key, owner_id, decision from {{ ref("lead_lifecycle") }}),
    accounts as (
        select 'account:' || handover_key as row_key, owner_id
        from {{ source("ops", "account_handovers") }}
    ),
    users as (select user_id from {{ ref("stg_salesforce__users") }}),
    owned as (
        select
            leaving.*,
            case
                when accounts.row_key is not null
                then accounts.owner_id
                when leads.decision = 'mql'
                then leads.owner_id
            end as owner_id
        from leaving
        left join leads on leaving._lead_key = leads.lead_key
        left join accounts on leaving.row_key = accounts.row_key
    )
select sync_table, row_key, _lead_key
from owned
where owner_id is null or owner_id not in (select user_id from users) or row_key is null
union all
select sync_table, row_key, min(_lead_key)
from leaving
group by sync_table, row_key
having count(*) > 1
