-- One row per record whose person may have changed, with the person it was before.
{{ config(materialized="table") }}
{%- set people_before = previous(
    "people",
    "people",
    {
        "record_key": "varchar",
        "lead_key": "varchar",
        "email": "varchar",
        "has_shared_address": "boolean",
    },
) %}
-- depends_on: {{ ref('policy_version') }} {{ ref('shared_mailboxes') }}
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
        {% if policy_is_new() %}
            union
            -- An address that came to the list of shared ones, or went from it.
            select record_key
            from before
            where
                has_shared_address <> (
                    {{ mailbox_of("email") }}
                    in (select local_part from {{ ref("shared_mailboxes") }})
                )
        {% endif %}
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
        union
        -- Who has the address one of them had may stand for it now.
        select links.record_key
        from before
        inner join seeds on before.record_key = seeds.record_key
        inner join links on 'email:' || before.email = links.link
    ),
    -- And whoever is linked to any of these by now, however far. An address several
    -- people share links them here too, though it makes them nobody: of those who have
    -- it one stands for it.
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
