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
            coalesce(
                nullif(
                    concat_ws(
                        ', ',
                        replace(leads.persona, '_', ' '),
                        leads.seniority,
                        replace(leads.buying_role, '_', ' ')
                    ),
                    ''
                ),
                'unknown'
            ) as role_line,
            coalesce(leads.technology_stack, 'unknown') as technology_line,
            coalesce(leads.page_view_count, 0)
            || ' pages seen, '
            || coalesce(leads.download_count, 0)
            || ' downloads, '
            || coalesce(leads.email_open_count, 0)
            || ' e-mails opened; last form: '
            || coalesce(leads.submitted_form, 'none') as so_far_line,
            concat_ws(
                ', ',
                coalesce(replace(leads.first_touch_source, '_', ' '), 'source unknown'),
                leads.first_touch_source_detail,
                coalesce('campaign ' || leads.first_touch_campaign, 'campaign unknown'),
                coalesce(
                    strftime(leads.first_touch_at, '%Y-%m-%d'), 'first seen unknown'
                )
            ) as source_line,
            case
                when coalesce(leads.account_key, leads.company_domain) is null
                then 'company unknown'
                else coalesce(leads.colleagues, 'nobody else known')
            end as colleagues_line
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
    coalesce(previous_interactions, 'unknown') as previous_interactions,
    role_line,
    technology_line,
    so_far_line,
    source_line,
    colleagues_line,
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
        || ', '
        || coalesce(email, 'e-mail unknown')
        || ', '
        || coalesce(phone, 'phone unknown'),
        'Role: ' || role_line,
        'Why now: '
        || trigger_line
        || coalesce(' (' || trigger_url || ')', ' (page unknown)')
        || ', '
        || trigger_when,
        'What else: ' || else_line,
        'Read last: ' || contents_line,
        'So far: ' || so_far_line,
        'Before: ' || coalesce(previous_interactions, 'unknown'),
        'Their company: ' || colleagues_line,
        'Came from: ' || source_line,
        'Technology: ' || technology_line,
        'Score: ' || score_line,
        'First: ' || action_line || ' Due ' || due_line || '.',
        'Missing: ' || missing_line,
        'Record: ' || coalesce(record_url, 'no address known'),
        'Routed by rule ' || routing_rule || '.'
    ) as message_text
from worded
