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
    asked as (select distinct asset, url from wishes),
    personas as ({{ personas_of("titles") }}),
    seniorities as ({{ seniorities_of("titles") }}),
    products as ({{ products_of("asked") }}),
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
    territories as ({{ territories_of("places") }}),
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
    distinct_hosts as (select distinct host from hosts),
    named_hosts as ({{ named_accounts_of("distinct_hosts") }}),
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
