-- One row per message to a rep on Slack: who, why now, what else, and what to do first.
{%- set words = [
    "who_name",
    "who_line",
    "trigger_line",
    "trigger_when",
    "else_line",
    "contents_line",
    "previous_interactions",
    "score_line",
    "action_line",
    "missing_line",
    "due_line",
    "routing_rule",
    "message_text",
] %}
with
    messages as (
        select * from {{ ref("int_messages__composed") }} where not is_without_slack
    ),
    -- Text of a lead must not become a mention, a channel call or a link of its own.
    escaped as (
        select
            message_key,
            lead_key,
            owner_email,
            record_url,
            {%- for column in words %}
                replace(
                    replace(replace({{ column }}, '&', '&amp;'), '<', '&lt;'),
                    '>',
                    '&gt;'
                ) as {{ column }}{{ "," if not loop.last }}
            {%- endfor %}
        from messages
    )
select
    message_key,
    owner_email as user_email,
    left(message_text, 3900) as text,
    to_json(
        [
            {
                'type':'header',
                'text': {
                    'type':'plain_text', 'text':left('New lead: ' || who_name, 150)
                }
            }::json,
            {
                'type':'section',
                'fields':[
                    {
                        'type':'mrkdwn',
                        'text':left('*Who*' || chr(10) || who_line, 2000)
                    },
                    {
                        'type':'mrkdwn',
                        'text':left(
                            '*Why now*'
                            || chr(10)
                            || trigger_line
                            || ', '
                            || trigger_when,
                            2000
                        )
                    },
                    {
                        'type':'mrkdwn',
                        'text':left('*What else*' || chr(10) || else_line, 2000)
                    },
                    {
                        'type':'mrkdwn',
                        'text':left('*Read last*' || chr(10) || contents_line, 2000)
                    },
                    {
                        'type':'mrkdwn',
                        'text':left(
                            '*Before*' || chr(10) || previous_interactions, 2000
                        )
                    },
                    {
                        'type':'mrkdwn',
                        'text':left('*Score*' || chr(10) || score_line, 2000)
                    }
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
                        || coalesce(chr(10) || '*Missing:* ' || missing_line, ''),
                        3000
                    )
                }
            }::json,
            {
                'type':'actions',
                'elements':[
                    {
                        'type':'button',
                        'action_id':'open_record',
                        'text': {'type':'plain_text', 'text':'Open the record'},
                        'url':record_url
                    }
                ]
            }::json,
            {
                'type':'context',
                'elements':[
                    {
                        'type':'mrkdwn',
                        'text':'Routed by rule ' || coalesce(routing_rule, 'none')
                    }
                ]
            }::json
        ]
    )::varchar as blocks,
    lead_key as _lead_key,
    json_object() as _before
from escaped
