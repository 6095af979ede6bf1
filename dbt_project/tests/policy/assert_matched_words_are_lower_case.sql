-- What systems write is compared in lower case and without blanks around it: a
-- policy word with a capital or a blank never matches, and nothing says so.
with
    words as (
        select 'channels.csv' as file, channel_id as row_id, source as word
        from {{ ref("channels") }}
        union all
        select 'channels.csv', channel_id, source_detail
        from {{ ref("channels") }}
        union all
        select 'country_names.csv', name, name
        from {{ ref("country_names") }}
        union all
        select 'country_names.csv', name, country
        from {{ ref("country_names") }}
        union all
        select 'industry_names.csv', name, name
        from {{ ref("industry_names") }}
        union all
        select 'industry_names.csv', name, industry
        from {{ ref("industry_names") }}
        union all
        select 'free_mail_domains.csv', domain, domain
        from {{ ref("free_mail_domains") }}
        union all
        select 'competitor_domains.csv', domain, domain
        from {{ ref("competitor_domains") }}
        union all
        select 'lead_statuses.csv', status_id, vendor_status
        from {{ ref("lead_statuses") }}
        union all
        select 'routing_rules.csv', rule_id, country
        from {{ ref("routing_rules") }}
        union all
        select 'routing_rules.csv', rule_id, region
        from {{ ref("routing_rules") }}
        union all
        select 'territories.csv', territory_id, country
        from {{ ref("territories") }}
        union all
        select 'territories.csv', territory_id, region
        from {{ ref("territories") }}
        union all
        select 'consent_rules.csv', rule_id, country
        from {{ ref("consent_rules") }}
        union all
        select 'consent_rules.csv', rule_id, region
        from {{ ref("consent_rules") }}
        union all
        select 'products.csv', product_id, pattern
        from {{ ref("products") }}
        union all
        select 'country_languages.csv', country, language
        from {{ ref("country_languages") }}
    )
select
    file,
    row_id,
    printf('"%s" has capitals or blanks and never matches', word) as problem,
    'Write it in lower case without blanks around it' as cure
from words
where word <> lower(trim(word))
order by file, row_id
