-- One row per Salesforce lead to create or update, holding only what differs from the
-- CRM.
{%- set fields = [
    {"name": "baton_lead_key__c"},
    {"name": "OwnerId", "known": "previous_owner_id"},
    {"name": "baton_score__c", "type": "integer"},
    {"name": "baton_score_reasons__c"},
    {"name": "baton_trigger__c"},
    {"name": "baton_trigger_at__c"},
    {"name": "baton_sla_due_at__c"},
    {"name": "baton_context_gaps__c"},
] %}
with
    leads as (
        select
            handed_over.*,
            -- A record keeps the key it was given, whatever its person is merged with.
            coalesce(crm.baton_lead_key, handed_over.lead_key) as external_key,
            -- Who left the funnel is left with whom it was given back to.
            case
                when handed_over.is_out
                then coalesce(crm.owner_id, handed_over.owner_id)
                else handed_over.owner_id
            end as wanted_owner_id
        from {{ ref("int_leads__handed_over") }} as handed_over
        left join
            {{ ref("stg_salesforce__leads") }} as crm
            on handed_over.open_lead_id = crm.lead_id
        -- Converted leads are read-only; a person known as a contact gets no second
        -- record.
        where
            handed_over.open_lead_id is not null
            or handed_over.is_to_create
            or handed_over.who_id like '00Q%'
    ),
    wanted as (
        select
            external_key as row_key,
            lead_key,
            external_key as "baton_lead_key__c",
            wanted_owner_id as "OwnerId",
            previous_owner_id,
            icp_score::varchar as "baton_score__c",
            left(score_reasons, 30000) as "baton_score_reasons__c",
            left(
                concat_ws(': ', trigger_type, trigger_asset), 255
            ) as "baton_trigger__c",
            {{ salesforce_time("trigger_at") }} as "baton_trigger_at__c",
            {{ salesforce_time("sla_due_at") }} as "baton_sla_due_at__c",
            -- Said in a word, as an empty value would mean: leave what is there.
            left(coalesce(context_gaps, 'none'), 255) as "baton_context_gaps__c"
        from leads
    ),
    staged as (
        select
            leads.external_key as row_key,
            crm._extracted_at,
            crm.baton_lead_key as "baton_lead_key__c",
            crm.owner_id as "OwnerId",
            crm.baton_score::integer::varchar as "baton_score__c",
            crm.baton_score_reasons as "baton_score_reasons__c",
            crm.baton_trigger as "baton_trigger__c",
            {{ salesforce_time("crm.baton_trigger_at") }} as "baton_trigger_at__c",
            {{ salesforce_time("crm.baton_sla_due_at") }} as "baton_sla_due_at__c",
            crm.baton_context_gaps as "baton_context_gaps__c"
        from leads
        inner join
            {{ ref("stg_salesforce__leads") }} as crm
            on leads.open_lead_id = crm.lead_id
            and not crm.is_converted
            and not crm.is_deleted
    ),
    {{ outgoing_fields("salesforce", "lead", fields) }},
    policy as (select policy_version from {{ ref("policy_version") }})
select
    differing.row_key as "baton_lead_key__c",
    coalesce(leads.open_lead_id, differing.vendor_id) as "Id",
    case when is_creation then left(leads.first_name, 40) end as "FirstName",
    case
        when is_creation
        then left(coalesce(leads.last_name, leads.full_name, '[not provided]'), 80)
    end as "LastName",
    case
        when is_creation then left(coalesce(leads.company_name, '[not provided]'), 255)
    end as "Company",
    case when is_creation then leads.email end as "Email",
    case when is_creation then left(leads.job_title, 128) end as "Title",
    case when is_creation then left(leads.phone, 40) end as "Phone",
    case when is_creation then leads.first_touch_source end as "LeadSource",
    differing."OwnerId",
    differing."baton_score__c"::integer as "baton_score__c",
    differing."baton_score_reasons__c",
    differing."baton_trigger__c",
    differing."baton_trigger_at__c",
    differing."baton_sla_due_at__c",
    differing."baton_context_gaps__c",
    -- The version that explains a value travels with it, and never on its own.
    policy.policy_version as "baton_policy_version__c",
    differing.lead_key as _lead_key,
    {{ held_before(fields) }} as _before
from
    (
        select *, not is_staged and vendor_id is null as is_creation from differing
    ) as differing
inner join leads on differing.lead_key = leads.lead_key
cross join policy
-- Fail closed: no row leaves without an owner behind it.
where {{ anything_differs(fields) }} and leads.owner_id is not null
