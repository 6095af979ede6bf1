{# A room's schema is the room's name, in every target. #}
{% macro generate_schema_name(custom_schema_name, node) -%}
    {{ custom_schema_name if custom_schema_name is not none else target.schema }}
{%- endmacro %}


{# Now, for every model: the time fixed when the run began, never the clock. #}
{% macro as_of() -%}
    (
        select coalesce(max(as_of), timestamp '1970-01-01')
        from {{ source("ops", "runs") }}
    )
{%- endmacro %}


{# When this installation began to hand leads over; what came before is adopted. #}
{% macro go_live_at() -%}
    (
        select coalesce(arg_min(go_live_at, as_of), timestamp '1970-01-01')
        from {{ source("ops", "runs") }}
    )
{%- endmacro %}


{# How far the rooms were built when a run was last published. #}
{% macro built(column) -%}
    {%- if column == "seq" -%}
        (select coalesce(max(seq), 0) from {{ source("raw", "builds") }})
    {%- else -%}
        (
            select coalesce(max(as_of), timestamp '1970-01-01')
            from {{ source("raw", "builds") }}
        )
    {%- endif -%}
{%- endmacro %}


{# Everything is built anew; a macro, so that a unit test can say it is not. #}
{% macro is_full_refresh() -%} {{ return(flags.FULL_REFRESH) }} {%- endmacro %}


{#
  A table as the run before left it, for the few questions that look back (who was in this
  component, whose score was due to change). Reading it by ref would close a circle of rooms;
  on an empty warehouse it is an empty table of the columns asked for.
#}
{% macro previous(room, table, columns) -%}
    {%- set relation = none -%}
    {%- if execute and not is_full_refresh() -%}
        {%- set relation = adapter.get_relation(target.database, room, table) -%}
    {%- endif -%}
    {%- if relation -%} (select {{ columns.keys() | join(", ") }} from {{ relation }})
    {%- else -%}
        (
            select
                {%- for column, type in columns.items() %}
                    cast(null as {{ type }}) as {{ column }}{{ "," if not loop.last }}
                {%- endfor %}
            where false
        )
    {%- endif -%}
{%- endmacro %}


{#
  The policy in force is not the one of the last published run: only then is it worth asking who
  is affected by that. A macro, so that a unit test can say it is.
#}
{% macro policy_is_new() -%}
    {%- if not execute or is_full_refresh() -%} {{ return(false) }} {%- endif -%}
    {%- set version = adapter.get_relation(
        target.database, "policy", "policy_version"
    ) -%}
    {%- if not version -%} {{ return(false) }} {%- endif -%}
    {%- set found = run_query(
        "select policy_version is distinct from (select arg_max(policy_version, as_of) from "
        ~ source("raw", "builds")
        ~ ") from "
        ~ version
    ) -%}
    {{ return(found.rows[0][0]) }}
{%- endmacro %}


{# The columns of a door by its contract, with their types, for `previous`. #}
{% macro columns_of(model_name) -%}
    {%- set columns = {} -%}
    {%- if execute and graph.nodes is defined -%}
        {%- set node = graph.nodes["model." ~ project_name ~ "." ~ model_name] -%}
        {%- for column in node.columns.values() -%}
            {%- do columns.update({column.name: column.data_type}) -%}
        {%- endfor -%}
    {%- endif -%}
    {{ return(columns) }}
{%- endmacro %}
