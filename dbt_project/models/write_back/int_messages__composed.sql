-- One row per hand-over of this run whose record stands in the CRM: the message to its
-- owner, line by line.
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
        where leads.lead_key not in (select _lead_key from unwritten)
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
    concat_ws(
        chr(10),
        who_name || ' is yours: ' || trigger_line,
        'Had it before: '
        || previous_owner_name
        || '. Yours now: '
        || reroute_reason
        || '.',
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
