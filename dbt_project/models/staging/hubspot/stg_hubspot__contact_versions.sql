-- One row per version of a HubSpot contact: its stage, its first touch, and when we
-- learned it.
{{ config(unique_key="_seq", touched="self") }}
{%- set stages = [
    "lead",
    "marketingqualifiedlead",
    "salesqualifiedlead",
    "opportunity",
    "customer",
] -%}
{%- set properties = "payload ->> '$.properties." -%}
with
    source as (
        select *
        from {{ source("raw_hubspot", "hubspot__contacts") }}
        {% if is_incremental() %}
            where _seq > (select coalesce(max(_seq), 0) from {{ this }})
        {% endif %}
    ),
    renamed as (
        select
            'hubspot:contact:' || _key as record_key,
            lower(payload ->> '$.properties.lifecyclestage') as lifecycle_stage,
            lower(trim(payload ->> '$.properties.hs_lead_status')) as lead_status,
            -- HubSpot's stamp of the last time each stage was entered; the older name
            -- where an account lacks the newer.
            {% for stage in stages %}
                coalesce(
                    {{ clean_time(properties ~ "hs_v2_date_entered_" ~ stage ~ "'") }},
                    {{
                        clean_time(
                            properties ~ "hs_lifecyclestage_" ~ stage ~ "_date'"
                        )
                    }}
                ) as {{ stage }}_at,
            {% endfor %}
            {{ clean_time(properties ~ "hs_analytics_first_timestamp'") }}
            as first_seen_at,
            coalesce(_version_at, _extracted_at) as version_at,
            _extracted_at as known_at,
            _seq
        from source
    )
select
    record_key,
    lifecycle_stage,
    lead_status,
    case
        lifecycle_stage
        {% for stage in stages %} when '{{ stage }}' then {{ stage }}_at {% endfor %}
    end as stage_entered_at,
    {% for stage in stages %} {{ stage }}_at,{% endfor %}
    first_seen_at,
    version_at,
    known_at,
    _seq
from renamed
