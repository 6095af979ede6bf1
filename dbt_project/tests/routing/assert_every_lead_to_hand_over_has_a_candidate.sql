-- No queue without a person: a lead that is ready and may go to nobody waits unseen.
-- A warning, because the lead waits in sight and the others must go on.
{{ config(severity="warn") }}
select routes.lead_key
from {{ ref("lead_routes") }} as routes
left join
    {{ ref("lead_candidates") }} as candidates
    on routes.lead_key = candidates.lead_key
    and candidates.is_eligible
where routes.decision = 'mql'
group by routes.lead_key
having count(candidates.user_id) = 0
