"""Contacts, companies, deals and meetings: two doors, one window after the other, nothing lost."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

import pytest

from flows.connectors.base import millis
from flows.connectors.hubspot import HubSpot
from flows.errors import Forbidden, VendorError
from tests.flows.connectors.hubspot_account import (
    NOW,
    Account,
    connect,
    cut_off,
    forbidden,
    hours_ago,
    no_associations,
    pull,
    stream_of,
    thing,
)
from tests.flows.connectors.pages import keys, last_cursor, payloads
from tests.flows.connectors.vendor import QUICK, Call, Reply, Vendor

OBJECTS = ("companies", "contacts", "deals", "meetings")


@pytest.fixture
def searching(vendor: Vendor) -> Iterator[HubSpot]:
    with closing(connect(vendor)) as connector:
        yield connector


@pytest.fixture
def listing(vendor: Vendor) -> Iterator[HubSpot]:
    with closing(connect(vendor, searches=1000)) as connector:
        yield connector


@pytest.fixture(params=["searching", "listing"])
def either(request: pytest.FixtureRequest) -> HubSpot:
    connector: HubSpot = request.getfixturevalue(request.param)
    return connector


# -- which door --


@pytest.mark.parametrize(
    ("name", "requests", "searches", "door"),
    [
        ("contacts", 190, 5, "list"),
        ("contacts", 100, 5, "list"),
        ("contacts", 90, 5, "search"),
        ("contacts", 0, 0, "search"),
        ("contacts", 0, 5, "list"),
        ("companies", 190, 5, "list"),
        ("deals", 190, 5, "search"),  # each page of either costs two calls for associations
        ("deals", 190, 0, "search"),
        ("deals", 190, 3, "list"),
        ("deals", 0, 0, "search"),
    ],
)
def test_a_first_pull_takes_the_door_that_is_faster_under_the_limits(
    vendor: Vendor, name: str, requests: int, searches: int, door: str
) -> None:
    account = vendor.script = Account()
    account.things[name] = [thing(1, hours_ago(3))]
    hubspot = HubSpot(
        base_url=vendor.url,
        token="x",
        requests_per_10s=requests,
        searches_per_second=searches,
        patience=QUICK,
    )
    assert "1" in keys(pull(hubspot, name))
    hubspot.close()
    assert account.doors[0] == door


def test_after_a_list_search_reads_from_the_time_the_list_began(
    listing: HubSpot, vendor: Vendor
) -> None:
    account = vendor.script = Account()
    account.things["contacts"] = [thing(n, hours_ago(n)) for n in range(1, 6)]
    pages = pull(listing, "contacts")
    assert keys(pages) == ["1", "2", "3", "4", "5"]
    assert account.doors == ["list", "list", "list", "search", "archived"]
    assert account.windows == [(millis(NOW) - 300_000, millis(NOW))]
    # What was seen, never "now".
    assert json.loads(last_cursor(pages))["since"] == millis(hours_ago(1))


def test_a_list_that_was_cut_off_keeps_the_time_it_began(listing: HubSpot, vendor: Vendor) -> None:
    account = vendor.script = Account()
    account.things["contacts"] = [thing(n, hours_ago(n)) for n in range(1, 6)]
    landed = cut_off(listing, "contacts", 1)
    # Read already, and changed while nobody was reading.
    later = NOW + timedelta(hours=3)
    account.things["contacts"][0] = thing(1, NOW + timedelta(minutes=5), email="new@acme.example")
    again = pull(listing, "contacts", last_cursor(landed), later)
    assert keys(landed) == ["1", "2"]
    assert keys(again) == ["3", "4", "5", "1"]
    assert account.windows[0] == (millis(NOW) - 300_000, millis(later))


def test_a_second_pull_never_lists(listing: HubSpot, vendor: Vendor) -> None:
    account = vendor.script = Account()
    account.things["contacts"] = [thing(1, hours_ago(1))]
    cursor = last_cursor(pull(listing, "contacts"))
    account.doors.clear()
    pull(listing, "contacts", cursor)
    assert account.doors == ["search"]


@pytest.mark.parametrize("status", [400, 414])
def test_a_list_that_is_refused_is_replaced_by_a_search_of_everything(
    listing: HubSpot, vendor: Vendor, status: int
) -> None:
    account = vendor.script = Account()
    account.things["contacts"] = [thing(n, hours_ago(100 * n)) for n in range(1, 6)]

    def refuse(call: Call) -> Reply | None:
        is_list = call.method == "GET" and call.query.get("archived") == ["false"]
        return Reply({"message": "URI too long"}, status) if is_list else None

    account.before = refuse
    assert keys(pull(listing, "contacts")) == ["1", "2", "3", "4", "5"]
    assert account.windows[0][0] == 1000


def test_an_address_that_would_be_too_long_is_not_tried(vendor: Vendor) -> None:
    account = vendor.script = Account()
    account.things["contacts"] = [thing(1, hours_ago(1))]
    vendor.url += "/a-gateway" + "x" * 3500
    account.before = _without_prefix
    hubspot = connect(vendor, searches=1000)
    pull(hubspot, "contacts")
    hubspot.close()
    assert account.doors == ["search", "archived"]


def _without_prefix(call: Call) -> Reply | None:
    call.path = "/" + call.path.split("/", 2)[2]
    return None


# -- nothing lost, nothing twice --


@pytest.mark.parametrize("name", OBJECTS)
def test_a_pull_cut_off_at_any_page_goes_on_behind_it(
    either: HubSpot, vendor: Vendor, name: str
) -> None:
    account = vendor.script = Account()
    # One stamp for all: no time could tell them apart.
    account.things[name] = [thing(n, hours_ago(1)) for n in range(1, 10)]
    stream = stream_of(name)
    whole = len(list(either.pull(stream, None, NOW)))
    for count in range(1, whole):
        landed = cut_off(either, name, count)
        rest = pull(either, name, last_cursor(landed))
        assert len(keys(landed)) + len(keys(rest)) == 9, count
        assert {*keys(landed), *keys(rest)} == {str(n) for n in range(1, 10)}, count


def test_a_pull_cut_off_at_every_page_still_lands_everything(
    either: HubSpot, vendor: Vendor
) -> None:
    account = vendor.script = Account()
    account.things["contacts"] = [thing(n, hours_ago(1)) for n in range(1, 10)]
    cursor, landed = None, []
    for _ in range(5):
        pages = cut_off(either, "contacts", 1, cursor)
        landed += keys(pages)
        cursor = last_cursor(pages)
    assert landed == [str(n) for n in range(1, 10)]


def test_a_record_that_changes_while_it_is_searched_for_comes_with_the_next_pull(
    either: HubSpot, vendor: Vendor
) -> None:
    account = vendor.script = Account()
    people = account.things["contacts"] = [thing(n, hours_ago(1)) for n in range(1, 8)]
    pages = either.pull(stream_of("contacts"), None, NOW)
    landed = [next(pages)]
    # One that was read and one that was not, both changed behind the reader's "now".
    for number in (1, 7):
        people[number - 1] = thing(number, NOW + timedelta(seconds=2), email="x@acme.example")
    landed += list(pages)
    again = pull(either, "contacts", last_cursor(landed), NOW + timedelta(minutes=2))
    new = {key for key, held in payloads(again).items() if held["properties"].get("email")}
    assert new == {"1", "7"}
    assert {*keys(landed), *keys(again)} == {str(n) for n in range(1, 8)}


def test_a_record_search_shows_an_hour_late_comes_with_the_hourly_pass(
    searching: HubSpot, vendor: Vendor
) -> None:
    account = vendor.script = Account()
    account.things["contacts"] = [thing(1, hours_ago(0.5))]
    cursor = last_cursor(pull(searching, "contacts"))
    # Older than what was seen by more than the look-back, and in the index only now.
    account.things["contacts"].append(thing(2, hours_ago(1)))
    soon, hour = NOW + timedelta(minutes=5), NOW + timedelta(hours=1)
    first = pull(searching, "contacts", cursor, soon)
    assert "2" not in keys(first)
    assert "2" in keys(pull(searching, "contacts", last_cursor(first), hour))


@pytest.mark.parametrize("name", OBJECTS)
def test_each_object_is_searched_by_its_own_stamp(
    searching: HubSpot, vendor: Vendor, name: str
) -> None:
    account = vendor.script = Account()
    account.things[name] = [thing(1, hours_ago(1))]
    account.archived[name] = [thing(2, NOW) | {"archivedAt": "2026-11-19T00:00:00Z"}]
    pages = pull(searching, name)
    assert keys(pages) == ["1", "2"]
    assert [r.is_deleted for page in pages for r in page.records] == [False, True]
    assert pages[0].records[0].version_at == hours_ago(1)


def test_an_object_that_is_not_granted_says_so(either: HubSpot, vendor: Vendor) -> None:
    account = vendor.script = Account()
    account.before = lambda call: forbidden("crm.objects.deals.read")
    with pytest.raises(Forbidden):
        pull(either, "deals")
    account.before = lambda call: Reply({"message": "resource not found"}, 404)
    with pytest.raises(VendorError) as told:
        pull(either, "deals")
    assert told.value.status == 404


def test_what_an_account_need_not_have_is_optional() -> None:
    optional = {stream.name for stream in HubSpot.streams if stream.is_optional}
    assert optional == {
        *("companies", "deals", "meetings"),
        *("page_events", "email_events", "email_campaigns"),
    }
    names = [stream.name for stream in HubSpot.streams]
    assert names.index("companies") < names.index("contacts")


# -- associations --


@pytest.mark.parametrize("name", ["deals", "meetings"])
def test_associations_come_with_the_records(either: HubSpot, vendor: Vendor, name: str) -> None:
    account = vendor.script = Account(page=3)
    account.things[name] = [thing(n, hours_ago(1)) for n in (1, 2, 3)]
    account.links = {("1", "contacts"): [30, 4], ("1", "companies"): [9], ("3", "contacts"): [4]}
    held = payloads(pull(either, name))
    assert held["1"]["associations"] == {"contacts": ["4", "30"], "companies": ["9"]}
    assert held["2"]["associations"] == {"contacts": [], "companies": []}
    assert held["3"]["associations"] == {"contacts": ["4"], "companies": []}
    asked = [call.path for call in vendor.calls if "associations" in call.path]
    assert asked[:2] == [
        f"/crm/associations/2026-09/{name}/contacts/batch/read",
        f"/crm/associations/2026-09/{name}/companies/batch/read",
    ]


def test_contacts_are_not_asked_for_associations(searching: HubSpot, vendor: Vendor) -> None:
    account = vendor.script = Account()
    account.things["contacts"] = [thing(1, hours_ago(1))]
    assert "associations" not in payloads(pull(searching, "contacts"))["1"]
    assert not [call for call in vendor.calls if "associations" in call.path]


def test_companies_that_may_not_be_read_do_not_cost_the_deals(
    searching: HubSpot, vendor: Vendor
) -> None:
    account = vendor.script = Account()
    account.things["deals"] = [thing(n, hours_ago(1)) for n in range(1, 6)]
    account.links = {("1", "contacts"): [4]}
    account.before = lambda call: (
        forbidden("crm.objects.companies.read") if "deals/companies" in call.path else None
    )
    held = payloads(pull(searching, "deals"))
    assert held["1"]["associations"] == {"contacts": ["4"]}
    assert len(held) == 5
    assert len([call for call in vendor.calls if "deals/companies" in call.path]) == 1


def test_associations_beyond_one_answer_are_asked_for(searching: HubSpot, vendor: Vendor) -> None:
    account = vendor.script = Account()
    account.things["deals"] = [thing(1, hours_ago(1))]

    def paged(call: Call) -> Reply | None:
        if "deals/contacts" not in call.path:
            return None
        after = call.json["inputs"][0].get("after")
        row: dict[str, Any] = {"from": {"id": "1"}, "to": [{"toObjectId": 5 if after else 3}]}
        # The same mark again must not turn the page for ever.
        row["paging"] = {"next": {"after": "m"}}
        return Reply({"results": [row]})

    account.before = paged
    assert payloads(pull(searching, "deals"))["1"]["associations"]["contacts"] == ["3", "5"]
    assert len([call for call in vendor.calls if "deals/contacts" in call.path]) == 2


def test_an_association_nobody_could_answer_for_is_left_out_and_is_not_none(
    searching: HubSpot, vendor: Vendor
) -> None:
    account = vendor.script = Account(page=9)
    account.things["deals"] = [thing(n, hours_ago(1)) for n in (1, 2, 3)]
    strange = {"status": "error", "category": "VALIDATION_ERROR", "message": "2 is not a valid ID"}

    def partly(call: Call) -> Reply | None:
        if "deals/contacts" not in call.path:
            return None
        linked = [{"from": {"id": "1"}, "to": [{"toObjectId": 7}]}, "text", {"to": []}]
        return Reply({"results": linked, "errors": [no_associations("3"), strange, "text"]}, 207)

    account.before = partly
    held = payloads(pull(searching, "deals"))
    assert held["1"]["associations"]["contacts"] == ["7"]
    assert "contacts" not in held["2"]["associations"]
    assert held["3"]["associations"]["contacts"] == []


def test_a_broken_record_does_not_stop_a_page_of_deals(searching: HubSpot, vendor: Vendor) -> None:
    account = vendor.script = Account()
    results = [thing(1, hours_ago(1)), "text", {"properties": {}}, None]
    account.before = lambda call: (
        Reply({"results": results}) if call.path.endswith("search") else None
    )
    pages = pull(searching, "deals")
    assert keys(pages) == ["1"]
    assert len(pages[0].rejects) == 3


def test_the_old_paths_of_every_object_are_used_when_the_version_says_so(vendor: Vendor) -> None:
    vendor.replies(Reply({"results": [thing(1, datetime.fromisoformat("2026-01-01T00:00:00Z"))]}))
    hubspot = connect(vendor, api_version="v3")
    list(islice(hubspot.pull(stream_of("deals"), None, NOW), 1))
    hubspot.describe()
    hubspot.close()
    assert [call.path for call in vendor.calls] == [
        "/crm/v3/objects/deals/search",
        "/crm/v4/associations/deals/contacts/batch/read",
        "/crm/v4/associations/deals/companies/batch/read",
        *(f"/crm/v3/properties/{name}" for name in OBJECTS),
    ]
