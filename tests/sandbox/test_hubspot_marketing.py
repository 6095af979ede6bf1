"""Forms, submissions, page events and e-mail events of HubSpot over real HTTP."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import httpx
import pytest

from tests.sandbox.hubspot_portal import CONTACTS, FORM, LONG_AGO, NOW, PORTAL, Portal, ms

# -- forms and submissions -------------------------------------------------------------------------


def test_forms_are_listed_without_captured_ones_unless_asked(portal: Portal) -> None:
    portal.store.add_form("c" * 8, "Captured", "captured", LONG_AGO)
    path = "/marketing/forms/2026-09"
    assert [f["id"] for f in portal.http.get(path).json()["results"]] == [FORM]
    both = portal.http.get(f"{path}?formTypes=hubspot&formTypes=captured").json()
    assert len(both["results"]) == 2


def test_submissions_come_newest_first_fifty_at_most(portal: Portal) -> None:
    ids = [
        portal.store.submit(
            FORM,
            {"email": f"p{n}@example.com"},
            page_url="https://www.lumenfold.example/demo",
            at=LONG_AGO + timedelta(minutes=n),
        )
        for n in range(60)
    ]
    path = f"/form-integrations/v1/submissions/forms/{FORM}"
    first = portal.http.get(path, params={"limit": 50}).json()
    mark = first["paging"]["next"]["after"]
    rest = portal.http.get(path, params={"limit": 50, "after": mark}).json()
    seen = [row["conversionId"] for row in first["results"] + rest["results"]]
    assert seen == ids[::-1]
    assert "paging" not in rest
    assert len(portal.http.get(path).json()["results"]) == 20
    assert portal.http.get(path, params={"limit": 51}).status_code == 400
    assert first["results"][0]["values"] == [
        {"name": "email", "value": "p59@example.com", "objectTypeId": "0-1"}
    ]


def test_a_submission_updates_the_contact_it_names(portal: Portal) -> None:
    id = portal.contact("ada@example.com", city="Bonn")
    url = "https://www.lumenfold.example/resources/sales-handoff-checklist"
    values = {"email": "ADA@example.com", "jobtitle": "CEO", "unknown_field": "x"}
    portal.store.submit(FORM, values, page_url=url, at=NOW)
    props = portal.store.get("contacts", id)["properties"]
    assert props["jobtitle"] == "CEO"
    assert props["recent_conversion_event_name"] == "Sales Handoff Checklist: Request a demo"
    assert props["recent_conversion_date"] == "2026-11-02T09:00:00Z"
    assert props["num_conversion_events"] == "1"
    portal.store.submit(FORM, {"email": "x@example.com"}, page_url=url, touch_contact=False)
    assert portal.http.get(f"{CONTACTS}/x@example.com?idProperty=email").status_code == 404
    assert portal.store.effects == [], "what people do is not a change made over the API"


def test_nonsense_times_are_kept_and_sink_to_the_end(portal: Portal) -> None:
    good = portal.store.submit(FORM, {"email": "a@example.com"}, page_url="/demo", at=NOW)
    for at in (datetime(1970, 1, 1, tzinfo=UTC), datetime(1969, 12, 31, tzinfo=UTC)):
        portal.store.submit(FORM, {"lastname": "x" * 40_000}, page_url="/demo", at=at)
    rows = portal.http.get(f"/form-integrations/v1/submissions/forms/{FORM}").json()["results"]
    assert [row["submittedAt"] for row in rows][1:] == [0, -86_400_000]
    assert rows[0]["conversionId"] == good


def test_the_public_form_endpoint_needs_no_token(portal: Portal) -> None:
    path = f"{portal.http.base_url}/submissions/v3/integration/submit/{PORTAL}/{FORM}"
    fields = [{"objectTypeId": "0-1", "name": "email", "value": "New@Example.com"}]
    body = {"fields": fields, "context": {"pageUri": "/demo", "pageName": "Book a demo"}}
    assert httpx.post(path, json=body).status_code == 200
    contact = portal.store.find("contacts", "new@example.com", "email")
    assert contact is not None
    assert contact.props["recent_conversion_event_name"] == "Book a demo: Request a demo"
    fields[0]["value"] = "nobody"
    refused = httpx.post(path, json=body)
    assert refused.status_code == 400
    assert refused.json()["errors"][0]["errorType"] == "INVALID_EMAIL"


# -- events ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/events/v3/events", "/events/event-occurrences/2026-09"])
def test_page_events_page_in_both_orders_within_inclusive_bounds(portal: Portal, path: str) -> None:
    id = portal.contact("ada@example.com")
    # Recorded out of order: events of the past arrive late.
    made = {
        n: portal.store.add_page_event(
            id, "https://www.lumenfold.example/pricing", "Pricing", at=LONG_AGO + timedelta(hours=n)
        )
        for n in (3, 1, 0, 2, 4)
    }
    query = {
        "eventType": "e_visited_page",
        "occurredAfter": (LONG_AGO + timedelta(hours=1)).isoformat(),
        "occurredBefore": (LONG_AGO + timedelta(hours=4)).isoformat(),
        "limit": 3,
    }
    for sort, expected in (("occurredAt", [1, 2, 3, 4]), ("-occurredAt", [4, 3, 2, 1])):
        page = portal.http.get(path, params={**query, "sort": sort}).json()
        mark = page["paging"]["next"]["after"]
        rest = portal.http.get(path, params={**query, "sort": sort, "after": mark}).json()
        seen = [row["id"] for row in page["results"] + rest["results"]]
        assert seen == [made[n] for n in expected]
        assert "paging" not in rest
    row = page["results"][0]
    assert (row["objectType"], row["objectId"], row["eventType"]) == (
        "CONTACT", id, "e_visited_page"
    )  # fmt: skip
    assert row["properties"]["hs_utm_campaign"] == ""


def test_events_need_a_type_or_an_object_and_a_sane_limit(portal: Portal) -> None:
    path = "/events/v3/events"
    assert portal.http.get(path).status_code == 400
    assert portal.http.get(path, params={"eventType": "x", "limit": 101}).status_code == 400
    assert portal.http.get(path, params={"eventType": "x", "after": "%%"}).status_code == 400
    types = portal.http.get(f"{path}/event-types").json()["eventTypes"]
    assert "e_visited_page" in types


def test_an_impossible_event_time_is_served_as_it_is(portal: Portal) -> None:
    id = portal.contact("ada@example.com")
    portal.store.add_page_event(id, "/pricing", "P", at="0202-13-45T99:00:00Z")
    rows = portal.http.get("/events/v3/events?eventType=e_visited_page").json()["results"]
    assert rows[0]["occurredAt"] == "0202-13-45T99:00:00Z"


def test_email_events_page_by_offset_with_inclusive_bounds(portal: Portal) -> None:
    portal.store.add_campaign(4711, "Autumn", "Fix the handoff")
    for n in range(5):
        portal.store.add_email_event(
            "CLICK" if n % 2 else "OPEN",
            "Ada@example.com",
            at=LONG_AGO + timedelta(hours=n),
            campaign_id=4711,
            filtered=n == 0,
        )
    path = "/email/public/v1/events"
    query = {"startTimestamp": ms(LONG_AGO), "endTimestamp": ms(LONG_AGO + timedelta(hours=4))}
    seen, offset = [], None
    while True:
        page = portal.http.get(
            path, params=query | {"limit": "2"} | ({"offset": offset} if offset else {})
        ).json()
        seen += page["events"]
        offset = page["offset"]
        if not page["hasMore"]:
            break
    assert len({(event["id"], event["created"]) for event in seen}) == 5
    assert {event["recipient"] for event in seen} == {"ada@example.com"}
    assert [event["filteredEvent"] for event in seen].count(True) == 1
    clicks = portal.http.get(path, params=query | {"eventType": "CLICK"}).json()["events"]
    assert [event["type"] for event in clicks] == ["CLICK", "CLICK"]
    theirs = portal.http.get(path, params=query | {"recipient": "other@example.com"}).json()
    assert theirs["events"] == []
    assert portal.http.get(path, params={"limit": 1001}).status_code == 400
    campaign = portal.http.get("/email/public/v1/campaigns/4711").json()
    assert (campaign["name"], campaign["subject"]) == ("Autumn", "Fix the handoff")
    assert portal.http.get("/email/public/v1/campaigns/1").status_code == 404
