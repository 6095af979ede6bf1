{#
  Does a lead's attribute satisfy a policy row? Values and operands are text, as the CSV has
  them; comparisons of size are numeric. A null attribute satisfies nothing but its absence.
#}
{% macro rule_matches(value, operator, operand) -%}
    case
        {{ operator }}
        when 'eq'
        then lower({{ value }}) = lower({{ operand }})
        when 'in'
        then list_contains(string_split(lower({{ operand }}), '|'), lower({{ value }}))
        when 'at_least'
        then try_cast({{ value }} as double) >= try_cast({{ operand }} as double)
        when 'at_most'
        then try_cast({{ value }} as double) <= try_cast({{ operand }} as double)
        when 'between'
        then
            try_cast({{ value }} as double)
            between try_cast(split_part({{ operand }}, '|', 1) as double) and try_cast(
                split_part({{ operand }}, '|', 2) as double
            )
        when 'matches'
        then regexp_matches(lower({{ value }}), {{ operand }})
        when 'is_set'
        then ({{ value }} is not null)::varchar = lower({{ operand }})
        else false
    end
{%- endmacro %}
