-- A named account goes to one person who takes leads, or to one pool. Without either it
-- is named for nothing; a person who is no rep has no calendar and no clock.
with
    named as (
        select
            named_accounts.*,
            reps.user_id is not null as is_rep,
            pools.pool is not null as is_pool,
            free_mail.domain is not null as is_free_mail
        from {{ ref("named_accounts") }} as named_accounts
        left join
            {{ ref("reps") }} as reps on named_accounts.owner_user_id = reps.user_id
        left join {{ ref("pools") }} as pools on named_accounts.pool = pools.pool
        left join
            {{ ref("free_mail_domains") }} as free_mail
            on named_accounts.domain = free_mail.domain
    ),
    judged as (
        select
            named_account_id,
            case
                when owner_user_id is null and pool is null
                then 'has neither owner_user_id nor pool'
                when owner_user_id is not null and pool is not null
                then 'has both owner_user_id and pool'
                when owner_user_id is not null and not is_rep
                then printf('names %s, who is not in reps.csv', owner_user_id)
                when pool is not null and not is_pool
                then printf('names the pool %s, which is not in pools.csv', pool)
                when is_free_mail
                then printf('names %s, a host of private mailboxes', domain)
                when
                    not regexp_full_match(domain, '[a-z0-9-]+(\.[a-z0-9-]+)+')
                    or starts_with(domain, 'www.')
                then printf('names %s, which is not a domain in lower case', domain)
            end as problem
        from named
    )
select
    'named_accounts.csv' as file,
    named_account_id as row_id,
    problem,
    'Give the domain, as acme.example, and either a rep of reps.csv or a pool of '
    || 'pools.csv' as cure
from judged
where problem is not null
order by named_account_id
