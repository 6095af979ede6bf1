-- One row per record whose person may have changed, with the person it was before.
{{ config(materialized="table") }}
{%- set people_before = previous(
    "people", "people", {"record_key": "varchar", "lead_key": "varchar"}
) %}
with recursive
    before as (select * from {{ people_before }}),
    links as (select record_key, link from {{ ref("int_people__links") }}),
    seeds as (
        select record_key
        from {{ ref("int_people__records") }}
        {% if not is_full_refresh() %} where _seq > {{ built("seq") }} {% endif %}
        union
        select record_key
        from {{ source("ops", "lead_keys") }}
        {% if not is_full_refresh() %} where as_of > {{ built("as_of") }} {% endif %}
    ),
    -- Whoever shared a person with them, because a split must find the part left
    -- behind.
    together as (
        select record_key
        from seeds
        union
        select others.record_key
        from before as others
        inner join before as changed on others.lead_key = changed.lead_key
        inner join seeds on changed.record_key = seeds.record_key
    ),
    -- And whoever is linked to any of these by now, however far.
    reached as (
        select record_key
        from together
        union
        select other_links.record_key
        from reached
        inner join links on reached.record_key = links.record_key
        inner join links as other_links on links.link = other_links.link
    )
select reached.record_key, before.lead_key as lead_key_before, {{ as_of() }} as as_of
from reached
left join before on reached.record_key = before.record_key
{% if not is_full_refresh() %}
    union
    select record_key, lead_key_before, {{ as_of() }} as as_of
    from
        (
            {{
                unfinished(
                    "int_people__affected",
                    {"record_key": "varchar", "lead_key_before": "varchar"},
                )
            }}
        )
{% endif %}
