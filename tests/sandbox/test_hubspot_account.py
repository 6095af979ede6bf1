"""The HubSpot account over real HTTP: credentials, limits, owners, definitions, lists."""

from __future__ import annotations

import time
from typing import Any

import httpx
import pytest

from sandbox.clock import Clock
from sandbox.hubspot import HubSpotStore, Limits
from tests.sandbox.hubspot_portal import CONTACTS, FORM, NOW, PORTAL, Portal

# -- limits ----------------------------------------------------------------------------------------


def test_ordinary_calls_are_limited_per_ten_seconds_with_headers(portal: Portal) -> None:
    portal.store.limits = Limits(per_ten_seconds=2)
    first = portal.http.get(CONTACTS)
    assert first.headers["X-HubSpot-RateLimit-Max"] == "2"
    assert first.headers["X-HubSpot-RateLimit-Remaining"] == "1"
    portal.http.get(CONTACTS)
    refused = portal.http.get(CONTACTS)
    assert refused.status_code == 429
    assert refused.json()["policyName"] == "TEN_SECONDLY_ROLLING"
    assert "retry-after" not in refused.headers


def test_search_is_limited_per_second_and_shows_the_daily_headers_only(portal: Portal) -> None:
    portal.store.limits = Limits(searches_per_second=2)
    answers = [portal.http.post(f"{CONTACTS}/search", json={}) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert answers[2].json()["message"] == "You have reached your secondly limit."
    assert answers[2].json()["category"] == "RATE_LIMITS"
    for answer in answers:
        names = {name for name in answer.headers if "ratelimit" in name}
        assert names <= {"x-hubspot-ratelimit-daily", "x-hubspot-ratelimit-daily-remaining"}
        assert "retry-after" not in answer.headers
    time.sleep(1.05)
    assert portal.http.post(f"{CONTACTS}/search", json={}).status_code == 200


def test_the_daily_quota_ends_at_midnight_of_the_account(portal: Portal) -> None:
    portal.store.limits = Limits(per_day=1)
    usage = "/account-info/v3/api-usage/daily/private-apps"
    assert portal.http.get(usage).json()["results"][0]["currentUsage"] == 1
    assert portal.http.get(CONTACTS).json()["policyName"] == "DAILY"
    portal.clock.advance(86_400)
    assert portal.http.get(CONTACTS).status_code == 200


def test_account_details_name_portal_and_zone(portal: Portal) -> None:
    details = portal.http.get("/account-info/2026-09/details").json()
    assert (details["portalId"], details["timeZone"]) == (PORTAL, "US/Eastern")
    assert details["utcOffset"] == "-05:00"


# -- owners, properties ----------------------------------------------------------------------------


def test_archived_owners_appear_only_when_asked_for_and_have_no_user_id(portal: Portal) -> None:
    owners = "/crm/owners/2026-09"
    assert [o["id"] for o in portal.http.get(owners).json()["results"]] == ["7001"]
    gone = portal.http.get(owners, params={"archived": "true"}).json()["results"]
    assert [(o["id"], o["userId"], o["userIdIncludingInactive"]) for o in gone] == [
        ("7009", None, 4009)
    ]
    by_mail = portal.http.get(owners, params={"email": "AVA.MORGAN@lumenfold.example"}).json()
    assert len(by_mail["results"]) == 1


def test_owners_page(portal: Portal) -> None:
    portal.store.add_owner("7002", "ben.ortiz@lumenfold.example", "Ben", "Ortiz", 4002)
    first = portal.http.get("/crm/v3/owners", params={"limit": 1}).json()
    after = first["paging"]["next"]["after"]
    second = portal.http.get("/crm/v3/owners", params={"limit": 1, "after": after}).json()
    assert [p["results"][0]["id"] for p in (first, second)] == ["7001", "7002"]
    assert "paging" not in second


def test_properties_can_be_read_and_custom_ones_created_once(portal: Portal) -> None:
    path = "/crm/properties/2026-09/contacts"
    stages = portal.http.get(f"{path}/lifecyclestage").json()["options"]
    assert [o["value"] for o in stages][:3] == ["subscriber", "lead", "marketingqualifiedlead"]
    names = {prop["name"] for prop in portal.http.get(path).json()["results"]}
    assert {"baton_lead_key", "baton_score", "numemployees", "web_technologies"} <= names
    group = {"name": "revops", "label": "RevOps"}
    assert portal.http.post(f"{path}/groups", json=group).status_code == 201
    assert portal.http.post(f"{path}/groups", json=group).status_code == 409
    band = {"name": "band", "label": "Band", "groupName": "revops", "type": "string"}
    refused = portal.http.post(path, json=band)
    assert (refused.status_code, refused.json()["category"]) == (400, "VALIDATION_ERROR")
    band["fieldType"] = "text"
    assert portal.http.post(path, json=band).status_code == 201
    assert portal.http.post(path, json=band).status_code == 409
    answer = portal.http.post(
        f"{path}/batch/create", json={"inputs": [band, band | {"name": "b2"}]}
    )
    assert answer.status_code == 207
    assert answer.json()["errors"][0]["context"] == {"name": ["band"]}
    id = portal.contact("ada@example.com")
    sent = {"properties": {"band": "A", "b2": "x"}}
    assert portal.http.patch(f"{CONTACTS}/{id}", json=sent).status_code == 200


def test_a_token_with_the_daily_calls_used_up_is_told_so_until_midnight(portal: Portal) -> None:
    portal.store.limits = Limits(per_day=5)
    portal.store.throttle.use_today(4)
    assert portal.http.get(CONTACTS).headers["x-hubspot-ratelimit-daily-remaining"] == "0"
    refused = portal.http.get(CONTACTS)
    body = refused.json()
    assert (refused.status_code, body["policyName"], body["errorType"]) == (
        429,
        "DAILY",
        "RATE_LIMIT",
    )
    assert "retry-after" not in refused.headers
    # Nine in the morning UTC on 2 November is four in New York: twenty hours to midnight.
    portal.clock.advance(19.9 * 3600)
    assert portal.http.get(CONTACTS).status_code == 429
    portal.clock.advance(0.2 * 3600)
    assert portal.http.get(CONTACTS).status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "/account-info/v3/api-usage/daily/private-apps",
        "/account-info/2026-03/api-usage/daily/private-apps",
    ],
)
def test_usage_counts_the_calls_of_the_day(portal: Portal, path: str) -> None:
    portal.store.limits = Limits(per_day=1000)
    portal.store.throttle.use_today(41)
    row = portal.http.get(path).json()["results"][0]
    assert (row["usageLimit"], row["currentUsage"], row["fetchStatus"]) == (1000, 42, "SUCCESS")
    assert row["name"] == "private-apps-api-calls-daily"
    assert row["resetsAt"] == "2026-11-03T05:00:00Z"


# -- scopes and OAuth ------------------------------------------------------------------------------

SEARCH = f"{CONTACTS}/search"


@pytest.mark.parametrize(
    ("scope", "method", "path"),
    [
        ("crm.objects.contacts.read", "GET", CONTACTS),
        ("crm.objects.contacts.read", "POST", SEARCH),
        ("crm.objects.contacts.write", "POST", CONTACTS),
        ("crm.objects.companies.read", "GET", "/crm/v3/objects/companies"),
        ("crm.objects.contacts.read", "GET", "/crm/v3/objects/meetings"),
        ("crm.objects.deals.write", "POST", "/crm/objects/2026-03/0-3/batch/create"),
    ],
)
def test_a_call_without_its_scope_is_403_and_names_it(
    portal: Portal, scope: str, method: str, path: str
) -> None:
    portal.store.tokens.scopes.discard(scope)
    refused = portal.http.request(method, path, json={} if method == "POST" else None)
    body = refused.json()
    assert (refused.status_code, body["category"]) == (403, "MISSING_SCOPES")
    assert body["context"]["requiredGranularScopes"] == [scope]


@pytest.mark.parametrize(
    ("scope", "path"),
    [
        ("crm.objects.owners.read", "/crm/v3/owners"),
        ("forms", "/marketing/v3/forms"),
        ("forms", f"/form-integrations/v1/submissions/forms/{FORM}"),
        ("content", "/email/public/v1/events"),
        ("business-intelligence", "/events/v3/events?eventType=e_visited_page"),
    ],
)
def test_other_endpoints_put_the_missing_scope_into_errors(
    portal: Portal, scope: str, path: str
) -> None:
    assert portal.http.get(path).status_code == 200
    portal.store.tokens.scopes.discard(scope)
    refused = portal.http.get(path)
    assert (refused.status_code, refused.json()["category"]) == (403, "MISSING_SCOPES")
    assert refused.json()["errors"][0]["context"] == {"requiredGranularScopes": [scope]}


def test_properties_are_read_with_the_records_and_written_with_a_scope_of_their_own(
    portal: Portal,
) -> None:
    path = "/crm/v3/properties/contacts"
    portal.store.tokens.scopes.discard("crm.schemas.contacts.read")
    assert portal.http.get(path).status_code == 200
    portal.store.tokens.scopes.discard("crm.schemas.contacts.write")
    refused = portal.http.post(f"{path}/groups", json={"name": "x", "label": "X"})
    assert (refused.status_code, refused.json()["category"]) == (403, "MISSING_SCOPES")


def grant(portal: Portal, path: str = "/oauth/v1/token", **more: str) -> httpx.Response:
    tokens = portal.store.tokens
    form = {
        "grant_type": "refresh_token",
        "client_id": tokens.client_id,
        "client_secret": tokens.client_secret,
        "refresh_token": tokens.refresh_token,
    }
    return httpx.post(f"{portal.http.base_url}{path}", data=form | more)


@pytest.mark.parametrize("path", ["/oauth/v1/token", "/oauth/v3/token", "/oauth/2026-03/token"])
def test_a_refresh_token_buys_half_an_hour(portal: Portal, path: str) -> None:
    answer = grant(portal, path).json()
    assert (answer["expires_in"], answer["token_type"]) == (1800, "bearer")
    assert answer["refresh_token"] == portal.store.tokens.refresh_token
    header = {"Authorization": f"Bearer {answer['access_token']}"}
    assert portal.http.get(CONTACTS, headers=header).status_code == 200
    portal.clock.advance(1799)
    assert portal.http.get(CONTACTS, headers=header).status_code == 200
    portal.clock.advance(62)
    late = portal.http.get(CONTACTS, headers=header)
    assert (late.status_code, late.json()["category"]) == (401, "EXPIRED_AUTHENTICATION")
    assert late.json()["message"].endswith("expired 1 minute(s) ago.")


@pytest.mark.parametrize(
    ("field", "status"),
    [
        ("refresh_token", "BAD_REFRESH_TOKEN"),
        ("client_id", "BAD_CLIENT_ID"),
        ("client_secret", "BAD_CLIENT_SECRET"),
        ("grant_type", "BAD_GRANT_TYPE"),
    ],
)
def test_a_wrong_grant_is_400_with_its_status(portal: Portal, field: str, status: str) -> None:
    refused = grant(portal, **{field: "nonsense"})
    assert (refused.status_code, refused.json()["status"]) == (400, status)
    assert refused.json()["correlationId"]


def test_an_oauth_token_has_its_own_limit_and_no_headers(portal: Portal) -> None:
    portal.store.limits = Limits(per_ten_seconds=1, per_day=1, oauth_per_ten_seconds=3)
    header = {"Authorization": f"Bearer {grant(portal).json()['access_token']}"}
    answers = [portal.http.get(CONTACTS, headers=header) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert not [name for answer in answers for name in answer.headers if "ratelimit" in name]
    assert answers[3].json()["policyName"] == "TEN_SECONDLY_ROLLING"
    assert "x-hubspot-ratelimit-daily" in portal.http.get(CONTACTS).headers


def test_events_need_the_enterprise_tier(portal: Portal) -> None:
    path = "/events/v3/events?eventType=e_visited_page"
    assert portal.http.get(path).status_code == 200
    portal.store.tier = "professional"
    for refused in (portal.http.get(path), portal.http.get("/events/v3/events/event-types")):
        assert (refused.status_code, refused.json()["category"]) == (403, "MISSING_SCOPES")


# -- definitions -----------------------------------------------------------------------------------

PROPERTIES = "/crm/v3/properties/contacts"
SCORE = {
    "name": "revops_score",
    "label": "RevOps score",
    "groupName": "contactinformation",
    "type": "number",
    "fieldType": "number",
}


def test_a_created_property_echoes_its_whole_definition(portal: Portal) -> None:
    answer = portal.http.post(PROPERTIES, json=SCORE)
    assert answer.status_code == 201
    made = answer.json()
    assert made | SCORE == made
    echoed = {
        "options": [],
        "description": "",
        "calculated": False,
        "externalOptions": False,
        "hasUniqueValue": False,
        "hidden": False,
        "displayOrder": -1,
        "archived": False,
        "hubspotDefined": False,
    }
    assert made | echoed == made
    assert made["createdAt"].startswith("2026-11-02T09:00:")
    assert made["modificationMetadata"]["archivable"] is True
    assert made["modificationMetadata"]["readOnlyValue"] is False
    taken = portal.http.post(PROPERTIES, json=SCORE)
    assert (taken.status_code, taken.json()["category"]) == (409, "OBJECT_ALREADY_EXISTS")
    assert taken.json()["subCategory"] == "Properties.PROPERTY_WITH_NAME_EXISTS"


def test_a_batch_of_properties_makes_the_new_ones_and_reports_the_taken(portal: Portal) -> None:
    portal.http.post(PROPERTIES, json=SCORE)
    inputs = [SCORE, SCORE | {"name": "revops_band"}]
    answer = portal.http.post(f"{PROPERTIES}/batch/create", json={"inputs": inputs})
    assert answer.status_code == 207
    assert [row["name"] for row in answer.json()["results"]] == ["revops_band"]
    error = answer.json()["errors"][0]
    assert (error["category"], error["context"]) == (
        "OBJECT_ALREADY_EXISTS",
        {"name": ["revops_score"]},
    )
    assert error["message"] == "A property named 'revops_score' already exists."


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": "Revops_Score"},
        {"name": "1st"},
        {"type": "money"},
        {"type": "string"},
        {"groupName": "nowhere"},
        {"type": "bool", "fieldType": "booleancheckbox", "options": []},
        {"options": [{"label": "A"}]},
        {"label": None},
    ],
)
def test_a_wrong_definition_is_400(portal: Portal, wrong: dict[str, Any]) -> None:
    refused = portal.http.post(PROPERTIES, json=SCORE | wrong)
    assert (refused.status_code, refused.json()["category"]) == (400, "VALIDATION_ERROR")


def test_an_option_list_is_replaced_as_a_whole_and_bounds_what_may_be_written(
    portal: Portal,
) -> None:
    a, b = ({"label": text.upper(), "value": text} for text in "ab")
    band = SCORE | {"name": "band", "type": "enumeration", "fieldType": "select", "options": [a]}
    assert portal.http.post(PROPERTIES, json=band).status_code == 201
    id = portal.contact("ada@example.com")

    def write(value: str) -> httpx.Response:
        return portal.http.patch(f"{CONTACTS}/{id}", json={"properties": {"band": value}})

    refused = write("b")
    assert refused.status_code == 400
    assert refused.json()["errors"][0]["code"] == "INVALID_OPTION"
    changed = portal.http.patch(f"{PROPERTIES}/band", json={"options": [b], "label": "Band"})
    assert [option["value"] for option in changed.json()["options"]] == ["b"]
    assert write("b").status_code == 200
    assert write("a").status_code == 400


def test_an_archived_property_is_gone_for_readers_and_writers(portal: Portal) -> None:
    portal.http.post(PROPERTIES, json=SCORE)
    id = portal.contact("ada@example.com", revops_score="7")
    assert portal.http.delete(f"{PROPERTIES}/revops_score").status_code == 204
    assert portal.http.get(f"{PROPERTIES}/revops_score").status_code == 404
    listed = portal.http.get(PROPERTIES, params={"archived": "true"}).json()["results"]
    assert [(row["name"], row["archived"]) for row in listed] == [("revops_score", True)]
    row = portal.http.get(f"{CONTACTS}/{id}?properties=revops_score").json()
    assert "revops_score" not in row["properties"]
    body = {"properties": {"revops_score": "1"}}
    refused = portal.http.patch(f"{CONTACTS}/{id}", json=body)
    assert refused.json()["errors"][0]["code"] == "PROPERTY_DOESNT_EXIST"
    assert portal.http.delete(f"{PROPERTIES}/email").status_code == 400


def test_ten_properties_of_an_object_may_be_unique_and_no_more(portal: Portal) -> None:
    def make(number: int) -> int:
        unique = SCORE | {"name": f"key_{number}", "hasUniqueValue": True}
        return portal.http.post(PROPERTIES, json=unique).status_code

    assert [make(number) for number in range(11)] == [201] * 10 + [400]
    first, second = portal.contact("a@example.com"), portal.contact("b@example.com")
    for id, status in ((first, 200), (second, 400)):
        sent = {"properties": {"key_0": "5"}}
        assert portal.http.patch(f"{CONTACTS}/{id}", json=sent).status_code == status
    found = portal.http.get(f"{CONTACTS}/5", params={"idProperty": "key_0"}).json()
    assert found["id"] == first


def test_an_account_can_start_without_any_field_of_baton() -> None:
    bare = HubSpotStore(Clock(NOW), PORTAL, "t", custom_fields=False).collection("contacts")
    full = HubSpotStore(Clock(NOW), PORTAL, "t").collection("contacts")
    ours = {name for name in full.properties if name.startswith("baton_")}
    assert len(ours) >= 5
    assert full.properties.keys() - bare.properties.keys() == ours
    assert "baton" not in bare.groups


def test_groups_are_listed_with_their_labels(portal: Portal) -> None:
    rows = portal.http.get(f"{PROPERTIES}/groups").json()["results"]
    assert {"contactinformation", "emailinformation", "conversioninformation"} <= {
        row["name"] for row in rows
    }
    one = portal.http.get(f"{PROPERTIES}/groups/emailinformation").json()
    assert one == {"name": "emailinformation", "label": "Email", "displayOrder": -1} | {
        "archived": False
    }
    assert portal.http.get(f"{PROPERTIES}/groups/nowhere").status_code == 404


# -- pipelines and lists ---------------------------------------------------------------------------


def test_pipelines_have_stages_with_text_for_metadata(portal: Portal) -> None:
    deals = portal.http.get("/crm/v3/pipelines/deals").json()["results"]
    chances = {row["id"]: row["metadata"]["probability"] for row in deals[0]["stages"]}
    assert (chances["appointmentscheduled"], chances["closedwon"]) == ("0.2", "1.0")
    assert {row["metadata"]["isClosed"] for row in deals[0]["stages"]} == {"true", "false"}
    leads = portal.http.get("/crm/pipelines/2026-09/leads").json()["results"][0]
    path = f"/crm/v3/pipelines/leads/{leads['id']}"
    assert portal.http.get(path).json() == leads
    assert portal.http.get(f"{path}/stages").json()["results"] == leads["stages"]
    assert portal.http.get("/crm/v3/pipelines/contacts").json() == {"results": []}
    assert portal.http.get("/crm/v3/pipelines/deals/none").status_code == 404


LISTS = "/crm/v3/lists"


def test_a_list_shows_its_members_in_the_order_they_joined(portal: Portal) -> None:
    body = {"name": "MQLs", "objectTypeId": "0-1", "processingType": "MANUAL"}
    made = portal.http.post(LISTS, json=body).json()["list"]
    ids = [portal.contact(f"p{n}@example.com") for n in range(3)]
    path = f"{LISTS}/{made['listId']}/memberships"
    before = portal.store.find("contacts", ids[2])
    added = portal.http.put(f"{path}/add", json=[ids[2], ids[0], "99"])
    assert added.json() == {
        "recordsIdsAdded": [ids[2], ids[0]],
        "recordIdsRemoved": [],
        "recordIdsMissing": ["99"],
    }
    portal.clock.advance(1)
    assert portal.http.put(f"{path}/add", json=[ids[1]]).json()["recordsIdsAdded"] == [ids[1]]
    first = portal.http.get(f"{path}/join-order", params={"limit": 2}).json()
    after = first["paging"]["next"]["after"]
    rest = portal.http.get(f"{path}/join-order", params={"limit": 2, "after": after}).json()
    joined = [row["recordId"] for row in first["results"] + rest["results"]]
    assert joined == [ids[2], ids[0], ids[1]]
    assert "paging" not in rest
    # Being put into a list moves the modified time of a record.
    after_it = portal.store.find("contacts", ids[2])
    assert before is not None
    assert after_it is not None
    assert after_it.modified > before.modified


def test_lists_are_searched_by_name_and_only_those_made_by_hand_are_written(
    portal: Portal,
) -> None:
    for name, processing in (("MQLs", "DYNAMIC"), ("Fair", "MANUAL")):
        portal.store.lists.add(name, "0-1", processing, 0)
    body = {"query": "mql", "count": 500, "offset": 0, "additionalProperties": []}
    found = portal.http.post("/crm/lists/2026-03/search", json=body).json()
    assert (found["total"], found["hasMore"], found["offset"]) == (1, False, 1)
    row = found["lists"][0]
    assert (row["processingType"], row["additionalProperties"]) == (
        "DYNAMIC",
        {"hs_list_size": "0"},
    )
    path = f"{LISTS}/{row['listId']}/memberships/add"
    assert portal.http.put(path, json=["1"]).status_code == 400
    del body["offset"]
    assert portal.http.post(f"{LISTS}/search", json=body).status_code == 400
    assert portal.http.get(f"{LISTS}/99").status_code == 404
