-- Who allows neither e-mail nor call would reach a rep without a word on what to do.
-- The last row takes everybody and asks for nothing.
select
    'first_contact_actions.csv' as file,
    coalesce(arg_max(action_id, priority), '(no row)') as row_id,
    'is the last row and leaves somebody without an answer' as problem,
    'End the file with a row whose channel is none and which names no trigger, persona '
    || 'or seniority' as cure
from {{ ref("first_contact_actions") }}
having
    not coalesce(
        arg_max(
            channel = 'none'
            and trigger_type is null
            and persona is null
            and seniority is null,
            priority
        ),
        false
    )
