-- One row per lead: who it is and whose address it has, by the most believed record.
-- depends_on: {{ ref('leads_touched') }}
with
    records as (
        select * from {{ ref("int_leads__records_described") }} {{ where_touched() }}
    ),
    free_mail as (select domain from {{ ref("free_mail_domains") }}),
    competitors as (select domain from {{ ref("competitor_domains") }}),
    accounts as (select * from {{ ref("accounts") }}),
    named as (
        select
            records.*,
            belief * 1000000 + row_number() over (
                partition by lead_key, belief order by created_at, record_key
            ) as rank,
            trim(concat_ws(' ', first_name, last_name)) as full_name,
            {{ domain_of("records.email") }} as email_domain
        from records
    ),
    best as (
        select
            lead_key,
            {% for column in ["email", "first_name", "last_name"] %}
                arg_min({{ column }}, rank) filter (
                    where {{ column }} is not null
                ) as {{ column }},
            {% endfor %}
            arg_min(full_name, rank) filter (where full_name <> '') as full_name,
            arg_min(website, rank) filter (
                where
                    website is not null
                    and website not in (select domain from free_mail)
            ) as website_domain,
            arg_min(email_domain, rank) filter (
                where
                    email_domain is not null
                    and email_domain not in (select domain from free_mail)
            ) as work_domain,
            coalesce(
                bool_or(email_domain in (select domain from free_mail)), false
            ) as has_free_mail,
            arg_min(account_key, rank) filter (
                where account_key is not null
            ) as own_account_key,
            bool_or(has_opted_out) as has_opted_out,
            bool_or(has_declined_calls) as has_declined_calls,
            string_agg(distinct legal_bases, ';' order by legal_bases) as legal_bases,
            min(created_at) as created_at,
            -- First seen where, and by which source; the MAP knows better on a tie.
            arg_min(
                {
                    'source':lower(source),
                    'detail':source_detail,
                    'campaign':campaign,
                    'at':first_seen_at
                },
                (first_seen_at, - belief)
            ) as origin,
            arg_min(record_id, rank) filter (
                where system = 'hubspot'
            ) as hubspot_contact_id,
            -- A record with half a name contradicts nobody.
            count(distinct lower(full_name)) filter (
                where first_name is not null and last_name is not null
            )
            > 1 as has_two_names
        from named
        group by lead_key
    ),
    -- The account of the domain; of eu.acme.example, where that has none,
    -- acme.example's.
    domains as (
        select distinct coalesce(work_domain, website_domain) as company_domain
        from best
        where coalesce(work_domain, website_domain) is not null
    ),
    candidates as (
        select
            company_domain,
            unnest(
                list_prepend(company_domain, {{ domains_above("company_domain") }})
            ) as domain
        from domains
    ),
    of_domains as (
        select
            candidates.company_domain,
            arg_max(accounts.account_key, len(candidates.domain)) as account_key
        from candidates
        inner join
            accounts on candidates.domain = accounts.domain and accounts.is_of_domain
        group by candidates.company_domain
    )
select
    best.lead_key,
    best.email,
    best.first_name,
    best.last_name,
    best.full_name,
    coalesce(best.work_domain, best.website_domain) as company_domain,
    best.has_free_mail and best.work_domain is null as is_free_mail,
    coalesce(best.work_domain, best.website_domain)
    in (select domain from competitors) as is_competitor,
    coalesce(best.has_opted_out, false) as has_opted_out,
    coalesce(best.has_declined_calls, false) as has_declined_calls,
    best.legal_bases,
    coalesce(best.own_account_key, of_domains.account_key) as account_key,
    best.origin.source as first_touch_source_as_named,
    best.origin.detail as first_touch_source_detail,
    best.origin.campaign as first_touch_campaign,
    best.origin.at as first_touch_at,
    best.created_at as lead_at,
    best.hubspot_contact_id,
    best.has_two_names
from best
left join
    of_domains
    on coalesce(best.work_domain, best.website_domain) = of_domains.company_domain
