"""What changed in a vendor's schema is told once, with the cure, and only where it hits us."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from flows.connectors.base import Field, Stream
from flows.ledger import Ledger
from flows.steps.describe import SchemaEvent, compare, troubles, watch_fields
from flows.warehouse import Warehouse


def field(name: str, kind: str = "string", label: str = "", *options: str) -> Field:
    return Field(name, kind, label or name.title(), options)


def changes(before: list[Field], now: list[Field], *ours: str) -> dict[str, SchemaEvent]:
    events = compare(
        "hubspot.contacts",
        {one.name: one for one in before},
        {one.name: one for one in now},
        ours,
    )
    return {f"{event.field} {event.change}": event for event in events}


@pytest.mark.parametrize(
    ("before", "now", "told", "hits"),
    [
        ([], [field("budget")], "budget new", False),
        ([field("country")], [], "country vanished", True),
        ([field("budget")], [], "budget vanished", False),
        (
            [field("country", label="Land")],
            [field("country_code", label="Land")],
            "country renamed",
            True,
        ),
        (
            [field("country", label="Land")],
            [field("country", label="State")],
            "country relabelled",
            False,
        ),
        ([field("country")], [field("country", "number")], "country retyped", True),
        (
            [field("country", "enumeration", "Land", "de", "at")],
            [field("country", "enumeration", "Land", "de", "ch")],
            "country options changed",
            False,
        ),
    ],
)
def test_each_kind_of_change_is_told_with_its_cure(
    before: list[Field], now: list[Field], told: str, hits: bool
) -> None:
    events = changes(before, now, "country")
    assert list(events) == [told]
    assert events[told].needs_a_person is hits
    assert events[told].cure
    assert bool(troubles(list(events.values()))) is hits


def test_two_fields_of_one_label_are_not_taken_for_each_other() -> None:
    events = changes(
        [field("country", label="Land")],
        [field("country_a", label="Land"), field("country_b", label="Land")],
        "country",
    )
    assert set(events) == {"country vanished", "country_a new", "country_b new"}


def test_a_baton_field_that_may_no_longer_be_written_needs_a_person() -> None:
    before = Field("baton_score", "number", "Score")
    after = Field("baton_score", "number", "Score", is_writable=False)
    event = changes([before], [after], "baton_score")["baton_score became read-only"]
    assert event.needs_a_person
    assert "right to edit" in event.cure


def test_many_fields_that_go_at_once_are_one_sentence() -> None:
    names = [f"field_{number}" for number in range(9)]
    events = changes([field(name) for name in names], [], *names)
    (sentence,) = troubles(list(events.values()))
    assert "field_0" in sentence
    assert "and 4 more" in sentence


class Described:
    """A system that describes itself the way the test says."""

    system = "hubspot"
    streams = (Stream("contacts", fields=("country",)),)

    def __init__(self, *fields: Field) -> None:
        self.fields = list(fields)

    def describe(self) -> dict[str, list[Field]]:
        return {"contacts": self.fields}


def test_a_change_is_told_in_one_run_and_known_in_the_next(tmp_path: Path) -> None:
    system = Described(field("country"), field("status", "enumeration", "Status", "NEW"))
    now = datetime(2026, 1, 5, tzinfo=UTC)

    def run() -> list[str]:
        nonlocal now
        now += timedelta(minutes=5)
        ledger = Ledger(warehouse)
        ledger.begin(now, None)
        return [f"{event.field} {event.change}" for event in watch_fields(system, ledger)]

    with Warehouse(tmp_path) as warehouse:
        warehouse.prepare()
        assert run() == [], "the first description is where we start from"
        assert run() == []
        system.fields = [field("status", "enumeration", "Status", "NEW", "OPEN")]
        assert run() == ["country vanished", "status options changed"]
        assert run() == []
        system.fields.append(field("country"))
        assert run() == ["country new"]
        assert run() == []
        kept = warehouse.rows(
            "select field, change, cure from ledger.ops.schema_events order by as_of"
        )
        assert [(row["field"], row["change"]) for row in kept] == [
            ("country", "vanished"),
            ("status", "options changed"),
            ("country", "new"),
        ]
