-- One row per lead and piece of evidence in the CRM or the MAP: which stage since when,
-- and from when until when it was believed.
{{ config(access="public") }}
-- depends_on: {{ ref('leads_touched') }}
-- What a field said is never taken back, it is followed by what it says next; what a
-- record stood for is taken back when the record goes.
with
    stated as (
        select *, null::timestamp as retracted_at
        from {{ ref("int_evidence__stated") }} {{ where_touched() }}
    ),
    recorded as (
        select * from {{ ref("int_evidence__recorded") }} {{ where_touched() }}
    ),
    first_seen as (
        select * from {{ ref("int_evidence__first_seen") }} {{ where_touched() }}
    ),
    pieces as (
        select *, true as is_said
        from stated
        union all by name
        select *, false as is_said, false as is_echo
        from recorded
        union all by name
        select *, false as is_said, false as is_echo
        from first_seen
    )
select
    lead_key,
    record_key,
    field,
    -- Where acceptance is no step of its own, who is accepted is qualified.
    case
        when lifecycle_stage = 'sal' and {{ constant("sal_is_used") }} = 'false'
        then 'sql'
        else lifecycle_stage
    end as lifecycle_stage,
    entered_at,
    known_at,
    retracted_at,
    known_by,
    is_said,
    is_echo,
    evidence
from pieces
