-- One row per CRM account; of several with one domain one is the domain's.
{{ config(materialized="table", access="public") }}
with recursive
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
    ),
    parents as (
        select children.account_id, children.parent_id
        from accounts as children
        inner join accounts as parents on children.parent_id = parents.account_id
    ),
    -- A set, so that accounts which are each other's parent end it.
    above(account_id, above_id) as (
        select account_id, parent_id
        from parents
        union
        select above.account_id, parents.parent_id
        from above
        inner join parents on above.above_id = parents.account_id
    ),
    -- At the top is who has no parent; of a circle the first of it.
    ultimate as (
        select above.account_id, min(above.above_id) as ultimate_parent_id
        from above
        left join parents on above.above_id = parents.account_id
        left join
            above as circles
            on above.above_id = circles.account_id
            and above.above_id = circles.above_id
        where parents.account_id is null or circles.account_id is not null
        group by above.account_id
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
    'salesforce:' || parents.parent_id as parent_account_key,
    'salesforce:' || coalesce(
        ultimate.ultimate_parent_id, accounts.account_id
    ) as ultimate_parent_key,
    -- Tie-break, in this order: open opportunity, most contacts, oldest. A host of
    -- private mailboxes is nobody's domain.
    accounts.domain is not null
    and free_mail.domain is null
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
left join parents on accounts.account_id = parents.account_id
left join ultimate on accounts.account_id = ultimate.account_id
left join
    {{ ref("free_mail_domains") }} as free_mail on accounts.domain = free_mail.domain
