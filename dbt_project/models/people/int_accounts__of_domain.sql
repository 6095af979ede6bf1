-- One row per domain that stands for an account: which one it was when the rooms were
-- last built, so that the next run knows whose domain has come to stand for another.
{{ config(materialized="table") }}
-- depends_on: {{ ref('leads_touched') }}
select domain, account_key
from {{ ref("accounts") }}
where is_of_domain
