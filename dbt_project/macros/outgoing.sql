{#
  What to write of one record: per field the desired value where it differs from what the
  destination holds, else null, which means: leave alone.

  What it holds is the staged value or our own newer accepted receipt, whichever is later. A staged
  value that is neither what we sent nor what was there before is a person's edit; it stays where
  field_ownership says so. A field may name a column of `wanted` as `known`: the value a person
  gave it that was taken into account since, and is no edit any more. Expects relations `wanted` (row_key, lead_key and a column per field),
  `staged` (row_key, _extracted_at and a column per field) to be in scope.
#}
{% macro outgoing_fields(system, object, fields) %}
    sent_before as (
        select
            row_key,
            arg_max(vendor_id, receipt_seq) as vendor_id
            {%- for field in fields %}
                ,
                arg_max(sent ->> '$.{{ field.name }}', receipt_seq) filter (
                    where sent ->> '$.{{ field.name }}' is not null
                ) as "sent {{ field.name }}",
                arg_max(before ->> '$.{{ field.name }}', receipt_seq) filter (
                    where sent ->> '$.{{ field.name }}' is not null
                ) as "before {{ field.name }}",
                max(as_of) filter (
                    where sent ->> '$.{{ field.name }}' is not null
                ) as "at {{ field.name }}"
            {%- endfor %}
        from {{ recorded("receipts") }}
        where
            target = '{{ system }}.{{ object }}'
            and status = 'accepted'
            and lead_key in (select lead_key from wanted)
        group by row_key
    ),
    owned_by_people as (
        select field
        from {{ ref("field_ownership") }}
        where system = '{{ system }}' and object = '{{ object }}' and owner = 'human'
    ),
    compared as (
        select
            wanted.row_key,
            wanted.lead_key,
            sent_before.vendor_id,
            staged.row_key is not null as is_staged
            {%- for field in fields %}
                {%- set name = field.name %},
                case
                    when
                        staged.row_key is null
                        or sent_before."at {{ name }}" >= staged._extracted_at
                    then coalesce(sent_before."sent {{ name }}", staged."{{ name }}")
                    else staged."{{ name }}"
                end as "held {{ name }}",
                coalesce(
                    staged.row_key is not null
                    and sent_before."at {{ name }}" < staged._extracted_at
                    and staged."{{ name }}"
                    is distinct from sent_before."sent {{ name }}"
                    and staged."{{ name }}"
                    is distinct from sent_before."before {{ name }}"
                    {%- if field.known %}
                        and staged."{{ name }}"
                        is distinct from wanted."{{ field.known }}"
                    {%- endif %}
                    and '{{ name }}' in (select field from owned_by_people),
                    false
                ) as "is edited {{ name }}",
                wanted."{{ name }}" as "wanted {{ name }}"
            {%- endfor %}
        from wanted
        left join staged on wanted.row_key = staged.row_key
        left join sent_before on wanted.row_key = sent_before.row_key
    ),
    differing as (
        select
            row_key,
            lead_key,
            vendor_id,
            is_staged
            {%- for field in fields %}
                {%- set name = field.name %},
                case
                    when
                        "wanted {{ name }}" is distinct from "held {{ name }}"
                        and not "is edited {{ name }}"
                    then "wanted {{ name }}"
                end as "{{ name }}",
                "held {{ name }}"
            {%- endfor %}
        from compared
    )
{% endmacro %}


{# What stays at home: what the destination held in each field sent, for undo. #}
{% macro held_before(fields, relation="differing") %}
    json_object(
        {%- for field in fields %}
            {%- set column = relation ~ '."' ~ field.name ~ '"' %}
            {%- set held = relation ~ '."held ' ~ field.name ~ '"' %}
            '{{ field.name }}',
            case
                when {{ column }} is not null then {{ held }}
            end{{ "," if not loop.last }}
        {%- endfor %}
    )
{% endmacro %}


{% macro anything_differs(fields, relation="differing") %}
    coalesce(
        {%- for field in fields %}
            {{ relation }}."{{ field.name }}"{{ "," if not loop.last }}
        {%- endfor %}
    )
    is not null
{% endmacro %}


{# A time as Salesforce writes it. #}
{% macro salesforce_time(column) -%}
    strftime({{ column }}, '%Y-%m-%dT%H:%M:%S.000+0000')
{%- endmacro %}


{# A moment as somebody reads it who lives in a zone. #}
{% macro local_time(moment, zone) -%}
    strftime(
        timezone(coalesce({{ zone }}, 'UTC'), timezone('UTC', {{ moment }})),
        '%a %d %b %H:%M'
    )
{%- endmacro %}


{#
  How to reach out to a lead first, by first_contact_actions.csv. `leads` has lead_key,
  trigger_type and has_opted_out; the answer is lead_key, first_channel, opening, mention.
#}
{% macro first_contacts(leads) %}
    (
        select
            leads.lead_key,
            -- Who does not want e-mail is called.
            case
                when coalesce(leads.has_opted_out, false) and actions.channel = 'e-mail'
                then 'phone'
                else actions.channel
            end as first_channel,
            actions.opening,
            actions.mention
        from {{ leads }} as leads
        left join
            {{ ref("first_contact_actions") }} as actions
            on actions.trigger_type = case
                when
                    leads.trigger_type
                    in (select trigger_type from {{ ref("first_contact_actions") }})
                then leads.trigger_type
                else 'default'
            end
    )
{% endmacro %}


{#
  Address of a lead's record in the CRM: of the open lead, else of the contact, else what the
  MAP gives. `identity` has to be in scope.
#}
{% macro record_address(lead_id, contact_id, map_address) -%}
    coalesce(
        identity.instance_url || '/lightning/r/Lead/' || {{ lead_id }} || '/view',
        identity.instance_url || '/lightning/r/Contact/' || {{ contact_id }} || '/view',
        {{ map_address }}
    )
{%- endmacro %}


{# Text as Slack takes it: nothing in it becomes a mention, a call of a channel or a link. #}
{% macro slack_text(column) -%}
    replace(replace(replace({{ column }}, '&', '&amp;'), '<', '&lt;'), '>', '&gt;')
{%- endmacro %}
