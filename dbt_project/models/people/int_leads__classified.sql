-- One row per lead: what kind of person, company and wish it is, in words of policy.
-- depends_on: {{ ref('leads_touched') }}
with
    leads as (
        select lead_key, company_domain, account_key
        from {{ ref("int_leads__described") }} {{ where_touched() }}
    ),
    facts as (
        select
            lead_key,
            max(value) filter (where field = 'country') as country,
            max(value) filter (where field = 'employee_count')::bigint
            as employee_count,
            max(value) filter (where field = 'buying_role') as buying_role,
            max(lower(value)) filter (where field = 'job_title') as job_title
        from {{ ref("lead_facts") }} {{ where_touched() }}
        group by lead_key
    ),
    wishes as (
        select
            lead_key,
            coalesce(lower(trigger_asset), '') as asset,
            coalesce(lower(trigger_url), '') as url
        from
            {{ ref("int_leads__triggered") }} {{ where_touched() }}
            and trigger_key is not null
    ),
    -- Each distinct title, wish, country and host is matched once, however many leads
    -- share it.
    titles as (select distinct job_title from facts where job_title is not null),
    personas as (
        select titles.job_title, personas.persona, personas.buying_role
        from titles
        inner join
            {{ ref("personas") }} as personas
            on regexp_matches(titles.job_title, personas.pattern)
        qualify
            row_number() over (partition by titles.job_title order by personas.priority)
            = 1
    ),
    seniorities as (
        select titles.job_title, seniorities.seniority
        from titles
        inner join
            {{ ref("seniorities") }} as seniorities
            on regexp_matches(titles.job_title, coalesce(seniorities.pattern, ''))
        qualify
            row_number() over (
                partition by titles.job_title order by seniorities.priority
            )
            = 1
    ),
    products as (
        select distinct_wishes.asset, distinct_wishes.url, products.product
        from (select distinct asset, url from wishes) as distinct_wishes
        inner join
            {{ ref("products") }} as products
            on contains(
                case
                    products.match_on
                    when 'url'
                    then distinct_wishes.url
                    else distinct_wishes.asset
                end,
                coalesce(products.pattern, '')
            )
        qualify
            row_number() over (
                partition by distinct_wishes.asset, distinct_wishes.url
                order by products.priority
            )
            = 1
    ),
    regions as (
        select country, min(region) as region
        from {{ ref("country_names") }}
        group by country
    ),
    places as (
        select distinct facts.country, regions.region
        from leads
        left join facts on leads.lead_key = facts.lead_key
        left join regions on facts.country = regions.country
    ),
    territories as (
        select places.country, territories.territory
        from places
        inner join
            {{ ref("territories") }} as territories
            on (territories.country is null or territories.country = places.country)
            and (territories.region is null or territories.region = places.region)
        qualify
            row_number() over (
                partition by places.country order by territories.priority
            )
            = 1
    ),
    -- By the domain of the person, else by that of its account; the nearest name wins.
    hosts as (
        select leads.lead_key, leads.company_domain as host, 1 as belief
        from leads
        where leads.company_domain is not null
        union all
        select leads.lead_key, accounts.domain as host, 2 as belief
        from leads
        inner join
            {{ ref("accounts") }} as accounts
            on leads.account_key = accounts.account_key
        where accounts.domain is not null
    ),
    candidates as (
        select host, unnest(list_prepend(host, {{ domains_above("host") }})) as domain
        from (select distinct host from hosts)
    ),
    named_hosts as (
        select candidates.host, named_accounts.*
        from candidates
        inner join
            {{ ref("named_accounts") }} as named_accounts
            on candidates.domain = named_accounts.domain
        qualify
            row_number() over (
                partition by candidates.host order by len(candidates.domain) desc
            )
            = 1
    ),
    named as (
        select hosts.lead_key, named_hosts.*
        from hosts
        inner join named_hosts on hosts.host = named_hosts.host
        qualify
            row_number() over (partition by hosts.lead_key order by hosts.belief) = 1
    )
select
    leads.lead_key,
    territories.territory,
    segments.segment,
    personas.persona,
    seniorities.seniority,
    coalesce(
        replace(lower(facts.buying_role), ' ', '_'), personas.buying_role
    ) as buying_role,
    products.product,
    languages.language,
    named.named_account_id,
    named.owner_user_id as named_account_owner_id,
    named.pool as named_account_pool
from leads
left join facts on leads.lead_key = facts.lead_key
left join wishes on leads.lead_key = wishes.lead_key
left join personas on facts.job_title = personas.job_title
left join seniorities on facts.job_title = seniorities.job_title
left join products on wishes.asset = products.asset and wishes.url = products.url
left join territories on facts.country is not distinct from territories.country
left join
    {{ ref("country_languages") }} as languages on facts.country = languages.country
left join
    {{ ref("segments") }} as segments
    on facts.employee_count between segments.min_employees and segments.max_employees
left join named on leads.lead_key = named.lead_key
