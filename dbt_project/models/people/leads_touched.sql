-- One row per lead to recompute in this run, with the causes.
{{ config(materialized="table", access="public") }}
{%- set everything = is_full_refresh() %}
{%- set profiles_before = previous(
    "people",
    "lead_profiles",
    {
        "lead_key": "varchar",
        "company_domain": "varchar",
        "account_key": "varchar",
    },
) %}
{%- set facts_before = previous(
    "people",
    "lead_facts",
    {"lead_key": "varchar", "evidence_key": "varchar"},
) %}
{%- set domains_before = previous(
    "people",
    "int_accounts__of_domain",
    {"domain": "varchar", "account_key": "varchar"},
) %}
{%- set scores_before = previous(
    "scoring",
    "lead_scores",
    {"lead_key": "varchar", "next_change_at": "timestamp"},
) %}
{%- set routes_before = previous("routing", "lead_routes", {"lead_key": "varchar"}) %}
{%- set lifecycle_before = previous(
    "lifecycle",
    "lead_lifecycle",
    {
        "lead_key": "varchar",
        "reengagement_owner_id": "varchar",
        "next_change_at": "timestamp",
    },
) %}
-- depends_on: {{ ref('int_people__renamed') }}
with
    people as (select record_key, lead_key, record_id, email from {{ ref("people") }}),
    affected as (select * from {{ ref("int_people__affected") }}),
    profiles_before as (select * from {{ profiles_before }}),
    lifecycle_before as (select * from {{ lifecycle_before }}),
    new_submissions as (
        select email
        from {{ ref("stg_hubspot__form_submissions") }}
        where _seq > {{ built("seq") }}
    ),
    new_email_events as (
        select email
        from {{ ref("stg_hubspot__email_events") }}
        where _seq > {{ built("seq") }}
    ),
    new_page_events as (
        select contact_record_key
        from {{ ref("stg_hubspot__page_events") }}
        where _seq > {{ built("seq") }}
    ),
    new_activities as (
        select who_id
        from {{ ref("stg_salesforce__tasks") }}
        where _seq > {{ built("seq") }}
        union
        select who_id
        from {{ ref("stg_salesforce__events") }}
        -- A meeting that was planned counts from when it is over.
        where
            _seq > {{ built("seq") }}
            or (ended_at > {{ built("as_of") }} and ended_at <= {{ as_of() }})
    ),
    active_leads as (
        select people.lead_key
        from people
        inner join new_activities on people.record_id = new_activities.who_id
    ),
    -- Who changed may have left an account or joined one, with all we did with it; with
    -- whom we did nothing, nobody else's story changes.
    worked as (
        select who_id
        from {{ ref("stg_salesforce__tasks") }}
        union
        select who_id
        from {{ ref("stg_salesforce__events") }}
    ),
    changed_people as (
        select people.record_key, people.lead_key, people.email
        from people
        where
            people.record_key in (select record_key from affected)
            and people.lead_key in (
                select persons.lead_key
                from people as persons
                inner join worked on persons.record_id = worked.who_id
            )
    ),
    places as (
        select company_domain as domain, account_key
        from profiles_before
        where
            lead_key in (select lead_key from changed_people)
            or lead_key in (
                select affected.lead_key_before
                from affected
                inner join
                    changed_people on affected.record_key = changed_people.record_key
            )
        union
        select {{ domain_of("email") }} as domain, null as account_key
        from changed_people
        union
        select {{ domain_of("leads.website") }} as domain, null as account_key
        from {{ ref("stg_salesforce__leads") }} as leads
        inner join changed_people on leads.record_key = changed_people.record_key
        union
        select null as domain, 'salesforce:' || contacts.account_id as account_key
        from {{ ref("stg_salesforce__contacts") }} as contacts
        inner join changed_people on contacts.record_key = changed_people.record_key
    ),
    -- With an account come the domains below its own.
    accounts_of_places as (
        select accounts.account_key
        from
            (
                select
                    unnest(
                        list_prepend(domain, {{ domains_above("domain") }})
                    ) as domain
                from places
                where domain is not null
            ) as hosts
        inner join
            {{ ref("accounts") }} as accounts
            on hosts.domain = accounts.domain
            and accounts.is_of_domain
    ),
    new_opportunities as (
        select opportunity_id, account_id
        from {{ ref("stg_salesforce__opportunities") }}
        where _seq > {{ built("seq") }}
    ),
    role_versions as (
        select role_id, opportunity_id, contact_id, _seq
        from {{ ref("stg_salesforce__opportunity_contact_role_versions") }}
    ),
    -- A role that is gone no longer says whose it was: its versions do.
    changed_roles as (
        select contact_id
        from role_versions
        where
            role_id
            in (select role_id from role_versions where _seq > {{ built("seq") }})
            or opportunity_id in (select opportunity_id from new_opportunities)
    ),
    changed_accounts as (
        select 'salesforce:' || account_id as account_key, domain
        from {{ ref("stg_salesforce__accounts") }}
        where
            _seq > {{ built("seq") }}
            or account_id in (select account_id from new_opportunities)
            or account_id in (
                select account_id
                from {{ ref("stg_salesforce__contacts") }}
                where _seq > {{ built("seq") }}
            )
            -- Its parent may be gone by now.
            or parent_id in (
                select account_id
                from {{ ref("stg_salesforce__accounts") }}
                where _seq > {{ built("seq") }}
            )
    ),
    -- Whose domain stands for another account than it did, as a contact of the one that
    -- had most has moved.
    moved_domains as (
        select coalesce(now.domain, before.domain) as domain
        from
            (
                select domain, account_key from {{ ref("accounts") }} where is_of_domain
            ) as now
        full join {{ domains_before }} as before on now.domain = before.domain
        where now.account_key is distinct from before.account_key
    ),
    changed_domains as (
        select domain
        from changed_accounts
        union
        select domain
        from moved_domains
    ),
    names_changed as (
        select 1
        from {{ ref("stg_hubspot__forms") }}
        where _seq > {{ built("seq") }}
        union all
        select 1
        from {{ ref("stg_salesforce__identity") }}
        where _seq > {{ built("seq") }}
    ),
    renamed_campaigns as (
        select campaign_id
        from {{ ref("stg_hubspot__email_campaigns") }}
        where _seq > {{ built("seq") }}
    ),
    new_answers as (
        select email, domain, has_company
        from {{ ref("stg_clearbit__lookups") }}
        where retrieved_at > {{ built("as_of") }}
    ),
    new_companies as (
        select record_key, domain
        from {{ ref("stg_hubspot__companies") }}
        where _seq > {{ built("seq") }}
    ),
    ledger_rows as (
        select lead_key
        from {{ recorded("decisions") }}
        where as_of >= {{ built("as_of") }}
        union
        select lead_key
        from {{ recorded("assignments") }}
        where as_of >= {{ built("as_of") }}
        union
        select lead_key
        from {{ recorded("clock_moves") }}
        where as_of >= {{ built("as_of") }}
        union
        select lead_key
        from {{ recorded("receipts") }}
        where as_of >= {{ built("as_of") }}
        union
        select lead_key
        from {{ recorded("context_checks", "quality") }}
        where as_of > {{ built("as_of") }}
    ),
    -- What was not accepted is tried again in every run until it is, and a rep who was
    -- not told yet is told.
    outstanding as (
        select lead_key
        from {{ recorded("receipts") }}
        where target not in ('slack.message', 'smtp.message')
        group by lead_key, target, row_key
        having arg_max(status, receipt_seq) <> 'accepted'
        union
        select lead_key
        from
            (
                select lead_key, arg_max(assignment_key, as_of) as assignment_key
                from {{ recorded("assignments") }}
                group by lead_key
            )
        where
            assignment_key not in (
                select row_key
                from {{ recorded("receipts") }}
                where
                    target in ('slack.message', 'smtp.message') and status = 'accepted'
            )
    ),
    touched as (
        select people.lead_key, 'record' as cause
        from people
        inner join affected on people.record_key = affected.record_key
        union
        select lead_key_before as lead_key, 'joined or split' as cause
        from affected
        where lead_key_before is not null
        union
        select people.lead_key, 'submission' as cause
        from people
        inner join new_submissions on people.email = new_submissions.email
        union
        select people.lead_key, 'page view' as cause
        from people
        inner join
            new_page_events on people.record_key = new_page_events.contact_record_key
        union
        select people.lead_key, 'e-mail' as cause
        from people
        inner join new_email_events on people.email = new_email_events.email
        union
        select people.lead_key, 'e-mail' as cause
        from people
        inner join
            {{ ref("stg_hubspot__email_events") }} as events
            on people.email = events.email
        inner join
            renamed_campaigns on events.campaign_id = renamed_campaigns.campaign_id
        union
        select lead_key, 'activity' as cause
        from active_leads
        union
        -- What we did with one person of an account is told to the others' reps.
        select others.lead_key, 'activity in the account' as cause
        from profiles_before as others
        inner join profiles_before as active on others.account_key = active.account_key
        inner join active_leads on active.lead_key = active_leads.lead_key
        union
        select colleagues.lead_key, 'person of the account' as cause
        from profiles_before as colleagues
        inner join places on colleagues.account_key = places.account_key
        union
        select colleagues.lead_key, 'person of the account' as cause
        from profiles_before as colleagues
        inner join places on colleagues.company_domain = places.domain
        where colleagues.account_key is not null
        union
        select colleagues.lead_key, 'person of the account' as cause
        from profiles_before as colleagues
        inner join
            accounts_of_places
            on colleagues.account_key = accounts_of_places.account_key
        union
        select people.lead_key, 'opportunity' as cause
        from people
        inner join changed_roles on people.record_id = changed_roles.contact_id
        union
        select people.lead_key, 'opportunity' as cause
        from people
        inner join
            {{ ref("stg_salesforce__leads") }} as leads
            on people.record_key = leads.record_key
        inner join
            new_opportunities
            on leads.converted_opportunity_id = new_opportunities.opportunity_id
        union
        select profiles_before.lead_key, 'account' as cause
        from profiles_before
        inner join
            changed_accounts
            on profiles_before.account_key = changed_accounts.account_key
        union
        select profiles_before.lead_key, 'account' as cause
        from profiles_before
        inner join
            changed_domains on profiles_before.company_domain = changed_domains.domain
        union
        select below.lead_key, 'account' as cause
        from
            (
                select lead_key, unnest({{ domains_above("company_domain") }}) as domain
                from profiles_before
                where company_domain like '%.%.%'
            ) as below
        inner join changed_domains on below.domain = changed_domains.domain
        union
        select people.lead_key, 'enrichment' as cause
        from people
        inner join new_answers on people.email = new_answers.email
        union
        -- A company is told of everyone who works there.
        select profiles_before.lead_key, 'enrichment' as cause
        from profiles_before
        inner join new_answers on profiles_before.company_domain = new_answers.domain
        where new_answers.has_company
        union
        select profiles_before.lead_key, 'company' as cause
        from profiles_before
        inner join
            new_companies on profiles_before.company_domain = new_companies.domain
        union
        -- It may stand for another domain by now.
        select facts_before.lead_key, 'company' as cause
        from {{ facts_before }} as facts_before
        inner join new_companies on facts_before.evidence_key = new_companies.record_key
        union
        -- Who left keeps no lead.
        select assignments.lead_key, 'owner left' as cause
        from {{ recorded("assignments") }} as assignments
        inner join
            {{ ref("stg_salesforce__users") }} as users
            on assignments.owner_id = users.user_id
        where not users.is_active and users._seq > {{ built("seq") }}
        union
        -- Nor does one who left look at it again.
        select lifecycle_before.lead_key, 'owner left' as cause
        from lifecycle_before
        inner join
            {{ ref("stg_salesforce__users") }} as users
            on lifecycle_before.reengagement_owner_id = users.user_id
        where not users.is_active and users._seq > {{ built("seq") }}
        union
        select lead_key, 'user' as cause
        from {{ ref("int_touched__by_users") }}
        union
        select lead_key, 'ledger' as cause
        from ledger_rows
        union
        select lead_key, 'not written yet' as cause
        from outstanding
        union
        select lead_key, 'clock' as cause
        from {{ scores_before }}
        where next_change_at <= {{ as_of() }}
        union
        select lead_key, 'clock' as cause
        from lifecycle_before
        where next_change_at <= {{ as_of() }}
        union
        select lead_key, 'waiting for an owner' as cause
        from {{ routes_before }}
        union
        select lead_key, 'policy: ' || policy_table as cause
        from {{ ref("int_touched__by_policy") }}
        union
        select lead_key, 'policy: ' || policy_table as cause
        from {{ ref("int_touched__by_policy_on_evidence") }}
        union
        {% if everything %}
            select lead_key, 'everything anew' as cause
            from people
            union
        {% endif %}
        select lead_key, 'source names' as cause
        from people
        where exists (select 1 from names_changed)
        {% if not everything %}
            union
            {{
                unfinished(
                    "leads_touched", {"lead_key": "varchar", "cause": "varchar"}
                )
            }}
        {% endif %}
    )
select
    lead_key,
    string_agg(distinct cause, ', ' order by cause) as cause,
    {{ as_of() }} as as_of
from touched
group by lead_key
