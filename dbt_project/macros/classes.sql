{#
  The words policy has for a title, a wish and a place: each macro takes a relation of distinct
  values, so that a pattern is held against a title once, however many leads have it, and the
  written examples of the definition are classified as leads are.
#}
{# One row per job title (in lower case) with the persona that fits first, and its buying role. #}
{% macro personas_of(titles) -%}
    select titles.job_title, personas.persona, personas.buying_role
    from {{ titles }} as titles
    inner join
        {{ ref("personas") }} as personas
        on regexp_matches(titles.job_title, personas.pattern)
    qualify
        row_number() over (partition by titles.job_title order by personas.priority) = 1
{%- endmacro %}


{# One row per job title (in lower case) with the seniority that fits first. #}
{% macro seniorities_of(titles) -%}
    select titles.job_title, seniorities.seniority
    from {{ titles }} as titles
    inner join
        {{ ref("seniorities") }} as seniorities
        on regexp_matches(titles.job_title, coalesce(seniorities.pattern, ''))
    qualify
        row_number() over (partition by titles.job_title order by seniorities.priority)
        = 1
{%- endmacro %}


{# One row per country and region with the territory that fits first; both may be null. #}
{% macro territories_of(places) -%}
    select places.country, places.region, territories.territory
    from {{ places }} as places
    inner join
        {{ ref("territories") }} as territories
        on (territories.country is null or territories.country = places.country)
        and (territories.region is null or territories.region = places.region)
    qualify
        row_number() over (
            partition by places.country, places.region order by territories.priority
        )
        = 1
{%- endmacro %}


{# One row per title and address (in lower case, never null) of a trigger with its product. #}
{% macro products_of(wishes) -%}
    select wishes.asset, wishes.url, products.product
    from {{ wishes }} as wishes
    inner join
        {{ ref("products") }} as products
        on contains(
            case products.match_on when 'url' then wishes.url else wishes.asset end,
            coalesce(products.pattern, '')
        )
    qualify
        row_number() over (
            partition by wishes.asset, wishes.url order by products.priority
        )
        = 1
{%- endmacro %}


{#
  One row per host with the named account it belongs to: its own domain's, else that of the nearest
  domain above it.
#}
{% macro named_accounts_of(hosts) -%}
    select candidates.host, named_accounts.*
    from
        (
            select
                host, unnest(list_prepend(host, {{ domains_above("host") }})) as domain
            from {{ hosts }}
        ) as candidates
    inner join
        {{ ref("named_accounts") }} as named_accounts
        on candidates.domain = named_accounts.domain
    qualify
        row_number() over (
            partition by candidates.host order by len(candidates.domain) desc
        )
        = 1
{%- endmacro %}
