-- One row: the version of the policy in force, one hash over every policy row.
{%- set tables = [
    "absences",
    "activity_types",
    "business_hours",
    "buying_group_rules",
    "buying_roles",
    "channels",
    "competitor_domains",
    "constants",
    "country_languages",
    "country_names",
    "crm_creation",
    "definition_examples",
    "dispositions",
    "employee_ranges",
    "enrichment_fields",
    "enrichment_providers",
    "field_ownership",
    "field_precedence",
    "first_contact_actions",
    "free_mail_domains",
    "holidays",
    "industry_names",
    "lead_statuses",
    "lifecycle_stages",
    "machine_users",
    "named_accounts",
    "personas",
    "policy_owners",
    "pool_members",
    "pools",
    "products",
    "reengagement_rules",
    "rep_skills",
    "reps",
    "reroute_rules",
    "routing_rules",
    "score_bands",
    "score_caps",
    "score_exceptions",
    "scoring_rules",
    "segments",
    "seniorities",
    "shared_mailboxes",
    "sla_tiers",
    "territories",
    "touch_types",
] %}
with
    policy_rows as (
        {% for table in tables %}
            select
                '{{ table }}' as policy_table,
                to_json({{ table }})::varchar as policy_row
            from {{ ref(table) }} as {{ table }} {{ "union all" if not loop.last }}
        {% endfor %}
    )
select
    left(
        md5(
            string_agg(
                policy_table || policy_row, '|' order by policy_table, policy_row
            )
        ),
        12
    ) as policy_version
from policy_rows
