-- A misspelt field never misses a value and is never believed, and nobody is told.
with
    known as (
        {% for field in fields_believed() %}
            select '{{ field }}' as field {{ "union all" if not loop.last }}
        {% endfor %}
    ),
    named as (
        select 'enrichment_fields.csv' as file, field as row_id, field
        from {{ ref("enrichment_fields") }}
        union all
        select 'field_precedence.csv', precedence_id, field
        from {{ ref("field_precedence") }}
        where field <> 'any'
    )
select
    file,
    row_id,
    printf('"%s" is not a field that several sources may know', field) as problem,
    'Write one of {{ fields_believed() | join(", ") }}' as cure
from named
where field not in (select field from known)
order by file, row_id
