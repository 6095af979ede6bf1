"""HubSpot as others imitate it: what the documents leave open, and what a small server lacks."""

from __future__ import annotations

import json
from typing import Any

import pytest

from flows.connectors.base import millis
from flows.connectors.hubspot import HubSpot
from flows.errors import Forbidden, SchemaChanged, VendorError
from tests.flows.connectors.hubspot_account import (
    NOW,
    Account,
    connect,
    cut_off,
    hours_ago,
    no_associations,
    prop,
    pull,
    thing,
)
from tests.flows.connectors.pages import keys, last_cursor, payloads
from tests.flows.connectors.vendor import Call, Reply, Vendor

NOT_FOUND = Reply({"status": "error", "message": "resource not found"}, 404)


@pytest.fixture
def account(vendor: Vendor) -> Account:
    held = vendor.script = Account()
    return held


# -- archived --


def test_a_server_that_passes_over_archived_does_not_bury_the_living(
    hubspot: HubSpot, account: Account, vendor: Vendor
) -> None:
    account.things["contacts"] = [thing(n, hours_ago(1)) for n in range(1, 8)]
    account.archived["contacts"] = account.things["contacts"]
    pages = pull(hubspot, "contacts")
    assert [r.key for p in pages for r in p.records if r.is_deleted] == []
    # One page tells it; the other living ones are not listed every hour.
    assert account.doors.count("archived") == 1


def test_a_record_is_gone_when_it_says_so_in_either_way(hubspot: HubSpot, account: Account) -> None:
    silent = {key: value for key, value in thing(2, hours_ago(1)).items() if key != "archived"}
    account.archived["contacts"] = [
        thing(1, hours_ago(1)) | {"archived": True},
        silent,
        silent | {"id": "3", "archivedAt": "2026-11-19T00:00:00Z"},
    ]
    pages = pull(hubspot, "contacts")
    assert [r.key for p in pages for r in p.records if r.is_deleted] == ["1", "3"]


# -- search --


def searched(rows: list[dict[str, Any]], call: Call, size: int, **more: Any) -> Reply:
    """Answer a search with rows in the order given, by id and offset, and say nothing of pages."""
    filters = {f["propertyName"]: f for f in call.json["filterGroups"][0]["filters"]}
    behind = int(filters["hs_object_id"]["value"])
    hits = [row for row in rows if int(row["id"]) > behind]
    offset = int(call.json.get("after", 0))
    return Reply({"total": len(hits), "results": hits[offset : offset + size], **more})


def test_a_short_page_without_paging_is_not_the_last_while_the_total_speaks_of_more(
    hubspot: HubSpot, account: Account
) -> None:
    rows = [thing(n, hours_ago(1)) for n in range(1, 8)]
    account.before = lambda call: searched(rows, call, 3) if call.method == "POST" else None
    assert keys(pull(hubspot, "contacts")) == [str(n) for n in range(1, 8)]


def test_a_total_beyond_what_is_shown_is_asked_for_once_and_believed_no_more(
    hubspot: HubSpot, account: Account, vendor: Vendor
) -> None:
    rows = [thing(1, hours_ago(1))]
    account.before = lambda call: (
        searched(rows, call, 3, total=99) if call.method == "POST" else None
    )
    assert keys(pull(hubspot, "contacts")) == ["1"]
    assert len([call for call in vendor.calls if call.method == "POST"]) == 2


@pytest.mark.parametrize("says_next", [True, False])
def test_rows_out_of_order_are_read_on_by_offset_and_none_is_lost(
    hubspot: HubSpot, account: Account, says_next: bool
) -> None:
    rows = [thing(n, hours_ago(1)) for n in (1, 2, 3, 9, 4, 5, 8, 7, 6)]

    def disordered(call: Call) -> Reply | None:
        if call.method != "POST":
            return None
        reply = searched(rows, call, 3)
        read = int(call.json.get("after", 0)) + 3
        if says_next and read < reply.body["total"]:
            reply.body["paging"] = {"next": {"after": str(read)}}
        return reply

    account.before = disordered
    assert sorted(keys(pull(hubspot, "contacts"))) == [str(n) for n in range(1, 10)]
    # Cut off among them, the next pull begins behind what was in order.
    landed = cut_off(hubspot, "contacts", 2)
    rest = pull(hubspot, "contacts", last_cursor(landed))
    assert {*keys(landed), *keys(rest)} == {str(n) for n in range(1, 10)}


def test_a_disorder_that_turns_in_circles_is_told(hubspot: HubSpot, account: Account) -> None:
    page = {"results": [thing(2, NOW), thing(1, NOW)], "paging": {"next": {"after": "2"}}}
    account.before = lambda call: Reply(page) if call.method == "POST" else None
    with pytest.raises(SchemaChanged, match="the same page again"):
        pull(hubspot, "contacts")


# -- the list door --


@pytest.mark.parametrize("status", [404, 405, 413, 431])
def test_a_server_without_a_list_is_searched(vendor: Vendor, status: int) -> None:
    account = vendor.script = Account()
    account.things["contacts"] = [thing(n, hours_ago(100 * n)) for n in range(1, 6)]
    account.before = lambda call: (
        Reply({"message": "no"}, status) if call.query.get("archived") == ["false"] else None
    )
    hubspot = connect(vendor, searches=1000)
    assert keys(pull(hubspot, "contacts")) == ["1", "2", "3", "4", "5"]
    hubspot.close()


# -- associations and descriptions --


def test_deals_come_without_associations_where_there_are_none_to_ask(
    hubspot: HubSpot, account: Account, vendor: Vendor
) -> None:
    account.things["deals"] = [thing(n, hours_ago(1)) for n in range(1, 6)]
    account.before = lambda call: NOT_FOUND if "associations" in call.path else None
    held = payloads(pull(hubspot, "deals"))
    assert [item["associations"] for item in held.values()] == [{}] * 5
    asked = [call.path for call in vendor.calls if "associations" in call.path]
    assert asked == [
        "/crm/associations/2026-09/deals/contacts/batch/read",
        "/crm/v4/associations/deals/contacts/batch/read",
        "/crm/associations/2026-09/deals/companies/batch/read",
        "/crm/v4/associations/deals/companies/batch/read",
    ]


def test_an_association_in_a_strange_shape_costs_itself_alone(
    hubspot: HubSpot, account: Account
) -> None:
    account.things["deals"] = [thing(1, hours_ago(1))]
    linked = {"from": {"id": 1}, "to": ["text", None, {"toObjectId": 7}]}
    account.before = lambda call: (
        Reply({"results": [linked], "errors": [no_associations("2")]}, 207)
        if "associations" in call.path
        else None
    )
    held = payloads(pull(hubspot, "deals"))
    assert held["1"]["associations"] == {"contacts": ["7"], "companies": ["7"]}


@pytest.mark.parametrize("context", [{"fromObjectId": 2}, {"fromObjectId": "2"}])
def test_a_context_that_names_one_record_without_a_list_is_understood(
    hubspot: HubSpot, account: Account, context: dict[str, Any]
) -> None:
    account.page = 9
    account.things["deals"] = [thing(n, hours_ago(1)) for n in (1, 2)]
    errors = [no_associations("2") | {"context": context}, {"category": "VALIDATION_ERROR"}]
    account.before = lambda call: (
        Reply({"results": [], "errors": errors}, 207) if "associations" in call.path else None
    )
    held = payloads(pull(hubspot, "deals"))
    assert held["1"]["associations"] == {}
    assert held["2"]["associations"] == {"contacts": [], "companies": []}


def test_a_description_without_any_property_says_nothing(
    hubspot: HubSpot, account: Account
) -> None:
    account.properties["contacts"] = []
    account.properties["deals"] = [prop("amount") | {"options": True}]
    found = hubspot.describe()
    assert list(found) == ["companies", "deals", "meetings"]
    assert found["deals"][0].options == ()
    assert hubspot.dropped_fields == {}


# -- interfaces that were not dated --


def test_an_interface_that_is_only_at_its_old_path_is_found_there_once(
    hubspot: HubSpot, vendor: Vendor
) -> None:
    def old_forms(call: Call) -> Reply:
        if call.path == "/marketing/v3/forms":
            return Reply({"results": [{"id": "f"}], "paging": None})
        return NOT_FOUND

    vendor.script = old_forms
    assert keys(pull(hubspot, "forms")) == ["f"]
    assert keys(pull(hubspot, "forms")) == ["f"]
    assert [call.path for call in vendor.calls] == [
        "/marketing/forms/2026-09",
        "/marketing/v3/forms",
        "/marketing/v3/forms",
    ]


@pytest.mark.parametrize(("status", "told"), [(404, 404), (400, 404), (503, 503)])
def test_an_interface_that_is_nowhere_is_told_as_it_was_asked_for(
    hubspot: HubSpot, vendor: Vendor, status: int, told: int
) -> None:
    vendor.script = lambda call: (
        Reply({"message": "x"}, status) if call.path == "/crm/v3/owners" else NOT_FOUND
    )
    for _ in range(2):
        with pytest.raises(VendorError) as error:
            pull(hubspot, "owners")
        assert error.value.status == told
    assert vendor.calls[0].path == "/crm/owners/2026-09"
    assert len({call.path for call in vendor.calls}) == 2


def test_a_server_that_knows_nothing_of_the_account_breaks_nothing(
    hubspot: HubSpot, account: Account
) -> None:
    found = {f.check: f.status for f in hubspot.examine()}
    assert found["hubspot.account"] == found["hubspot.daily_calls"] == "warning"


# -- form submissions --


def submission(number: int, at: int) -> dict[str, Any]:
    return {"conversionId": f"c{number}", "submittedAt": at, "values": []}


def test_a_form_whose_last_page_is_empty_still_moves_its_cursor(
    hubspot: HubSpot, vendor: Vendor
) -> None:
    top = millis(hours_ago(2))

    def script(call: Call) -> Reply:
        if "/marketing/forms/" in call.path:
            return Reply({"results": [{"id": "f"}]})
        if "after" in call.query:
            return Reply({"results": []})
        return Reply({"results": [submission(1, top)], "paging": {"next": {"after": "1"}}})

    vendor.script = script
    pages = pull(hubspot, "form_submissions")
    assert keys(pages) == ["c1"]
    assert json.loads(last_cursor(pages)) == {"forms": {"f": top}}


# -- page views --


def view(number: int, hours: float) -> dict[str, Any]:
    return {"id": f"v{number}", "occurredAt": hours_ago(hours).isoformat()}


def events_script(pages: list[list[dict[str, Any]]]) -> Any:
    def script(call: Call) -> Reply:
        at = int(call.query.get("after", ["0"])[0])
        body: dict[str, Any] = {"results": pages[at]}
        if at + 1 < len(pages):
            body["paging"] = {"next": {"after": str(at + 1)}}
        return Reply(body)

    return script


def test_page_views_newest_first_move_the_cursor_only_at_their_end(
    hubspot: HubSpot, vendor: Vendor
) -> None:
    vendor.script = events_script([[view(4, 1), view(3, 2)], [view(2, 30), view(1, 60)]])
    assert [page.cursor for page in cut_off(hubspot, "page_events", 1)] == [None]
    pages = pull(hubspot, "page_events")
    assert keys(pages) == ["v4", "v3", "v2", "v1"]
    assert [page.cursor is None for page in pages] == [True, True, False]
    assert json.loads(last_cursor(pages)) == {"since": millis(hours_ago(1))}


def test_page_views_in_order_move_it_with_every_page(hubspot: HubSpot, vendor: Vendor) -> None:
    vendor.script = events_script([[view(1, 60), view(2, 60)], [view(3, 2)]])
    (page,) = cut_off(hubspot, "page_events", 1)
    assert json.loads(page.cursor or "") == {"since": millis(hours_ago(60))}


# -- campaigns --


def mail_script(call: Call) -> Reply:
    if not call.path.endswith("/events"):
        return Reply({"id": int(call.path.rsplit("/", 1)[1]), "name": "Spring"})
    start, end = (int(call.query[f"{part}Timestamp"][0]) for part in ("start", "end"))
    events = [
        {"id": f"e{campaign}", "created": at, "emailCampaignId": campaign}
        for campaign, at in ((1, millis(hours_ago(900))), (2, millis(hours_ago(1))))
        if start <= at <= end and call.query["eventType"] == ["OPEN"]
    ]
    return Reply({"events": events, "hasMore": False})


def test_campaigns_of_a_run_that_died_behind_its_events_are_read_by_the_next(
    vendor: Vendor,
) -> None:
    vendor.script = mail_script
    died = connect(vendor)
    cursor = last_cursor(pull(died, "email_events"))
    died.close()
    following = connect(vendor)
    assert keys(pull(following, "email_events", cursor)) == [f"e2:{millis(hours_ago(1))}"]
    campaigns = pull(following, "email_campaigns")
    assert keys(campaigns) == ["1", "2"]
    vendor.calls.clear()
    pull(following, "email_events", cursor)
    assert keys(pull(following, "email_campaigns", last_cursor(campaigns))) == []
    assert len(vendor.calls) == 2
    following.close()


def test_campaigns_of_events_that_are_not_granted_are_not_taken_for_read(
    hubspot: HubSpot, vendor: Vendor
) -> None:
    vendor.replies(Reply({"category": "MISSING_SCOPES", "message": "no"}, 403))
    for name in ("email_events", "email_campaigns"):
        with pytest.raises(Forbidden):
            pull(hubspot, name)
    vendor.script = mail_script
    assert keys(pull(hubspot, "email_campaigns")) == ["1", "2"]
