-- One row per completed call, e-mail or meeting of a person in sales with a lead.
{{ config(access="public") }}
-- depends_on: {{ ref('leads_touched') }}
select *
from {{ ref("human_activities") }} {{ where_touched() }}
