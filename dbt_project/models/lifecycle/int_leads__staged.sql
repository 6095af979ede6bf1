-- One row per lead: the stage it is in by all we know now, and when it first entered
-- each.
-- depends_on: {{ ref('leads_touched') }}
with
    history as (
        select *
        from {{ ref("lead_stage_history") }} {{ where_touched() }} and is_current
    )
select
    lead_key,
    arg_max(lifecycle_stage, stage_number) filter (
        where not is_passed_over
    ) as lifecycle_stage,
    arg_max(entered_at, stage_number) filter (
        where not is_passed_over
    ) as stage_entered_at,
    {% for stage in ["lead", "mql", "sal", "sql", "opportunity", "customer"] %}
        min(entered_at) filter (
            where lifecycle_stage = '{{ stage }}'
        ) as {{ stage }}_at,
    {% endfor %}
    string_agg(flag, '; ' order by stage_number) as stage_flags
from history
group by lead_key
