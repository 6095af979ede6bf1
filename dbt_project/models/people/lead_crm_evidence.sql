-- One row per lead, stage and piece of evidence in the CRM or the MAP.
{{ config(access="public") }}
-- depends_on: {{ ref('leads_touched') }}
with
    people as (select * from {{ ref("people") }} {{ where_touched() }}),
    statuses as (select * from {{ ref("lead_statuses") }}),
    stages as (select * from {{ ref("lifecycle_stages") }}),
    contacts as (select * from {{ ref("stg_hubspot__contacts") }}),
    leads as (select * from {{ ref("stg_salesforce__leads") }}),
    opportunities as (
        select * from {{ ref("stg_salesforce__opportunities") }} where not is_deleted
    ),
    hubspot_stages as (
        select
            people.lead_key,
            stages.lifecycle_stage,
            -- HubSpot's own stamp where it has one; else the first version seen.
            coalesce(
                max(
                    case
                        when
                            stages.is_mql_or_later
                            and versions.lifecycle_stage = 'marketingqualifiedlead'
                        then contacts.mql_at
                    end
                ),
                min(versions.version_at)
            ) as entered_at,
            min(versions.known_at) as known_at,
            bool_or(
                stages.is_mql_or_later
                and versions.lifecycle_stage = 'marketingqualifiedlead'
                and contacts.mql_at is not null
            ) as is_dated,
            'HubSpot lifecycle stage '
            || any_value(versions.lifecycle_stage) as evidence
        from {{ ref("stg_hubspot__contact_versions") }} as versions
        inner join people on versions.record_key = people.record_key
        inner join contacts on versions.record_key = contacts.record_key
        inner join stages on versions.lifecycle_stage = stages.hubspot_stage
        group by people.lead_key, people.record_key, stages.lifecycle_stage
    ),
    salesforce_statuses as (
        select
            people.lead_key,
            statuses.lifecycle_stage,
            min(versions.version_at) as entered_at,
            min(versions.known_at) as known_at,
            false as is_dated,
            'Salesforce lead status ' || any_value(versions.status) as evidence
        from {{ ref("stg_salesforce__lead_versions") }} as versions
        inner join people on versions.record_key = people.record_key
        inner join
            statuses
            on statuses.system = 'salesforce'
            and versions.status = statuses.vendor_status
        where statuses.lifecycle_stage is not null
        group by people.lead_key, people.record_key, statuses.lifecycle_stage
    ),
    conversions as (
        select
            people.lead_key,
            'sql' as lifecycle_stage,
            leads.converted_at as entered_at,
            leads._extracted_at as known_at,
            true as is_dated,
            'Salesforce lead converted' as evidence
        from leads
        inner join people on leads.record_key = people.record_key
        where leads.is_converted and leads.converted_at is not null
    ),
    in_opportunities as (
        select people.lead_key, roles.opportunity_id
        from {{ ref("stg_salesforce__opportunity_contact_roles") }} as roles
        inner join
            people on people.record_key = 'salesforce:contact:' || roles.contact_id
        where not roles.is_deleted
        union
        select people.lead_key, leads.converted_opportunity_id as opportunity_id
        from leads
        inner join people on leads.record_key = people.record_key
        where leads.converted_opportunity_id is not null
    ),
    opened as (
        select
            in_opportunities.lead_key,
            'opportunity' as lifecycle_stage,
            opportunities.created_at as entered_at,
            opportunities._extracted_at as known_at,
            true as is_dated,
            'Salesforce opportunity '
            || opportunities.opportunity_id
            || ' opened' as evidence
        from in_opportunities
        inner join
            opportunities
            on in_opportunities.opportunity_id = opportunities.opportunity_id
    ),
    won as (
        select
            in_opportunities.lead_key,
            'customer' as lifecycle_stage,
            opportunities.close_date::timestamp as entered_at,
            opportunities._extracted_at as known_at,
            true as is_dated,
            'Salesforce opportunity '
            || opportunities.opportunity_id
            || ' won' as evidence
        from in_opportunities
        inner join
            opportunities
            on in_opportunities.opportunity_id = opportunities.opportunity_id
        where opportunities.is_won and opportunities.close_date is not null
    )
select *
from hubspot_stages
union all
select *
from salesforce_statuses
union all
select *
from conversions
union all
select *
from opened
union all
select *
from won
