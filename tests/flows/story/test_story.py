"""One person's story is found, told whole, and its draw can be done again by whoever doubts it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from flows.draw import ONE_LEAD
from flows.errors import WarehouseError
from flows.story import read_story, story_lines
from flows.warehouse import Reader, published
from tests.flows.story.one_lead import AVA, BEN, DRAWN, publish


@pytest.mark.parametrize("who", ["jane@acme.example", " JANE@acme.example ", "L1", "l1", "L2"])
def test_a_person_is_found_by_address_by_key_and_by_a_key_merged_away(
    reader: Reader, who: str
) -> None:
    assert read_story(reader, who)["lead_key"] == "L1"


def test_each_value_says_who_is_believed_and_what_was_asked(reader: Reader) -> None:
    told = "\n".join(story_lines(read_story(reader, "L1")))
    assert "company_name     Acme: entered by a person in the CRM (salesforce:lead:2, since" in told
    assert "software: found by clearbit (clearbit:company:acme.example)" in told
    assert "asked clearbit for the company: pending (202), due again 2026-11-22 07:05" in told
    assert "has not agreed to be written to" in told
    assert "is not to be called" in told
    assert "nothing but the name" in "\n".join(story_lines(read_story(reader, "L3")))


@pytest.mark.parametrize("who", ["nobody@acme.example", "L99", "", "%"])
def test_who_is_not_known_is_said_without_the_address(reader: Reader, who: str) -> None:
    with pytest.raises(WarehouseError, match="nobody here") as error:
        read_story(reader, who)
    assert "nobody@" not in str(error.value)


def test_an_address_of_two_leads_lists_both(reader: Reader) -> None:
    with pytest.raises(WarehouseError, match="L4, L5"):
        read_story(reader, "twins@acme.example")


def test_each_rule_shows_the_points_it_gives_now_and_the_points_it_gave_at_first(
    reader: Reader,
) -> None:
    rules = {rule["rule_id"]: rule for rule in read_story(reader, "L1")["score"]["rules"]}
    assert (rules["demo"]["points"], rules["demo"]["full_points"]) == (40, 45)
    assert (rules["size"]["points"], rules["size"]["full_points"]) == (20, 20)


@pytest.mark.parametrize(("came_back", "threshold"), [(True, 7), (False, 6)])
def test_the_score_is_told_by_the_policy_in_force(
    baton_home: Path, came_back: bool, threshold: int
) -> None:
    versions = [("p1", "00:00"), ("p2", "09:00"), ("p1", "10:00")][: 3 if came_back else 2]
    publish(
        baton_home,
        DRAWN.credits_after,
        "insert into ops.policy_versions values ('p2', 'score_bands', "
        """'{"icp_score": 6, "is_mql": true}', timestamp '2026-11-22 09:00')""",
        "create table ops.policies_in_force (policy_version text, as_of timestamp)",
        *(
            f"insert into ops.policies_in_force values ('{version}', '2026-11-22 {time}')"
            for version, time in versions
        ),
    )
    with published(baton_home) as reader:
        assert read_story(reader, "L1")["score"]["threshold"] == threshold


def test_every_candidate_has_a_reason_and_the_draw_adds_up(reader: Reader) -> None:
    given = read_story(reader, "L1")["assignments"][0]
    assert given["owner"] == "Ava Morgan"
    assert [one["why_not"] for one in given["candidates"]] == [None, None, "not in pool west"]
    assert given["draw"]["done_again"] is True
    for rep in given["draw"]["reps"]:
        total = rep["credit_before"] + rep["share"] - rep["pays"]
        assert total == pytest.approx(rep["credit_after"])


def test_a_recorded_draw_that_comes_out_otherwise_is_noticed(baton_home: Path) -> None:
    publish(baton_home, {AVA: 0, BEN: -ONE_LEAD})
    with published(baton_home) as reader:
        story = read_story(reader, "L1")
    assert story["assignments"][0]["draw"]["done_again"] is False
    assert any("ANOTHER ANSWER" in line for line in story_lines(story))


def test_the_due_time_is_told_where_the_owner_is(reader: Reader) -> None:
    given = read_story(reader, "L1")["assignments"][0]
    assert given["due_where_the_owner_is"] == "Mon 23 Nov 11:00 in America/New_York"


@pytest.mark.parametrize(
    ("key", "why"),
    [
        ("L1", None),
        ("L3", "its score of 5 is below the threshold"),
        ("L4", "it waits for its context check (errored)"),
        ("L5", "it waits for somebody who can take it"),
    ],
)
def test_a_lead_that_was_not_handed_over_says_why(
    reader: Reader, key: str, why: str | None
) -> None:
    story = read_story(reader, key)
    assert story["why_no_hand_over"] == why
    assert (f"  not handed over: {why}" in story_lines(story)) is (why is not None)


def test_a_copy_that_does_not_know_why_says_so(baton_home: Path) -> None:
    publish(baton_home, DRAWN.credits_after, "drop table routing.lead_readiness")
    with published(baton_home) as reader:
        assert "run `baton sync`" in read_story(reader, "L3")["why_no_hand_over"]


def test_the_story_is_told_whole_and_in_order(reader: Reader) -> None:
    text = "\n".join(story_lines(read_story(reader, "L1")))
    order = [
        "Jane <jane@acme.example>",
        "salesforce:lead:2",
        "several names on one e-mail address",
        "First touch",
        "sql on 2026-11-01 is before mql",
        "page view: Page 5",
        "page view: Page 19",
        "+40 of +45  asked for a demo [demo, halves every 30 days since 2026-11-22 06:00, "
        "changes next on 2026-11-24 04:00]",
        "marketing ops must mend it: ask for it on the form",
        "handed over: score 8 of 10",
        "Chloe Durand         not in pool west",
        "draw 1, done again just now: the same answer",
        "2.0 h of business hours",
        "Mon 23 Nov 09:00 to 11:00 there: 2.0 h, 2.0 h so far",
        "counted again just now: the same answer",
        "slack.message: accepted as D1",
        "Jane is yours",
        "call by Ava Morgan: First call",
        "30.0 s  form to MAP (slowest)",
    ]
    places = [text.index(words) for words in order]
    assert places == sorted(places)
    assert "Page 4" not in text, "only the last fifteen touches are told"


def test_a_story_is_one_json_object(reader: Reader) -> None:
    assert json.loads(json.dumps(read_story(reader, "L1"), default=str))["lead_key"] == "L1"
