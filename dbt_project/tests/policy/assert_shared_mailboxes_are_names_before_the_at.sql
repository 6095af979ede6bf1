-- A mailbox is held against what stands before @ and before a tag, in lower case. A
-- whole address, a tag or a capital in the list never matches, and its readers are
-- made one person without a word.
select
    'shared_mailboxes.csv' as file,
    local_part as row_id,
    case
        when contains(local_part, '@')
        then 'is an address and not the part before its @'
        when contains(local_part, '+')
        then 'has a tag, which is cut off before it is compared'
        else 'has capitals or blanks and never matches'
    end as problem,
    'Write only what stands before @ and +, in lower case' as cure
from {{ ref("shared_mailboxes") }}
where
    contains(local_part, '@')
    or contains(local_part, '+')
    or local_part <> lower(regexp_replace(local_part, '\s', '', 'g'))
order by local_part
