-- One row per kind of lead to be given and rep: may it take such a lead now, at which
-- places of the line, and if not, why. Leads of one kind are judged together.
{{ config(materialized="view") }}
{%- set kind = [
    "routing_rule",
    "pool",
    "pod",
    "role",
    "fixed_owner_id",
    "language",
] %}
with
    places as (select * from {{ ref("int_kinds__placed") }}),
    reps as (select * from {{ ref("int_reps__loaded") }}),
    members as (select * from {{ ref("pool_members") }}),
    considered as (
        select
            places.*,
            reps.* rename(pod as rep_pod, role as rep_role, why_not as why_never),
            case
                places.asked when 'pool' then coalesce(members.weight, 0) else 1
            end as weight,
            case
                places.asked
                when 'person'
                then reps.user_id = places.fixed_owner_id
                when 'pod'
                then coalesce(reps.pod = places.pod, false)
                when 'pool'
                then members.user_id is not null
                else reps.is_catch_all
            end as is_asked
        from places
        cross join reps
        left join
            members
            on places.asked_pool = members.pool
            and reps.user_id = members.user_id
    ),
    judged as (
        select
            *,
            case
                when why_never is not null
                then why_never
                when not is_asked
                then
                    case
                        asked
                        when 'person'
                        then coalesce('rule ' || routing_rule, 'it') || ' names another'
                        when 'pod'
                        then 'not in pod ' || pod
                        when 'pool'
                        then 'not in pool ' || asked_pool
                        else 'not the catch-all'
                    end
                when weight <= 0
                then 'weight 0 in pool ' || asked_pool
                when rep_role <> asked_role
                then printf('is %s, asked for is %s', rep_role, asked_role)
                when must_speak_language and not list_contains(languages, language)
                then 'does not speak ' || language
                when not list_contains(skills, asked_skill)
                then 'lacks the skill ' || asked_skill
                when not is_in_spite and away_until is not null
                then strftime(away_until, 'away until %a %d %b %H:%M')
                when must_work_now and not is_at_work
                then
                    coalesce(
                        strftime(works_at, 'works again on %a %d %b %H:%M'),
                        'has no working hours ahead'
                    )
                when not is_in_spite and room_left <= 0
                then
                    case
                        when open_leads >= most_open_leads
                        then printf('full: owns %d open leads', open_leads)
                        else
                            printf(
                                'full: %d leads wait for a first touch', waiting_leads
                            )
                    end
            end as verdict
        from considered
    ),
    gathered as (
        select
            {{ kind | join(", ") }},
            user_id,
            any_value(full_name) as full_name,
            any_value(calendar_id) as calendar_id,
            any_value(backup_user_id) as backup_user_id,
            any_value(room_left) as room_left,
            min(place) filter (where verdict is null) as first_place,
            arg_min(weight, place) filter (where verdict is null) as first_weight,
            -- Where it is asked and cannot says more than where it is not asked.
            coalesce(
                arg_min(verdict, place) filter (where is_asked), arg_min(verdict, place)
            ) as verdict,
            to_json(
                list(
                    {
                        'place':place,
                        'given_by':asked,
                        'pool':asked_pool,
                        'weight':weight,
                        'has_limit': not is_in_spite
                    }
                    order by place
                ) filter (where verdict is null)
            ) as places
        from judged
        group by {{ kind | join(", ") }}, user_id
    ),
    settled as (
        select
            *,
            coalesce(
                first_place
                = min(first_place) over (partition by {{ kind | join(", ") }}),
                false
            ) as is_eligible
        from gathered
    )
select
    {{ kind | join(", ") }},
    user_id,
    full_name,
    calendar_id,
    backup_user_id,
    room_left,
    case when is_eligible then first_weight else 0 end as weight,
    case when not is_eligible then verdict end as why_not,
    coalesce(places, '[]'::json) as places
from settled
