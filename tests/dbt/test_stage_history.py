"""A lead's story holds for any evidence: one stage at every instant, whenever it is asked.

The models are compiled once by dbt and run as they are over invented evidence; what must hold is
computed here from the evidence alone.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.warehouse import Warehouse

pytestmark = pytest.mark.timeout(300)

MODELS = ("int_stages__entered", "lead_stage_history")
RANKS = {"lead": 1, "mql": 2, "sal": 3, "sql": 4, "opportunity": 5, "customer": 6}
OUT = ("recycled", "disqualified")
START = datetime(2026, 1, 1)  # noqa: DTZ001 - the warehouse's times are UTC without a zone
FIELDS = (("h", "lifecycle stage"), ("s", "lead status"), ("t", "lead status"))

Row = dict[str, Any]


@dataclass(frozen=True)
class Piece:
    """One piece of evidence; times are days after ``START``."""

    stage: str | None
    record: str | None
    field: str
    entered: int
    known: int
    retracted: int | None
    is_said: bool
    evidence: str
    is_echo: bool = False


class Models:
    """The models of the history, as dbt compiled them."""

    def __init__(self, warehouse: Warehouse) -> None:
        self.warehouse = warehouse
        compiled = warehouse.dbt("compile", "--select", *MODELS)
        self.sql = {one.node.name: one.node.compiled_code for one in compiled.results}

    def history(self, leads: dict[str, list[Piece]]) -> dict[str, list[Row]]:
        """Return the rows of ``lead_stage_history`` of each lead."""
        rows = [
            (lead, one.record, one.field, one.stage, _day(one.entered), _day(one.known),
             _day(one.retracted), "source", one.is_said, one.is_echo, one.evidence)
            for lead, pieces in leads.items() for one in pieces
        ]  # fmt: skip
        self.warehouse.execute("truncate lifecycle.lead_stage_evidence")
        self.warehouse.connection.executemany(
            "insert into lifecycle.lead_stage_evidence (lead_key, record_key, field, "
            "lifecycle_stage, entered_at, known_at, retracted_at, known_by, is_said, is_echo, "
            "evidence) "
            "values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            rows,
        )
        self.warehouse.execute(
            "create or replace table lifecycle.int_stages__entered as "
            + self.sql["int_stages__entered"]
        )
        found: dict[str, list[Row]] = defaultdict(list)
        for row in self.warehouse.rows(
            f"select * from ({self.sql['lead_stage_history']}) order by lead_key, stage_number"
        ):
            found[row["lead_key"]].append(row)
        return found


def _day(number: int | None) -> datetime | None:
    return None if number is None else START + timedelta(days=number)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Models]:
    with Warehouse(tmp_path_factory.mktemp("home")) as warehouse:
        warehouse.prepare()
        warehouse.dbt("seed", "--select", "lifecycle_stages")
        warehouse.execute("create schema if not exists lifecycle")
        warehouse.execute(
            "create table lifecycle.lead_stage_evidence (lead_key varchar, record_key varchar, "
            "field varchar, lifecycle_stage varchar, entered_at timestamp, known_at timestamp, "
            "retracted_at timestamp, known_by varchar, is_said boolean, is_echo boolean, "
            "evidence varchar)"
        )
        yield Models(warehouse)


@st.composite
def stories(draw: st.DrawFn) -> list[Piece]:
    """A lead first seen on some day, and what else is said of it, known in any order."""
    pieces = [Piece("lead", None, "first seen", draw(st.integers(0, 9)), 0, None, False, "seen")]
    for number in range(draw(st.integers(0, 7))):
        known = draw(st.integers(0, 9))
        stands = draw(st.booleans())
        if stands:
            # A record may also say that what it stood for is lost.
            stage = draw(st.sampled_from(["mql", "sql", "opportunity", "customer", "recycled"]))
            record, field = "c", f"record {draw(st.integers(0, number))}"
        else:
            stage = draw(st.sampled_from([*RANKS, *OUT, None]))
            record, field = draw(st.sampled_from(FIELDS))
        gone = draw(st.one_of(st.none(), st.integers(known + 1, 10))) if stands else None
        entered = draw(st.integers(0, 9))
        echo = not stands and draw(st.booleans())
        pieces.append(
            Piece(stage, record, field, entered, known, gone, not stands, f"piece {number}", echo)
        )
    return pieces


batches = st.lists(stories(), min_size=1, max_size=8)
search = settings(max_examples=25, deadline=None)


def as_known(rows: list[Row], day: int) -> list[Row]:
    at = _day(day)
    assert at is not None
    return [
        row
        for row in rows
        if row["known_at"] <= at and (row["known_until"] is None or row["known_until"] > at)
    ]


def told(rows: list[Row]) -> list[tuple[Any, ...]]:
    """What a story says, without since when we know it."""
    kept = ("stage_number", "lifecycle_stage", "entered_at", "left_at", "evidence", "is_backward",
            "is_passed_over", "flag")  # fmt: skip
    return [tuple(row[name] for name in kept) for row in rows]


@given(batch=batches)
@search
def test_a_lead_is_in_exactly_one_stage_at_every_instant_whenever_it_is_asked(
    models: Models, batch: list[list[Piece]]
) -> None:
    found = models.history({f"l{number}": pieces for number, pieces in enumerate(batch)})
    assert len(found) == len(batch)
    for rows in found.values():
        for day in range(11):
            story = as_known(rows, day)
            entered = [row for row in story if not row["is_passed_over"]]
            assert [row["stage_number"] for row in story] == list(range(1, len(story) + 1))
            assert [row["left_at"] for row in entered] == [
                *(row["entered_at"] for row in entered[1:]),
                None,
            ]
            assert all(
                row["left_at"] is None or row["entered_at"] <= row["left_at"] for row in story
            )
            assert story[0]["entered_at"] == min(row["entered_at"] for row in story)


@given(batch=batches)
@search
def test_no_impossible_order_goes_without_a_flag_that_names_both_pieces(
    models: Models, batch: list[list[Piece]]
) -> None:
    leads = {f"l{number}": pieces for number, pieces in enumerate(batch)}
    for lead, rows in models.history(leads).items():
        for day in range(11):
            believed = [
                one
                for one in leads[lead]
                if one.known <= day and (one.retracted is None or one.retracted > day)
            ]
            first: dict[str, int] = {}
            for one in believed:
                if one.stage in RANKS:
                    first[one.stage] = min(first.get(one.stage, one.entered), one.entered)
            story = as_known(rows, day)
            flags = [row["flag"] for row in story if row["flag"]]
            words = {name: f"{name} on {_day(at):%Y-%m-%d} (" for name, at in first.items()}
            for higher, above in first.items():
                for lower, below in first.items():
                    if RANKS[higher] > RANKS[lower] and above < below:
                        named = [
                            flag for flag in flags if words[higher] in flag and words[lower] in flag
                        ]
                        assert named, (higher, lower, flags)
            # And nobody is flagged whose evidence is in order and uncontradicted.
            if sorted(first, key=RANKS.__getitem__) == sorted(
                first, key=lambda name: (first[name], RANKS[name])
            ):
                assert all("is set aside" in flag for flag in flags), flags


@given(batch=batches, day=st.integers(0, 10))
@search
def test_what_was_known_on_a_day_is_told_by_what_was_known_by_that_day(
    models: Models, batch: list[list[Piece]], day: int
) -> None:
    leads = {}
    for number, pieces in enumerate(batch):
        leads[f"l{number} in full"] = pieces
        leads[f"l{number} by then"] = [
            replace(
                one,
                retracted=one.retracted
                if one.retracted is not None and one.retracted <= day
                else None,
            )
            for one in pieces
            if one.known <= day
        ]
    found = models.history(leads)
    for number in range(len(batch)):
        by_then = [row for row in found[f"l{number} by then"] if row["is_current"]]
        assert told(as_known(found[f"l{number} in full"], day)) == told(by_then)


@given(batch=batches, seed=st.integers(0, 1000))
@search
def test_the_story_is_the_same_for_any_order_of_arrival(
    models: Models, batch: list[list[Piece]], seed: int
) -> None:
    order = random.Random(seed)
    leads = {}
    for number, pieces in enumerate(batch):
        standing = [replace(one, retracted=None) for one in pieces if one.retracted is None]
        again = [replace(one, known=order.randrange(10)) for one in standing]
        order.shuffle(again)
        leads[f"l{number}"], leads[f"l{number} again"] = standing, again
    found = models.history(leads)
    for number in range(len(batch)):
        one, other = (
            [row for row in found[lead] if row["is_current"]]
            for lead in (f"l{number}", f"l{number} again")
        )
        assert told(one) == told(other)


def test_the_history_of_a_lead_with_many_pieces_is_told(models: Models) -> None:
    """Sixty moves between two stages are sixty rows."""
    stages = ("mql", "sql")
    pieces = [
        Piece(stages[number % 2], "h", "lifecycle stage", number, 70, None, True, f"piece {number}")
        for number in range(60)
    ]
    rows = models.history({"busy": pieces})["busy"]
    assert [row["is_backward"] for row in rows] == [False, *[False, True] * 29, False]
