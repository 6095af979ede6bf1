-- One row per account handed over as a buying group whose owner was not told yet.
{{ config(access="private") }}
with
    handovers as (
        select *, 'account:' || handover_key as message_key
        from {{ source("ops", "account_handovers") }}
    ),
    -- What was told long ago is not composed again.
    told as (
        select row_key
        from {{ source("ops", "receipts") }}
        where target in ('slack.message', 'smtp.message') and status = 'accepted'
    ),
    untold as (
        select * from handovers where message_key not in (select row_key from told)
    ),
    listed as (
        select
            message_key,
            unnest(
                from_json(
                    members,
                    '[{"lead_key": "varchar", "buying_role": "varchar", "icp_score": "integer"}]'
                ),
                recursive := true
            ),
            generate_subscripts(json_extract(members, '$[*]'), 1) as place
        from untold
    ),
    erased as (select lead_key from {{ recorded("erasures") }}),
    -- Who was two people when the group was judged may be one by now.
    named as (
        select
            listed.message_key,
            listed.lead_key,
            min(listed.place) as place,
            concat_ws(
                ', ',
                coalesce(any_value(profiles.full_name), 'name unknown'),
                any_value(profiles.job_title)
            )
            || ': '
            || coalesce(
                replace(string_agg(distinct listed.buying_role, ' and '), '_', ' '),
                'no role known'
            )
            || ', score '
            || max(listed.icp_score)
            || '/10' as line
        from {{ by_present_key("listed", "lead_key") }} as listed
        inner join
            {{ ref("lead_profiles") }} as profiles
            on listed.lead_key = profiles.lead_key
        where listed.lead_key not in (select lead_key from erased)
        group by listed.message_key, listed.lead_key
    ),
    members as (
        select
            message_key,
            arg_min(lead_key, place) as lead_key,
            string_agg('- ' || line, chr(10) order by place) as member_lines
        from named
        group by message_key
    ),
    required as (select buying_role from {{ ref("buying_roles") }} where is_required),
    missing as (
        select
            untold.message_key,
            string_agg(
                replace(required.buying_role, '_', ' '),
                ', '
                order by required.buying_role
            ) as roles
        from untold
        cross join required
        where
            (untold.message_key, required.buying_role) not in (
                select message_key, buying_role
                from listed
                where buying_role is not null
            )
        group by untold.message_key
    ),
    identity as (
        select any_value(instance_url) as instance_url
        from {{ ref("stg_salesforce__identity") }}
    ),
    addressed as (
        select
            untold.*,
            members.lead_key,
            members.member_lines,
            users.email as user_email,
            coalesce(accounts.account_name, 'An account') as account_name,
            coalesce(missing.roles, 'no required role') as missing_roles,
            identity.instance_url
            || '/lightning/r/Account/'
            || accounts.account_id
            || '/view' as record_url
        from untold
        inner join members on untold.message_key = members.message_key
        inner join
            {{ ref("stg_salesforce__users") }} as users
            on untold.owner_id = users.user_id
        left join
            {{ ref("accounts") }} as accounts
            on untold.account_key = accounts.account_key
        left join missing on untold.message_key = missing.message_key
        cross join identity
    )
select
    message_key,
    lead_key,
    user_email,
    'account_handover' as kind,
    account_name || ' is ready as a group' as title,
    concat_ws(
        chr(10),
        account_name || ' is yours, and ' || people || ' people with a role are in.',
        'Who:',
        member_lines,
        'Missing: ' || missing_roles,
        'Why now: ' || reason || '.',
        'Record: ' || record_url
    ) as message_text,
    record_url
from addressed
