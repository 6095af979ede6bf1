{#
  What to write of one record: per field the desired value where it differs from what the
  destination holds, else null, which means: leave alone.

  What it holds is the staged value or our own newer accepted receipt, whichever is later. A staged
  value that is neither what we sent nor what was there before is a person's edit; it stays where
  field_ownership says so. A field may name
  - as `known` a column of `wanted`: the value a person gave it that was taken into account since,
    and is no edit any more;
  - as `since` a column of `wanted`: when its lead was handed over. What a person did with what we
    sent before that is answered by the hand-over;
  - as `versions` a relation of what the destination showed (row_key, shown and known_at): once it
    has shown what we sent, what was there before is an edit too.
  Expects relations `wanted` (row_key, lead_key and a column per field), `staged` (row_key,
  _extracted_at and a column per field) to be in scope.
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
                    and (
                        staged."{{ name }}"
                        is distinct from sent_before."before {{ name }}"
                        {%- if field.versions %}
                            or exists (
                                select 1
                                from {{ field.versions }} as versions
                                where
                                    versions.row_key = wanted.row_key
                                    and versions.known_at > sent_before."at {{ name }}"
                                    and versions.shown = sent_before."sent {{ name }}"
                            )
                        {%- endif %}
                    )
                    {%- if field.since %}
                        and coalesce(
                            sent_before."at {{ name }}" >= wanted."{{ field.since }}",
                            true
                        )
                    {%- endif %}
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
  How to reach out to a lead first: the first row of first_contact_actions.csv that fits and that
  it allows. E-mail is no answer for who opted out or has not agreed where that is asked for, a
  call none for who wants no calls. `leads` has lead_key and trigger_type; the answer is lead_key,
  first_channel, opening, mention, not_allowed, may_be_called, may_be_emailed and action_line, which
  says all of it.
#}
{% macro first_contacts(leads) %}
    (
        with
            -- What is not known to be allowed is not.
            asked as (
                select
                    leads.lead_key,
                    leads.trigger_type,
                    profiles.persona,
                    profiles.seniority,
                    coalesce(profiles.has_opted_out, true) as has_opted_out,
                    coalesce(profiles.lacks_consent, true) as lacks_consent,
                    coalesce(profiles.may_be_called, false) as may_be_called
                from {{ leads }} as leads
                inner join
                    {{ ref("lead_profiles") }} as profiles
                    on leads.lead_key = profiles.lead_key
            ),
            fitting as (
                select asked.lead_key, arg_min(actions, actions.priority) as action
                from asked
                inner join
                    {{ ref("first_contact_actions") }} as actions
                    on (
                        actions.trigger_type is null
                        or actions.trigger_type = asked.trigger_type
                    )
                    and (actions.persona is null or actions.persona = asked.persona)
                    and (
                        actions.seniority is null or actions.seniority = asked.seniority
                    )
                    and case
                        actions.channel
                        when 'e-mail'
                        then not asked.has_opted_out and not asked.lacks_consent
                        when 'phone'
                        then asked.may_be_called
                        else true
                    end
                group by asked.lead_key
            ),
            said as (
                select
                    asked.*,
                    coalesce(fitting.action.channel, 'none') as first_channel,
                    fitting.action.opening as opening,
                    fitting.action.mention as mention,
                    nullif(
                        concat_ws(
                            ', ',
                            case
                                when asked.has_opted_out
                                then 'e-mail (opted out)'
                                when asked.lacks_consent
                                then 'e-mail (no consent on record)'
                            end,
                            case
                                when asked.may_be_called
                                then null
                                when asked.lacks_consent
                                then 'call (no consent on record)'
                                else 'call (wants none)'
                            end
                        ),
                        ''
                    ) as not_allowed
                from asked
                left join fitting on asked.lead_key = fitting.lead_key
            )
        select
            lead_key,
            first_channel,
            opening,
            mention,
            not_allowed,
            may_be_called,
            not has_opted_out and not lacks_consent as may_be_emailed,
            case
                when first_channel = 'none'
                then 'No contact. '
                else upper(left(first_channel, 1)) || substr(first_channel, 2) || '. '
            end
            || coalesce(opening || '.', '')
            || coalesce(' Mention ' || mention || '.', '')
            || coalesce(' Not allowed: ' || not_allowed || '.', '') as action_line
        from said
    )
{% endmacro %}


{#
  Nothing of who was erased leaves the house: a condition for every list of what does. Where a
  key is missing in ops.erasures, nothing leaves at all.
#}
{% macro not_erased(key="lead_key") -%}
    {{ key }} not in (select lead_key from {{ recorded("erasures") }} as erased)
{%- endmacro %}


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
