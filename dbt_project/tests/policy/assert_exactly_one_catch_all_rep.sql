-- Where nobody of a pool can take a lead, one person does: none would leave it
-- lying, two would each think it is the other's. Once the CRM's users are known,
-- that person is an active one.
with
    users as (select * from {{ ref("stg_salesforce__users") }}),
    caught as (select user_id from {{ ref("reps") }} where is_catch_all)
select
    'reps.csv' as file,
    coalesce(string_agg(user_id, ', ' order by user_id), '(no row)') as row_id,
    printf('%d reps have is_catch_all', count(*)) as problem,
    'Set is_catch_all to true on exactly one row' as cure
from caught
having count(*) <> 1
union all
select
    'reps.csv',
    caught.user_id,
    'takes what nobody else can, and is not an active user of the CRM',
    'Set is_catch_all on a rep who is'
from caught
left join users on caught.user_id = users.user_id
where exists (select 1 from users) and not coalesce(users.is_active, false)
