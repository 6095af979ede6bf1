-- One row per provider and lookup worth paying for, the hottest first.
{{ config(materialized="table", tags=["on_demand"]) }}
-- Built when there is budget to spend, and only then. What was asked is remembered as
-- long as the provider's row says, and never asked twice in one period. One call for
-- a person brings the company too; a company is asked for once, whoever works there.
{%- set scores_before = previous(
    "scoring", "lead_scores", {"lead_key": "varchar", "icp_score": "integer"}
) %}
with
    profiles as (
        select *
        from {{ ref("lead_profiles") }}
        where
            is_open
            and not has_opted_out
            and not lacks_consent
            and not coalesce(is_competitor, false)
            -- Not even a name of who was erased is asked about.
            and {{ not_erased() }}
    ),
    ranks as (
        select touch_type, min(trigger_rank) as trigger_rank
        from {{ ref("touch_types") }}
        group by touch_type
    ),
    -- A clear wish of these days first, the clearest before others; then who scored
    -- best with what was known, and who is busiest.
    ordered as (
        select
            profiles.lead_key,
            row_number() over (
                order by
                    coalesce(
                        profiles.trigger_at
                        > {{ as_of() }}
                        - to_days({{ constant_number("look_back_days") }}::integer),
                        false
                    ) desc,
                    case
                        when
                            profiles.trigger_at
                            > {{ as_of() }}
                            - to_days({{ constant_number("look_back_days") }}::integer)
                        then ranks.trigger_rank
                    end nulls last,
                    scores_before.icp_score desc nulls last,
                    profiles.touch_count_7d desc,
                    profiles.trigger_at desc nulls last,
                    profiles.lead_at desc nulls last,
                    profiles.lead_key
            ) as place
        from profiles
        left join ranks on profiles.trigger_type = ranks.touch_type
        left join
            {{ scores_before }} as scores_before
            on profiles.lead_key = scores_before.lead_key
    ),
    attributes as (
        select *
        from
            (
                select
                    lead_key,
                    {% for field in fields_believed() %}
                        {{ field }}::varchar as {{ field }}{{ "," if not loop.last }}
                    {% endfor %}
                from profiles
            ) unpivot include nulls(
                value for field in ({{ fields_believed() | join(", ") }})
            )
    ),
    missing as (
        select
            attributes.lead_key,
            bool_or(wanted.kind = 'person') as lacks_person,
            bool_or(wanted.kind = 'company') as lacks_company,
            string_agg(attributes.field, ', ' order by attributes.field) as fields
        from attributes
        inner join
            {{ ref("enrichment_fields") }} as wanted on attributes.field = wanted.field
        where attributes.value is null
        group by attributes.lead_key
    ),
    providers as (
        select * from {{ ref("enrichment_providers") }} where monthly_budget > 0
    ),
    calls as (
        select provider, kind, lookup, period, status, as_of
        from {{ source("ops", "enrichment_calls") }}
        qualify row_number() over (partition by call_id order by call_seq desc) = 1
    ),
    remembered as (
        select distinct calls.provider, calls.kind, calls.lookup
        from calls
        inner join providers on calls.provider = providers.provider
        where
            calls.status in ('intent', 'pending', 'invalid')
            or (
                calls.status in ('found', 'missing', 'unknown')
                and calls.period = strftime({{ as_of() }}, '%Y-%m')
            )
            or (
                calls.status = 'found'
                and calls.as_of > {{ as_of() }} - to_days(providers.found_days)
            )
            or (
                calls.status = 'missing'
                and calls.as_of > {{ as_of() }} - to_days(providers.missing_days)
            )
    ),
    -- A company known by an answer for one of its people need not be asked for.
    companies_told as (
        select 'clearbit' as provider, domain, max(retrieved_at) as retrieved_at
        from {{ ref("stg_clearbit__lookups") }}
        where has_company
        group by domain
    ),
    leads as (
        select
            providers.provider,
            providers.found_days,
            profiles.lead_key,
            profiles.email,
            profiles.company_domain,
            missing.lacks_company,
            missing.fields,
            ordered.place,
            profiles.email is not null
            and (missing.lacks_person or profiles.company_domain is null)
            and asked.lookup is null as is_for_person
        from profiles
        inner join missing on profiles.lead_key = missing.lead_key
        inner join ordered on profiles.lead_key = ordered.lead_key
        cross join providers
        left join
            remembered as asked
            on providers.provider = asked.provider
            and asked.kind = 'person'
            and profiles.email = asked.lookup
    ),
    lookups as (
        select provider, 'person' as kind, email as lookup, lead_key, fields, place
        from leads
        where is_for_person
        union all
        select
            leads.provider,
            'company' as kind,
            leads.company_domain as lookup,
            leads.lead_key,
            leads.fields,
            leads.place
        from leads
        left join
            companies_told
            on leads.provider = companies_told.provider
            and leads.company_domain = companies_told.domain
            and companies_told.retrieved_at > {{ as_of() }} - to_days(leads.found_days)
        left join
            remembered as asked
            on leads.provider = asked.provider
            and asked.kind = 'company'
            and leads.company_domain = asked.lookup
        where
            not leads.is_for_person
            and leads.lacks_company
            and leads.company_domain is not null
            and companies_told.domain is null
            and asked.lookup is null
    )
select
    provider,
    kind,
    lookup,
    lead_key,
    fields as missing_fields,
    row_number() over (partition by provider order by place, kind) as place
from lookups
qualify row_number() over (partition by provider, kind, lookup order by place) = 1
