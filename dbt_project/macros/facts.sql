{#
  The fields of a lead that several sources may know, and that are believed by
  field_precedence.csv: who the person is at work, and what the company is.
#}
{% macro fields_believed() -%}
    {{
        return(
            [
                "job_title",
                "company_name",
                "employee_count",
                "industry",
                "country",
                "phone",
                "technology_stack",
                "buying_role",
            ]
        )
    }}
{%- endmacro %}
