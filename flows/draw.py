"""The weighted fair draw: which of the reps who may get a lead gets it, so that anyone can redo it.

Every candidate earns the share of a lead that is due to it (its weight over all weights of this
draw) and the one chosen pays one lead. What is earned and not yet paid is the rep's *credit*: one
number per rep, whatever pool a draw is for. Credits are whole numbers of ``1 / ONE_LEAD`` of a
lead, so they add up exactly and survive JSON; over all reps they sum to zero.

Giving each lead to the highest credit is not enough: with three reps of weight 40 and eight of
1 to 13, one of them is then 1.2 leads off. The rule is Tijdeman's for the chairman assignment
problem (Discrete Mathematics 32, 1980, 323-330). With ``k`` candidates a rep may get the lead
when its standing is at least ``1 / (2k - 2)`` of a lead, so nobody is served too early; among
those it goes to the one whose next lead is due first, so nobody is served too late. While reps and
weights stay the same, nobody is ever a whole lead away from the exact share.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from functools import lru_cache
from operator import add
from typing import NamedTuple

# The least common multiple of 1 to 36: equal shares among up to 36 reps are exact, other shares
# are off by less than one part in 10^14 (Tijdeman's bound leaves room for that), and a credit of
# dozens of leads still fits the 53 bits that JSON readers keep.
ONE_LEAD = math.lcm(*range(1, 37))


class Candidate(NamedTuple):
    """A rep who may get the lead; twice the weight means twice the leads. Weight 0 sits out."""

    rep_id: str
    weight: int | float | Fraction


class Draw(NamedTuple):
    """Who gets the lead, and the candidates' credits before and after; nobody else's changed."""

    rep_id: str
    credits_before: dict[str, int]
    credits_after: dict[str, int]


class Standing(NamedTuple):
    """How a candidate stood in one draw; everything in leads, ``due_in`` in draws like this one."""

    rep_id: str
    share: Fraction
    credit_before: Fraction
    standing: Fraction
    enough: Fraction
    due_in: Fraction

    @property
    def is_owed_enough(self) -> bool:
        """Say whether it may be served, or would be served too early."""
        return self.standing >= self.enough


def draw(candidates: Sequence[Candidate], credits: Mapping[str, int]) -> Draw:
    """Give one lead to one of the candidates, by what each has been owed so far.

    Units: credits are whole numbers of ``1 / ONE_LEAD`` leads; a rep not listed has none yet.
    Second run: the same candidates, in any order, and the recorded credits give the same draw.
    Raises: ValueError without a candidate to choose or with a weight or rep that makes no sense.
    """
    rep_ids, weights, shares = _shares(tuple(candidates))
    before = [credits.get(rep_id, 0) for rep_id in rep_ids]
    for credit in before:
        if type(credit) is not int:
            raise TypeError(f"A credit is a whole number of 1/{ONE_LEAD} leads, not {credit!r}.")
    earned = list(map(add, before, shares))
    chosen = _chosen(weights, earned)
    earned[chosen] -= ONE_LEAD
    return Draw(
        rep_ids[chosen],
        dict(zip(rep_ids, before, strict=True)),
        dict(zip(rep_ids, earned, strict=True)),
    )


def draw_batch(
    requests: Iterable[Sequence[Candidate]], credits: Mapping[str, int]
) -> tuple[list[Draw], dict[str, int]]:
    """Draw one lead after another and carry the credits; returns the draws and the credits left."""
    carried = dict(credits)
    draws = []
    for candidates in requests:
        draws.append(draw(candidates, carried))
        carried.update(draws[-1].credits_after)
    return draws, carried


def standings(candidates: Sequence[Candidate], credits: Mapping[str, int]) -> list[Standing]:
    """Lay a draw open: what each candidate was owed, and when its next lead was due.

    The lead goes to the least ``due_in`` among those owed enough; at a tie to the first rep_id.
    Raises: ValueError as ``draw`` does.
    """
    rep_ids, weights, shares = _shares(tuple(candidates))
    count = len(rep_ids)
    enough = Fraction(1, 2 * count - 2) if count > 1 else Fraction(0)
    before = [Fraction(credits.get(rep_id, 0), ONE_LEAD) for rep_id in rep_ids]
    earned = [owed + Fraction(share, ONE_LEAD) for owed, share in zip(before, shares, strict=True)]
    elsewhere = (sum(earned, Fraction(0)) - 1) / count
    return [
        Standing(
            rep_id,
            Fraction(shares[place], ONE_LEAD),
            before[place],
            earned[place] - elsewhere,
            enough,
            (1 - enough - earned[place] + elsewhere) * sum(weights) / weights[place],
        )
        for place, rep_id in enumerate(rep_ids)
    ]


def draws_until(
    rep_id: str, candidates: Sequence[Candidate], credits: Mapping[str, int], most: int = 1000
) -> int | None:
    """Say which of the next draws among the same candidates gives a lead to a rep, from 1.

    None where it is none of the next ``most``.
    """
    carried = dict(credits)
    for number in range(1, most + 1):
        drawn = draw(candidates, carried)
        if drawn.rep_id == rep_id:
            return number
        carried.update(drawn.credits_after)
    return None


def _chosen(weights: Sequence[int], earned: Sequence[int]) -> int:
    """The place of the candidate whose next lead is due first, among those not served too early.

    Standing is what a candidate has earned, less an equal part of what these candidates together
    are owed by, or owe to, reps who are not in this draw: standings sum to exactly one lead, so
    somebody always has enough of one.
    """
    count = len(weights)
    if count == 1:
        return 0
    # Everything is multiplied by count and by 2 * count - 2, so that no division rounds.
    doubled = 2 * count - 2
    scale = count * doubled
    elsewhere = (sum(earned) - ONE_LEAD) * doubled
    enough = count * ONE_LEAD
    full = enough * (doubled - 1)
    best, best_due, best_weight = -1, 0, 1
    for place, credit in enumerate(earned):
        standing = credit * scale - elsewhere
        if standing < enough:
            continue
        # The time until the next lead is due, in draws, is due / weight.
        due = full - standing
        weight = weights[place]
        # Strictly less: at a tie the first rep_id gets the lead.
        if best < 0 or due * best_weight < best_due * weight:
            best, best_due, best_weight = place, due, weight
    return best


@lru_cache(maxsize=4096)
def _shares(
    candidates: tuple[Candidate, ...],
) -> tuple[tuple[str, ...], tuple[int, ...], tuple[int, ...]]:
    """Reps in order of rep_id, their weights as whole numbers, and what each earns per draw."""
    exact = {rep_id: _exact(rep_id, weight) for rep_id, weight in sorted(candidates)}
    if len(exact) < len(candidates):
        raise ValueError("A rep is listed more than once among the candidates of one draw.")
    exact = {rep_id: weight for rep_id, weight in exact.items() if weight}
    if not exact:
        raise ValueError("There is nobody to draw from: no candidate has a weight above zero.")
    scale = math.lcm(*(weight.denominator for weight in exact.values()))
    weights = [int(weight * scale) for weight in exact.values()]
    total = sum(weights)
    shares = [ONE_LEAD * weight // total for weight in weights]
    # What rounding left over, less than one unit per rep, goes to the first ones: the shares have
    # to sum to exactly one lead or the credits would not sum to zero.
    for place in range(ONE_LEAD - sum(shares)):
        shares[place] += 1
    return tuple(exact), tuple(weights), tuple(shares)


def _exact(rep_id: str, weight: int | float | Fraction) -> Fraction:
    """The weight as written: 0.1 is one tenth, not the nearest binary number."""
    try:
        exact = Fraction(str(weight))
    except ValueError:
        exact = Fraction(-1)
    if exact < 0:
        raise ValueError(f"Rep {rep_id} has weight {weight}; a weight is a number from zero up.")
    return exact
