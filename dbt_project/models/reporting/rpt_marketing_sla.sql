-- One row per form, campaign or source: how many of its leads went over with complete
-- context, and which field is at fault most.
with
    handovers as (select * from {{ ref("rpt_marketing_clock") }}),
    origins as (
        {%- for kind in ["form", "campaign", "source"] %}
            select
                '{{ kind }}' as kind,
                {{ kind }} as origin,
                decision_key,
                is_attained,
                fields_at_fault
            from handovers {{ "union all" if not loop.last }}
        {%- endfor %}
    ),
    faults as (
        select kind, origin, field, count(*) as leads
        from
            (
                select
                    kind, origin, unnest(string_split(fields_at_fault, ', ')) as field
                from origins
                where not is_attained
            )
        group by kind, origin, field
    ),
    worst as (
        select
            kind,
            origin,
            string_agg(field || ' ' || leads, ', ' order by leads desc, field) as faults
        from faults
        group by kind, origin
    )
select
    origins.kind,
    origins.origin,
    count(*) as handovers,
    count(*) filter (where origins.is_attained) as attained,
    round(
        100.0 * count(*) filter (where origins.is_attained) / count(*), 1
    ) as attained_percent,
    any_value(worst.faults) as fields_at_fault
from origins
left join worst on origins.kind = worst.kind and origins.origin = worst.origin
group by origins.kind, origins.origin
