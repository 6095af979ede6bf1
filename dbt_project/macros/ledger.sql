{#
  Rows of the ledger under the key their lead goes by now. What was recorded of a person stands
  under the key it had then; after a merge the joined person has one key, and what was decided,
  assigned, written and told before is its past. `leads_touched` comes after the mapping, and
  everyone who reads the ledger comes after `leads_touched`.
#}
{% macro recorded(table, room="ops") -%}
    {{ by_present_key(source(room, table), "lead_key") }}
{%- endmacro %}


{% macro by_present_key(relation, key) -%}
    (
        select
            facts.* replace (coalesce(renamed.lead_key, facts.{{ key }}) as {{ key }})
        from {{ relation }} as facts
        left join
            {{ renamed_leads() }} as renamed on facts.{{ key }} = renamed.recorded_key
    )
{%- endmacro %}


{# Who goes by another key than the one something was recorded under. -#}
{% macro renamed_leads() -%}
    {{
        api.Relation.create(
            database=target.database,
            schema="people",
            identifier="int_people__renamed",
        )
    }}
{%- endmacro %}
