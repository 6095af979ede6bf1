{#
  The one way a lead is scored, for leads and for the written examples of the definition: each
  macro is one query, the next reads it. Facts become attributes, attributes satisfy rows of the
  policy, rows give points, points make a score.
#}
{#
  Columns of the profile that some rule or exception reads. They are asked of the policy when the
  model is compiled, so that seventy columns of a million leads are not turned into rows of which
  six are used; where there is no policy yet, it is all of them.
#}
{% macro attributes_read() %}
    {%- if not execute -%} {{ return([]) }} {%- endif -%}
    {%- set columns = (
        graph.nodes["model.baton.lead_profiles"].columns.keys()
        | reject("equalto", "lead_key")
        | list
    ) -%}
    {%- set tables = [ref("scoring_rules"), ref("score_exceptions")] -%}
    {%- for table in tables -%}
        {%- if not adapter.get_relation(
            table.database, table.schema, table.identifier
        ) -%}
            {{ return(columns) }}
        {%- endif -%}
    {%- endfor -%}
    {%- set found = run_query(
        "select attribute from "
        ~ tables[0]
        ~ " union select attribute from "
        ~ tables[1]
    ) -%}
    {{ return(columns | select("in", found.columns[0].values()) | list) }}
{% endmacro %}


{#
  One row per lead and attribute: a column of its profile, which is true now, or a touch type with
  its number, which is as old as its latest occurrence.
#}
{% macro attributes_of(leads, touches, columns) -%}
    {% if columns %}
        select lead_key, attribute, value, cast(null as timestamp) as observed_at
        from
            (
                select
                    lead_key
                    {% for column in columns %}
                        , {{ column }}::varchar as {{ column }}
                    {% endfor %}
                from {{ leads }}
            )
            unpivot include nulls(value for attribute in ({{ columns | join(", ") }}))
        union all
    {% endif %}
    select
        lead_key,
        touch_type as attribute,
        count(*)::varchar as value,
        max(occurred_at) as observed_at
    from {{ touches }}
    group by lead_key, touch_type
{%- endmacro %}


{#
  One row per lead and scoring rule or exception it satisfies. Each distinct value is held against
  the policy once, however many leads have it: patterns are dear, joins are cheap.
#}
{% macro rows_satisfied(attributes) -%}
    with
        policy_rows as (
            select
                rule_id as row_id,
                dimension,
                attribute,
                operator,
                value,
                points as full_points,
                half_life_days::bigint * 86400 as half_life_seconds,
                cast(null as integer) as priority,
                cast(null as varchar) as effect,
                reason
            from {{ ref("scoring_rules") }}
            union all
            select
                exception_id as row_id,
                null as dimension,
                attribute,
                operator,
                value,
                null as full_points,
                null as half_life_seconds,
                priority,
                effect,
                reason
            from {{ ref("score_exceptions") }}
        ),
        distinct_values as (select distinct attribute, value from {{ attributes }}),
        satisfied as (
            select
                distinct_values.attribute,
                distinct_values.value,
                policy_rows.* exclude (attribute, operator, value)
            from distinct_values
            inner join policy_rows on distinct_values.attribute = policy_rows.attribute
            where
                {{
                    rule_matches(
                        "distinct_values.value",
                        "policy_rows.operator",
                        "policy_rows.value",
                    )
                }}
        )
    select
        attributes.lead_key,
        attributes.observed_at,
        satisfied.* exclude (attribute, value)
    from {{ attributes }} as attributes
    inner join
        satisfied
        on attributes.attribute = satisfied.attribute
        and attributes.value is not distinct from satisfied.value
{%- endmacro %}


{# Points of an age in whole seconds: half of them after each half-life, rounded. #}
{% macro decayed_points(full_points, half_life_seconds, age_seconds) -%}
    round(
        {{ full_points }} * pow(0.5, {{ age_seconds }} / {{ half_life_seconds }})
    )::integer
{%- endmacro %}


{#
  First age in whole seconds at which the rounded points are others: the one after they have
  decayed to the next half. A logarithm can be a second off where that falls on a whole one, so
  the seconds beside it are tried. Expects points other than 0.
#}
{% macro age_of_next_change(points, full_points, half_life_seconds) -%}
    {%- set guess = (
        "floor("
        ~ half_life_seconds
        ~ " * log2(abs("
        ~ full_points
        ~ ") / (abs("
        ~ points
        ~ ") - 0.5)))::bigint"
    ) -%}
    {{ guess }} + case
        when {{ decayed_points(full_points, half_life_seconds, guess) }} <> {{ points }}
        then 0
        when
            {{ decayed_points(full_points, half_life_seconds, guess ~ " + 1") }}
            <> {{ points }}
        then 1
        else 2
    end
{%- endmacro %}


{#
  What is satisfied, with its points now and when they change by themselves. A touch dated later
  than now is new until then.
#}
{% macro points_of(satisfied) -%}
    with
        aged as (
            select
                *,
                half_life_seconds is not null and observed_at is not null as is_aging,
                greatest(
                    date_sub('second', observed_at, {{ as_of() }}), 0
                ) as age_seconds
            from {{ satisfied }}
        ),
        decayed as (
            select
                *,
                case
                    when is_aging
                    then
                        {{
                            decayed_points(
                                "full_points", "half_life_seconds", "age_seconds"
                            )
                        }}
                    else full_points
                end as points
            from aged
        )
    select
        * exclude (is_aging, age_seconds, half_life_seconds),
        case
            when is_aging and points <> 0
            then
                observed_at + to_seconds(
                    {{
                        age_of_next_change(
                            "points", "full_points", "half_life_seconds"
                        )
                    }}
                )
        end as next_change_at
    from decayed
{%- endmacro %}


{# One row per lead: capped sums, band, reasons weightiest first, and the first exception. #}
{% macro scores_of(leads, points) -%}
    with
        caps as (
            select
                max(max_points) filter (where dimension = 'fit') as fit_cap,
                max(max_points) filter (where dimension = 'intent') as intent_cap
            from {{ ref("score_caps") }}
        ),
        bands as (select * from {{ ref("score_bands") }}),
        -- Sorting whole lists is far cheaper than ordering inside an aggregate.
        gathered as (
            select
                lead_key,
                sum(points) filter (where dimension = 'fit') as fit_points,
                sum(points) filter (where dimension = 'intent') as intent_points,
                min(next_change_at) as next_change_at,
                list_sort(
                    list(
                        {
                            'weight': - abs(points),
                            'rule': {
                                'rule_id':row_id,
                                'dimension':dimension,
                                'points':points,
                                'full_points':full_points,
                                'observed_at':observed_at,
                                'next_change_at':next_change_at,
                                'reason':reason
                            }
                        }
                    ) filter (where dimension is not null)
                ) as rules,
                arg_min(
                    {'id':row_id, 'effect':effect, 'reason':reason}, priority
                ) as exception
            from {{ points }}
            group by lead_key
        ),
        totals as (
            select
                leads.lead_key,
                least(coalesce(gathered.fit_points, 0), caps.fit_cap)::integer
                as fit_points,
                least(coalesce(gathered.intent_points, 0), caps.intent_cap)::integer
                as intent_points,
                [one.rule for one in gathered.rules] as rules,
                [one.rule for one in gathered.rules if one.rule.points <> 0] as giving,
                gathered.exception,
                gathered.next_change_at
            from {{ leads }} as leads
            cross join caps
            left join gathered on leads.lead_key = gathered.lead_key
        )
    select
        totals.lead_key,
        totals.fit_points,
        totals.intent_points,
        bands.icp_score,
        nullif(
            array_to_string(
                [printf('%+d ', one.points) || one.reason for one in totals.giving],
                '; '
            ),
            ''
        ) as score_reasons,
        nullif(
            array_to_string(list_sort([one.rule_id for one in totals.giving]), ','), ''
        ) as matched_rules,
        coalesce(to_json(totals.rules), '[]'::json) as score_rules,
        totals.exception.id as exception_id,
        totals.exception.reason as exception_reason,
        case
            totals.exception.effect
            when 'always_mql'
            then true
            when 'never_mql'
            then false
            else bands.is_mql
        end as is_mql_proposed,
        totals.next_change_at
    from totals
    inner join
        bands
        on totals.fit_points + totals.intent_points
        between bands.min_points and bands.max_points
{%- endmacro %}
