-- One row per lead and decision table of which a changed row, old or new, matches a
-- record, a touch or an answer of the lead.
{{ config(materialized="table") }}
{#- Every lead is looked at, so only when there is something to look for. -#}
{%- set cells = [
    "attribute",
    "domain",
    "employee_range",
    "field",
    "local_part",
    "match_on",
    "name",
    "operator",
    "pattern",
    "provider",
    "system",
    "system_object",
    "value",
    "vendor_status",
] %}
{%- set profiles_before = previous(
    "people", "lead_profiles", columns_of("lead_profiles")
) %}
{%- set touches_before = previous(
    "people",
    "lead_touches",
    {"lead_key": "varchar", "touch_type": "varchar"},
) %}
{%- set facts_before = previous(
    "people",
    "lead_facts",
    {"lead_key": "varchar", "field": "varchar", "source": "varchar"},
) %}
{%- set records_before = previous(
    "people",
    "int_leads__records_described",
    {
        "lead_key": "varchar",
        "email": "varchar",
        "website": "varchar",
        "employee_range": "varchar",
        "account_key": "varchar",
    },
) %}
{% if not execute or policy_is_new() %}
    with
        changed as (
            select
                policy_table
                {% for cell in cells %}
                    , policy_row ->> '$.{{ cell }}' as {{ cell }}
                {% endfor %}
            from {{ ref("int_policy__changed") }}
        ),
        rules as (
            select *
            from changed
            where policy_table in ('scoring_rules', 'score_exceptions')
        ),
        profiles as (select * from {{ profiles_before }}),
        attributes as (
            select lead_key, attribute, value
            from
                (
                    select lead_key, columns(* exclude (lead_key))::varchar
                    from profiles
                ) unpivot include nulls(
                    value for attribute in (columns(* exclude (lead_key)))
                )
            where attribute in (select attribute from rules)
            union all
            select lead_key, touch_type as attribute, count(*)::varchar as value
            from {{ touches_before }}
            where touch_type in (select attribute from rules)
            group by lead_key, touch_type
        ),
        people as (select record_key, lead_key, email from {{ ref("people") }}),
        done as (
            select
                people.lead_key,
                'hubspot.form_submission' as system_object,
                lower(forms.form_name) as form_name,
                lower(forms.form_name) as title,
                lower(submissions.page_url) as url
            from {{ ref("stg_hubspot__form_submissions") }} as submissions
            inner join people on submissions.email = people.email
            left join
                {{ ref("stg_hubspot__forms") }} as forms
                on submissions.form_id = forms.form_id
            union all
            select
                people.lead_key,
                'hubspot.page_view' as system_object,
                null as form_name,
                lower(coalesce(events.page_title, events.page_url)) as title,
                lower(events.page_url) as url
            from {{ ref("stg_hubspot__page_events") }} as events
            inner join people on events.contact_record_key = people.record_key
            union all
            select
                people.lead_key,
                'hubspot.email_' || lower(events.event_type) as system_object,
                null as form_name,
                lower(
                    coalesce(campaigns.subject, campaigns.campaign_name, 'e-mail')
                ) as title,
                lower(events.clicked_url) as url
            from {{ ref("stg_hubspot__email_events") }} as events
            inner join people on events.email = people.email
            left join
                {{ ref("stg_hubspot__email_campaigns") }} as campaigns
                on events.campaign_id = campaigns.campaign_id
        ),
        records as (
            select *, {{ domain_of("email") }} as email_domain from {{ records_before }}
        ),
        -- A domain that is nobody's by now, or somebody's again, moves its people
        -- between
        -- accounts, and what we did with them is told to the others there.
        moved as (
            select records.lead_key, records.account_key, changed.domain
            from records
            inner join
                changed on changed.domain in (records.email_domain, records.website)
            where changed.policy_table = 'free_mail_domains'
        ),
        places as (
            select account_key
            from moved
            union
            select profiles.account_key
            from profiles
            inner join moved on profiles.lead_key = moved.lead_key
            union
            select accounts.account_key
            from {{ ref("accounts") }} as accounts
            inner join moved on ends_with('.' || moved.domain, '.' || accounts.domain)
        ),
        told as (
            select
                email,
                domain,
                employee_range,
                [sub_industry, industry, industry_group, sector] as names
            from {{ ref("stg_clearbit__lookups") }}
            union all
            select
                null as email,
                domain,
                null as employee_range,
                [replace(lower(industry), '_', ' ')] as names
            from {{ ref("stg_hubspot__companies") }}
        ),
        renamed as (
            select told.email, told.domain, changed.policy_table
            from told
            inner join
                changed
                on (
                    changed.policy_table = 'industry_names'
                    and list_contains(told.names, changed.name)
                )
                or (
                    changed.policy_table = 'employee_ranges'
                    and lower(told.employee_range) = lower(changed.employee_range)
                )
        ),
        found as (
            select attributes.lead_key, rules.policy_table
            from attributes
            inner join rules on attributes.attribute = rules.attribute
            where
                {{ rule_matches("attributes.value", "rules.operator", "rules.value") }}
            union
            select done.lead_key, changed.policy_table
            from done
            inner join
                changed
                on done.system_object = changed.system_object
                and contains(
                    coalesce(
                        case
                            changed.match_on
                            when 'form_name'
                            then done.form_name
                            when 'url'
                            then done.url
                            else done.title
                        end,
                        ''
                    ),
                    coalesce(changed.pattern, '')
                )
            where changed.policy_table = 'touch_types'
            union
            select lead_key, 'free_mail_domains' as policy_table
            from moved
            union
            select profiles.lead_key, 'free_mail_domains' as policy_table
            from profiles
            inner join places on profiles.account_key = places.account_key
            union
            select people.lead_key, renamed.policy_table
            from people
            inner join renamed on people.email = renamed.email
            union
            select profiles.lead_key, renamed.policy_table
            from profiles
            inner join renamed on profiles.company_domain = renamed.domain
            union
            select records.lead_key, changed.policy_table
            from records
            inner join
                changed on lower(records.employee_range) = lower(changed.employee_range)
            where changed.policy_table = 'employee_ranges'
            union
            select people.lead_key, changed.policy_table
            from people
            inner join
                {{ ref("stg_salesforce__lead_versions") }} as versions
                on people.record_key = versions.record_key
            inner join changed on versions.status = changed.vendor_status
            where
                changed.policy_table = 'lead_statuses' and changed.system = 'salesforce'
            union
            select people.lead_key, changed.policy_table
            from people
            inner join
                {{ ref("stg_hubspot__contact_versions") }} as versions
                on people.record_key = versions.record_key
            inner join changed on versions.lead_status = changed.vendor_status
            where changed.policy_table = 'lead_statuses' and changed.system = 'hubspot'
            union
            select facts.lead_key, changed.policy_table
            from {{ facts_before }} as facts
            inner join
                changed
                on changed.policy_table = 'field_precedence'
                and changed.field in ('any', facts.field)
            union
            -- The order of providers decides between two answers for one company or
            -- person.
            select facts.lead_key, changed.policy_table
            from {{ facts_before }} as facts
            inner join changed on changed.policy_table = 'enrichment_providers'
            where facts.source = 'provider'
            union
            select people.lead_key, changed.policy_table
            from people
            inner join
                changed
                on changed.policy_table = 'shared_mailboxes'
                and regexp_extract(people.email, '^[^+@]+') = lower(changed.local_part)
        )
    select lead_key, policy_table
    from found
{% else %} select null::varchar as lead_key, null::varchar as policy_table where false
{% endif %}
