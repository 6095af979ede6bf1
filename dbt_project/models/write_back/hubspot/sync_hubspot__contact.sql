-- One row per HubSpot contact to update, holding only what differs there.
{%- set fields = [
    {"name": "baton_lead_key"},
    {"name": "baton_score"},
    {"name": "baton_score_reasons"},
    {"name": "baton_trigger"},
    {"name": "baton_context_gaps"},
    {
        "name": "lifecyclestage",
        "since": "handed_over_at",
        "versions": "stages_shown",
    },
    {"name": "hubspot_owner_id"},
] %}
with
    stages as (select * from {{ ref("lifecycle_stages") }}),
    contacts as (select * from {{ ref("stg_hubspot__contacts") }} where not is_deleted),
    leads as (
        select leads.*, mql.hubspot_stage as mql_stage, mql.stage_rank as mql_rank
        from {{ ref("int_leads__handed_over") }} as leads
        inner join stages as mql on mql.lifecycle_stage = 'mql'
        where leads.hubspot_contact_id is not null
    ),
    wanted as (
        select
            leads.hubspot_contact_id as row_key,
            leads.lead_key,
            leads.lead_key as baton_lead_key,
            leads.icp_score::varchar as baton_score,
            leads.score_reasons as baton_score_reasons,
            concat_ws(': ', leads.trigger_type, leads.trigger_asset) as baton_trigger,
            -- Said in a word, as an empty value would mean: leave what is there.
            coalesce(leads.context_gaps, 'none') as baton_context_gaps,
            leads.handed_over_at,
            -- HubSpot ignores a step back without a word, so none is asked for; and who
            -- left the funnel is left as it is.
            case
                when
                    not coalesce(leads.is_out, false)
                    and coalesce(
                        held.stage_rank,
                        case
                            when
                                contacts.lifecycle_stage is null
                                or contacts.lifecycle_stage = 'subscriber'
                            then 0
                            else 99
                        end
                    )
                    < leads.mql_rank
                then leads.mql_stage
                else contacts.lifecycle_stage
            end as lifecyclestage,
            case
                when leads.is_out then contacts.owner_id else leads.hubspot_owner_id
            end as hubspot_owner_id
        from leads
        inner join contacts on leads.hubspot_contact_id = contacts.contact_id
        left join stages as held on contacts.lifecycle_stage = held.hubspot_stage
    ),
    staged as (
        select
            contacts.contact_id as row_key,
            contacts._extracted_at,
            contacts.baton_lead_key,
            contacts.baton_score::integer::varchar as baton_score,
            contacts.baton_score_reasons,
            contacts.baton_trigger,
            contacts.baton_context_gaps,
            contacts.lifecycle_stage as lifecyclestage,
            contacts.owner_id as hubspot_owner_id
        from contacts
        inner join wanted on contacts.contact_id = wanted.row_key
    ),
    stages_shown as (
        select wanted.row_key, versions.lifecycle_stage as shown, versions.known_at
        from {{ ref("stg_hubspot__contact_versions") }} as versions
        inner join wanted on versions.record_key = 'hubspot:contact:' || wanted.row_key
    ),
    {{ outgoing_fields("hubspot", "contact", fields) }}
select
    row_key as id,
    {%- for field in fields %} "{{ field.name }}", {%- endfor %}
    lead_key as _lead_key,
    {{ held_before(fields) }} as _before
from differing
where {{ anything_differs(fields) }}
