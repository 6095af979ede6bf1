-- One row per lead and piece of evidence for a stage: the CRM's and the MAP's, and our
-- own decisions.
{{ config(access="public") }}
-- depends_on: {{ ref('leads_touched') }}
with
    profiles as (select * from {{ ref("lead_profiles") }} {{ where_touched() }}),
    in_crm as (select * from {{ ref("lead_crm_evidence") }} {{ where_touched() }}),
    decided as (select decisions.* from {{ decisions_as_evidence("<=") }} as decisions)
select *
from in_crm
where lead_key in (select lead_key from profiles)
union all by name
select *
from decided
where lead_key in (select lead_key from profiles)
