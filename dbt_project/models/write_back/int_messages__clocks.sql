-- One row per reminder, escalation and coaching note of a clock that still runs: the
-- message to the owner or the backup.
{{ config(access="private") }}
with
    clocks as (select * from {{ ref("lead_clocks") }} where is_running),
    -- Whoever was touched meanwhile needs no word, and a reminder comes before the due
    -- time or not at all.
    actions as (
        select actions.*, clocks.sla_due_at as due_at, tiers.most_touches
        from {{ recorded("sla_actions") }} as actions
        inner join clocks on actions.assignment_key = clocks.assignment_key
        left join {{ ref("sla_tiers") }} as tiers on clocks.sla_tier = tiers.tier_id
        where actions.action <> 'remind' or clocks.sla_due_at > {{ as_of() }}
    ),
    leads as (
        select *
        from {{ ref("lead_lifecycle") }}
        where lead_key in (select lead_key from actions)
    ),
    profiles as (select * from {{ ref("lead_profiles") }}),
    contacts as (select contacts.* from {{ first_contacts("leads") }} as contacts),
    users as (select * from {{ ref("stg_salesforce__users") }}),
    backups as (
        select actions.assignment_key, any_value(users.full_name) as backup_name
        from actions
        inner join users on actions.user_id = users.user_id
        where actions.action = 'escalate'
        group by actions.assignment_key
    ),
    identity as (
        select any_value(instance_url) as instance_url
        from {{ ref("stg_salesforce__identity") }}
    ),
    worded as (
        select
            actions.action_key as message_key,
            actions.lead_key,
            users.email as user_email,
            actions.action as kind,
            actions.most_touches,
            coalesce(leads.full_name, 'A new lead') as who_name,
            concat_ws(
                ', ',
                coalesce(leads.job_title, 'title unknown'),
                coalesce(leads.company_name, leads.company_domain, 'company unknown'),
                profiles.phone,
                leads.email
            ) as who_line,
            coalesce(leads.trigger_asset, leads.trigger_type) as trigger_line,
            leads.trigger_url,
            {{ local_time("leads.trigger_at", "users.time_zone") }} as trigger_when,
            {{ local_time("actions.due_at", "users.time_zone") }}
            || ' your time' as due_line,
            coalesce(owners.full_name, 'The owner') as owner_name,
            backups.backup_name,
            leads.icp_score
            || '/10: '
            || coalesce(leads.score_reasons, 'no points') as score_line,
            contacts.action_line,
            contacts.may_be_emailed,
            contacts.may_be_called,
            leads.context_gaps as missing_line,
            {{
                record_address(
                    "leads.salesforce_lead_id",
                    "leads.salesforce_contact_id",
                    "leads.record_url",
                )
            }} as record_url
        from actions
        inner join leads on actions.lead_key = leads.lead_key
        inner join profiles on actions.lead_key = profiles.lead_key
        inner join users on actions.user_id = users.user_id
        left join users as owners on actions.owner_id = owners.user_id
        left join contacts on actions.lead_key = contacts.lead_key
        left join backups on actions.assignment_key = backups.assignment_key
        cross join identity
    )
select
    message_key,
    lead_key,
    user_email,
    kind,
    case
        kind
        when 'remind'
        then 'Due soon: '
        when 'escalate'
        then 'First call needed: '
        else 'Past due: '
    end
    || who_name
    || coalesce(', ' || trigger_line, '') as title,
    case
        kind
        when 'remind'
        then
            concat_ws(
                chr(10),
                who_name
                || ' waits for your first touch: '
                || trigger_line
                || ', '
                || trigger_when
                || '.',
                'Due ' || due_line || '.',
                'First: ' || action_line,
                'Who: ' || who_line,
                'Record: ' || record_url
            )
        when 'escalate'
        then
            concat_ws(
                chr(10),
                owner_name
                || ' could not touch '
                || who_name
                || ' by '
                || due_line
                || case
                    when may_be_called
                    then '. Please make the first call'
                    else '. Please make the first contact, as far as it is allowed'
                end
                || '; the lead stays with '
                || owner_name
                || '.',
                'Who: ' || who_line,
                'Why now: '
                || trigger_line
                || coalesce(' (' || trigger_url || ')', '')
                || ', '
                || trigger_when,
                'Score: ' || score_line,
                'First: ' || action_line,
                'Missing: ' || missing_line,
                case
                    when may_be_called and may_be_emailed
                    then
                        'The first contact only: one call, and a mail where nobody '
                        || 'answers.'
                    else 'The first contact only, and only as said above.'
                end,
                'Record: ' || record_url
            )
        else
            concat_ws(
                chr(10),
                who_name
                || ' asked for '
                || trigger_line
                || ' and was to hear from you by '
                || due_line
                || '; nobody has been in touch yet. '
                || coalesce(
                    backup_name
                    || ' is asked to make the first call, so the lead is looked after. ',
                    ''
                )
                || 'The next one is easiest to reach right after you read its message: '
                || 'one first contact is what is promised, not many attempts in a row'
                || coalesce(
                    ' (' || most_touches || ' are enough until the clock runs out)', ''
                )
                || '. If something stood in the way, tell your manager what.',
                'Record: ' || record_url
            )
    end as message_text,
    record_url
from worded
