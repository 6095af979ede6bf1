-- One row per lead, time at which something became known, and stage of its story as it
-- was known then.
-- depends_on: {{ ref('leads_touched') }}
with
    pieces as (select * from {{ ref("lead_stage_evidence") }} {{ where_touched() }}),
    learned as (
        select lead_key, known_at, known_by = 'source' as is_of_source
        from pieces
        union all
        select lead_key, retracted_at as known_at, false as is_of_source
        from pieces
        where retracted_at is not null
    ),
    instants as (
        select
            lead_key,
            known_at,
            lead(known_at) over story as known_until,
            row_number() over story as story_number,
            case
                when bool_and(is_of_source) then 'source' else 'first landed'
            end as known_by
        from learned
        group by lead_key, known_at
        window story as (partition by lead_key order by known_at)
    ),
    known as (
        select pieces.*, instants.known_at as learned_at
        from instants
        inner join
            pieces
            on instants.lead_key = pieces.lead_key
            and pieces.known_at <= instants.known_at
            and (pieces.retracted_at is null or pieces.retracted_at > instants.known_at)
    ),
    -- What was known at each of these times, in the order in which it is said to have
    -- happened.
    followed as (
        select followed.*
        from {{ stages_followed("known", ["lead_key", "learned_at"]) }} as followed
    ),
    told as (
        select lead_key, learned_at, ({{ stages_entered("followed") }}).moves as moves
        from followed
        group by lead_key, learned_at
    )
select
    told.lead_key,
    told.learned_at as known_at,
    instants.known_until,
    instants.known_by,
    instants.story_number,
    told.stage_number,
    told.move.lifecycle_stage as lifecycle_stage,
    told.move.entered_at as entered_at,
    told.move.evidence as evidence,
    told.move.is_passed_over as is_passed_over,
    told.move.contradiction as contradiction
from
    (
        select
            lead_key,
            learned_at,
            unnest(moves) as move,
            generate_subscripts(moves, 1) as stage_number
        from told
    ) as told
inner join
    instants
    on told.lead_key = instants.lead_key
    and told.learned_at = instants.known_at
