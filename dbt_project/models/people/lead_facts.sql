-- One row per lead and field: the value believed, who says so, and since when.
{{ config(access="public") }}
-- depends_on: {{ ref('leads_touched') }}
-- field_precedence.csv says whom to believe. What Baton itself wrote into a record it
-- made comes back as an echo of the form: it is believed last.
with
    leads as (
        select lead_key, company_domain
        from {{ ref("int_leads__described") }} {{ where_touched() }}
    ),
    records as (
        select
            records.* replace (
                coalesce(
                    records.employee_count, ranges.employee_count
                ) as employee_count
            )
        from {{ ref("int_leads__records_described") }} as records
        left join
            {{ ref("employee_ranges") }} as ranges
            on lower(records.employee_range) = lower(ranges.employee_range)
            {{ where_touched("records.lead_key") }}
    ),
    ourselves as (select user_id from {{ ref("stg_salesforce__identity") }}),
    ours as (
        select vendor_id
        from {{ source("ops", "receipts") }}
        where
            target = 'salesforce.lead'
            and status = 'accepted'
            and (sent ->> '$.LastName') is not null
    ),
    -- The version of a CRM lead that brought a value says who entered it.
    versions as (
        select
            record_key,
            modified_by_id,
            version_at,
            _seq,
            job_title,
            company_name,
            employee_count::varchar as employee_count,
            industry,
            country,
            phone
        from {{ ref("stg_salesforce__lead_versions") }}
        where record_key in (select record_key from records)
    ),
    changes as (
        select *
        from
            (
                from
                    versions unpivot include nulls(
                        value for field in (
                            job_title,
                            company_name,
                            employee_count,
                            industry,
                            country,
                            phone
                        )
                    )
            )
        qualify
            value is distinct from lag(value) over (
                partition by record_key, field order by _seq
            )
    ),
    authors as (
        select
            record_key,
            field,
            arg_max(modified_by_id, _seq) as modified_by_id,
            arg_max(version_at, _seq) as changed_at
        from changes
        group by record_key, field
    ),
    held as (
        select *
        from
            (
                select
                    record_key,
                    {% for field in fields_believed() %}
                        {{ field }}::varchar as {{ field }}{{ "," if not loop.last }}
                    {% endfor %}
                from records
            )
            unpivot (value for field in ({{ fields_believed() | join(", ") }}))
    ),
    of_records as (
        select
            records.lead_key,
            held.field,
            held.value,
            case
                when records.system <> 'salesforce'
                then
                    case
                        when held.field in ('technology_stack', 'buying_role')
                        then 'provider'
                        else 'form'
                    end
                when
                    case
                        when records.object = 'lead'
                        then authors.modified_by_id
                        when held.field in ('job_title', 'phone', 'country')
                        then records.modified_by_id
                        else records.account_modified_by_id
                    end
                    not in (select user_id from ourselves)
                then 'human'
                else 'crm'
            end as source,
            case
                when
                    records.system <> 'salesforce'
                    and held.field in ('technology_stack', 'buying_role')
                then records.system
            end as provider,
            coalesce(
                records.object = 'lead'
                and records.record_id in (select vendor_id from ours)
                and authors.modified_by_id in (select user_id from ourselves),
                false
            ) as is_echo,
            coalesce(authors.changed_at, records.modified_at) as retrieved_at,
            records.belief,
            records.created_at,
            records.record_key
        from held
        inner join records on held.record_key = records.record_key
        left join
            authors
            on held.record_key = authors.record_key
            and held.field = authors.field
    ),
    -- A person's own answer first, then what is said of the company's domain.
    known as (
        select leads.lead_key, lookups.*, 1 as belief
        from leads
        inner join records on leads.lead_key = records.lead_key
        inner join
            {{ ref("int_lookups__translated") }} as lookups
            on records.email = lookups.email
        union
        select leads.lead_key, lookups.*, 2 as belief
        from leads
        inner join
            {{ ref("int_lookups__translated") }} as lookups
            on leads.company_domain = lookups.domain
    ),
    told as (
        select
            lead_key,
            provider,
            evidence_key as record_key,
            belief,
            retrieved_at,
            created_at,
            case when belief = 1 then job_title end as job_title,
            coalesce(
                company_name, case when belief = 1 then employer_name end
            ) as company_name,
            employee_count::varchar as employee_count,
            industry,
            coalesce(
                case when belief = 1 then person_country end, company_country
            ) as country,
            case when belief = 1 then phone end as phone,
            technology_stack
        from known
    ),
    of_providers as (
        select
            lead_key,
            field,
            value,
            'provider' as source,
            provider,
            false as is_echo,
            retrieved_at,
            belief,
            created_at,
            record_key
        from
            told unpivot (
                value for field in (
                    job_title,
                    company_name,
                    employee_count,
                    industry,
                    country,
                    phone,
                    technology_stack
                )
            )
    ),
    evidence as (
        select *
        from of_records
        union all by name
        select *
        from of_providers
    ),
    ranked as (
        select evidence.*, coalesce(named.rank, other.rank) as rank, providers.priority
        from evidence
        left join
            {{ ref("field_precedence") }} as named
            on evidence.field = named.field
            and evidence.source = named.source
        left join
            {{ ref("field_precedence") }} as other
            on other.field = 'any'
            and evidence.source = other.source
        left join
            {{ ref("enrichment_providers") }} as providers
            on evidence.provider = providers.provider
        qualify
            row_number() over (
                partition by evidence.lead_key, evidence.field
                order by
                    evidence.is_echo,
                    coalesce(named.rank, other.rank),
                    providers.priority,
                    evidence.belief,
                    evidence.created_at,
                    evidence.retrieved_at desc,
                    evidence.record_key
            )
            = 1
    )
select
    ranked.lead_key,
    ranked.field,
    case
        ranked.field
        when 'country'
        then coalesce(countries.country, ranked.value)
        when 'industry'
        then lower(ranked.value)
        else ranked.value
    end as value,
    ranked.source,
    ranked.provider,
    ranked.record_key as evidence_key,
    ranked.retrieved_at
from ranked
left join
    {{ ref("country_names") }} as countries
    on ranked.field = 'country'
    and ranked.value = countries.name
