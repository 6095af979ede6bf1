{#
  The one way a table is kept up to date here. Every touched key is deleted and what the query
  returns for it is inserted, so a key that returns nothing is gone and incremental equals full
  refresh. `touched` says whose keys: the run's leads (default), the rows this query returned
  (staging), or those of another model, such as the records whose person may have changed; the
  model of another room than people is named with its room.

  It takes the place of the adapter's materialization because that one asks the catalogue for the
  columns of both tables each time, which costs more than the rows of a sync. A column that comes
  or goes makes the insert fail, as `on_schema_change: fail` promises; contracts are checked when
  the table is created.
#}
{% materialization incremental, adapter = "duckdb", supported_languages = ["sql"] %}
    {%- set existing = load_cached_relation(this) -%}
    {%- set target_relation = this.incorporate(type="table") -%}
    {{ run_hooks(pre_hooks, inside_transaction=False) }}
    {{ run_hooks(pre_hooks, inside_transaction=True) }}
    {% if existing is none or existing.is_view or should_full_refresh() %}
        {%- set built = make_intermediate_relation(target_relation) -%}
        {%- set before = make_backup_relation(target_relation, "table") -%}
        {{ drop_relation_if_exists(load_cached_relation(built)) }}
        {{ drop_relation_if_exists(load_cached_relation(before)) }}
        {% call statement("main") -%}
            {{ create_table_as(False, built, sql) }}
        {%- endcall %}
        {% if existing is not none %}
            {% if existing.is_view %} {% do adapter.drop_relation(existing) %}
            {% else %} {% do adapter.rename_relation(existing, before) %}
            {% endif %}
        {% endif %}
        {% do adapter.rename_relation(built, target_relation) %}
        {% do persist_docs(target_relation, model) %}
        {{ run_hooks(post_hooks, inside_transaction=True) }}
        {% do adapter.commit() %}
        {{ drop_relation_if_exists(load_cached_relation(before)) }}
    {% else %}
        {% call statement("main") -%} {{ replace_touched(target_relation, sql) }}
        {%- endcall %}
        {{ run_hooks(post_hooks, inside_transaction=True) }}
        {% do adapter.commit() %}
    {% endif %}
    {{ run_hooks(post_hooks, inside_transaction=False) }}
    {{ return({"relations": [target_relation]}) }}
{% endmaterialization %}


{% macro replace_touched(target_relation, sql) %}
    {%- set key = config.require("unique_key") -%}
    {%- set touched = config.get("touched", "leads_touched") -%}
    {%- set rows = "temp.main." ~ target_relation.identifier ~ "__rows" -%}
    {%- if touched == "self" -%} {%- set keys = rows -%}
    {%- else -%}
        {%- set room, model_name = (["people"] + touched.split("."))[-2:] -%}
        {%- set keys = api.Relation.create(
            database=target.database, schema=room, identifier=model_name
        ) -%}
    {%- endif -%}
    create or replace temp table {{ rows.split(".")[-1] }} as {{ sql }};
    delete from {{ target_relation }}
    where {{ key }} in (select {{ key }} from {{ keys }})
    ;
    insert into {{ target_relation }} by name select * from {{ rows }};
    drop table {{ rows }};
{% endmacro %}


{#- Named for dbt, which wants to know a strategy it is told of; the work is done above. -#}
{% macro get_incremental_replace_touched_sql(arg_dict) %}
    {{
        replace_touched(
            arg_dict["target_relation"], "select * from " ~ arg_dict["temp_relation"]
        )
    }}
{% endmacro %}


{# Keep the rows of the leads this run recomputes; everything on a full refresh. #}
{% macro where_touched(key="lead_key") -%}
    where {{ among_touched(key) }}
{%- endmacro %}


{# The same as a condition. #}
{% macro among_touched(key="lead_key") -%}
    {%- if is_incremental() -%}
        {{ key }} in (select lead_key from {{ ref("leads_touched") }})
    {%- else -%} true
    {%- endif -%}
{%- endmacro %}


{# The newest version of each key that this model has not staged yet, with its payload opened. #}
{% macro newest_versions(relation, shape) %}
    (
        select
            _key,
            _seq,
            _extracted_at,
            _is_deleted,
            json_transform(payload, '{{ tojson(shape) }}') as record
        from {{ relation }}
        {% if is_incremental() %}
            where _seq > (select coalesce(max(_seq), 0) from {{ this }})
        {% endif %}
        qualify row_number() over (partition by _key order by _seq desc) = 1
    )
{% endmacro %}


{# Rows a run that never got published left behind: its work is taken over, not forgotten. #}
{% macro unfinished(table, columns) -%}
    select {{ columns.keys() | join(", ") }}
    from {{ previous("people", table, dict(columns, **{"as_of": "timestamp"})) }}
    where as_of > {{ built("as_of") }}
{%- endmacro %}
