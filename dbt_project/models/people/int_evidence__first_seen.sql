-- One row per lead and piece of evidence of when it was first seen: its first record,
-- and each touch before that which a version of a contact tells of.
-- depends_on: {{ ref('leads_touched') }}
with
    records as (
        select * from {{ ref("int_leads__records_described") }} {{ where_touched() }}
    ),
    created as (
        select
            lead_key,
            coalesce(arg_min(record_key, created_at), min(record_key)) as record_key,
            min(created_at) as entered_at
        from records
        group by lead_key
    ),
    -- A touch is known from when the version landed that tells of it.
    told as (
        select
            records.lead_key,
            versions.record_key,
            versions.first_seen_at,
            versions.known_at,
            versions._seq
        from records
        inner join
            {{ ref("stg_hubspot__contact_versions") }} as versions
            on records.record_key = versions.record_key
        qualify
            lag(versions.first_seen_at) over (
                partition by versions.record_key order by versions._seq
            )
            is distinct from versions.first_seen_at
    ),
    touches as (
        select
            *,
            lead(known_at) over (partition by record_key order by _seq) as retracted_at
        from told
    )
select
    lead_key,
    record_key,
    'first seen' as field,
    'lead' as lifecycle_stage,
    entered_at,
    coalesce(entered_at, timestamp '1970-01-01') as known_at,
    null::timestamp as retracted_at,
    'source' as known_by,
    'first seen' as evidence
from created
union all
select
    touches.lead_key,
    touches.record_key,
    'first seen' as field,
    'lead' as lifecycle_stage,
    touches.first_seen_at as entered_at,
    touches.known_at,
    touches.retracted_at,
    'first landed' as known_by,
    'first seen' as evidence
from touches
inner join created on touches.lead_key = created.lead_key
where
    touches.first_seen_at < created.entered_at
    and (touches.retracted_at is null or touches.retracted_at > touches.known_at)
