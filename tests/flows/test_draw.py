"""The weighted fair draw: exact shares while nothing changes, nothing lost when something does."""

import json
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from flows.draw import ONE_LEAD, Candidate, Draw, draw, draw_batch, draws_until, standings

# Three large reps beside eight small ones: the highest credit alone leaves somebody 1.2 leads off.
UNEVEN = [1, 2, 3, 3, 8, 8, 8, 13, 40, 40, 40]

patient = settings(deadline=None)  # a busy machine is not a failure
whole = st.integers(min_value=1, max_value=500)
written = st.decimals(min_value="0.01", max_value=10, places=2).map(float)
fractions = st.fractions(min_value="1/9", max_value=9, max_denominator=12)
teams = st.lists(st.one_of(whole, written, fractions), min_size=1, max_size=12).map(
    lambda weights: team(*weights)
)


def team(*weights: int | float | Fraction) -> list[Candidate]:
    return [Candidate(f"rep-{number:02}", weight) for number, weight in enumerate(weights)]


def shares_of(candidates: list[Candidate]) -> dict[str, Fraction]:
    weights = {rep_id: Fraction(str(weight)) for rep_id, weight in candidates}
    return {rep_id: weight / sum(weights.values()) for rep_id, weight in weights.items()}


def farthest_from_share(candidates: list[Candidate], leads: int) -> Fraction:
    """The largest distance, after any lead, between what a rep got and its exact share."""
    shares = shares_of(candidates)
    given_to = dict.fromkeys(shares, 0)
    farthest = Fraction(0)
    draws, _ = draw_batch([candidates] * leads, {})
    for count, drawn in enumerate(draws, 1):
        given_to[drawn.rep_id] += 1
        for rep_id, share in shares.items():
            farthest = max(farthest, abs(given_to[rep_id] - count * share))
    return farthest


def highest_credit_first(weights: list[int], leads: int) -> Fraction:
    """The simpler rule this module does not use, and how far it strays."""
    total, credits, farthest = sum(weights), [0] * len(weights), 0
    for _ in range(leads):
        credits = [credit + weight for credit, weight in zip(credits, weights, strict=True)]
        credits[credits.index(max(credits))] -= total
        farthest = max(farthest, *map(abs, credits))
    return Fraction(farthest, total)


@patient
@given(candidates=teams, leads=st.integers(min_value=1, max_value=120))
def test_nobody_is_a_whole_lead_from_the_exact_share_while_nothing_changes(candidates, leads):
    assert farthest_from_share(candidates, leads) < 1


def test_the_share_holds_where_the_highest_credit_alone_would_break_it():
    assert highest_credit_first(UNEVEN, 400) > 1
    assert farthest_from_share(team(*UNEVEN), 400) < 1


@pytest.mark.parametrize("weights", [[1, 999], [1] * 40, [1, 10, 100, 1000], [0.1, 0.2, 0.7]])
def test_extreme_weights_keep_to_the_exact_share(weights):
    assert farthest_from_share(team(*weights), 1200) < 1


@patient
@given(candidates=teams, data=st.data())
def test_with_changing_candidates_credits_are_carried_and_sum_to_zero(candidates, data):
    present = st.lists(st.sampled_from(candidates), min_size=1, unique=True)
    requests = data.draw(st.lists(present, max_size=60))
    carried: dict[str, int] = {}
    draws, left = draw_batch(requests, {})
    for request, drawn in zip(requests, draws, strict=True):
        reps = {candidate.rep_id for candidate in request}
        assert drawn.rep_id in reps
        assert set(drawn.credits_before) == set(drawn.credits_after) == reps
        assert drawn.credits_before == {rep_id: carried.get(rep_id, 0) for rep_id in reps}
        carried |= drawn.credits_after
        assert sum(carried.values()) == 0
    assert left == carried


@patient
@given(candidates=teams, data=st.data())
def test_what_changes_is_the_share_earned_and_the_lead_paid(candidates, data):
    owed = data.draw(
        st.fixed_dictionaries(
            {rep.rep_id: st.integers(-5 * ONE_LEAD, 5 * ONE_LEAD) for rep in candidates}
        )
    )
    drawn = draw(candidates, owed)
    for rep_id, share in shares_of(candidates).items():
        paid = ONE_LEAD if rep_id == drawn.rep_id else 0
        earned = drawn.credits_after[rep_id] - drawn.credits_before[rep_id] + paid
        assert abs(earned - share * ONE_LEAD) < len(candidates)


@patient
@given(candidates=teams, data=st.data())
def test_with_changing_candidates_a_rep_got_what_it_earned_less_what_it_is_owed(candidates, data):
    present = st.lists(st.sampled_from(candidates), min_size=1, unique=True)
    requests = data.draw(st.lists(present, max_size=60))
    draws, left = draw_batch(requests, {})
    for rep in candidates:
        got = sum(drawn.rep_id == rep.rep_id for drawn in draws)
        earned = sum((shares_of(request).get(rep.rep_id, 0) for request in requests), Fraction(0))
        owed = Fraction(left.get(rep.rep_id, 0), ONE_LEAD)
        # Equal but for the rounding of a share, less than one unit per rep and draw.
        assert abs(got + owed - earned) <= Fraction(len(candidates) * len(requests), ONE_LEAD)


@patient
@given(candidates=teams, data=st.data())
def test_a_rep_can_recompute_the_draw_from_what_was_recorded(candidates, data):
    history = data.draw(st.lists(st.sampled_from(candidates).map(lambda one: [one]), max_size=5))
    _, credits = draw_batch([*history, candidates, candidates], {})
    drawn = draw(candidates, credits)
    recorded = json.loads(json.dumps(drawn.credits_before))
    shuffled = data.draw(st.permutations(candidates))
    assert draw(shuffled, recorded) == drawn


@patient
@given(candidates=teams.filter(lambda candidates: len(candidates) > 1), data=st.data())
def test_debts_are_paid_off_once_everybody_is_back(candidates, data):
    present = st.lists(st.sampled_from(candidates), min_size=1, unique=True)
    _, owed = draw_batch(data.draw(st.lists(present, max_size=30)), {})
    smallest = min(shares_of(candidates).values())
    largest_debt = max(map(abs, owed.values()), default=0)
    enough = int((Fraction(largest_debt, ONE_LEAD) + 1) * len(candidates) / smallest)
    assume(enough <= 3_000)  # a rep of one in ten thousand takes ten thousand leads to catch up
    _, settled = draw_batch([candidates] * enough, owed)
    assert all(abs(credit) < ONE_LEAD for credit in settled.values())


@given(candidates=teams, data=st.data())
def test_the_one_owed_enough_whose_lead_is_due_first_gets_it(candidates, data):
    credits = {rep: data.draw(st.integers(-2 * ONE_LEAD, 2 * ONE_LEAD)) for rep, _ in candidates}
    stood = standings(candidates, credits)
    ready = [one for one in stood if one.is_owed_enough or len(stood) == 1]
    first = min(ready, key=lambda one: (one.due_in, one.rep_id))
    assert first.rep_id == draw(candidates, credits).rep_id
    assert sum(one.standing for one in stood) == 1
    assert sum(one.share for one in stood) == 1


def test_when_a_rep_is_next_is_found_by_drawing_on():
    team = [Candidate("ava", 3), Candidate("ben", 1)]
    assert [draws_until(rep, team, {}) for rep in ("ava", "ben")] == [1, 3]
    assert draws_until("ben", team, {"ava": ONE_LEAD, "ben": -ONE_LEAD}, most=3) is None


def test_one_credit_state_serves_overlapping_pools():
    first, second = Candidate("rep-00", 1), Candidate("rep-01", 1)
    draws, _ = draw_batch([[first, second], [first, Candidate("rep-02", 1)]], {})
    # Alone, the second pool would begin with rep-00; but rep-00 has just had a lead from the first.
    assert [drawn.rep_id for drawn in draws] == ["rep-00", "rep-02"]


def test_who_was_away_neither_earns_nor_owes():
    present = team(1, 1)
    _, credits = draw_batch([present] * 7, {"rep-09": 0})
    assert credits["rep-09"] == 0
    everybody = [*present, Candidate("rep-09", 1)]
    draws, _ = draw_batch([everybody] * 6, credits)
    assert [drawn.rep_id for drawn in draws].count("rep-09") == 2


def test_equal_reps_take_turns_and_a_tie_goes_to_the_first_rep_id():
    candidates = [Candidate("b", 1), Candidate("c", 1), Candidate("a", 1)]
    draws, credits = draw_batch([candidates] * 6, {})
    assert [drawn.rep_id for drawn in draws] == ["a", "b", "c"] * 2
    assert credits == {"a": 0, "b": 0, "c": 0}


def test_twice_the_weight_is_twice_the_leads():
    draws, _ = draw_batch([team(200, 100)] * 300, {})
    assert [drawn.rep_id for drawn in draws].count("rep-00") == 200


def test_a_weight_is_read_as_it_is_written():
    assert draw(team(0.1, 0.2), {}) == draw(team(1, 2), {})


def test_a_single_candidate_gets_the_lead_and_owes_nothing():
    assert draw(team(3), {}) == Draw("rep-00", {"rep-00": 0}, {"rep-00": 0})


def test_the_credits_handed_in_are_left_alone():
    credits = {"rep-00": 0, "rep-01": 0}
    drawn = draw(team(1, 1), credits)
    assert credits == {"rep-00": 0, "rep-01": 0}
    assert drawn.credits_after == {"rep-00": -ONE_LEAD // 2, "rep-01": ONE_LEAD // 2}


def test_draws_in_a_batch_go_on_where_the_last_one_stopped():
    draws, _ = draw_batch([team(1, 2, 4)] * 20, {})
    for earlier, later in pairwise(draws):
        assert later.credits_before == earlier.credits_after


def test_a_rep_of_weight_zero_sits_out():
    drawn = draw(team(0, 1), {"rep-00": 5 * ONE_LEAD})
    assert drawn.rep_id == "rep-01"
    assert "rep-00" not in drawn.credits_after


@pytest.mark.parametrize("candidates", [[], team(0, 0)])
def test_a_draw_among_nobody_says_so(candidates):
    with pytest.raises(ValueError, match="nobody to draw from"):
        draw(candidates, {})


@pytest.mark.parametrize("weight", [-1, float("nan"), float("inf")])
def test_a_weight_that_is_no_amount_is_refused(weight):
    with pytest.raises(ValueError, match=f"Rep rep-01 has weight {weight}"):
        draw(team(1, weight), {})


def test_a_rep_listed_twice_is_refused():
    with pytest.raises(ValueError, match="more than once"):
        draw([Candidate("a", 1), Candidate("a", 2)], {})


def test_a_credit_in_leads_instead_of_units_is_refused():
    with pytest.raises(TypeError, match="whole number"):
        draw(team(1, 1), {"rep-00": 0.5})
