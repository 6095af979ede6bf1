-- One row per rep: leads given by Baton and how they came to it, open clocks, and the
-- fair-draw credit.
with
    assignments as (select * from {{ source("ops", "assignments") }}),
    credits as (
        select
            entry.key as user_id,
            arg_max(entry.value, draw_number)::bigint as credit,
            -- Owed or owing, whichever went further from the exact share.
            arg_max(entry.value, abs(entry.value::bigint))::bigint as worst_credit
        from assignments, json_each(credits_after) as entry
        where credits_after is not null
        group by entry.key
    ),
    given as (
        select
            owner_id,
            count(*) as leads_given,
            count(*) filter (where given_by = 'catch_all') as leads_caught,
            count(*) filter (where cause <> 'handover') as leads_taken_over,
            max(as_of) as last_given_at
        from assignments
        group by owner_id
    ),
    clocks as (
        select
            owner_id,
            count(*) as open_clocks,
            count(*) filter (where sla_status = 'red') as overdue
        from {{ ref("rpt_clocks") }}
        group by owner_id
    )
select
    reps.user_id,
    coalesce(given.leads_given, 0) as leads_given,
    coalesce(given.leads_caught, 0) as leads_caught,
    coalesce(given.leads_taken_over, 0) as leads_taken_over,
    given.last_given_at,
    coalesce(clocks.open_clocks, 0) as open_clocks,
    coalesce(clocks.overdue, 0) as overdue,
    coalesce(credits.credit, 0) as credit,
    coalesce(credits.worst_credit, 0) as worst_credit
from {{ ref("reps") }} as reps
left join given on reps.user_id = given.owner_id
left join clocks on reps.user_id = clocks.owner_id
left join credits on reps.user_id = credits.user_id
