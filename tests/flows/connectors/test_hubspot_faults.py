"""HubSpot's quirks that a healthy sandbox does not show, one server script each."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from flows.connectors.base import Page, millis
from flows.connectors.hubspot import HubSpot
from flows.errors import SchemaChanged, VendorError
from tests.flows.connectors.hubspot_account import NOW, pull
from tests.flows.connectors.pages import keys, last_cursor
from tests.flows.connectors.vendor import QUICK, Call, Reply, Vendor

RATE_LIMITED = Reply({"message": "secondly limit", "category": "RATE_LIMITS"}, 429)


def until_it_breaks(pages: Iterator[Page]) -> list[Page]:
    """What was landed before the pull broke off."""
    landed: list[Page] = []
    try:
        for page in pages:
            landed.append(page)
    except VendorError:
        return landed
    raise AssertionError("the pull did not break off")


def contact(number: int, at: datetime, **more: Any) -> dict[str, Any]:
    stamp = at.isoformat().replace("+00:00", "Z")
    properties = {"hs_object_id": str(number), "lastmodifieddate": stamp, "email": None, **more}
    return {"id": str(number), "properties": properties, "updatedAt": stamp, "archived": False}


class Search:
    """A search that filters like HubSpot's, with a page size of its own."""

    def __init__(self, people: list[dict[str, Any]], page: int = 2) -> None:
        self.people, self.page = people, page
        self.windows: list[tuple[int, int]] = []
        self.fail_at: int | None = None

    def __call__(self, call: Call) -> Reply:
        if call.method == "GET":
            return Reply({"results": []})
        filters = {f["propertyName"]: f for f in call.json["filterGroups"][0]["filters"]}
        window, behind = filters["lastmodifieddate"], filters["hs_object_id"]
        low, high = int(window["value"]), int(window["highValue"])
        self.windows.append((low, high))
        if self.fail_at is not None and len(self.windows) == self.fail_at:
            return Reply({"message": "no"}, 400)
        hits = [
            person
            for person in self.people
            if int(person["id"]) > int(behind["value"])
            and low <= millis(datetime.fromisoformat(person["updatedAt"])) <= high
        ]
        hits.sort(key=lambda person: int(person["id"]))
        body: dict[str, Any] = {"total": len(hits), "results": hits[: self.page]}
        if len(hits) > self.page:
            body["paging"] = {"next": {"after": str(self.page)}}
        return Reply(body)


def test_pages_shorter_than_asked_for_are_not_taken_for_the_last(
    hubspot: HubSpot, vendor: Vendor
) -> None:
    vendor.script = Search([contact(n, NOW - timedelta(days=n)) for n in range(1, 8)], page=3)
    assert keys(pull(hubspot, "contacts")) == [str(n) for n in range(1, 8)]


def test_the_cursor_is_what_was_seen_and_the_next_pull_looks_five_minutes_back(
    hubspot: HubSpot, vendor: Vendor
) -> None:
    seen = NOW - timedelta(minutes=30)
    search = Search([contact(1, seen)])
    vendor.script = search
    cursor = last_cursor(pull(hubspot, "contacts"))
    assert json.loads(cursor)["since"] == millis(seen)
    pull(hubspot, "contacts", cursor, NOW + timedelta(minutes=5))
    assert search.windows[-1] == (
        millis(seen - timedelta(minutes=5)),
        millis(NOW + timedelta(minutes=5)),
    )


def test_once_an_hour_the_window_reaches_two_hours_back(hubspot: HubSpot, vendor: Vendor) -> None:
    seen = NOW - timedelta(minutes=30)
    search = Search([contact(1, seen)])
    vendor.script = search
    cursor = last_cursor(pull(hubspot, "contacts"))
    cursor = last_cursor(pull(hubspot, "contacts", cursor, NOW + timedelta(hours=1)))
    assert search.windows[-1][0] == millis(seen - timedelta(hours=2))
    pull(hubspot, "contacts", cursor, NOW + timedelta(minutes=65))
    assert search.windows[-1][0] == millis(seen - timedelta(minutes=5))


def test_an_interrupted_pull_goes_on_inside_its_window_and_then_reads_the_newest(
    hubspot: HubSpot, vendor: Vendor
) -> None:
    search = Search([contact(n, NOW - timedelta(hours=n)) for n in range(1, 7)])
    search.fail_at = 3
    vendor.script = search
    stream = next(s for s in hubspot.streams if s.name == "contacts")
    landed = until_it_breaks(hubspot.pull(stream, None, NOW))
    assert keys(landed) == ["1", "2", "3", "4"]
    search.people.append(contact(9, NOW + timedelta(minutes=3)))
    again = pull(hubspot, "contacts", last_cursor(landed), NOW + timedelta(minutes=5))
    assert keys(again)[:2] == ["5", "6"]
    assert "9" in keys(again)
    assert search.windows[3] == search.windows[0]


def test_a_cursor_beyond_now_reads_again_instead_of_nothing(
    hubspot: HubSpot, vendor: Vendor
) -> None:
    vendor.script = Search([contact(1, NOW - timedelta(minutes=1))])
    far = json.dumps({"since": millis(datetime(2999, 1, 1, tzinfo=UTC)), "deep_at": millis(NOW)})
    assert keys(pull(hubspot, "contacts", far)) == ["1"]


def test_a_page_that_never_ends_is_noticed(hubspot: HubSpot, vendor: Vendor) -> None:
    page = {"results": [{"id": "x"}], "paging": {"next": {"after": "1"}}}
    vendor.replies(Reply(page))
    with pytest.raises(SchemaChanged, match="without a new id"):
        pull(hubspot, "contacts")


def test_an_impossible_date_and_a_broken_record_do_not_stop_the_page(
    hubspot: HubSpot, vendor: Vendor
) -> None:
    good = contact(1, NOW - timedelta(hours=1))
    strange = contact(2, NOW) | {"properties": {"lastmodifieddate": "2026-02-31T00:00:00Z"}}
    nothing = contact(3, NOW) | {"properties": None, "updatedAt": None}
    results = [good, strange, nothing, {"properties": {}}, "text"]
    vendor.script = lambda call: Reply({"results": results if call.method == "POST" else []})
    pages = pull(hubspot, "contacts")
    assert keys(pages) == ["1", "2", "3"]
    assert [r.version_at is None for r in pages[0].records] == [False, True, True]
    assert len(pages[0].rejects) == 2
    assert json.loads(last_cursor(pages))["since"] == millis(NOW - timedelta(hours=1))


def test_archived_contacts_are_landed_as_deleted(hubspot: HubSpot, vendor: Vendor) -> None:
    gone = contact(5, NOW) | {"archived": True, "archivedAt": "2026-11-19T00:00:00Z"}
    vendor.script = lambda call: Reply({"results": [gone] if call.method == "GET" else []})
    record = pull(hubspot, "contacts")[0].records[0]
    assert record.is_deleted
    assert record.version_at == datetime(2026, 11, 19, tzinfo=UTC)


def test_the_old_paths_are_used_when_the_version_says_so(vendor: Vendor) -> None:
    vendor.replies(Reply({"results": []}))
    hubspot = HubSpot(base_url=vendor.url, token="x", api_version="v3", patience=QUICK)
    for name in ("owners", "contacts", "page_events", "form_submissions"):
        pull(hubspot, name)
    list(hubspot.push("contact", "id", [{"id": "1", "baton_score": 7}]))
    hubspot.close()
    assert {call.path for call in vendor.calls} == {
        "/crm/v3/owners",
        "/crm/v3/objects/contacts",
        "/crm/v3/objects/contacts/search",
        "/crm/v3/objects/contacts/batch/update",
        "/events/v3/events",
        "/marketing/v3/forms",
    }


def submission(name: str | None, at: int) -> dict[str, Any]:
    return {"conversionId": name, "submittedAt": at, "values": [{"name": "email", "value": "x"}]}


def forms_script(pages: dict[str, list[list[dict[str, Any]]]]) -> Callable[[Call], Reply]:
    def script(call: Call) -> Reply:
        if call.path.startswith("/marketing/forms"):
            return Reply({"results": [{"id": form} for form in pages]})
        form = call.path.rsplit("/", 1)[1]
        if form == "blog":
            return Reply({"message": "x", "errors": [{"code": "FORM_TYPE_NOT_ALLOWED"}]}, 400)
        at = int(call.query.get("after", ["0"])[0])
        if at >= len(pages[form]):
            return Reply({"message": "broken"}, 400)
        body: dict[str, Any] = {"results": pages[form][at]}
        if at + 1 < len(pages[form]) or form == "broken":
            body["paging"] = {"next": {"after": str(at + 1)}}
        return Reply(body)

    return script


def test_a_form_is_read_back_to_its_own_cursor_and_one_hour_beyond(
    hubspot: HubSpot, vendor: Vendor
) -> None:
    hour = 3_600_000
    top = millis(NOW)
    pages = {
        "busy": [
            [submission("d", top - hour), submission("c", top - 2 * hour)],
            [submission("b", top - 4 * hour), submission("a", top - 9 * hour)],
            [submission("z", 1)],
        ],
        "slow": [[submission(None, top - 90 * hour)]],
        "blog": [],
    }
    vendor.script = forms_script(pages)
    cursor = json.dumps({"forms": {"busy": top - 3 * hour - 1}})
    landed = pull(hubspot, "form_submissions", cursor)
    assert keys(landed)[:3] == ["d", "c", "b"]
    assert keys(landed)[3].startswith("sha256:")
    assert json.loads(last_cursor(landed))["forms"] == {
        "busy": top - hour,
        "slow": top - 90 * hour,
    }
    assert json.loads(landed[0].records[0].payload)["formId"] == "busy"


def test_a_form_that_breaks_off_keeps_its_cursor(hubspot: HubSpot, vendor: Vendor) -> None:
    vendor.script = forms_script({"broken": [[submission("b", 2000)], [submission("a", 1000)]]})
    stream = next(s for s in hubspot.streams if s.name == "form_submissions")
    landed = until_it_breaks(hubspot.pull(stream, None, NOW))
    assert keys(landed) == ["b"]
    assert [page.cursor for page in landed] == [None]


def test_campaigns_are_read_once_and_a_deleted_one_is_no_error(
    hubspot: HubSpot, vendor: Vendor
) -> None:
    def script(call: Call) -> Reply:
        if call.path.endswith("/events"):
            kind = call.query["eventType"][0]
            more = kind == "OPEN" and "offset" not in call.query
            event = {"id": kind, "created": 5000, "emailCampaignId": 1 if more else 2}
            return Reply({"events": [event], "hasMore": more, "offset": "o"})
        return Reply({"id": 1}) if call.path.endswith("/1") else Reply({"message": "gone"}, 404)

    vendor.script = script
    events = pull(hubspot, "email_events")
    assert keys(events) == ["OPEN:5000", "OPEN:5000", "CLICK:5000"]
    assert json.loads(last_cursor(events)) == {"since": 5000}
    campaigns = pull(hubspot, "email_campaigns")
    assert keys(campaigns) == ["1"]
    before = len(vendor.calls)
    assert keys(pull(hubspot, "email_campaigns", last_cursor(campaigns))) == []
    assert len(vendor.calls) == before


def test_campaigns_pulled_alone_find_their_ids_themselves(hubspot: HubSpot, vendor: Vendor) -> None:
    event = {"id": "e", "created": 5000, "emailCampaignId": 7}
    vendor.script = lambda call: (
        Reply({"events": [event], "hasMore": False})
        if call.path.endswith("/events")
        else Reply({"id": 7, "name": "Spring"})
    )
    assert keys(pull(hubspot, "email_campaigns")) == ["7"]


def test_a_throttled_search_is_waited_out(hubspot: HubSpot, vendor: Vendor) -> None:
    vendor.replies(RATE_LIMITED, RATE_LIMITED, Reply({"results": []}))
    assert keys(pull(hubspot, "contacts")) == []
