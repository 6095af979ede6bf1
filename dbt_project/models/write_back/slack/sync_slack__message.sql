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
                                    'text':left(
                                        '*What else*' || chr(10) || else_line, 2000
                                    )
                                },
                                {
                                    'type':'mrkdwn',
                                    'text':left(
                                        '*Read last*' || chr(10) || contents_line, 2000
                                    )
                                },
                                {
                                    'type':'mrkdwn',
                                    'text':left(
                                        '*Before*' || chr(10) || previous_interactions,
                                        2000
                                    )
                                },
                                {
                                    'type':'mrkdwn',
                                    'text':left(
                                        '*Score*' || chr(10) || score_line, 2000
                                    )
                                },
                                {
                                    'type':'mrkdwn',
                                    'text':left(
                                        '*Role and technology*'
                                        || chr(10)
                                        || role_line
                                        || '; '
                                        || technology_line,
                                        2000
                                    )
                                },
                                {
                                    'type':'mrkdwn',
                                    'text':left(
                                        '*So far*' || chr(10) || so_far_line, 2000
                                    )
                                },
                                {
                                    'type':'mrkdwn',
                                    'text':left(
                                        '*Their company*' || chr(10) || colleagues_line,
                                        2000
                                    )
                                },
                                {
                                    'type':'mrkdwn',
                                    'text':left(
                                        '*Came from*' || chr(10) || source_line, 2000
                                    )
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
                                    || coalesce(
                                        chr(10) || '*Missing:* ' || missing_line, ''
                                    ),
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
                                    'text': {
                                        'type':'plain_text', 'text':'Open the record'
                                    },
                                    'url':record_url
                                }
                            ]
                        }::json,
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
                        case
                            when record_url is not null
                            then
                                {
                                    'type':'actions',
                                    'elements':[
                                        {
                                            'type':'button',
                                            'action_id':'open_record',
                                            'text': {
                                                'type':'plain_text',
                                                'text':'Open the record'
                                            },
                                            'url':record_url
                                        }
                                    ]
                                }::json
                        end
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
