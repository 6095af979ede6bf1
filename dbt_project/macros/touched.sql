{#
  The one incremental strategy. Every touched key is deleted and what the query returns for it
  is inserted, so a key that returns nothing is gone and incremental equals full refresh.
  `touched` says whose keys: the run's leads (default), the rows this query returned
  (staging), or the records whose person may have changed.
#}
{% macro get_incremental_replace_touched_sql(arg_dict) %}
    {%- set target_relation = arg_dict["target_relation"] -%}
    {%- set temp_relation = arg_dict["temp_relation"] -%}
    {%- set key = arg_dict["unique_key"] -%}
    {%- set touched = config.get("touched", "leads_touched") -%}
    {%- set columns = arg_dict["dest_columns"] | map(attribute="quoted") | join(", ") -%}
    {%- if touched == "self" -%} {%- set keys = temp_relation -%}
    {%- else -%}
        {%- set keys = api.Relation.create(
            database=target.database, schema="people", identifier=touched
        ) -%}
    {%- endif -%}
    delete from {{ target_relation }} where {{ key }} in (select {{ key }} from {{ keys }});
    insert into {{ target_relation }} ({{ columns }})
    select {{ columns }}
    from {{ temp_relation }}
{% endmacro %}


{# Keep the rows of the leads this run recomputes; everything on a full refresh. #}
{% macro where_touched(key="lead_key") -%}
    {%- if is_incremental() -%}
        where {{ key }} in (select lead_key from {{ ref("leads_touched") }})
    {%- else -%} where true
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
    from
        {{ previous("people", table, dict(columns, **{"as_of": "timestamp"})) }}
    where as_of > {{ built("as_of") }}
{%- endmacro %}
