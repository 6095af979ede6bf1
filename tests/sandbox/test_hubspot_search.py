"""HubSpot's search over real HTTP: filters, pages, caps, and an index that lags."""

from __future__ import annotations

import random
import time
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest

from tests.sandbox.hubspot_portal import CONTACTS, LONG_AGO, NOW, Portal, ms, where


@pytest.fixture
def crowd(portal: Portal) -> dict[str, str]:
    """Four contacts that differ in everything a filter can ask for."""
    rows = {
        "ada": {"country": "Germany", "baton_score": "9", "jobtitle": "VP of Sales"},
        "bob": {"country": "germany", "baton_score": "10", "jobtitle": "Sales Rep"},
        "cy": {"country": "Japan", "baton_score": "2.5"},
        "dee": {"jobtitle": "Head of Marketing"},
    }
    return {
        name: portal.contact(f"{name}@example.com", LONG_AGO + timedelta(minutes=at), **props)
        for at, (name, props) in enumerate(rows.items())
    }


@pytest.mark.parametrize(
    ("filters", "names"),
    [
        ([where("country", "EQ", "GERMANY")], "ada bob"),
        ([where("country", "NEQ", "Germany")], "cy"),
        ([where("country", "IN", values=["germany", "japan"])], "ada bob cy"),
        ([where("country", "IN", values=["Germany"])], ""),
        ([where("country", "NOT_IN", values=["germany"])], "cy"),
        ([where("country", "HAS_PROPERTY")], "ada bob cy"),
        ([where("country", "NOT_HAS_PROPERTY")], "dee"),
        ([where("baton_score", "GT", "9")], "bob"),
        ([where("baton_score", "GTE", 9)], "ada bob"),
        ([where("baton_score", "LT", "9")], "cy"),
        ([where("baton_score", "LTE", "9")], "ada cy"),
        ([where("baton_score", "BETWEEN", "2", highValue="9.5")], "ada cy"),
        ([where("jobtitle", "CONTAINS_TOKEN", "sales")], "ada bob"),
        ([where("jobtitle", "CONTAINS_TOKEN", "mark*")], "dee"),
        ([where("jobtitle", "NOT_CONTAINS_TOKEN", "sales")], "dee"),
        ([where("email", "EQ", "Cy@Example.com")], "cy"),
        ([where("email", "IN", values=["ada@example.com", "dee@example.com"])], "ada dee"),
        ([where("country", "EQ", "germany"), where("baton_score", "GT", "9")], "bob"),
    ],
)
def test_filters_select(
    portal: Portal, crowd: dict[str, str], filters: list[dict], names: str
) -> None:
    assert portal.found(*filters) == [crowd[name] for name in names.split()]


def test_groups_are_alternatives_and_a_query_reads_the_names(
    portal: Portal, crowd: dict[str, str]
) -> None:
    groups = [
        {"filters": [where("country", "EQ", "japan")]},
        {"filters": [where("baton_score", "EQ", "10"), where("country", "HAS_PROPERTY")]},
    ]
    rows = portal.search(filterGroups=groups)["results"]
    assert [row["id"] for row in rows] == [crowd["bob"], crowd["cy"]]
    rows = portal.search(query="DEE@example")["results"]
    assert [row["id"] for row in rows] == [crowd["dee"]]


@pytest.mark.parametrize("direction", ["ASCENDING", "DESCENDING"])
def test_sorts_put_rows_without_the_value_last(
    portal: Portal, crowd: dict[str, str], direction: str
) -> None:
    sorts = [{"propertyName": "baton_score", "direction": direction}]
    pages = [portal.search(sorts=sorts, limit=3, after=after) for after in ("0", "3")]
    order = ["cy", "ada", "bob"]
    if direction == "DESCENDING":
        order.reverse()
    seen = [row["id"] for page in pages for row in page["results"]]
    assert seen == [crowd[name] for name in [*order, "dee"]]
    assert pages[0]["paging"]["next"]["after"] == "3"
    assert "paging" not in pages[1]
    by_id = portal.search(sorts=[{"propertyName": "hs_object_id", "direction": "DESCENDING"}])
    assert [row["id"] for row in by_id["results"]] == sorted(crowd.values(), reverse=True)


def test_the_recommended_keyset_pull_sees_every_row_once(portal: Portal) -> None:
    at = LONG_AGO
    ids = [portal.contact(f"p{n}@example.com", at) for n in range(450)]
    portal.contact("late@example.com", at + timedelta(milliseconds=1))
    seen: list[str] = []
    last = "0"
    while True:
        page = portal.search(
            filterGroups=[
                {
                    "filters": [
                        where("lastmodifieddate", "BETWEEN", ms(at), highValue=ms(at)),
                        where("hs_object_id", "GT", last),
                    ]
                }
            ],
            sorts=[{"propertyName": "hs_object_id", "direction": "ASCENDING"}],
            limit=200,
        )
        assert page["total"] == 450 - len(seen)
        if not page["results"]:
            break
        seen += [row["id"] for row in page["results"]]
        last = seen[-1]
        # A row that leaves the window between two pages must not shift the others.
        portal.store.update("contacts", seen[0], {"city": last})
        portal.store.update("contacts", seen[0], {"city": "x"}, at=at)
    assert seen == ids


def test_only_contacts_answer_to_lastmodifieddate(portal: Portal) -> None:
    portal.contact("ada@example.com")
    portal.store.create("deals", {"dealname": "Big"}, at=LONG_AGO)
    deals = "/crm/objects/2026-09/deals"
    assert portal.search(filterGroups=[since("lastmodifieddate")])["total"] == 1
    assert portal.search(filterGroups=[since("hs_lastmodifieddate")])["total"] == 0
    assert portal.search(deals, filterGroups=[since("hs_lastmodifieddate")])["total"] == 1
    assert portal.search(deals, filterGroups=[since("lastmodifieddate")])["total"] == 0


def since(name: str) -> dict[str, Any]:
    return {"filters": [where(name, "GTE", "2020-01-01T00:00:00Z")]}


def test_offsets_end_at_ten_thousand_while_total_goes_on(portal: Portal) -> None:
    for n in range(10_001):
        portal.contact(f"p{n}@example.com")
    last = portal.search(limit=200, after="9800")
    assert last["total"] == 10_001
    assert last["paging"]["next"]["after"] == "10000"
    beyond = portal.http.post(f"{CONTACTS}/search", json={"limit": 200, "after": "10000"})
    assert beyond.status_code == 400
    assert beyond.json()["category"] == "VALIDATION_ERROR"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"limit": 201}, 400),
        ({"after": "abc"}, 400),
        ({"sorts": ["email", "city"]}, 400),
        ({"filterGroups": [{"filters": [where("no_such", "EQ", "1")]}]}, 400),
        ({"filterGroups": [{"filters": [where("email", "LIKE", "1")]}]}, 400),
        ({"filterGroups": [{"filters": [where("email", "EQ")]}]}, 400),
        ({"filterGroups": [{"filters": [where("baton_score", "BETWEEN", "1")]}]}, 400),
        ({"filterGroups": [{"filters": [where("email", "EQ", "a")]}] * 6}, 400),
        ({"filterGroups": [{"filters": [where("email", "EQ", "a")] * 7}]}, 400),
        ({"filterGroups": "all"}, 400),
        ({"filterGroups": [{"filters": [where("lastmodifieddate", "GTE", "0")]}]}, 500),
    ],
)
def test_a_search_outside_the_documented_limits_is_refused(
    portal: Portal, body: dict[str, Any], status: int
) -> None:
    assert portal.http.post(f"{CONTACTS}/search", json=body).status_code == status


def test_search_lags_behind_writes_and_shows_the_old_state_meanwhile(portal: Portal) -> None:
    held = portal.contact("old@example.com", city="Bonn")
    portal.store.index_lag = 0.3
    portal.http.patch(f"{CONTACTS}/{held}", json={"properties": {"city": "Rome"}})
    portal.http.post(CONTACTS, json={"properties": {"email": "new@example.com"}})
    assert (
        portal.http.get(f"{CONTACTS}/{held}?properties=city").json()["properties"]["city"] == "Rome"
    )
    rows = portal.search(properties=["city"])["results"]
    assert [row["properties"]["city"] for row in rows] == ["Bonn"]
    assert portal.found(where("city", "EQ", "Rome")) == []
    time.sleep(0.35)
    assert portal.found(where("city", "EQ", "Rome")) == [held]
    assert len(portal.found()) == 2


def test_advancing_the_sandbox_clock_ends_the_lag(portal: Portal) -> None:
    portal.store.index_lag = 60.0
    portal.http.post(CONTACTS, json={"properties": {"email": "new@example.com"}})
    assert portal.found() == []
    portal.clock.advance(61)
    assert len(portal.found()) == 1


def test_the_moving_index_answers_like_a_full_scan(portal: Portal) -> None:
    store, clock, rng = portal.store, portal.clock, random.Random(3)
    store.index_lag, clock.frozen = 5.0, True
    contacts = store.collection("contacts")
    low, high = ms(LONG_AGO), ms(NOW + timedelta(days=1))
    group = {
        "filters": [
            where("lastmodifieddate", "BETWEEN", low, highValue=high),
            where("city", "EQ", "Bonn"),
        ]
    }
    ids = [portal.contact() for _ in range(20)]
    for step in range(800):
        at = rng.choice([None, LONG_AGO + timedelta(seconds=rng.randrange(-500, 500))])
        action = rng.randrange(10)
        if action < 3:
            ids.append(store.create("contacts", {"city": rng.choice(["Bonn", "Rome"])}, at=at))
        elif action < 7:
            store.update("contacts", rng.choice(ids), {"city": rng.choice(["Bonn", ""])}, at=at)
        elif action == 7:
            store.archive("contacts", ids.pop(rng.randrange(len(ids))))
        elif action == 8:
            first, second = (ids.pop(rng.randrange(len(ids))) for _ in range(2))
            ids.append(store.merge(first, second))
        else:
            clock.advance(rng.choice([1, 10]))
        if step % 5 == 0:
            contacts.index.search({"filterGroups": [group]})  # keeps the cached answer alive
    clock.advance(10)
    expected = [
        str(id)
        for id in contacts.ids()
        if contacts.records[id].props.get("city") == "Bonn"
        and int(low) <= contacts.records[id].modified <= int(high)
    ]
    assert expected
    assert portal.found(*group["filters"]) == expected[:200]


# -- size ------------------------------------------------------------------------------------------


def test_pages_of_many_contacts_go_on_behind_each_other_while_they_are_written(
    portal: Portal,
) -> None:
    for n in range(5_000):
        portal.contact(f"p{n}@example.com", LONG_AGO + timedelta(seconds=n % 977))
    index = portal.store.collection("contacts").index

    def page(after: int) -> int:
        body = {
            "filterGroups": [
                {
                    "filters": [
                        where("lastmodifieddate", "BETWEEN", "1000", highValue=ms(NOW)),
                        where("hs_object_id", "GT", str(after)),
                    ]
                }
            ],
            "sorts": [{"propertyName": "hs_object_id", "direction": "ASCENDING"}],
            "limit": 200,
        }
        return index.search(body)[1][-1].id

    pages = [page(0)]
    for _ in range(20):
        # The write between two pages must not make the next page start over.
        portal.store.update("contacts", str(pages[-1]), {"city": "Bonn"}, at=LONG_AGO)
        pages.append(page(pages[-1]))
    assert [later - earlier for earlier, later in pairwise(pages)] == [200] * 20


# -- what is fresh ---------------------------------------------------------------------------------


def test_while_replicas_disagree_a_newer_row_may_be_there_before_an_older_one(
    portal: Portal,
) -> None:
    portal.store.index_lag = 100
    ids = [
        portal.contact(f"p{n}@example.com", at=NOW + timedelta(milliseconds=n)) for n in range(40)
    ]
    portal.clock.advance(50)
    seen = {row["id"] for row in portal.search(limit=200)["results"]}
    assert 0 < len(seen) < 40
    last_seen = max(ids.index(id) for id in seen)
    assert any(id not in seen for id in ids[:last_seen]), "an older row is still missing"
    portal.clock.advance(51)
    assert len(portal.search(limit=200)["results"]) == 40


def test_the_newest_rows_do_not_stand_in_the_order_of_their_time(portal: Portal) -> None:
    portal.store.index_lag = 60
    for n in range(40):
        portal.contact(f"p{n}@example.com", at=NOW + timedelta(seconds=n))
    portal.clock.advance(60)
    by_time = {"sorts": [{"propertyName": "lastmodifieddate", "direction": "ASCENDING"}]}

    def times() -> list[str]:
        return [row["updatedAt"] for row in portal.search(limit=200, **by_time)["results"]]

    assert sorted(times()) != times()
    portal.clock.advance(120)
    assert sorted(times()) == times()
    assert len(times()) == 40


def test_a_mass_update_leaves_thousands_on_one_millisecond(portal: Portal) -> None:
    for n in range(12_000):
        portal.contact(f"p{n}@example.com", LONG_AGO)
    assert portal.store.touch_many("contacts", 11_000, LONG_AGO + timedelta(days=1)) == 11_000
    stamp = where("lastmodifieddate", "EQ", ms(LONG_AGO + timedelta(days=1)))
    seen: list[str] = []
    while True:
        last = where("hs_object_id", "GT", seen[-1] if seen else "0")
        page = portal.search(
            filterGroups=[{"filters": [stamp, last]}],
            sorts=[{"propertyName": "hs_object_id", "direction": "ASCENDING"}],
            limit=200,
        )["results"]
        if not page:
            break
        seen += [row["id"] for row in page]
    assert len(seen) == len(set(seen)) == 11_000


def test_a_pull_in_order_of_time_is_the_same_with_and_without_a_second_filter(
    portal: Portal,
) -> None:
    for n in range(300):
        portal.contact(f"p{n}@example.com", LONG_AGO + timedelta(seconds=n * 7919 % 97), city="X")
    window = [
        where("lastmodifieddate", "GT", ms(LONG_AGO)),
        where("lastmodifieddate", "LTE", ms(LONG_AGO + timedelta(seconds=60))),
    ]
    between = where(
        "lastmodifieddate", "BETWEEN", ms(LONG_AGO), highValue=ms(LONG_AGO + timedelta(seconds=60))
    )
    everywhere = where("city", "HAS_PROPERTY")

    def pull(*filters: dict[str, Any]) -> list[str]:
        body = {
            "filterGroups": [{"filters": list(filters)}],
            "sorts": [{"propertyName": "lastmodifieddate", "direction": "ASCENDING"}],
            "limit": 70,
        }
        first = portal.search(**body)
        rows = first["results"]
        while len(rows) < first["total"]:
            rows += portal.search(**body, after=str(len(rows)))["results"]
        return [row["id"] for row in rows]

    assert pull(between) == pull(between, everywhere)
    assert pull(*window) == pull(*window, everywhere)
    assert pull(window[0]) == pull(window[0], everywhere)
    assert set(pull(between)) > set(pull(*window))
    portal.store.update("contacts", "1001", {"city": "Y"}, at=LONG_AGO + timedelta(seconds=30))
    assert pull(between) == pull(between, everywhere)
