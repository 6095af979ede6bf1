-- Two owners of one lead call it twice; none calls it never. Every recorded hand-over
-- has exactly one assignment, also where a lead that came back is handed over again.
select decisions.decision_key, any_value(decisions.lead_key) as lead_key
from {{ source("ops", "decisions") }} as decisions
left join
    {{ source("ops", "assignments") }} as assignments
    on decisions.decision_key = assignments.assignment_key
where decisions.decision = 'mql'
group by decisions.decision_key
having count(assignments.owner_id) <> 1
