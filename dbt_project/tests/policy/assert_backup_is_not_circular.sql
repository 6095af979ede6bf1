-- When a clock runs out the backup calls; a backup whose own backup is the same rep
-- sends the lead round in a circle. The chain ends in somebody without one.
select
    'reps.csv' as file,
    start as row_id,
    'the chain of backups comes back to this rep: ' || chain as problem,
    'Leave backup_user_id empty on the last one of the chain' as cure
from {{ circles_of(ref("reps"), "user_id", "backup_user_id") }}
order by start
