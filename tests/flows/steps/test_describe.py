"""What changed in a vendor's schema is told once, with the cure, and only where it hits us."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from flows.connectors.base import Connector, Field, Stream
from flows.ledger import Ledger, SchemaEvent
from flows.settings import Settings
from flows.steps.describe import compare, troubles, watch_fields
from flows.steps.extract import open_connector
from flows.warehouse import Warehouse

if TYPE_CHECKING:
    from sandbox.server import Sandbox


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


# Through the vendors' own doors


@pytest.fixture
def box(sandbox_box: Callable[..., Sandbox]) -> Sandbox:
    return sandbox_box(leads=5, golden=False)


def admin(box: Sandbox, path: str, **body: Any) -> None:
    httpx.post(f"{box.control_url}{path}", json=body, timeout=30).raise_for_status()


def connector(box: Sandbox, home: Path, system: str) -> Connector:
    file = home / "sandbox.env"
    file.write_text("".join(f"{name}={value}\n" for name, value in box.env.items()))
    return open_connector(Settings.load(file), system)


PROPERTY, FIELD, PICKLIST = "/hubspot/properties", "/salesforce/fields", "/salesforce/picklists"


@pytest.mark.parametrize(
    ("system", "path", "change", "told", "hits"),
    [
        (
            "hubspot",
            PROPERTY,
            {"action": "add", "name": "budget", "type": "number", "label": "Budget"},
            "contacts.budget new",
            False,
        ),
        (
            "hubspot",
            PROPERTY,
            {"action": "remove", "name": "jobtitle"},
            "contacts.jobtitle vanished",
            True,
        ),
        (
            "hubspot",
            PROPERTY,
            {"action": "rename", "name": "jobtitle", "label": "Function"},
            "contacts.jobtitle relabelled",
            False,
        ),
        (
            "hubspot",
            PROPERTY,
            {"action": "retype", "name": "baton_score", "type": "string"},
            "contacts.baton_score retyped",
            True,
        ),
        (
            "hubspot",
            PROPERTY,
            {"action": "add_option", "name": "hs_lead_status", "value": "NAPPING", "label": "Nap"},
            "contacts.hs_lead_status options changed",
            False,
        ),
        (
            "salesforce",
            FIELD,
            {
                "action": "rename",
                "object": "Lead",
                "field": "baton_trigger__c",
                "to": "trigger_now__c",
            },
            "leads.baton_trigger__c renamed",
            True,
        ),
        (
            "salesforce",
            FIELD,
            {"action": "remove", "object": "Lead", "field": "DisqualificationReason__c"},
            "leads.DisqualificationReason__c vanished",
            True,
        ),
        (
            "salesforce",
            "/salesforce/access",
            {"object": "Lead", "fields": ["baton_score__c"], "level": "read"},
            "leads.baton_score__c became read-only",
            True,
        ),
    ],
)
def test_a_change_an_admin_makes_is_told_by_the_next_run(
    box: Sandbox,
    tmp_path: Path,
    system: str,
    path: str,
    change: dict[str, Any],
    told: str,
    hits: bool,
) -> None:
    with Warehouse(tmp_path / "home") as warehouse:
        warehouse.prepare()
        ledger = Ledger(warehouse)
        ledger.begin(datetime.now(UTC), None)
        seen = connector(box, tmp_path, system)
        assert watch_fields(seen, ledger) == []
        admin(box, path, **change)
        ledger.begin(datetime.now(UTC), None)
        events = watch_fields(seen, ledger)
        seen.close()
    assert [f"{event.address}.{event.field} {event.change}" for event in events] == [
        f"{system}.{told}"
    ]
    assert bool(troubles(events)) is hits


def test_a_value_the_crm_does_not_take_is_one_event_with_its_cure(
    box: Sandbox, tmp_path: Path
) -> None:
    admin(box, PROPERTY, action="remove_option", name="lifecyclestage", value="opportunity")
    contacts = httpx.get(f"{box.control_url}/records/hubspot/contacts").json()["records"][:2]
    rows = {
        one["id"]: {"id": one["id"], "lifecyclestage": "opportunity", "_lead_key": "L1"}
        for one in contacts
    }
    outward = [{"id": row["id"], "lifecyclestage": row["lifecyclestage"]} for row in rows.values()]
    with Warehouse(tmp_path / "home") as warehouse:
        warehouse.prepare()
        ledger = Ledger(warehouse)
        ledger.begin(datetime.now(UTC), None)
        writer = connector(box, tmp_path, "hubspot")
        told = []
        for _ in range(2):
            outcomes = list(writer.push("contact", "id", outward))
            assert {outcome.status for outcome in outcomes} == {"rejected"}
            told.append(ledger.values_refused("hubspot.contact", rows, outcomes))
        writer.close()
        (event,) = warehouse.rows("select * from ledger.ops.schema_events")
    assert told == [1, 0], "a value that is refused in every run is told once"
    assert (event["field"], event["after"]) == ("lifecyclestage", "opportunity")
    assert "policy" in event["cure"]
