-- One row per live person record: what its system says of the person.
-- depends_on: {{ ref('leads_touched') }}
-- The order of systems is the order of belief: CRM contact, CRM lead, then the MAP.
with
    people as (select * from {{ ref("people") }} {{ where_touched() }}),
    accounts as (select * from {{ ref("accounts") }}),
    described as (
        select
            record_key,
            1 as belief,
            contacts.email,
            first_name,
            last_name,
            job_title,
            accounts.account_name as company_name,
            accounts.domain as website,
            phone,
            coalesce(contacts.country, accounts.country) as country,
            accounts.industry,
            accounts.employee_count::bigint as employee_count,
            cast(null as varchar) as employee_range,
            cast(null as varchar) as technology_stack,
            cast(null as varchar) as buying_role,
            has_opted_out,
            has_declined_calls,
            cast(null as varchar) as legal_bases,
            contacts.owner_id,
            accounts.account_key,
            contacts.modified_by_id,
            accounts.modified_by_id as account_modified_by_id,
            contacts.modified_at,
            'crm' as source,
            lead_source as source_detail,
            cast(null as varchar) as campaign,
            created_at as first_seen_at,
            created_at
        from {{ ref("stg_salesforce__contacts") }} as contacts
        left join accounts on contacts.account_id = accounts.account_id
        union all
        select
            record_key,
            2 as belief,
            email,
            first_name,
            last_name,
            job_title,
            company_name,
            website,
            phone,
            country,
            industry,
            employee_count::bigint as employee_count,
            cast(null as varchar) as employee_range,
            cast(null as varchar) as technology_stack,
            cast(null as varchar) as buying_role,
            has_opted_out,
            has_declined_calls,
            cast(null as varchar) as legal_bases,
            owner_id,
            cast(null as varchar) as account_key,
            modified_by_id,
            cast(null as varchar) as account_modified_by_id,
            modified_at,
            'crm' as source,
            lead_source as source_detail,
            cast(null as varchar) as campaign,
            created_at as first_seen_at,
            created_at
        from {{ ref("stg_salesforce__leads") }}
        union all
        select
            record_key,
            3 as belief,
            email,
            first_name,
            last_name,
            job_title,
            company_name,
            website,
            phone,
            country,
            industry,
            cast(null as bigint) as employee_count,
            employee_range,
            technology_stack,
            buying_role,
            has_opted_out,
            cast(null as boolean) as has_declined_calls,
            legal_bases,
            owner_id,
            cast(null as varchar) as account_key,
            cast(null as varchar) as modified_by_id,
            cast(null as varchar) as account_modified_by_id,
            modified_at,
            source,
            source_detail,
            campaign,
            coalesce(first_seen_at, created_at) as first_seen_at,
            created_at
        from {{ ref("stg_hubspot__contacts") }}
    )
select
    people.lead_key,
    people.system,
    people.object,
    people.record_id,
    described.* replace (
        lower(trim(described.country)) as country,
        {{ domain_of("described.website") }} as website
    )
from people
inner join described on people.record_key = described.record_key
where not people.is_deleted
