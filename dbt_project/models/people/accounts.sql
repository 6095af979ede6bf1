-- One row per CRM account; of several with one domain one is the domain's.
{{ config(materialized="table", access="public") }}
with
    accounts as (
        select * from {{ ref("stg_salesforce__accounts") }} where not is_deleted
    ),
    contacts as (
        select account_id, count(*) as contact_count
        from {{ ref("stg_salesforce__contacts") }}
        where not is_deleted
        group by account_id
    ),
    -- The newest open opportunity says who works the account now.
    opportunities as (
        select
            account_id,
            count(*) as open_opportunity_count,
            arg_max(owner_id, created_at) as opportunity_owner_id
        from {{ ref("stg_salesforce__opportunities") }}
        where not is_deleted and not is_closed
        group by account_id
    )
select
    'salesforce:' || accounts.account_id as account_key,
    accounts.account_id,
    accounts.account_name,
    accounts.domain,
    accounts.industry,
    accounts.employee_count,
    accounts.country,
    accounts.owner_id,
    accounts.modified_by_id,
    opportunities.opportunity_owner_id,
    coalesce(opportunities.open_opportunity_count, 0) as open_opportunity_count,
    coalesce(contacts.contact_count, 0) as contact_count,
    -- Tie-break, in this order: open opportunity, most contacts, oldest.
    accounts.domain is not null
    and row_number() over (
        partition by accounts.domain
        order by
            coalesce(opportunities.open_opportunity_count, 0) > 0 desc,
            coalesce(contacts.contact_count, 0) desc,
            accounts.created_at,
            accounts.account_id
    )
    = 1 as is_of_domain
from accounts
left join contacts on accounts.account_id = contacts.account_id
left join opportunities on accounts.account_id = opportunities.account_id
