{#
  Text without blanks around it. Blank, the stock word of an untouched picklist and what
  integrations write where a field is required and nothing is known are null.
#}
{% macro clean_text(column) -%}
    nullif(nullif(nullif(trim({{ column }}), ''), 'Select'), '[not provided]')
{%- endmacro %}

{% macro clean_email(column) -%} nullif(lower(trim({{ column }})), '') {%- endmacro %}

{#
  A vendor's time (ISO with any offset, or epoch milliseconds) as a UTC timestamp; null when
  it cannot be one, so that one impossible date never stops the rest.
#}
{% macro clean_time(column) -%}
    case
        when regexp_full_match({{ column }}, '\d{12,13}')
        then make_timestamp(try_cast({{ column }} as bigint) * 1000)
        when regexp_matches({{ column }}, '^(19|20)\d\d-')
        then
            timezone(
                'UTC',
                try_cast(
                    regexp_replace(
                        {{ column }}, '([+-]\d\d)(\d\d)$', '\1:\2'
                    ) as timestamptz
                )
            )
    end
{%- endmacro %}

{# The host of an address or e-mail without www, or null. #}
{% macro domain_of(column) -%}
    nullif(
        regexp_replace(
            regexp_extract(
                lower(trim({{ column }})), '^(?:[a-z]+://)?(?:[^/@]*@)?([^/:?#]+)', 1
            ),
            '^www\.',
            ''
        ),
        ''
    )
{%- endmacro %}

{# A local time of a zone as a UTC timestamp, whatever its clocks did that day. #}
{% macro in_utc(local_time, time_zone) -%}
    timezone('UTC', timezone({{ time_zone }}, {{ local_time }}))
{%- endmacro %}


{#
  A single value of the agreement, by its row of constants.csv: as text, or as a number. A
  guard refuses a policy in which one the models ask for is missing or is no number.
#}
{% macro constant(constant_id) -%}
    (select value from {{ ref("constants") }} where constant_id = '{{ constant_id }}')
{%- endmacro %}


{% macro constant_number(constant_id) -%}
    (
        select try_cast(value as double)
        from {{ ref("constants") }}
        where constant_id = '{{ constant_id }}'
    )
{%- endmacro %}


{#
  The mailbox of an address: what stands before @ and before a tag (`info+berlin@` is `info`).
  Empty where the text cannot be an address, null where there is none.
#}
{% macro mailbox_of(column) -%}
    case
        when regexp_full_match({{ column }}, '[^@\s]+@[^@\s]+\.[^@\s.]+')
        then split_part(split_part(lower({{ column }}), '@', 1), '+', 1)
        when {{ column }} is not null
        then ''
    end
{%- endmacro %}

{#
  The domains above a domain, nearest first, down to two labels: of `a.b.acme.example`
  `b.acme.example` and `acme.example`; of `acme.example` none.
#}
{% macro domains_above(column) -%}
    list_transform(
        generate_series(2, len(string_split({{ column }}, '.'))::bigint - 1),
        lambda label:array_to_string(string_split({{ column }}, '.')[label:], '.')
    )
{%- endmacro %}
