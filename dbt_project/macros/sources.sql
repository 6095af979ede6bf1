{#
  Create the source tables that are missing, empty, from the columns in the sources' YAML,
  which is their one home: so `dbt build` works on an empty directory, and Python asks for
  the same macro before it lands anything. A column that came later is added to a table made
  before it, empty: rows that stand in a ledger are never rewritten.
#}
{% macro create_missing_sources() %}
    {% if execute and flags.WHICH in (
        "run",
        "build",
        "test",
        "run-operation",
        "seed",
        "show",
    ) %}
        {% set there = [] %}
        {% set found = run_query(
            "select database_name || '.' || schema_name || '.' || table_name from duckdb_tables()"
        ) %}
        {% for row in found %} {% do there.append(row[0]) %} {% endfor %}
        {% set held = [] %}
        {% set found = run_query(
            "select database_name || '.' || schema_name || '.' || table_name || '.' || column_name from duckdb_columns()"
        ) %}
        {% for row in found %} {% do held.append(row[0]) %} {% endfor %}
        {% for node in graph.sources.values() %}
            {% set address = (
                node.database ~ "." ~ node.schema ~ "." ~ node.identifier
            ) %}
            {% if address not in there %}
                {% set columns = [] %}
                {% for column in node.columns.values() %}
                    {% do columns.append('"' ~ column.name ~ '" ' ~ column.data_type) %}
                {% endfor %}
                {% do run_query(
                    "create schema if not exists "
                    ~ node.database
                    ~ "."
                    ~ node.schema
                ) %}
                {% do run_query(
                    "create table if not exists " ~ address ~ " (" ~ columns
                    | join(", ") ~ ")"
                ) %}
            {% else %}
                {% for column in node.columns.values() %}
                    {% if (address ~ "." ~ column.name) not in held %}
                        {% do run_query(
                            "alter table "
                            ~ address
                            ~ ' add column if not exists "'
                            ~ column.name
                            ~ '" '
                            ~ column.data_type
                        ) %}
                    {% endif %}
                {% endfor %}
            {% endif %}
        {% endfor %}
    {% endif %}
{% endmacro %}
