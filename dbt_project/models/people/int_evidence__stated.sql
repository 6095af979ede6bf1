-- One row per lead and piece of evidence a field gives: each move of HubSpot's
-- lifecycle
-- stage and of a lead status, in the order of the versions.
-- depends_on: {{ ref('leads_touched') }}
with
    people as (select * from {{ ref("people") }} {{ where_touched() }}),
    statuses as (select * from {{ ref("lead_statuses") }}),
    stages as (select * from {{ ref("lifecycle_stages") }}),
    contact_versions as (
        select
            people.lead_key,
            versions.*,
            lag(versions.version_at) over (
                partition by versions.record_key
                order by versions.version_at, versions._seq
            ) as version_before
        from {{ ref("stg_hubspot__contact_versions") }} as versions
        inner join people on versions.record_key = people.record_key
    ),
    -- A version says something new unless the one before it said the same and was known
    -- by then.
    hubspot_stages as (
        select
            versions.*,
            stages.lifecycle_stage as our_stage,
            -- HubSpot's own stamp of this very move, where it has one.
            coalesce(
                versions.stage_entered_at <= versions.version_at
                and (
                    versions.version_before is null
                    or versions.stage_entered_at >= versions.version_before
                )
                and versions.stage_entered_at >= greatest(
                    versions.lead_at,
                    versions.marketingqualifiedlead_at,
                    versions.salesqualifiedlead_at,
                    versions.opportunity_at,
                    versions.customer_at
                ),
                false
            ) as is_stamped
        from contact_versions as versions
        inner join stages on versions.lifecycle_stage = stages.hubspot_stage
        window
            story as (
                partition by versions.record_key
                order by versions.version_at, versions._seq
            )
        qualify
            lag(our_stage) over story is distinct from our_stage
            or lag(versions.known_at) over story > versions.known_at
    ),
    -- Stamps tell also of the stages it was in before we first looked.
    hubspot_stamps as (
        {% for stage in [
            "lead",
            "marketingqualifiedlead",
            "salesqualifiedlead",
            "opportunity",
            "customer",
        ] %}
            select
                lead_key,
                record_key,
                '{{ stage }}' as stage,
                {{ stage }}_at as entered_at
            from hubspot_stages
            where {{ stage }}_at <= version_at {{ "union" if not loop.last }}
        {% endfor %}
    ),
    moves_of_stage as (
        select
            stamps.lead_key,
            stamps.record_key,
            stamps.stage,
            stages.lifecycle_stage,
            stamps.entered_at,
            stamps.entered_at as known_at,
            'source' as known_by
        from hubspot_stamps as stamps
        inner join stages on stamps.stage = stages.hubspot_stage
        union all
        select
            lead_key,
            record_key,
            lifecycle_stage as stage,
            our_stage as lifecycle_stage,
            version_at as entered_at,
            known_at,
            'first landed' as known_by
        from hubspot_stages
        where not is_stamped
    ),
    -- What we wrote comes back as the first move to it since then.
    echoes as (
        select moves.record_key, moves.stage, min(moves.entered_at) as entered_at
        from moves_of_stage as moves
        inner join
            {{ source("ops", "receipts") }} as receipts
            on receipts.target = 'hubspot.contact'
            and receipts.status = 'accepted'
            and moves.record_key = 'hubspot:contact:' || receipts.row_key
            and moves.stage = (receipts.sent ->> '$.lifecyclestage')
            and moves.entered_at >= receipts.as_of
        group by moves.record_key, moves.stage, receipts.receipt_seq
    ),
    by_hubspot_stage as (
        select
            moves.lead_key,
            moves.record_key,
            'lifecycle stage' as field,
            moves.lifecycle_stage,
            moves.entered_at,
            moves.known_at,
            moves.known_by,
            (moves.record_key, moves.stage, moves.entered_at)
            in (select (record_key, stage, entered_at) from echoes) as is_echo,
            'HubSpot lifecycle stage ' || moves.stage as evidence
        from moves_of_stage as moves
    ),
    status_versions as (
        select
            lead_key,
            record_key,
            'hubspot' as system,
            'HubSpot lead status ' as words,
            lead_status as status,
            version_at,
            known_at,
            _seq
        from contact_versions
        union all
        select
            people.lead_key,
            versions.record_key,
            'salesforce' as system,
            'Salesforce lead status ' as words,
            versions.status,
            versions.version_at,
            versions.known_at,
            versions._seq
        from {{ ref("stg_salesforce__lead_versions") }} as versions
        inner join people on versions.record_key = people.record_key
    ),
    -- A status that names no stage matters where it ends a way out of the funnel.
    by_status as (
        select
            versions.lead_key,
            versions.record_key,
            'lead status' as field,
            statuses.lifecycle_stage,
            versions.version_at as entered_at,
            versions.known_at,
            'first landed' as known_by,
            false as is_echo,
            versions.words || versions.status as evidence
        from status_versions as versions
        inner join
            statuses
            on versions.system = statuses.system
            and versions.status = statuses.vendor_status
        left join stages on statuses.lifecycle_stage = stages.lifecycle_stage
        window
            story as (
                partition by versions.record_key
                order by versions.version_at, versions._seq
            )
        qualify
            (
                lag(statuses.lifecycle_stage) over story
                is distinct from statuses.lifecycle_stage
                or lag(versions.known_at) over story > versions.known_at
            )
            and (
                statuses.lifecycle_stage is not null
                or lag(stages.is_way_out) over story
            )
    )
select *
from by_hubspot_stage
union all
select *
from by_status
