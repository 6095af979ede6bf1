{#
  The stages a lead entered, told from its pieces of evidence in the order in which they are
  said to have happened. One lead is in one stage at a time, so a piece either moves it or not:

  - a way out moves it, unless a record stands for where it is; from there any stage of the
    funnel brings it back, and so does the field that took it out and now names no stage:
    then it is where it was before;
  - a higher stage moves it forward;
  - a lower stage moves it back where the field that says so said a higher one before, unless a
    record stands for more. Another system that merely lags moves nothing;
  - the first evidence of a stage that moves nothing is kept as a row all the same, passed
    over: it leaves the stage as it enters it.

  Expects the columns of int_stages__entered's `followed`; returns a list, one struct per row.
#}
{% macro stages_entered(pieces) -%}
    list_reduce(
        list(
            {
                'stage':{{ pieces }}.lifecycle_stage,
                'rank':{{ pieces }}.stage_rank,
                'is_out':{{ pieces }}.is_way_out,
                'has_fallen':{{ pieces }}.has_fallen,
                'chain':concat_ws(' ', {{ pieces }}.record_key, {{ pieces }}.field),
                'entered_at':{{ pieces }}.entered_at,
                'evidence':{{ pieces }}.evidence,
                'held_rank':{{ pieces }}.held_rank,
                'held_by': case
                    when {{ pieces }}.held_rank > 0
                    then
                        printf(
                            '%s since %s (%s)',
                            {{ pieces }}.lifecycle_stage,
                            coalesce(
                                strftime({{ pieces }}.entered_at, '%Y-%m-%d'),
                                'an unknown day'
                            ),
                            {{ pieces }}.evidence
                        )
                end,
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
                    when piece.is_out and story.held_rank > 0
                    then 'contradiction'
                    when piece.is_out
                    then 'move'
                    when
                        piece.rank > story.rank
                        and not (story.is_out and piece.has_fallen)
                    then 'move'
                    when
                        piece.has_fallen
                        and not story.is_out
                        and piece.rank < story.held_rank
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
                'chain': case what when 'move' then piece.chain else story.chain end,
                'entered_at':piece.entered_at,
                'evidence':piece.evidence,
                'held_rank':greatest(story.held_rank, piece.held_rank),
                'held_by': case
                    when piece.held_rank > story.held_rank
                    then piece.held_by
                    else story.held_by
                end,
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
                                                strftime(piece.entered_at, '%Y-%m-%d'),
                                                'an unknown day'
                                            ),
                                            piece.evidence,
                                            story.held_by
                                        )
                                end
                            }
                        )
                end
            }
        )[1],
        {
            'stage':null::varchar,
            'rank':-1::integer,
            'is_out':false,
            'has_fallen':false,
            'chain':'',
            'entered_at':null::timestamp,
            'evidence':'',
            'held_rank':0::integer,
            'held_by':null::varchar,
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
    ).moves
{%- endmacro %}
