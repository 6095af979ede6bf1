-- One row per lead: what sales did before with the person and the company, in words.
-- depends_on: {{ ref('leads_touched') }}
with
    leads as (select * from {{ ref("int_leads__described") }} {{ where_touched() }}),
    activities as (select * from {{ ref("lead_activities") }}),
    with_person as (
        select
            lead_key,
            count(*) as times,
            max(occurred_at) as last_at,
            arg_max(owner_name, occurred_at) as last_by
        from activities
        where lead_key in (select lead_key from leads)
        group by lead_key
    ),
    -- Everyone of the account, also those this run does not touch.
    colleagues as (
        select leads.lead_key, others.lead_key as colleague_key
        from leads
        inner join
            {{ ref("int_leads__described") }} as others
            on leads.account_key = others.account_key
        where leads.lead_key <> others.lead_key
    ),
    with_company as (
        select
            colleagues.lead_key,
            count(*) as times,
            count(distinct colleagues.colleague_key) as colleagues,
            max(activities.occurred_at) as last_at
        from colleagues
        inner join activities on colleagues.colleague_key = activities.lead_key
        group by colleagues.lead_key
    )
select
    leads.lead_key,
    case
        when with_person.lead_key is null
        then 'first contact, no prior record'
        else
            with_person.times
            || ' with this person, last on '
            || strftime(with_person.last_at, '%Y-%m-%d')
            || coalesce(' by ' || with_person.last_by, '')
    end || case
        when with_company.lead_key is not null
        then
            '; '
            || with_company.times
            || ' with '
            || with_company.colleagues
            || ' others of the company, last on '
            || strftime(with_company.last_at, '%Y-%m-%d')
        else ''
    end as previous_interactions
from leads
left join with_person on leads.lead_key = with_person.lead_key
left join with_company on leads.lead_key = with_company.lead_key
