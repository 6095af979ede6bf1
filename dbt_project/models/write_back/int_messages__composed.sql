-- One row per hand-over whose record stands in the CRM and whose rep was not told yet.
{{ config(access="private") }}
with
    leads as (
        select * from {{ ref("int_leads__handed_over") }} where who_id is not null
    ),
    unwritten as (
        select _lead_key
        from {{ ref("sync_salesforce__lead") }}
        union
        select _lead_key
        from {{ ref("sync_salesforce__task") }}
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
    -- Sent, or perhaps sent: not composed again. What was refused may be tried again.
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
    ),
    worded as (
        select
            leads.*,
            leads.assignment_key as message_key,
            coalesce(leads.full_name, 'A new lead') as who_name,
            concat_ws(
                ', ',
                coalesce(leads.job_title, 'title unknown'),
                coalesce(leads.company_name, leads.company_domain, 'company unknown'),
                coalesce(leads.employee_count || ' people', 'size unknown'),
                coalesce(leads.industry, 'industry unknown'),
                coalesce(upper(leads.country), 'country unknown')
            ) as who_line,
            coalesce(leads.trigger_asset, leads.trigger_type) as trigger_line,
            strftime(
                timezone(
                    coalesce(leads.owner_time_zone, 'UTC'),
                    timezone('UTC', leads.trigger_at)
                ),
                '%a %d %b %H:%M'
            ) as trigger_when,
            strftime(
                timezone(
                    coalesce(leads.owner_time_zone, 'UTC'),
                    timezone('UTC', leads.sla_due_at)
                ),
                '%a %d %b %H:%M'
            )
            || ' your time' as due_line,
            leads.context_gaps as missing_line,
            coalesce(leads.recent_touches, 'nothing else in seven days') as else_line,
            coalesce(leads.last_contents, 'nothing yet') as contents_line,
            leads.icp_score
            || '/10: '
            || coalesce(leads.score_reasons, 'no points') as score_line,
            upper(left(leads.first_channel, 1))
            || substr(leads.first_channel, 2)
            || '. '
            || leads.opening
            || '. Mention '
            || leads.mention
            || '.' as action_line
        from leads
        where
            leads.lead_key not in (select _lead_key from unwritten)
            and leads.assignment_key not in (select row_key from told)
    )
select
    message_key,
    lead_key,
    owner_email,
    who_name,
    who_line,
    trigger_line,
    trigger_url,
    trigger_when,
    else_line,
    contents_line,
    previous_interactions,
    score_line,
    action_line,
    missing_line,
    due_line,
    record_url,
    routing_rule,
    email,
    phone,
    message_key in (select row_key from without_slack) as is_without_slack,
    concat_ws(
        chr(10),
        who_name || ' is yours: ' || trigger_line,
        'Who: '
        || who_line
        || coalesce(', ' || email, '')
        || coalesce(', ' || phone, ''),
        'Why now: '
        || trigger_line
        || coalesce(' (' || trigger_url || ')', '')
        || ', '
        || trigger_when,
        'What else: ' || else_line,
        'Read last: ' || contents_line,
        'Before: ' || previous_interactions,
        'Score: ' || score_line,
        'First: ' || action_line || ' Due ' || due_line || '.',
        'Missing: ' || missing_line,
        'Technology: ' || technology_stack,
        'Record: ' || record_url,
        'Routed by rule ' || routing_rule || '.'
    ) as message_text
from worded
