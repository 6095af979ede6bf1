-- Both teams agreed on these examples in words; a rule edited later must not part with
-- them in silence. The policy is wrong, or the agreement has to be made again.
with
    examples as (select * from {{ ref("definition_examples") }}),
    verdicts as (select * from {{ ref("definition_verdicts") }}),
    touches as (
        select example_id, unnest(string_split(touches, '|')) as touch
        from examples
        where touches is not null
    ),
    compared as (
        select
            examples.*,
            verdicts.lifecycle_stage,
            verdicts.sla_tier,
            verdicts.routing_rule,
            verdicts.seniority as given_seniority,
            printf(
                'score %d: %s',
                verdicts.icp_score,
                coalesce(verdicts.reasons, 'no points')
            ) as because
        from examples
        inner join verdicts on examples.example_id = verdicts.example_id
    ),
    parted as (
        select
            example_id,
            printf(
                'is %s by the policy (%s), but the example says %s',
                lifecycle_stage,
                because,
                expected_stage
            ) as problem
        from compared
        where lifecycle_stage <> expected_stage
        union all
        select
            example_id,
            printf(
                'gets the tier %s by the policy (%s), but the example says %s',
                coalesce(sla_tier, '(none)'),
                because,
                coalesce(expected_tier, '(none)')
            )
        from compared
        where
            lifecycle_stage = expected_stage and sla_tier is distinct from expected_tier
        union all
        select
            example_id,
            printf(
                'is routed by the rule %s (%s), but the example says %s',
                coalesce(routing_rule, '(none)'),
                because,
                coalesce(expected_rule, '(none)')
            )
        from compared
        where
            lifecycle_stage = expected_stage
            and routing_rule is distinct from expected_rule
        union all
        select
            example_id,
            printf(
                'has the seniority %s by seniorities.csv, but the example says %s',
                coalesce(given_seniority, '(none)'),
                seniority
            )
        from compared
        where given_seniority is distinct from seniority and seniority is not null
        union all
        select
            example_id,
            printf(
                'is %s and expects %s',
                case
                    when is_counter_example then 'a counter-example' else 'an example'
                end,
                expected_stage
            )
        from compared
        where is_counter_example <> (expected_stage = 'lead')
        union all
        select
            example_id, printf('did "%s", which is no touch type with a number', touch)
        from touches
        where
            split_part(touch, ':', 1)
            not in (select touch_type from {{ ref("touch_types") }})
            or coalesce(try_cast(split_part(touch, ':', 2) as integer), 0) < 1
    )
select
    'definition_examples.csv' as file,
    example_id as row_id,
    problem,
    'Take the edit back, or change the example with the people who agreed on it' as cure
from parted
order by example_id, problem
