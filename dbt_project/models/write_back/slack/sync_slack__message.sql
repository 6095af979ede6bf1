-- One row per message to somebody in sales on Slack: of a hand-over who, why now, what
-- else and what to do first; of anything else its text.
{%- set words = [
    "title",
    "message_text",
] %}
{%- set lines = [
    "who_name",
    "who_line",
    "trigger_line",
    "trigger_when",
    "else_line",
    "contents_line",
    "previous_interactions",
    "role_line",
    "technology_line",
    "so_far_line",
    "source_line",
    "colleagues_line",
    "score_line",
    "action_line",
    "missing_line",
    "due_line",
    "routing_rule",
] %}
{#- What a hand-over tells, in the order a rep reads it. -#}
{%- set fields = [
    ("Who", "who_line"),
    ("Why now", "trigger_line || ', ' || trigger_when"),
    ("What else", "else_line"),
    ("Read last", "contents_line"),
    ("Before", "previous_interactions"),
    ("Score", "score_line"),
    ("Role and technology", "role_line || '; ' || technology_line"),
    ("So far", "so_far_line"),
    ("Their company", "colleagues_line"),
    ("Came from", "source_line"),
] %}
{%- set button -%}
    {
        'type': 'actions',
        'elements': [
            {
                'type': 'button',
                'action_id': 'open_record',
                'text': {'type': 'plain_text', 'text': 'Open the record'},
                'url': record_url
            }
        ]
    }
{%- endset %}
with
    messages as (
        select * from {{ ref("int_messages__addressed") }} where not is_without_slack
    ),
    -- Text of a lead must not become a mention, a channel call or a link of its own.
    escaped as (
        select
            messages.message_key,
            messages.lead_key,
            messages.user_email,
            messages.kind,
            messages.record_url,
            {%- for column in words %}
                {{ slack_text("messages." ~ column) }} as {{ column }},
            {%- endfor %}
            {%- for column in lines %}
                {{ slack_text("messages.lines." ~ column) }}
                as {{ column }}{{ "," if not loop.last }}
            {%- endfor %}
        from messages
    ),
    laid_out as (
        select
            *,
            case
                when kind = 'handover'
                then
                    [
                        {
                            'type':'header',
                            'text': {
                                'type':'plain_text',
                                'text':left('New lead: ' || who_name, 150)
                            }
                        }::json,
                        {
                            'type':'section',
                            'fields':[
                                {%- for head, text in fields %}
                                    {
                                        'type':'mrkdwn',
                                        'text':left(
                                            '*{{ head }}*' || chr(10) || {{ text }},
                                            2000
                                        )
                                    }{{ "," if not loop.last }}
                                {%- endfor %}
                            ]
                        }::json,
                        {
                            'type':'section',
                            'text': {
                                'type':'mrkdwn',
                                'text':left(
                                    '*First:* '
                                    || action_line
                                    || chr(10)
                                    || '*Due:* '
                                    || due_line
                                    || coalesce(
                                        chr(10) || '*Missing:* ' || missing_line, ''
                                    ),
                                    3000
                                )
                            }
                        }::json,
                        {{ button }}::json,
                        {
                            'type':'context',
                            'elements':[
                                {
                                    'type':'mrkdwn',
                                    'text':'Routed by rule '
                                    || coalesce(routing_rule, 'none')
                                }
                            ]
                        }::json
                    ]
                else
                    [
                        {
                            'type':'header',
                            'text': {'type':'plain_text', 'text':left(title, 150)}
                        }::json,
                        {
                            'type':'section',
                            'text': {'type':'mrkdwn', 'text':left(message_text, 3000)}
                        }::json,
                        case when record_url is not null then {{ button }}::json end
                    ]
            end as laid
        from escaped
    )
select
    message_key,
    user_email,
    left(message_text, 3900) as text,
    to_json(list_filter(laid, lambda block:block is not null))::varchar as blocks,
    lead_key as _lead_key,
    kind as _kind,
    json_object() as _before
from laid_out
