-- One row per touch of a lead: what it did, when, what it saw, and what that is called.
{{ config(access="public") }}
-- depends_on: {{ ref('leads_touched') }}
with
    people as (select * from {{ ref("people") }} {{ where_touched() }}),
    -- What is done under an address belongs to one lead, whoever else reads it.
    addresses as (select lead_key, email from people where is_of_address),
    forms as (select * from {{ ref("stg_hubspot__forms") }}),
    campaigns as (select * from {{ ref("stg_hubspot__email_campaigns") }}),
    types as (select * from {{ ref("touch_types") }}),
    submissions as (
        select
            submissions.record_key as touch_key,
            addresses.lead_key,
            'hubspot.form_submission' as system_object,
            submissions.submitted_at as occurred_at,
            forms.form_name,
            forms.form_name as title,
            submissions.page_url as url,
            cast(null as varchar) as campaign,
            submissions._extracted_at as landed_at
        from {{ ref("stg_hubspot__form_submissions") }} as submissions
        inner join addresses on submissions.email = addresses.email
        left join forms on submissions.form_id = forms.form_id
    ),
    page_views as (
        select
            events.record_key as touch_key,
            people.lead_key,
            'hubspot.page_view' as system_object,
            events.occurred_at,
            cast(null as varchar) as form_name,
            coalesce(events.page_title, events.page_url) as title,
            events.page_url as url,
            events.campaign,
            events._extracted_at as landed_at
        from {{ ref("stg_hubspot__page_events") }} as events
        inner join people on events.contact_record_key = people.record_key
    ),
    emails as (
        select
            events.record_key as touch_key,
            addresses.lead_key,
            'hubspot.email_' || lower(events.event_type) as system_object,
            events.occurred_at,
            cast(null as varchar) as form_name,
            coalesce(campaigns.subject, campaigns.campaign_name, 'e-mail') as title,
            events.clicked_url as url,
            campaigns.campaign_name as campaign,
            events._extracted_at as landed_at
        from {{ ref("stg_hubspot__email_events") }} as events
        inner join addresses on events.email = addresses.email
        left join campaigns on events.campaign_id = campaigns.campaign_id
        -- Opens and clicks by machines are marked by the vendor and mean nothing.
        where not events.is_filtered
    ),
    unioned as (
        select *
        from submissions
        union all
        select *
        from page_views
        union all
        select *
        from emails
    ),
    -- Matching each distinct name once keeps patterns off the millions of events.
    named as (select distinct system_object, form_name, url, title from unioned),
    classified as (
        select
            named.*,
            types.touch_type,
            types.label,
            types.is_trigger,
            types.trigger_rank,
            types.is_content
        from named
        inner join
            types
            on named.system_object = types.system_object
            and contains(
                lower(
                    coalesce(
                        case
                            types.match_on
                            when 'form_name'
                            then named.form_name
                            when 'url'
                            then named.url
                            else named.title
                        end,
                        ''
                    )
                ),
                coalesce(types.pattern, '')
            )
        qualify
            row_number() over (
                partition by
                    named.system_object, named.form_name, named.url, named.title
                order by types.priority
            )
            = 1
    )
select
    unioned.touch_key,
    unioned.lead_key,
    classified.touch_type,
    classified.label as touch_label,
    unioned.occurred_at,
    unioned.title as asset,
    unioned.url,
    unioned.form_name,
    unioned.campaign,
    classified.is_trigger,
    classified.trigger_rank,
    classified.is_content,
    unioned.landed_at
from unioned
inner join
    classified
    on unioned.system_object = classified.system_object
    and unioned.form_name is not distinct from classified.form_name
    and unioned.url is not distinct from classified.url
    and unioned.title is not distinct from classified.title
-- An impossible time has no place in a story; rpt_flagged_records reports it.
where unioned.occurred_at is not null
