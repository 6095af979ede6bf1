-- Two owners of one lead call it twice; none calls it never. Every recorded hand-over
-- has exactly one assignment.
select decisions.lead_key
from {{ source("ops", "decisions") }} as decisions
left join
    {{ source("ops", "assignments") }} as assignments
    on decisions.decision_key = assignments.assignment_key
where decisions.decision = 'mql'
group by decisions.lead_key
having count(assignments.owner_id) <> 1
