-- One row per person or company asked for at Clearbit: how it stands, and the newest
-- answer that held something.
-- A view: there are as many rows as were paid for, and the ledger holds each answer
-- whole.
{{ config(materialized="view") }}
with
    calls as (
        select *
        from {{ source("ops", "enrichment_calls") }}
        where provider = 'clearbit'
    ),
    last_rows as (
        select
            kind,
            lookup,
            arg_max(status, call_seq) as status,
            arg_max(as_of, call_seq) as asked_at,
            arg_max(body, call_seq) filter (where status = 'found') as body,
            max(as_of) filter (where status = 'found') as retrieved_at
        from calls
        group by kind, lookup
    ),
    halves as (
        select
            *,
            case when kind = 'person' then body -> '$.person' end as person,
            case when kind = 'person' then body -> '$.company' else body end as company
        from last_rows
    ),
    -- Gmail is where somebody has a mailbox, and nobody's company.
    believed as (
        select
            * replace (
                case
                    when try_cast(company ->> '$.emailProvider' as boolean) is not true
                    then company
                end as company
            )
        from halves
    ),
    renamed as (
        select
            'clearbit:' || kind || ':' || lookup as lookup_key,
            kind,
            status,
            case when kind = 'person' then lookup end as email,
            -- What is said of the company stands for everyone of the domain asked for.
            case
                when kind = 'company' then lookup else split_part(lookup, '@', 2)
            end as domain,
            coalesce(json_type(person) = 'OBJECT', false) as has_person,
            -- Whoever has a private mailbox may have an employer; the mailbox's domain
            -- has none.
            coalesce(json_type(company) = 'OBJECT', false)
            and try_cast(person ->> '$.emailProvider' as boolean)
            is not true as has_company,
            {{ clean_text("person ->> '$.name.fullName'") }} as full_name,
            {{ clean_text("person ->> '$.employment.title'") }} as job_title,
            {{ clean_text("person ->> '$.employment.seniority'") }} as seniority,
            {{ clean_text("person ->> '$.employment.role'") }} as job_role,
            {{ clean_text("person ->> '$.employment.name'") }} as employer_name,
            {{ clean_text("person ->> '$.phone'") }} as phone,
            lower({{ clean_text("person ->> '$.geo.countryCode'") }}) as country,
            {{ clean_text("company ->> '$.name'") }} as company_name,
            {{ clean_text("company ->> '$.domain'") }} as company_domain,
            nullif(
                greatest(
                    try_cast(company ->> '$.metrics.employees' as double)::bigint, 0
                ),
                0
            ) as employee_count,
            lower(
                {{ clean_text("company ->> '$.metrics.employeesRange'") }}
            ) as employee_range,
            lower({{ clean_text("company ->> '$.category.sector'") }}) as sector,
            lower(
                {{ clean_text("company ->> '$.category.industryGroup'") }}
            ) as industry_group,
            lower({{ clean_text("company ->> '$.category.industry'") }}) as industry,
            lower(
                {{ clean_text("company ->> '$.category.subIndustry'") }}
            ) as sub_industry,
            lower(
                {{ clean_text("company ->> '$.geo.countryCode'") }}
            ) as company_country,
            nullif(
                array_to_string(
                    list_sort(
                        list_distinct(try_cast(company -> '$.tech' as varchar[]))
                    ),
                    ';'
                ),
                ''
            ) as technology_stack,
            asked_at,
            retrieved_at
        from believed
    )
select *
from renamed
