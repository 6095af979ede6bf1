-- One row per account with leads: who of a buying group is there, who is missing, and
-- whether it can be handed over as a group.
{{
    config(
        access="public",
        unique_key="account_key",
        touched="scoring.int_accounts__touched",
    )
}}
with
    touched as (select account_key from {{ ref("int_accounts__touched") }}),
    roles as (select * from {{ ref("buying_roles") }}),
    required as (
        select count(*) as role_count, list(buying_role order by buying_role) as roles
        from roles
        where is_required
    ),
    leads as (
        select
            profiles.lead_key,
            profiles.account_key,
            profiles.segment,
            profiles.trigger_at,
            roles.buying_role,
            coalesce(roles.is_required, false) as is_required,
            scores.icp_score,
            scores.fit_points,
            scores.intent_points,
            scores.score_reasons,
            -- Competitors, who was turned down, who has bought and who is never handed
            -- over take no part.
            profiles.is_open
            and not coalesce(profiles.is_competitor, false)
            and (scores.is_mql_proposed or scores.exception_id is null) as is_member
        from {{ ref("lead_profiles") }} as profiles
        inner join touched on profiles.account_key = touched.account_key
        inner join
            {{ ref("lead_scores") }} as scores on profiles.lead_key = scores.lead_key
        left join roles on profiles.buying_role = roles.buying_role
    ),
    -- The company's own size, else the one most of its people are said to work in.
    sized as (
        select
            leads.account_key,
            coalesce(
                any_value(segments.segment), mode(leads.segment order by leads.segment)
            ) as segment
        from leads
        left join
            {{ ref("accounts") }} as accounts
            on leads.account_key = accounts.account_key
        left join
            {{ ref("segments") }} as segments
            on accounts.employee_count
            between segments.min_employees and segments.max_employees
        group by leads.account_key
    ),
    gathered as (
        select
            account_key,
            count(*) filter (where is_member)::integer as member_count,
            count(*) filter (where is_member and buying_role is not null)::integer
            as people,
            count(distinct buying_role) filter (
                where is_member and is_required
            ) as required_filled,
            list_sort(
                list(distinct buying_role) filter (
                    where is_member and buying_role is not null
                )
            ) as roles_filled,
            max(fit_points) filter (where is_member) as fit_points,
            coalesce(sum(intent_points) filter (where is_member), 0)::integer
            as intent_points,
            max(trigger_at) filter (where is_member) as last_trigger_at,
            list(
                {
                    'lead_key':lead_key,
                    'buying_role':buying_role,
                    'icp_score':icp_score,
                    'fit_points':fit_points,
                    'intent_points':intent_points,
                    'score_reasons':score_reasons
                }
                order by icp_score desc, intent_points desc, lead_key
            ) filter (where is_member) as members
        from leads
        group by account_key
    ),
    covered as (
        select
            gathered.*,
            sized.segment,
            list_filter(
                required.roles,
                lambda role:
                not list_contains(coalesce(gathered.roles_filled, []), role)
            ) as roles_missing,
            case
                when required.role_count = 0
                then 100
                else floor(gathered.required_filled * 100 / required.role_count)
            end::integer as coverage_percent
        from gathered
        inner join sized on gathered.account_key = sized.account_key
        cross join required
    ),
    ruled as (
        select covered.account_key, rules.*
        from covered
        inner join
            {{ ref("buying_group_rules") }} as rules
            on rules.segment is null
            or rules.segment = covered.segment
        qualify
            row_number() over (partition by covered.account_key order by rules.priority)
            = 1
    )
select
    covered.account_key,
    covered.segment,
    covered.member_count,
    covered.people,
    array_to_string(covered.roles_filled, ', ') as roles_filled,
    nullif(array_to_string(covered.roles_missing, ', '), '') as roles_missing,
    covered.coverage_percent,
    covered.fit_points,
    covered.intent_points,
    covered.last_trigger_at,
    ruled.rule_id,
    coalesce(
        covered.people >= ruled.min_people
        and covered.coverage_percent >= ruled.min_coverage_percent
        and covered.fit_points >= ruled.min_fit_points
        and covered.intent_points >= ruled.min_intent_points,
        false
    ) as is_ready,
    printf(
        '%s: %d of at least %d people with a role, %d%% of at least %d%% of the required '
        || 'roles, fit of the best %d of %d, intent of all %d of %d',
        ruled.reason,
        covered.people,
        ruled.min_people,
        covered.coverage_percent,
        ruled.min_coverage_percent,
        coalesce(covered.fit_points, 0),
        ruled.min_fit_points,
        covered.intent_points,
        ruled.min_intent_points
    ) as reason,
    coalesce(to_json(covered.members), '[]'::json) as members
from covered
inner join ruled on covered.account_key = ruled.account_key
