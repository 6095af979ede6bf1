"""Every recorded answer of HubSpot goes through our connector, and nothing of it is lost."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from flows.connectors.hubspot import HubSpot
from flows.errors import VendorError
from tests.flows.connectors.vendor import QUICK, Call, Reply, Vendor
from tests.replay.recordings import (
    Recording,
    files_in,
    load,
    needs_recordings,
    single,
    traffic,
)
from tests.replay.wire import (
    SECRET,
    assert_same_objects,
    http_to,
    losses,
    payloads,
    play,
    same,
    send,
)

pytestmark = needs_recordings

NOW = datetime(2022, 3, 1, tzinfo=UTC)
GROUPAROO, HULL = "hubspot-marketo-grouparoo", "hubspot-hull"
TRAFFIC = {
    "export-contacts/export-record.json.gz": 361,
    "export-contacts/destination-mapping-options.json.gz": 7,
}
# The recorder's own telemetry stands among its traffic: no vendor answered it.
RECORDERS_OWN = "/api/v1/oauth/hubspot/client/refresh"
V1 = "/contacts/v1/contact"
# Hull kept bodies only; address and status are those of the API its client library calls.
HULL_ANSWERS = {
    "get-companies-recent-modified": ("GET", "/companies/v2/companies/recent/modified", 200),
    "get-companies-vids": ("GET", "/companies/v2/companies/184896670/vids", 200),
    "get-contacts-groups": ("GET", "/properties/v1/contacts/groups", 200),
    "get-contacts-recently-updated": ("GET", "/contacts/v1/lists/recently_updated", 200),
    "get-properties-companies-groups": ("GET", "/properties/v1/companies/groups", 200),
    "post-companies": ("POST", "/companies/v2/companies", 200),
    "post-companies-domains-companies": ("POST", "/companies/v2/domains/hull.io/companies", 200),
    "post-companies-nonexisting-property": ("POST", "/companies/v2/companies", 400),
    "post-companies-update-nonexisting-property": ("POST", "/companies/v1/batch-async", 400),
    "post-contact-batch-nonexisting-property": ("POST", f"{V1}/batch/", 400),
}
HULL_PREFIX = "integration__fixtures__"
HULL_EVENTS = "integration__purplefusion__fixtures__events__hubspot-email-events.json"
NO_ANSWERS = {
    f"{HULL}/LICENSE": "a licence",
    f"{HULL}/{HULL_PREFIX}notifier-payloads__outgoing-account-batch-payload-hubspot.json": (
        "what Hull sends to its own connector"
    ),
    f"{GROUPAROO}/LICENSE.txt": "a licence",
    f"{GROUPAROO}/marketo/integration/destination-mapping-options.json.gz": "Marketo, not HubSpot",
    f"{GROUPAROO}/marketo/integration/export-records.json.gz": "Marketo, not HubSpot",
}


def recorded_traffic() -> list[Recording]:
    return [
        recording
        for path in TRAFFIC
        for recording in traffic(GROUPAROO, path)
        if recording.path != RECORDERS_OWN
    ]


def hull_answers() -> list[Recording]:
    found = [
        single(HULL, f"{HULL_PREFIX}{name}.json", *asked) for name, asked in HULL_ANSWERS.items()
    ]
    return [*found, single(HULL, HULL_EVENTS, "GET", "/email/public/v1/events", 200)]


@pytest.fixture
def hubspot(player: Vendor) -> Iterator[HubSpot]:
    connector = HubSpot(
        base_url=player.url,
        token=SECRET,
        requests_per_10s=0,
        searches_per_second=0,
        timeout=5,
        patience=QUICK,
    )
    yield connector
    connector.close()


def stream_of(hubspot: HubSpot, name: str) -> Any:
    return next(stream for stream in hubspot.streams if stream.name == name)


def account(searched: Reply, listed: list[Any]) -> Callable[[Call], Reply]:
    """An account that answers a search as recorded, and lists the same records."""

    def script(call: Call) -> Reply:
        if call.path.endswith("/search"):
            return searched
        if call.method == "POST":
            return Reply({"status": "COMPLETE", "results": []})
        archived = call.query.get("archived") == ["true"]
        return Reply({"results": [] if archived else listed})

    return script


def test_no_recording_is_left_out() -> None:
    on_disk = {f"{name}/{path}" for name in (GROUPAROO, HULL) for path in files_in(name)}
    replayed = {f"{GROUPAROO}/{path}" for path in TRAFFIC}
    replayed |= {f"{HULL}/{HULL_PREFIX}{name}.json" for name in HULL_ANSWERS}
    replayed.add(f"{HULL}/{HULL_EVENTS}")
    assert on_disk == replayed | set(NO_ANSWERS)
    assert {path: len(traffic(GROUPAROO, path)) for path in TRAFFIC} == TRAFFIC
    strangers = [
        recording.path
        for path in TRAFFIC
        for recording in traffic(GROUPAROO, path)
        if recording.path == RECORDERS_OWN
    ]
    assert len(strangers) == 2
    assert len(recorded_traffic()) == 366


def test_every_recorded_answer_comes_through_the_wire_whole(player: Vendor) -> None:
    http = http_to(player, "hubspot")
    recordings = recorded_traffic() + hull_answers()
    lost = losses(player, http, recordings)
    http.close()
    assert lost == []
    assert len(player.calls) == len(recordings) == 377


def test_the_recorded_answers_are_of_every_kind_we_must_understand() -> None:
    kinds = Counter(recording.status for recording in recorded_traffic() + hull_answers())
    assert kinds == {200: 294, 201: 2, 204: 17, 400: 7, 404: 57}, "another set of recordings"


def test_recorded_company_searches_land_one_record_per_company(
    player: Vendor, hubspot: HubSpot
) -> None:
    searches = [r for r in recorded_traffic() if r.path.endswith("/COMPANY/search")]
    companies = stream_of(hubspot, "companies")
    for search in searches:
        player.script = account(play(search), search.body["results"])
        landed = {
            record.key: record
            for page in hubspot.pull(companies, None, NOW)
            for record in page.records
        }
        by_id = {item["id"]: item for item in search.body["results"]}
        assert set(landed) == set(by_id)
        for key, item in by_id.items():
            payload = json.loads(landed[key].payload)
            # Ours may add what search does not give (associations); it may lose nothing.
            assert same({**payload, **item}, payload), f"{search.name}: {key} lost something"
            assert landed[key].version_at == datetime.fromisoformat(
                item["properties"]["hs_lastmodifieddate"]
            )
    assert len(searches) == 18
    assert sum(bool(search.body["results"]) for search in searches) > 10


def test_recorded_email_events_land_one_record_per_event(player: Vendor, hubspot: HubSpot) -> None:
    recording = single(HULL, HULL_EVENTS, "GET", "/email/public/v1/events", 200)
    # One kind is asked for after the other; the recording holds several kinds in one answer.
    player.script = lambda call: (
        play(recording) if call.query.get("eventType") == ["OPEN"] else Reply({"events": []})
    )
    pages = hubspot.pull(stream_of(hubspot, "email_events"), None, NOW)
    assert_same_objects(payloads(pages), recording.body["events"])


def test_recorded_contacts_are_kept_whole_though_most_of_their_keys_are_unknown_to_us(
    player: Vendor, hubspot: HubSpot
) -> None:
    # The contacts of 2017, in the envelope of today's answers: keys, numbers and lists nobody
    # here reads must still land, because the journal keeps what HubSpot said, not what we read.
    old = load(HULL, f"{HULL_PREFIX}get-contacts-recently-updated.json")["contacts"]
    contacts = [{"id": str(contact["vid"]), **contact} for contact in old]
    player.script = account(Reply({"total": len(contacts), "results": contacts}), contacts)
    pages = list(hubspot.pull(stream_of(hubspot, "contacts"), None, NOW))
    landed = {record.key: record for page in pages for record in page.records}
    assert_same_objects([json.loads(r.payload) for r in landed.values()], contacts)
    assert [reject for page in pages for reject in page.rejects] == []


def test_the_days_quota_is_learned_from_the_recorded_headers(
    player: Vendor, hubspot: HubSpot
) -> None:
    # Present where a key of the account was used, absent with OAuth.
    searches = [r for r in recorded_traffic() if r.path.endswith("/COMPANY/search")]
    told = next(r for r in searches if r.header("X-HubSpot-RateLimit-Daily"))
    silent = next(r for r in searches if not r.header("X-HubSpot-RateLimit-Daily"))
    companies = stream_of(hubspot, "companies")
    player.script = lambda call: play(silent)
    list(hubspot.pull(companies, None, NOW))
    assert hubspot.usage is None
    player.script = lambda call: play(told)
    list(hubspot.pull(companies, None, NOW))
    allowed = int(told.header("X-HubSpot-RateLimit-Daily") or 0)
    left = int(told.header("X-HubSpot-RateLimit-Daily-Remaining") or 0)
    assert allowed == 250_000
    assert hubspot.usage == (allowed - left, allowed)


@pytest.mark.parametrize("name", [name for name in HULL_ANSWERS if "nonexisting" in name])
def test_a_recorded_refusal_gives_every_row_its_receipt(
    player: Vendor, hubspot: HubSpot, name: str
) -> None:
    refusal = single(HULL, f"{HULL_PREFIX}{name}.json", *HULL_ANSWERS[name])
    player.script = lambda call: play(refusal)
    rows = [{"id": str(number), "baton_score": number} for number in range(1, 6)]
    receipts = list(hubspot.push("contact", "id", rows))
    assert sorted(receipt.key for receipt in receipts) == ["1", "2", "3", "4", "5"]
    assert {receipt.status for receipt in receipts} == {"rejected"}
    assert all(refusal.body["message"] in (receipt.reason or "") for receipt in receipts)


def test_recorded_refusals_say_which_record_and_hide_its_address(player: Vendor) -> None:
    missing = next(r for r in recorded_traffic() if r.status == 404 and "@" in r.path)
    player.script = lambda call: play(missing)
    http = http_to(player, "hubspot")
    with pytest.raises(VendorError) as caught:
        send(http, missing)
    http.close()
    address = re.search(r"email/([^/]+)/", missing.path)
    assert address is not None
    assert address.group(1) not in str(caught.value)
    assert caught.value.code == "OBJECT_NOT_FOUND"
    assert "does not exist" in str(caught.value)


def test_recorded_search_answers_carry_no_header_of_the_ten_seconds() -> None:
    ten_seconds = re.compile(r"x-hubspot-ratelimit-(max|remaining|interval|secondly)", re.I)
    of_search = [
        name
        for recording in recorded_traffic()
        if recording.path.endswith("/search")
        for name, _ in recording.headers
        if ten_seconds.match(name)
    ]
    assert of_search == []
