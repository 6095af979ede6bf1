"""The HubSpot connector against the sandbox, at sizes where shortcuts lose records."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

import pytest

from flows.connectors.base import Page
from flows.connectors.hubspot import CUSTOM_FIELDS, HubSpot
from sandbox.server import Sandbox
from tests.flows.connectors.hubspot_account import stream_of
from tests.flows.connectors.pages import last_cursor, payloads

MANY = 12_000


@dataclass
class Place:
    """A sandbox of its own, with a connector for each door."""

    box: Sandbox
    search: HubSpot
    list: HubSpot

    @property
    def now(self) -> datetime:
        return self.box.world.clock.now()

    @property
    def store(self) -> Any:
        return self.box.world.hubspot

    def pull(self, name: str, cursor: str | None = None) -> list[Page]:
        return list(self.search.pull(stream_of(name), cursor, self.now))


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    with Sandbox(leads=50, seed=5, limits=False) as box:
        at = {
            "base_url": box.env["BATON_HUBSPOT_BASE_URL"],
            "token": box.env["BATON_HUBSPOT_TOKEN"],
        }
        # The connector prefers search only where nothing limits it.
        search = HubSpot(**at, requests_per_10s=0, searches_per_second=0)
        listing = HubSpot(**at, requests_per_10s=0, searches_per_second=1000)
        with closing(search), closing(listing):
            yield Place(box, search, listing)


@pytest.fixture(scope="module")
def crowd(place: Place) -> set[str]:
    """More contacts of one modification time than search shows of one question."""
    at = place.now - timedelta(days=3)
    with place.box.world.lock:
        return {
            place.store.create("contacts", {"email": f"p{n}@crowd.example"}, at=at)
            for n in range(MANY)
        }


@pytest.mark.parametrize("door", ["search", "list"])
def test_twelve_thousand_of_one_time_land_once_in_a_pull_cut_off_again_and_again(
    place: Place, crowd: set[str], door: str
) -> None:
    hubspot: HubSpot = getattr(place, door)
    landed: Counter[str] = Counter()
    cursor, size = None, 0
    for _ in range(MANY // 100):
        # Two pages of each, so that every second page is the one a pull is cut off behind.
        pages = hubspot.pull(stream_of("contacts"), cursor, place.now)
        some = list(islice(pages, 2))
        pages.close()  # type: ignore[attr-defined]
        landed.update(r.key for page in some for r in page.records)
        cursor = last_cursor(some) if some else cursor
        if len(some) < 2 or len(landed) == size:
            break
        size = len(landed)
    assert crowd <= set(landed)
    assert {landed[key] for key in crowd} == {1}


def test_nothing_is_lost_behind_a_lagging_index(place: Place) -> None:
    clock, store = place.box.world.clock, place.store
    cursor = last_cursor(place.pull("companies"))
    # Each row waits for a time of its own, so newer ones show before older ones.
    store.index_lag = 3000.0
    seen: set[str] = set()
    made = set()
    for minute in range(30):
        clock.advance(60)
        with place.box.world.lock:
            made.add(store.create("companies", {"name": f"Lag {minute}"}))
        pages = place.pull("companies", cursor)
        cursor, seen = last_cursor(pages), seen | set(payloads(pages))
    assert not made <= seen
    clock.advance(3600)
    seen |= set(payloads(place.pull("companies", cursor)))
    store.index_lag = 1.0
    assert made <= seen


def test_a_merge_shows_in_the_survivor(place: Place) -> None:
    cursor = last_cursor(place.pull("contacts"))
    with place.box.world.lock:
        pair = [place.store.create("contacts", {"email": f"m{n}@acme.example"}) for n in (1, 2)]
        survivor = place.store.merge(*pair)
    place.box.world.clock.advance(5)
    held = payloads(place.pull("contacts", cursor))
    assert set(held[survivor]["properties"]["hs_merged_object_ids"].split(";")) == set(pair)


def test_deals_and_meetings_carry_the_ids_of_whom_they_are_about(place: Place) -> None:
    with place.box.world.lock:
        store = place.store
        person = store.create("contacts", {"email": "buyer@acme.example"})
        firm = store.create("companies", {"name": "Acme", "domain": "acme.example"})
        deal = store.create("deals", {"dealname": "Acme", "amount": "100"})
        lone = store.create("deals", {"dealname": "Nobody's"})
        meeting = store.create("meetings", {"hs_meeting_title": "Call"})
        for name, number in (("deals", deal), ("meetings", meeting)):
            store.associate(name, int(number), "contacts", int(person))
            store.associate(name, int(number), "companies", int(firm))
    place.box.world.clock.advance(5)
    both = {"contacts": [person], "companies": [firm]}
    deals = payloads(place.pull("deals"))
    assert deals[deal]["associations"] == both
    assert deals[lone]["associations"] == {"contacts": [], "companies": []}
    assert payloads(place.pull("meetings"))[meeting]["associations"] == both


def test_the_account_is_described_and_complete(place: Place) -> None:
    described = place.search.describe()
    assert list(described) == ["companies", "contacts", "deals", "meetings"]
    assert place.search.describe() == described
    assert place.search.dropped_fields == {}
    stage = next(f for f in described["contacts"] if f.name == "lifecyclestage")
    assert "marketingqualifiedlead" in stage.options


def test_the_account_is_well(place: Place) -> None:
    assert [f for f in place.search.examine() if f.status != "ok"] == []


def test_nothing_needs_to_be_set_up(place: Place) -> None:
    changes = list(place.search.set_up())
    assert len(changes) == len(CUSTOM_FIELDS)
    assert {change.status for change in changes} == {"present"}


def test_a_step_back_is_answered_with_what_stays(place: Place) -> None:
    with place.box.world.lock:
        key = place.store.create(
            "contacts", {"email": "step@acme.example", "lifecyclestage": "customer"}
        )
    rows = [{"id": key, "lifecyclestage": "lead", "baton_score": 7}]
    (receipt,) = place.search.push("contact", "id", rows)
    assert receipt.status == "accepted"
    assert receipt.returned is not None
    assert receipt.returned["lifecyclestage"] == "customer"
    assert receipt.returned["baton_score"] == "7"


def test_one_option_that_does_not_exist_costs_one_row(place: Place) -> None:
    with place.box.world.lock:
        keys = [place.store.create("contacts", {"email": f"o{n}@acme.example"}) for n in range(9)]
    rows = [{"id": key, "numemployees": "1-5"} for key in keys]
    rows[4]["numemployees"] = "many"
    receipts = {r.key: r for r in place.search.push("contact", "id", rows)}
    assert [k for k, r in receipts.items() if r.status != "accepted"] == [keys[4]]
    assert (receipts[keys[4]].reason or "").startswith("numemployees: many was not one of")
