-- One row per lead: whether we may call it, and whether the consent its country asks
-- for is missing.
-- depends_on: {{ ref('leads_touched') }}
with
    leads as (
        select lead_key, legal_bases, has_declined_calls
        from {{ ref("int_leads__described") }} {{ where_touched() }}
    ),
    facts as (
        select lead_key, value as country
        from {{ ref("lead_facts") }} {{ where_touched() }} and field = 'country'
    ),
    regions as (
        select country, min(region) as region
        from {{ ref("country_names") }}
        group by country
    ),
    placed as (
        select leads.*, facts.country, regions.region
        from leads
        left join facts on leads.lead_key = facts.lead_key
        left join regions on facts.country = regions.country
    ),
    rules as (
        select places.country, arg_min(rules, rules.priority) as rule
        from (select distinct country, region from placed) as places
        inner join
            {{ ref("consent_rules") }} as rules
            on (rules.country is null or rules.country = places.country)
            and (rules.region is null or rules.region = places.region)
        group by places.country
    ),
    judged as (
        select
            placed.*,
            rules.rule.may_be_called as may_be_called_without,
            -- Where no row says what is asked for, nothing is allowed.
            rules.rule is null
            or (
                rules.rule.accepted_bases is not null
                and not list_has_any(
                    list_transform(
                        string_split(coalesce(placed.legal_bases, ''), ';'),
                        lambda basis:trim(basis)
                    ),
                    string_split(rules.rule.accepted_bases, '|')
                )
            ) as lacks_consent
        from placed
        left join rules on placed.country is not distinct from rules.country
    )
select
    lead_key,
    lacks_consent,
    not has_declined_calls
    and (not lacks_consent or coalesce(may_be_called_without, false)) as may_be_called
from judged
