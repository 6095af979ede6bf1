-- When a clock runs out the backup calls; a backup whose own backup is the same rep
-- sends the lead round in a circle. The chain ends in somebody without one.
with recursive
    reps as (select user_id, backup_user_id from {{ ref("reps") }}),
    chains as (
        select user_id, backup_user_id, [user_id] as chain
        from reps
        where backup_user_id is not null
        union all
        select chains.user_id, reps.backup_user_id, chains.chain || [reps.user_id]
        from chains
        inner join reps on chains.backup_user_id = reps.user_id
        where
            reps.backup_user_id is not null
            and not list_contains(chains.chain, chains.backup_user_id)
    )
select
    'reps.csv' as file,
    user_id as row_id,
    'the chain of backups comes back to this rep: '
    || array_to_string(chain || [backup_user_id], ' -> ') as problem,
    'Leave backup_user_id empty on the last one of the chain' as cure
from chains
where backup_user_id = user_id
order by user_id
