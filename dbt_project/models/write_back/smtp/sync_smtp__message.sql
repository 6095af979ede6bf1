-- One row per message by e-mail, to whom of sales Slack does not know.
with
    messages as (
        select * from {{ ref("int_messages__addressed") }} where is_without_slack
    )
select
    message_key,
    user_email as to_email,
    regexp_replace(left(title, 150), '[\r\n]+', ' ', 'g') as subject,
    message_text as body_text,
    '<p>' || replace(
        replace(replace(replace(message_text, '&', '&amp;'), '<', '&lt;'), '>', '&gt;'),
        chr(10),
        '<br>'
    )
    || '</p>' as body_html,
    lead_key as _lead_key,
    kind as _kind,
    json_object() as _before
from messages
