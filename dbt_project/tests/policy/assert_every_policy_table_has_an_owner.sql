-- A decision nobody owns is changed by whoever is nearest, and defended by no one. The
-- tables are read from the project itself, so that a new one is not forgotten.
{%- set tables = [] %}
{%- for node in graph.nodes.values() if execute and node.resource_type == "seed" %}
    {%- do tables.append(node.name) %}
{%- endfor %}
with
    tables as (
        select cast(null as varchar) as policy_table
        where false
        {% for table in tables %}
            union all
            select '{{ table }}' as policy_table
        {% endfor %}
    ),
    owners as (select * from {{ ref("policy_owners") }})
select
    'policy_owners.csv' as file,
    tables.policy_table as row_id,
    'nobody owns this policy table' as problem,
    'Add a row that names who proposes its changes and who approves them' as cure
from tables
left join owners on tables.policy_table = owners.policy_table
where owners.policy_table is null
union all
select
    'policy_owners.csv' as file,
    owners.policy_table as row_id,
    'there is no such policy table' as problem,
    'Name a CSV of dbt_project/seeds/policy/ without its ending' as cure
from owners
left join tables on owners.policy_table = tables.policy_table
where tables.policy_table is null
order by row_id
