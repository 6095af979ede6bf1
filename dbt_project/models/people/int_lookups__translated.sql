-- One row per person or company a provider knows: what it says, in our words.
-- A view: HubSpot's companies come with the sync, what was bought is a row a credit.
{{ config(materialized="view") }}
with
    industries as (select * from {{ ref("industry_names") }}),
    clearbit as (
        select
            lookups.lookup_key as evidence_key,
            'clearbit' as provider,
            lookups.email,
            case when lookups.has_company then lookups.domain end as domain,
            lookups.job_title,
            lookups.employer_name,
            lookups.phone,
            lookups.country as person_country,
            lookups.company_name,
            coalesce(lookups.employee_count, ranges.employee_count) as employee_count,
            -- The narrowest name that we know.
            coalesce(
                by_sub_industry.industry,
                by_industry.industry,
                by_group.industry,
                by_sector.industry,
                lookups.industry
            ) as industry,
            lookups.company_country,
            lookups.technology_stack,
            lookups.retrieved_at,
            cast(null as timestamp) as created_at
        from {{ ref("stg_clearbit__lookups") }} as lookups
        left join
            {{ ref("employee_ranges") }} as ranges
            on lookups.employee_range = lower(ranges.employee_range)
        left join
            industries as by_sub_industry on lookups.sub_industry = by_sub_industry.name
        left join industries as by_industry on lookups.industry = by_industry.name
        left join industries as by_group on lookups.industry_group = by_group.name
        left join industries as by_sector on lookups.sector = by_sector.name
        where lookups.retrieved_at is not null
    ),
    hubspot as (
        select
            companies.record_key as evidence_key,
            'hubspot' as provider,
            companies.domain,
            companies.company_name,
            companies.employee_count,
            coalesce(
                industries.industry, replace(lower(companies.industry), '_', ' ')
            ) as industry,
            lower(companies.country) as company_country,
            companies.modified_at as retrieved_at,
            companies.created_at
        from {{ ref("stg_hubspot__companies") }} as companies
        left join
            industries on replace(lower(companies.industry), '_', ' ') = industries.name
        where not companies.is_deleted
    )
select *
from clearbit
union all by name
select *
from hubspot
