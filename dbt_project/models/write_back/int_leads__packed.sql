-- One row per touched lead that was handed over: the context packet, made once per run.
{{ config(materialized="table", access="private") }}
with
    leads as (
        select *
        from {{ ref("lead_lifecycle") }}
        where
            decision = 'mql'
            and owner_id is not null
            and lead_key in (select lead_key from {{ ref("leads_touched") }})
            and {{ not_erased() }}
    ),
    profiles as (select * from {{ ref("lead_profiles") }}),
    ways_out as (
        select lifecycle_stage from {{ ref("lifecycle_stages") }} where is_way_out
    ),
    decisions as (
        select lead_key, max(as_of) as handed_over_at
        from {{ recorded("decisions") }}
        where decision = 'mql'
        group by lead_key
    ),
    assignments as (
        select *
        from {{ recorded("assignments") }}
        qualify row_number() over (partition by lead_key order by as_of desc) = 1
    ),
    users as (select * from {{ ref("stg_salesforce__users") }}),
    reroutes as (select * from {{ ref("reroute_rules") }}),
    owners as (select * from {{ ref("stg_hubspot__owners") }} where not is_archived),
    contacts as (select contacts.* from {{ first_contacts("leads") }} as contacts),
    -- Who else of the company is known, the latest to ask for something first: of the
    -- account, else of the domain.
    companies as (
        select lead_key, coalesce(account_key, company_domain) as company
        from leads
        where coalesce(account_key, company_domain) is not null
    ),
    colleagues as (
        select
            companies.lead_key,
            coalesce(others.full_name, 'name unknown')
            || ' ('
            || concat_ws(
                ', ',
                coalesce(others.job_title, 'title unknown'),
                replace(others.buying_role, '_', ' ')
            )
            || ')'
            || coalesce(
                ': '
                || replace(others.trigger_type, '_', ' ')
                || ' on '
                || strftime(others.trigger_at, '%Y-%m-%d'),
                ''
            ) as told,
            row_number() over (
                partition by companies.lead_key
                order by others.trigger_at desc nulls last, others.lead_key
            ) as place,
            count(*) over (partition by companies.lead_key) as people
        from companies
        inner join
            profiles as others
            on companies.company = coalesce(others.account_key, others.company_domain)
            and companies.lead_key <> others.lead_key
        where {{ not_erased("others.lead_key") }}
    ),
    groups as (
        select
            lead_key,
            string_agg(told, '; ' order by place) || case
                when max(people) > count(*)
                then ' and ' || (max(people) - count(*)) || ' more'
                else ''
            end as colleagues
        from colleagues
        where place <= {{ constant_number("colleagues_named") }}
        group by lead_key
    )
select
    leads.*,
    coalesce(
        leads.lifecycle_stage in (select lifecycle_stage from ways_out), false
    ) as is_out,
    decisions.handed_over_at,
    profiles.first_name,
    profiles.last_name,
    profiles.phone,
    profiles.technology_stack,
    profiles.recent_touches,
    profiles.last_contents,
    profiles.previous_interactions,
    profiles.persona,
    profiles.seniority,
    profiles.buying_role,
    profiles.page_view_count,
    profiles.download_count,
    profiles.email_open_count,
    profiles.submitted_form,
    groups.colleagues,
    profiles.is_converted,
    assignments.assignment_key,
    assignments.previous_owner_id,
    coalesce(
        previous_users.full_name, assignments.previous_owner_id
    ) as previous_owner_name,
    reroutes.reason as reroute_reason,
    users.full_name as owner_name,
    users.email as owner_email,
    users.time_zone as owner_time_zone,
    owners.owner_id as hubspot_owner_id,
    case
        when not profiles.is_converted then profiles.salesforce_lead_id
    end as open_lead_id,
    contacts.first_channel,
    contacts.opening,
    contacts.mention,
    contacts.not_allowed,
    contacts.action_line
from leads
inner join profiles on leads.lead_key = profiles.lead_key
inner join assignments on leads.lead_key = assignments.lead_key
left join decisions on leads.lead_key = decisions.lead_key
inner join users on leads.owner_id = users.user_id
left join
    users as previous_users on assignments.previous_owner_id = previous_users.user_id
left join reroutes on assignments.cause = reroutes.cause
left join owners on users.email = owners.email
left join contacts on leads.lead_key = contacts.lead_key
left join groups on leads.lead_key = groups.lead_key
