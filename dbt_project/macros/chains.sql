{#
  One row per row of `table` whose chain of `next` comes back to it: `start`, and `chain`, all it
  goes through, in words.
#}
{% macro circles_of(table, key, next) -%}
    (
        with recursive
            links as (
                select {{ key }} as start, {{ next }} as next
                from {{ table }}
                where {{ next }} is not null
            ),
            chains as (
                select start, next, [start] as chain
                from links
                union all
                select chains.start, links.next, list_append(chains.chain, links.start)
                from chains
                inner join links on chains.next = links.start
                where not list_contains(chains.chain, chains.next)
            )
        select start, array_to_string(list_append(chain, next), ' -> ') as chain
        from chains
        where next = start
    )
{%- endmacro %}
