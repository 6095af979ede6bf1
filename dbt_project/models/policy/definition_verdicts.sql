-- One row per written example of a sales-ready lead: what the policy makes of it today.
-- A view, so that it is judged by the policy that lies there now.
{{ config(materialized="view", access="public") }}
-- depends_on: {{ ref('scoring_rules') }}
-- depends_on: {{ ref('score_exceptions') }}
-- depends_on: {{ ref('routing_rules') }}
-- depends_on: {{ ref('sla_tiers') }}
-- depends_on: {{ ref('personas') }}
-- depends_on: {{ ref('seniorities') }}
-- depends_on: {{ ref('territories') }}
-- depends_on: {{ ref('products') }}
-- depends_on: {{ ref('named_accounts') }}
with
    examples as (
        select
            * replace (lower(job_title) as job_title),
            email_domain
            in (select domain from {{ ref("free_mail_domains") }}) as is_free_mail
        from {{ ref("definition_examples") }}
    ),
    regions as (
        select country, min(region) as region
        from {{ ref("country_names") }}
        group by country
    ),
    -- `type:count|type:count`, each as if it had happened now.
    counted as (
        select
            example_id as lead_key,
            trim(split_part(part, ':', 1)) as touch_type,
            try_cast(split_part(part, ':', 2) as integer) as times
        from
            (
                select example_id, unnest(string_split(touches, '|')) as part
                from examples
            )
    ),
    touches as (
        select lead_key, touch_type, {{ as_of() }} as occurred_at
        from counted, unnest(range(times))
    ),
    triggers as (
        select
            counted.lead_key,
            arg_min(types.touch_type, types.trigger_rank) as trigger_type,
            lower(arg_min(types.label, types.trigger_rank)) as asset,
            '' as url
        from counted
        inner join
            {{ ref("touch_types") }} as types on counted.touch_type = types.touch_type
        where types.is_trigger
        group by counted.lead_key
    ),
    titles as (select distinct job_title from examples where job_title is not null),
    places as (
        select distinct examples.country, regions.region
        from examples
        left join regions on examples.country = regions.country
    ),
    wishes as (select distinct asset, url from triggers),
    persons as ({{ personas_of("titles") }}),
    ranks as ({{ seniorities_of("titles") }}),
    areas as ({{ territories_of("places") }}),
    goods as ({{ products_of("wishes") }}),
    described as (
        select
            examples.example_id as lead_key,
            examples.job_title,
            examples.employee_count,
            examples.industry,
            examples.country,
            places.region,
            case
                when not examples.is_free_mail then examples.email_domain
            end as company_domain,
            examples.is_free_mail,
            examples.email_domain
            in (select domain from {{ ref("competitor_domains") }}) as is_competitor,
            examples.technology_stack,
            persons.persona,
            persons.buying_role,
            ranks.seniority,
            areas.territory,
            segments.segment,
            goods.product,
            languages.language,
            triggers.trigger_type,
            examples.account_owner as account_owner_id
        from examples
        left join places on examples.country is not distinct from places.country
        left join triggers on examples.example_id = triggers.lead_key
        left join persons on examples.job_title = persons.job_title
        left join ranks on examples.job_title = ranks.job_title
        left join
            areas
            on places.country is not distinct from areas.country
            and places.region is not distinct from areas.region
        left join goods on triggers.asset = goods.asset and triggers.url = goods.url
        left join
            {{ ref("country_languages") }} as languages
            on examples.country = languages.country
        left join
            {{ ref("segments") }} as segments
            on examples.employee_count
            between segments.min_employees and segments.max_employees
    ),
    -- What an example does not say is unknown of it.
    profiles as (
        select
            {%- for column in attributes_read() if column not in (
                "job_title", "employee_count", "industry", "country", "region",
                "company_domain", "is_free_mail", "is_competitor", "technology_stack",
                "persona", "buying_role", "seniority", "territory", "segment",
                "product", "language", "trigger_type", "account_owner_id",
            ) %}
                cast(null as varchar) as {{ column }},
            {%- endfor %}
            described.*
        from described
    ),
    attributes as ({{ attributes_of("profiles", "touches", attributes_read()) }}),
    satisfied as ({{ rows_satisfied("attributes") }}),
    points as ({{ points_of("satisfied") }}),
    scores as ({{ scores_of("profiles", "points") }}),
    hosts as (
        select distinct company_domain as host
        from described
        where company_domain is not null
    ),
    named_hosts as ({{ named_accounts_of("hosts") }}),
    owners as (
        select
            described.lead_key,
            'account_owner' as owner_from,
            described.account_owner_id as owner_id,
            null as owner_pool
        from described
        inner join
            {{ ref("reps") }} as reps on described.account_owner_id = reps.user_id
        union all
        -- A person where the row names one, else the pool.
        select
            described.lead_key,
            'named_account' as owner_from,
            named_hosts.owner_user_id,
            case when named_hosts.owner_user_id is null then named_hosts.pool end
        from described
        inner join named_hosts on described.company_domain = named_hosts.host
        where coalesce(named_hosts.owner_user_id, named_hosts.pool) is not null
    ),
    ready as (
        select described.*, scores.icp_score
        from described
        inner join scores on described.lead_key = scores.lead_key
        -- As in routing: without a trigger there is nothing to call about.
        where scores.is_mql_proposed and described.trigger_type is not null
    ),
    ruled as (select * from {{ first_routing_rule("ready", "owners") }}),
    tiered as (select * from {{ first_sla_tier("ready") }})
select
    scores.lead_key as example_id,
    case when ready.lead_key is not null then 'mql' else 'lead' end as lifecycle_stage,
    scores.icp_score,
    concat_ws('; ', scores.exception_reason, scores.score_reasons) as reasons,
    described.seniority,
    described.persona,
    described.territory,
    described.segment,
    described.trigger_type,
    tiered.sla_tier,
    ruled.routing_rule
from scores
inner join described on scores.lead_key = described.lead_key
left join ready on scores.lead_key = ready.lead_key
left join ruled on scores.lead_key = ruled.lead_key
left join tiered on scores.lead_key = tiered.lead_key
