-- One row per task to create for a hand-over: the rep's errand in the CRM, due when
-- the clock is.
with
    leads as (
        select * from {{ ref("int_leads__handed_over") }} where who_id is not null
    ),
    -- The errand follows the record: while the lead itself is not written, there is
    -- none.
    unwritten as (select _lead_key from {{ ref("sync_salesforce__lead") }}),
    written as (
        select row_key
        from {{ source("ops", "receipts") }}
        where target = 'salesforce.task' and status = 'accepted'
    )
select
    leads.assignment_key as "baton_task_key__c",
    leads.who_id as "WhoId",
    leads.owner_id as "OwnerId",
    left(
        'First touch: '
        || coalesce(leads.full_name, 'new lead')
        || ', '
        || coalesce(leads.trigger_asset, leads.trigger_type),
        255
    ) as "Subject",
    concat_ws(
        chr(10),
        'Why now: '
        || coalesce(leads.trigger_asset, leads.trigger_type)
        || coalesce(' (' || leads.trigger_url || ')', ''),
        'Score: ' || leads.icp_score || '/10. ' || leads.score_reasons,
        'First: ' || leads.action_line,
        'Missing: ' || leads.context_gaps
    ) as "Description",
    strftime(
        timezone(
            coalesce(leads.owner_time_zone, 'UTC'), timezone('UTC', leads.sla_due_at)
        ),
        '%Y-%m-%d'
    ) as "ActivityDate",
    'High' as "Priority",
    'Not Started' as "Status",
    case
        leads.first_channel
        when 'phone'
        then 'Call'
        when 'e-mail'
        then 'Email'
        else 'Task'
    end as "TaskSubtype",
    leads.lead_key as _lead_key,
    json_object() as _before
from leads
where
    leads.lead_key not in (select _lead_key from unwritten)
    and leads.assignment_key not in (select row_key from written)
