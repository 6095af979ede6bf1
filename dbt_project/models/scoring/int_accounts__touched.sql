-- One row per account to judge again in this run: touched leads are there, or were.
{{ config(materialized="table") }}
{%- set members_before = previous(
    "scoring",
    "int_accounts__leads",
    {"lead_key": "varchar", "account_key": "varchar"},
) %}
with
    touched as (select lead_key from {{ ref("leads_touched") }}),
    members as (
        select lead_key, account_key
        from {{ ref("lead_profiles") }}
        union all
        select lead_key, account_key
        from {{ members_before }}
    )
select distinct account_key
from members
where account_key is not null and lead_key in (select lead_key from touched)
