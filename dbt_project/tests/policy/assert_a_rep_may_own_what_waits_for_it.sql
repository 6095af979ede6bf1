-- A rep with room for no lead is given none, and the draw says its books are full. More
-- leads cannot wait for a first touch than may be owned.
with reps as (select * from {{ ref("reps") }})
select
    'reps.csv' as file,
    user_id as row_id,
    printf('may own %d leads', most_open_leads) as problem,
    'Write 1 or more into most_open_leads, or nothing for no cap; who is to be given no '
    || 'lead leaves pool_members.csv' as cure
from reps
where most_open_leads < 1
union all
select
    'reps.csv',
    user_id,
    printf('may let %d leads wait', most_waiting_leads),
    'Write 1 or more into most_waiting_leads, or nothing for no cap; who is to be given '
    || 'no lead leaves pool_members.csv'
from reps
where most_waiting_leads < 1
union all
select
    'reps.csv',
    user_id,
    printf(
        'may let %d leads wait and own only %d', most_waiting_leads, most_open_leads
    ),
    'Let most_waiting_leads be at most most_open_leads'
from reps
where most_waiting_leads > most_open_leads
order by 1, 2, 3
