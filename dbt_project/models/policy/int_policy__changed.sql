-- One row per policy row and form, before or after, that is not the same in the policy
-- the rooms were built with and in the one in force.
{{ config(materialized="view") }}
-- A view, so that it is empty once the rooms are built with the new policy. Where the
-- ledger does not hold the policy they were built with, every row counts as new.
{#- What no lead's row depends on; a reason only where it is told with a lead. -#}
{%- set reason_is_told = [
    "buying_group_rules",
    "routing_rules",
    "score_exceptions",
    "scoring_rules",
] %}
{%- set unread = {
    "constants": ["unit"],
    "enrichment_providers": [
        "ask_again_minutes",
        "cost",
        "found_days",
        "missing_days",
        "monthly_budget",
        "most_asks",
    ],
    "reps": ["most_open_leads", "most_waiting_leads", "pod", "role"],
} %}
with
    last as (
        select arg_max(policy_version, as_of) as policy_version
        from {{ source("raw", "builds") }}
    ),
    is_new as (
        select last.policy_version as version_before
        from {{ ref("policy_version") }} as current
        cross join last
        where current.policy_version is distinct from last.policy_version
    ),
    either as (
        select
            'before' as form, kept.policy_table, kept.policy_row::varchar as policy_row
        from {{ source("ops", "policy_versions") }} as kept
        inner join is_new on kept.policy_version = is_new.version_before
        union all
        select 'after' as form, policy_table, policy_row
        from {{ ref("policy_rows") }}
        cross join is_new
    ),
    compared as (
        select
            form,
            policy_table,
            json_merge_patch(
                policy_row::json,
                case
                    {% for table, cells in unread.items() %}
                        when policy_table = '{{ table }}'
                        then '{{ tojson(dict.fromkeys(cells + ["reason"])) }}'
                    {% endfor %}
                    when policy_table in ('{{ reason_is_told | join("', '") }}')
                    then '{}'
                    else '{"reason": null}'
                end::json
            )::varchar as policy_row
        from either
    )
select policy_table, form, policy_row::json as policy_row
from compared
qualify count(*) over (partition by policy_table, policy_row) = 1
