-- One row per message by e-mail, to reps whom Slack does not know.
with
    messages as (
        select * from {{ ref("int_messages__composed") }} where is_without_slack
    )
select
    message_key,
    owner_email as to_email,
    regexp_replace(
        left('New lead: ' || who_name || ', ' || trigger_line, 150), '[\r\n]+', ' ', 'g'
    ) as subject,
    message_text as body_text,
    '<p>' || replace(
        replace(replace(replace(message_text, '&', '&amp;'), '<', '&lt;'), '>', '&gt;'),
        chr(10),
        '<br>'
    )
    || '</p>' as body_html,
    lead_key as _lead_key,
    json_object() as _before
from messages
