-- One row per lead and piece of evidence a record stands for: a conversion, an
-- opportunity opened, won or lost; with the time in which it was believed.
-- depends_on: {{ ref('leads_touched') }}
with
    people as (select * from {{ ref("people") }} {{ where_touched() }}),
    leads as (select * from {{ ref("stg_salesforce__leads") }}),
    role_versions as (
        select *
        from {{ ref("stg_salesforce__opportunity_contact_role_versions") }}
        where
            role_id in (
                select versions.role_id
                from
                    {{ ref("stg_salesforce__opportunity_contact_role_versions") }}
                    as versions
                inner join
                    people
                    on people.record_key = 'salesforce:contact:' || versions.contact_id
            )
    ),
    -- Salesforce dates a conversion by the day; the version that first shows it knows
    -- the hour, where it is of that day.
    converted as (
        select
            people.lead_key,
            leads.record_key,
            leads.converted_opportunity_id as opportunity_id,
            case
                when
                    min(versions.version_at)::date = any_value(leads.converted_at)::date
                then min(versions.version_at)
                else any_value(leads.converted_at)
            end as entered_at
        from leads
        inner join people on leads.record_key = people.record_key
        left join
            {{ ref("stg_salesforce__lead_versions") }} as versions
            on leads.record_key = versions.record_key
            and versions.is_converted
        where leads.is_converted and leads.converted_at is not null
        group by people.lead_key, leads.record_key, leads.converted_opportunity_id
    ),
    conversions as (
        select
            lead_key,
            record_key,
            'conversion' as field,
            'sql' as lifecycle_stage,
            entered_at,
            entered_at as known_at,
            null::timestamp as retracted_at,
            'source' as known_by,
            'Salesforce lead converted' as evidence
        from converted
    ),
    -- Who had a part in which opportunity, from when until when that was believed.
    roles as (
        select
            people.lead_key,
            people.record_key,
            versions.opportunity_id,
            case
                when row_number() over story = 1
                then least(versions.created_at, versions.known_at)
                else versions.known_at
            end as known_at,
            lead(versions.known_at) over story as retracted_at,
            versions.is_deleted
        from role_versions as versions
        left join
            people on people.record_key = 'salesforce:contact:' || versions.contact_id
        window story as (partition by versions.role_id order by versions._seq)
    ),
    parts as (
        select lead_key, record_key, opportunity_id, known_at, retracted_at
        from roles
        where not is_deleted and lead_key is not null
        union all
        select
            lead_key,
            record_key,
            opportunity_id,
            entered_at as known_at,
            null as retracted_at
        from converted
        where opportunity_id is not null
    ),
    -- How an opportunity ended is an outcome; versions that repeat it are one end.
    outcomes as (
        select
            versions.*,
            case
                when versions.is_won
                then 'won'
                when versions.is_closed
                then 'lost'
                else 'open'
            end as outcome,
            row_number() over story as place,
            lead(versions.known_at) over story as retracted_at
        from {{ ref("stg_salesforce__opportunity_versions") }} as versions
        where versions.opportunity_id in (select opportunity_id from parts)
        window story as (partition by versions.opportunity_id order by versions._seq)
    ),
    ends as (
        select
            *,
            place - row_number() over (
                partition by opportunity_id, outcome, is_deleted order by place
            ) as of_end
        from outcomes
    ),
    opportunities as (
        select
            *,
            place = 1 as is_first,
            min(version_at) over (
                partition by opportunity_id, outcome, is_deleted, of_end
            ) as ended_at,
            min(place) over (partition by opportunity_id, outcome, is_deleted, of_end)
            = 1 as was_never_open
        from ends
    ),
    in_opportunities as (
        select
            parts.lead_key,
            parts.record_key,
            'opportunity ' || opportunities.opportunity_id as field,
            opportunities.outcome,
            opportunities.created_at,
            opportunities.close_date,
            opportunities.ended_at,
            opportunities.was_never_open,
            -- Its own date says when Salesforce had it; of an end it has none.
            greatest(
                parts.known_at,
                case
                    when opportunities.is_first
                    then least(opportunities.created_at, opportunities.known_at)
                    else opportunities.known_at
                end
            ) as opened_known_at,
            greatest(parts.known_at, opportunities.known_at) as ended_known_at,
            least(parts.retracted_at, opportunities.retracted_at) as retracted_at,
            opportunities.is_first,
            'Salesforce opportunity ' || opportunities.opportunity_id as opportunity
        from parts
        inner join opportunities on parts.opportunity_id = opportunities.opportunity_id
        where not opportunities.is_deleted
    ),
    -- The owner dates an end by the day; the version that first shows it knows the
    -- hour, where it is of that day. A loss we saw happen is of the version that shows
    -- it, whatever day stands beside it, and none is older than its deal. A win dated
    -- before the day its deal began contradicts that: it stands as it is said.
    dated as (
        select
            * replace (
                case
                    when
                        ended_at::date = close_date
                        or (outcome = 'lost' and not was_never_open)
                    then ended_at
                    when outcome = 'lost'
                    then
                        greatest(
                            least(close_date::timestamp, ended_at),
                            coalesce(created_at, opened_known_at)
                        )
                    when close_date = coalesce(created_at, opened_known_at)::date
                    then coalesce(created_at, opened_known_at)
                    else close_date::timestamp
                end as ended_at
            ),
            coalesce(created_at, opened_known_at) as opened_at
        from in_opportunities
    ),
    by_opportunity as (
        select
            lead_key,
            record_key,
            field,
            'opportunity' as lifecycle_stage,
            opened_at as entered_at,
            opened_known_at as known_at,
            retracted_at,
            case when is_first then 'source' else 'first landed' end as known_by,
            opportunity || ' opened' as evidence
        from dated
        union all
        -- What is lost stands for nothing any more: it is a way out of the funnel.
        select
            lead_key,
            record_key,
            field,
            case
                outcome
                when 'won'
                then 'customer'
                else {{ constant("lost_opportunity_stage") }}
            end as lifecycle_stage,
            ended_at as entered_at,
            ended_known_at as known_at,
            retracted_at,
            'first landed' as known_by,
            opportunity || ' ' || outcome as evidence
        from dated
        where outcome = 'lost' or (outcome = 'won' and close_date is not null)
    )
select *
from conversions
union all
select *
from by_opportunity
where retracted_at is null or retracted_at > known_at
