-- One row per message to somebody in sales that was not sent yet, whatever it is about.
{{ config(access="private") }}
with
    proposed as (
        select
            message_key,
            lead_key,
            owner_email as user_email,
            'handover' as kind,
            'New lead: ' || who_name || coalesce(', ' || trigger_line, '') as title,
            message_text,
            record_url,
            composed as lines
        from {{ ref("int_messages__composed") }} as composed
        union all by name
        select message_key, lead_key, user_email, kind, title, message_text, record_url
        from {{ ref("int_messages__clocks") }}
        union all by name
        select message_key, lead_key, user_email, kind, title, message_text, record_url
        from {{ ref("int_messages__account_handovers") }}
    ),
    last_receipts as (
        select
            target,
            row_key,
            arg_max(status, receipt_seq) as status,
            arg_max(reason, receipt_seq) as reason
        from {{ source("ops", "receipts") }}
        where target in ('slack.message', 'smtp.message')
        group by target, row_key
    ),
    -- Sent, or perhaps sent: not sent again. What was refused may be tried again.
    told as (
        select row_key
        from last_receipts
        where status in ('accepted', 'unknown', 'intent')
    ),
    without_slack as (
        select row_key
        from last_receipts
        where
            target = 'slack.message'
            and status = 'rejected'
            and reason = 'users_not_found'
    )
select
    message_key,
    lead_key,
    user_email,
    kind,
    title,
    message_text,
    record_url,
    lines,
    message_key in (select row_key from without_slack) as is_without_slack
from proposed
where message_key not in (select row_key from told) and {{ not_erased() }}
