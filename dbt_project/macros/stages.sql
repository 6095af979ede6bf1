{#
  The stages a lead entered, told from its pieces of evidence in the order in which they are
  said to have happened. One lead is in one stage at a time, so a piece either moves it or not:

  - a way out moves it, unless a record stands for where it is. From there any stage of the funnel
    brings it back, and so does the field that took it out and now names no stage: then it is
    where it was before;
  - a record that names a way out itself (a lost opportunity) stands for nothing any more, and moves
    who stood no higher by it and for whom no other record stands;
  - a higher stage moves it forward;
  - a lower stage moves it back where the field that says so said a higher one before, unless a
    record stands for more. Another system that merely lags moves nothing; neither a fall nor
    what we wrote ourselves brings anybody back from a way out;
  - the first evidence of a stage that moves nothing is kept as a row all the same, passed
    over: it leaves the stage as it enters it.

  Expects a relation `stages_followed`; returns one struct: `moves`, a struct per row of the story,
  and where it ends: `stage`, `since`, whether that is a way out (`is_out`) and when it last left
  the funnel (`left_at`; one that was undone does not count).
#}
{% macro stages_entered(pieces) -%}
    list_reduce(
        list(
            {
                'stage':{{ pieces }}.lifecycle_stage,
                'rank':{{ pieces }}.stage_rank,
                'is_out':{{ pieces }}.is_way_out,
                'has_fallen':{{ pieces }}.has_fallen,
                'is_echo':{{ pieces }}.is_echo,
                'chain':concat_ws(' ', {{ pieces }}.record_key, {{ pieces }}.field),
                'since':null::timestamp,
                'left_at':null::timestamp,
                'left_before':null::timestamp,
                'entered_at':{{ pieces }}.entered_at,
                'evidence':{{ pieces }}.evidence,
                'lets_go':{{ pieces }}.is_way_out and not {{ pieces }}.is_said,
                'holds': case
                    when {{ pieces }}.held_rank > 0
                    then
                        [
                            {
                                'rank':{{ pieces }}.held_rank,
                                'field':{{ pieces }}.field,
                                'words':printf(
                                    '%s since %s (%s)',
                                    {{ pieces }}.lifecycle_stage,
                                    coalesce(
                                        strftime({{ pieces }}.entered_at, '%Y-%m-%d'),
                                        'an unknown day'
                                    ),
                                    {{ pieces }}.evidence
                                )
                            }
                        ]
                    else []::struct(rank integer, field varchar, words varchar)[]
                end,
                'field':{{ pieces }}.field,
                'home':null::varchar,
                'home_rank':-1::integer,
                'moves':[]::struct(
                    lifecycle_stage varchar,
                    entered_at timestamp,
                    evidence varchar,
                    is_passed_over boolean,
                    contradiction varchar
                )[]
            }
            order by {{ pieces }}.place
        ),
        lambda story,
        piece:list_transform(
            {{ holds_standing("story", "piece") }},
            lambda standing:list_transform(
                [
                    case
                        when piece.stage is null
                        then
                            case
                                when story.is_out and story.chain = piece.chain
                                then 'back home'
                                else 'nothing'
                            end
                        when piece.stage is not distinct from story.stage
                        then 'nothing'
                        when
                            piece.lets_go
                            and (standing.rank > 0 or story.rank > standing.rank_let_go)
                        then 'nothing'
                        when piece.is_out and standing.rank > 0
                        then 'contradiction'
                        when piece.is_out
                        then 'move'
                        when
                            piece.rank > story.rank
                            and not (
                                story.is_out
                                and (piece.has_fallen or coalesce(piece.is_echo, false))
                            )
                        then 'move'
                        when
                            piece.has_fallen
                            and not story.is_out
                            and piece.rank < standing.rank
                        then 'contradiction'
                        when piece.has_fallen and not story.is_out
                        then 'move'
                        when
                            list_contains(
                                list_transform(
                                    story.moves, lambda move:move.lifecycle_stage
                                ),
                                piece.stage
                            )
                        then 'nothing'
                        else 'passed over'
                    end
                ],
                lambda what: {
                    'stage': case
                        what
                        when 'move'
                        then piece.stage
                        when 'back home'
                        then coalesce(story.home, 'lead')
                        else story.stage
                    end,
                    'rank': case
                        what
                        when 'move'
                        then piece.rank
                        when 'back home'
                        then greatest(story.home_rank, 1)
                        else story.rank
                    end,
                    'is_out': case
                        what
                        when 'move'
                        then piece.is_out
                        when 'back home'
                        then false
                        else story.is_out
                    end,
                    'has_fallen':false,
                    'is_echo':false,
                    'chain': case
                        what when 'move' then piece.chain else story.chain
                    end,
                    'since': case
                        when what in ('move', 'back home')
                        then piece.entered_at
                        else story.since
                    end,
                    'left_at': case
                        when what = 'move' and piece.is_out
                        then piece.entered_at
                        when what = 'back home'
                        then story.left_before
                        else story.left_at
                    end,
                    'left_before': case
                        when what = 'move' and piece.is_out and not story.is_out
                        then story.left_at
                        else story.left_before
                    end,
                    'entered_at':piece.entered_at,
                    'evidence':piece.evidence,
                    'lets_go':false,
                    'holds':list_concat(standing.holds, piece.holds),
                    'field':piece.field,
                    'home': case
                        when what = 'move' and not piece.is_out
                        then piece.stage
                        else story.home
                    end,
                    'home_rank': case
                        when what = 'move' and not piece.is_out
                        then piece.rank
                        else story.home_rank
                    end,
                    'moves': case
                        when what = 'nothing'
                        then story.moves
                        else
                            list_append(
                                story.moves,
                                {
                                    'lifecycle_stage': case
                                        what
                                        when 'back home'
                                        then coalesce(story.home, 'lead')
                                        else piece.stage
                                    end,
                                    'entered_at':piece.entered_at,
                                    'evidence':piece.evidence,
                                    'is_passed_over':what
                                    in ('passed over', 'contradiction'),
                                    'contradiction': case
                                        what
                                        when 'contradiction'
                                        then
                                            printf(
                                                '%s on %s (%s) is set aside: %s',
                                                piece.stage,
                                                coalesce(
                                                    strftime(
                                                        piece.entered_at, '%Y-%m-%d'
                                                    ),
                                                    'an unknown day'
                                                ),
                                                piece.evidence,
                                                list_filter(
                                                    standing.holds,
                                                    lambda held:held.rank
                                                    = standing.rank
                                                )[1].words
                                            )
                                    end
                                }
                            )
                    end
                }
            )[1]
        )[1],
        {
            'stage':null::varchar,
            'rank':-1::integer,
            'is_out':false,
            'has_fallen':false,
            'is_echo':false,
            'chain':'',
            'since':null::timestamp,
            'left_at':null::timestamp,
            'left_before':null::timestamp,
            'entered_at':null::timestamp,
            'evidence':'',
            'lets_go':false,
            'holds':[]::struct(rank integer, field varchar, words varchar)[],
            'field':'',
            'home':null::varchar,
            'home_rank':-1::integer,
            'moves':[]::struct(
                lifecycle_stage varchar,
                entered_at timestamp,
                evidence varchar,
                is_passed_over boolean,
                contradiction varchar
            )[]
        }
    )
{%- endmacro %}


{#
  Pieces of evidence in the order in which they are said to have happened, with what their stage
  means, for `stages_entered`: `pieces` has the columns of lead_stage_evidence, and one story is told
  of each `story` (a list of its columns).
#}
{% macro stages_followed(pieces, story) %}
    (
        with
            ranked as (
                select
                    pieces.*,
                    coalesce(stages.stage_rank, 0) as stage_rank,
                    coalesce(stages.is_way_out, false) as is_way_out,
                    -- No status undoes what a record stands for.
                    coalesce(
                        case
                            when stages.is_held_by_record and not pieces.is_said
                            then stages.stage_rank
                        end,
                        0
                    ) as held_rank
                from {{ pieces }} as pieces
                left join
                    {{ ref("lifecycle_stages") }} as stages
                    on pieces.lifecycle_stage = stages.lifecycle_stage
            ),
            placed as (
                select
                    *,
                    row_number() over (
                        partition by {{ story | join(", ") }}
                        order by
                            entered_at nulls first,
                            is_way_out,
                            stage_rank,
                            evidence,
                            record_key,
                            field
                    ) as place
                from ranked
            )
        select
            *,
            is_said
            and coalesce(
                stage_rank < lag(stage_rank) over (
                    partition by {{ story | join(", ") }}, record_key, field
                    order by place
                ),
                false
            ) as has_fallen
        from placed
    )
{% endmacro %}


{#
  Our own decisions as evidence for a stage, under the key their lead goes by now: those whose
  run's now is `known` (an operator) the run's now. A decision hangs on the record its lead's key
  was minted for.
#}
{% macro decisions_as_evidence(known) %}
    (
        with
            minted as (
                select lead_key, min(record_key) as record_key
                from {{ source("ops", "lead_keys") }}
                group by lead_key
            )
        select
            coalesce(renamed.lead_key, decisions.lead_key) as lead_key,
            minted.record_key,
            'decision' as field,
            'mql' as lifecycle_stage,
            decisions.mql_at as entered_at,
            decisions.as_of as known_at,
            null::timestamp as retracted_at,
            'source' as known_by,
            false as is_said,
            false as is_echo,
            'decision: ' || decisions.reason as evidence
        from {{ source("ops", "decisions") }} as decisions
        left join minted on decisions.lead_key = minted.lead_key
        left join
            {{ renamed_leads() }} as renamed
            on decisions.lead_key = renamed.recorded_key
        where decisions.mql_at is not null and decisions.as_of {{ known }} {{ as_of() }}
    )
{% endmacro %}


{#
  What records stand for beside a piece: without what it lets go, the most of that, and the most of
  what it let go.
#}
{% macro holds_standing(story, piece) -%}
    list_transform(
        [
            {
                'kept':list_filter(
                    {{ story }}.holds,
                    lambda held: not {{ piece }}.lets_go
                    or held.field <> {{ piece }}.field
                ),
                'let_go':list_filter(
                    {{ story }}.holds,
                    lambda held:{{ piece }}.lets_go and held.field = {{ piece }}.field
                )
            }
        ],
        lambda parts: {
            'holds':parts.kept,
            'rank':coalesce(
                list_max(list_transform(parts.kept, lambda held:held.rank)), 0
            ),
            'rank_let_go':coalesce(
                list_max(list_transform(parts.let_go, lambda held:held.rank)), 0
            )
        }
    )
{%- endmacro %}
