{#
  The rule of routing_rules.csv each lead is given by: the first one whose every filled cell
  fits. One row per lead and no row for a lead nothing fits.

  `leads` is any relation with lead_key, country, region, territory, segment, industry,
  employee_count, icp_score, persona, product and trigger_type. `owners` has lead_key,
  owner_from and owner_id, one row per person (or pool, or pod) a rule may name; of its columns
  owner_pool (the pool of a named account), owner_pod (whose members take the lead) and is_away
  may be left out. A rule that asks for an owner fits where there is one, and where that owner
  is here or the rule says to keep to it all the same.
#}
{% macro first_routing_rule(leads, owners) %}
    (
        with
            asked as (
                select
                    lead_key,
                    country,
                    region,
                    territory,
                    segment,
                    industry,
                    employee_count,
                    icp_score,
                    persona,
                    product,
                    trigger_type
                from {{ leads }}
            ),
            named as (
                select
                    null::varchar as lead_key,
                    null::varchar as owner_from,
                    null::varchar as owner_id,
                    null::varchar as owner_pool,
                    null::varchar as owner_pod,
                    null::boolean as is_away
                where false
                union all by name
                select *
                from {{ owners }}
            ),
            fitting as (
                select
                    asked.lead_key,
                    rules.priority,
                    rules.rule_id as routing_rule,
                    rules.owner_from,
                    coalesce(named.owner_pool, rules.pool) as pool,
                    named.owner_pod as pod,
                    rules.role,
                    case
                        when coalesce(named.owner_pool, named.owner_pod) is null
                        then named.owner_id
                    end as fixed_owner_id,
                    rules.reason as routing_reason
                from asked
                cross join {{ ref("routing_rules") }} as rules
                left join
                    named
                    on asked.lead_key = named.lead_key
                    and rules.owner_from = named.owner_from
                    and (
                        rules.if_owner_away = 'keep'
                        or not coalesce(named.is_away, false)
                    )
                where
                    (rules.owner_from is null or named.lead_key is not null)
                    and (rules.country is null or rules.country = asked.country)
                    and (rules.region is null or rules.region = asked.region)
                    and (rules.territory is null or rules.territory = asked.territory)
                    and (rules.segment is null or rules.segment = asked.segment)
                    and (rules.industry is null or rules.industry = asked.industry)
                    and (rules.persona is null or rules.persona = asked.persona)
                    and (rules.product is null or rules.product = asked.product)
                    and (
                        rules.trigger_type is null
                        or rules.trigger_type = asked.trigger_type
                    )
                    and (
                        rules.min_icp_score is null
                        or rules.min_icp_score <= asked.icp_score
                    )
                    and (
                        rules.max_icp_score is null
                        or rules.max_icp_score >= asked.icp_score
                    )
                    and (
                        rules.min_employees is null
                        or rules.min_employees <= asked.employee_count
                    )
                    and (
                        rules.max_employees is null
                        or rules.max_employees >= asked.employee_count
                    )
            ),
            first_fitting as (
                select lead_key, arg_min(fitting, priority) as rule
                from fitting
                group by lead_key
            )
        select
            lead_key,
            rule.routing_rule,
            rule.owner_from,
            rule.pool,
            rule.pod,
            rule.role,
            rule.fixed_owner_id,
            rule.routing_reason
        from first_fitting
    )
{% endmacro %}


{#
  The tier of sla_tiers.csv each lead's first-touch clock runs by: the first one that fits.
  `leads` is any relation with lead_key, trigger_type and icp_score.
#}
{% macro first_sla_tier(leads) %}
    (
        select asked.lead_key, arg_min(tiers.tier_id, tiers.priority) as sla_tier
        from {{ leads }} as asked
        inner join
            {{ ref("sla_tiers") }} as tiers
            on (tiers.trigger_type is null or tiers.trigger_type = asked.trigger_type)
            and (tiers.min_icp_score is null or tiers.min_icp_score <= asked.icp_score)
        group by asked.lead_key
    )
{% endmacro %}


{#
  Why a lead is not due to be handed over, in words; null where it is. Only what happened after
  go-live is handed over: what came before is adopted. Who left the funnel comes back by
  something it did since. `profile` and `score` are aliases of lead_profiles and lead_scores.
#}
{% macro why_not_due(profile, score) -%}
    case
        when {{ score }}.is_mql_proposed is not true
        then
            coalesce(
                {{ score }}.exception_reason,
                concat(
                    'its score of ', {{ score }}.icp_score, ' is below the threshold'
                )
            )
        when {{ profile }}.is_open is not true
        then 'it is closed in the CRM and has not come back since'
        when {{ profile }}.is_handed_over is not false
        then 'it was handed over and not given back'
        when {{ profile }}.trigger_at is null
        then 'it has done nothing that counts as a trigger'
        when {{ profile }}.trigger_at <= {{ profile }}.recycled_at
        then
            concat(
                'it left the funnel on ',
                strftime({{ profile }}.recycled_at, '%Y-%m-%d %H:%M'),
                ' and has done nothing since that counts as a trigger'
            )
        when {{ profile }}.trigger_at < {{ go_live_at() }}
        then
            concat(
                'what it did last (',
                {{ profile }}.trigger_type,
                ') was before go-live (',
                strftime({{ go_live_at() }}, '%Y-%m-%d %H:%M'),
                ')'
            )
    end
{%- endmacro %}


{# Whether a context check has said what a lead has and lacks: without, it waits. #}
{% macro is_checked(context_status) -%}
    {{ context_status }} in ('complete', 'incomplete')
{%- endmacro %}
