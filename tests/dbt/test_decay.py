"""Points change in the second that was promised: the macros against exact arithmetic."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal, localcontext

import duckdb
import jinja2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.house import DBT

pytestmark = pytest.mark.timeout(60)

DAY = 86_400
TEXT = (DBT / "macros" / "scoring.sql").read_text(encoding="utf-8")
MACROS = jinja2.Environment().from_string(TEXT).module

# One fact: what a rule gives, its half-life in days, and how many seconds ago the touch was.
Fact = tuple[int, int, int]

points = st.integers(min_value=-100, max_value=100).filter(bool)
half_lives = st.integers(min_value=1, max_value=400)
ages = st.one_of(
    st.integers(min_value=0, max_value=3 * DAY),
    st.integers(min_value=0, max_value=2_000 * DAY),
    # Whole half-lives are where decayed points lie exactly between two numbers.
    st.integers(min_value=0, max_value=9).map(lambda days: days * 30 * DAY),
)
facts = st.lists(st.tuples(points, half_lives, ages), min_size=1, max_size=200)


def exactly(full_points: int, half_life_days: int, age: int) -> int:
    """Points by fifty digits, halves away from zero, as a person would round them."""
    with localcontext(prec=50):
        left = Decimal(full_points) * Decimal(2) ** (-Decimal(age) / (half_life_days * DAY))
        return int(left.quantize(Decimal(1), rounding=ROUND_HALF_UP))


def first_other(full_points: int, half_life_days: int, age: int) -> int | None:
    """The first second after ``age`` with other points, looked for and not worked out."""
    now = exactly(full_points, half_life_days, age)
    if now == 0:
        return None
    low, high = age, age + 1
    while exactly(full_points, half_life_days, high) == now:
        low, high = high, high * 2
    while high - low > 1:
        middle = (low + high) // 2
        if exactly(full_points, half_life_days, middle) == now:
            low = middle
        else:
            high = middle
    return high


def by_the_macros(given_facts: list[Fact]) -> list[tuple[int, int | None]]:
    """Points now and the age at which they change, of many facts in one query."""
    decayed = MACROS.decayed_points("full_points", "half_life", "age")
    changes = MACROS.age_of_next_change("points", "full_points", "half_life")
    with duckdb.connect() as connection:
        connection.execute(
            "create table facts (number integer, full_points integer, half_life bigint, age bigint)"
        )
        connection.executemany(
            "insert into facts values (?, ?, ?, ?)",
            [
                (number, full_points, days * DAY, age)
                for number, (full_points, days, age) in enumerate(given_facts)
            ],
        )
        return connection.execute(
            f"select points, case when points <> 0 then {changes} end "
            f"from (select *, {decayed} as points from facts) order by number"
        ).fetchall()


@settings(deadline=None, max_examples=25)
@given(facts)
def test_points_and_their_next_change_are_those_of_exact_arithmetic(given_facts):
    expected = [(exactly(*fact), first_other(*fact)) for fact in given_facts]
    assert by_the_macros(given_facts) == expected


def test_a_change_that_falls_on_a_whole_second_is_not_a_second_off() -> None:
    # Of 45 points 22.5 are left after one half-life: 23 in that second, 22 in the next.
    found = [(odd, days, 0) for days in (1, 7, 14, 30, 60, 365) for odd in range(1, 100, 2)]
    found += [(-full, days, days * DAY - 1) for full, days, _ in found]
    found += [(full, days, days * DAY) for full, days, _ in found]
    expected = [(exactly(*fact), first_other(*fact)) for fact in found]
    assert by_the_macros(found) == expected
