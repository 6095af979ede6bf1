"""The control routes of HubSpot: what each of them does is seen in the vendor's own answers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from sandbox.hubspot.tokens import ALL_SCOPES
from sandbox.server import Sandbox

CONTACTS = "/crm/objects/2026-09/contacts"


@pytest.fixture
def hubspot(box: Sandbox, control: httpx.Client) -> Iterator[httpx.Client]:
    """A client of the vendor; afterwards the account is as it was."""
    header = {"Authorization": f"Bearer {box.env['BATON_HUBSPOT_TOKEN']}"}
    with httpx.Client(
        base_url=box.env["BATON_HUBSPOT_BASE_URL"], headers=header, timeout=20
    ) as client:
        yield client
    control.post("/hubspot/scopes", json={"only": sorted(ALL_SCOPES)})
    control.post("/hubspot/token", json={"expired": False})
    control.post("/hubspot/tier", json={"tier": "enterprise"})
    control.post("/hubspot/limits", json={"enabled": False})
    control.post("/hubspot/index-lag", json={"seconds": 0})
    control.delete("/hubspot/locks")
    control.delete("/hubspot/validation-rules")


def first_contact(hubspot: httpx.Client) -> str:
    return hubspot.get(CONTACTS, params={"limit": 1}).json()["results"][0]["id"]


def patch(hubspot: httpx.Client, id: str, **values: str) -> httpx.Response:
    return hubspot.patch(f"{CONTACTS}/{id}", json={"properties": values})


def search(hubspot: httpx.Client, **filter: Any) -> httpx.Response:
    body = {"filterGroups": [{"filters": [filter]}], "limit": 200}
    return hubspot.post(f"{CONTACTS}/search", json=body)


def test_a_scope_is_taken_and_given_back(hubspot: httpx.Client, control: httpx.Client) -> None:
    control.post("/hubspot/scopes", json={"remove": ["forms"]})
    assert hubspot.get("/marketing/v3/forms").status_code == 403
    control.post("/hubspot/scopes", json={"add": ["forms"]})
    assert hubspot.get("/marketing/v3/forms").status_code == 200
    control.post("/hubspot/scopes", json={"only": ["forms"]})
    assert hubspot.get(CONTACTS).status_code == 403
    control.post("/hubspot/scopes", json={"all": True})
    assert hubspot.get(CONTACTS).status_code == 200


def test_the_static_token_expires(hubspot: httpx.Client, control: httpx.Client) -> None:
    control.post("/hubspot/token", json={"expired": True})
    refused = hubspot.get(CONTACTS)
    assert (refused.status_code, refused.json()["category"]) == (401, "EXPIRED_AUTHENTICATION")
    control.post("/hubspot/token", json={"expired": False})
    assert hubspot.get(CONTACTS).status_code == 200


def test_issued_tokens_expire_when_told(hubspot: httpx.Client, control: httpx.Client) -> None:
    oauth = control.get("/hubspot").json()["oauth"]
    form = {"grant_type": "refresh_token", **oauth}
    token = hubspot.post("/oauth/v1/token", data=form).json()["access_token"]
    header = {"Authorization": f"Bearer {token}"}
    assert hubspot.get(CONTACTS, headers=header).status_code == 200
    control.post("/hubspot/token", json={"expire_oauth": True})
    refused = hubspot.get(CONTACTS, headers=header)
    assert (refused.status_code, refused.json()["category"]) == (401, "EXPIRED_AUTHENTICATION")


def test_the_tier_opens_and_closes_events(hubspot: httpx.Client, control: httpx.Client) -> None:
    path = "/events/v3/events?eventType=e_visited_page"
    control.post("/hubspot/tier", json={"tier": "starter"})
    assert hubspot.get(path).status_code == 403
    assert control.post("/hubspot/tier", json={"tier": "gold"}).status_code == 400
    control.post("/hubspot/tier", json={"tier": "enterprise"})
    assert hubspot.get(path).status_code == 200


def test_an_admin_changes_properties(hubspot: httpx.Client, control: httpx.Client) -> None:
    id, path = first_contact(hubspot), "/crm/v3/properties/contacts/mood"

    def change(action: str, **more: Any) -> dict[str, Any]:
        body = {"action": action, "name": "mood", **more}
        return control.post("/hubspot/properties", json=body).json()

    change("add", type="enumeration", options=["glad"])
    assert patch(hubspot, id, mood="glad").status_code == 200
    assert patch(hubspot, id, mood="sad").status_code == 400
    change("add_option", value="sad", label="Sad")
    assert patch(hubspot, id, mood="sad").status_code == 200
    change("remove_option", value="glad")
    assert patch(hubspot, id, mood="glad").status_code == 400
    change("rename", label="Mood of the day")
    assert hubspot.get(path).json()["label"] == "Mood of the day"
    change("retype", type="number")
    assert hubspot.get(path).json()["type"] == "number"
    change("remove")
    assert hubspot.get(path).status_code == 404
    refused = patch(hubspot, id, mood="1").json()
    assert refused["errors"][0]["code"] == "PROPERTY_DOESNT_EXIST"
    assert "error" in change("paint")


def test_a_validation_rule_refuses_writes(hubspot: httpx.Client, control: httpx.Client) -> None:
    id = first_contact(hubspot)
    rule = {"property": "city", "message": "Cities begin with B.", "pattern": "B.*"}
    control.post("/hubspot/validation-rules", json=rule)
    refused = patch(hubspot, id, city="Aachen")
    assert refused.status_code == 400
    assert refused.json()["errors"][0]["message"] == "Cities begin with B."
    assert patch(hubspot, id, city="Bonn").status_code == 200
    control.delete("/hubspot/validation-rules")
    assert patch(hubspot, id, city="Aachen").status_code == 200


def test_a_record_is_locked_for_some_attempts(hubspot: httpx.Client, control: httpx.Client) -> None:
    id = first_contact(hubspot)
    control.post("/hubspot/locks", json={"object": "contacts", "id": id, "attempts": 2})
    assert [patch(hubspot, id, city="Bonn").status_code for _ in range(3)] == [423, 423, 200]
    control.post("/hubspot/locks", json={"object": "contacts", "id": id})
    assert patch(hubspot, id, city="Bonn").status_code == 423
    control.delete("/hubspot/locks")
    assert patch(hubspot, id, city="Bonn").status_code == 200


def test_limits_and_usage_are_set(hubspot: httpx.Client, control: httpx.Client) -> None:
    control.post("/hubspot/limits", json={"per_day": 100, "used_today": 99})
    assert hubspot.get(CONTACTS).headers["x-hubspot-ratelimit-daily-remaining"] == "0"
    assert hubspot.get(CONTACTS).json()["policyName"] == "DAILY"
    assert control.post("/hubspot/limits", json={"per_century": 1}).status_code == 400
    control.post("/hubspot/limits", json={"per_day": 1000, "per_ten_seconds": 1})
    refused = [hubspot.get(CONTACTS) for _ in range(2)][-1]
    assert refused.json()["policyName"] == "TEN_SECONDLY_ROLLING"
    control.post("/hubspot/limits", json={"enabled": False})
    assert "x-hubspot-ratelimit-max" not in hubspot.get(CONTACTS).headers


def test_many_contacts_get_one_modified_time(hubspot: httpx.Client, control: httpx.Client) -> None:
    at = "2026-03-17T09:00:00.123Z"
    touched = control.post("/hubspot/touch", json={"count": 40, "at": at}).json()
    assert touched == {"touched": 40, "at": at}
    found = search(hubspot, propertyName="lastmodifieddate", operator="EQ", value=at).json()
    assert found["total"] == 40
    assert {row["updatedAt"] for row in found["results"]} == {at}


def test_the_index_lag_hides_a_change(hubspot: httpx.Client, control: httpx.Client) -> None:
    control.post("/hubspot/index-lag", json={"seconds": 3600})
    id = first_contact(hubspot)
    asked = {"propertyName": "city", "operator": "EQ", "value": "Lagville"}
    assert patch(hubspot, id, city="Lagville").status_code == 200
    assert search(hubspot, **asked).json()["total"] == 0
    control.post("/hubspot/index-lag", json={"seconds": 0})
    assert search(hubspot, **asked).json()["total"] == 1


def test_lists_pipelines_and_forms_are_made(hubspot: httpx.Client, control: httpx.Client) -> None:
    ids = [row["id"] for row in hubspot.get(CONTACTS, params={"limit": 3}).json()["results"]]
    body = {"name": "MQLs", "processing": "DYNAMIC", "members": ids[::-1]}
    made = control.post("/hubspot/lists", json=body).json()["listId"]
    rows = hubspot.get(f"/crm/v3/lists/{made}/memberships/join-order").json()["results"]
    assert [row["recordId"] for row in rows] == ids[::-1]
    stages = [["77010", "Talks", "0.5"], ["77011", "Renewed", "1.0"]]
    renewals = {"object": "deals", "id": "77001", "label": "Renewals", "stages": stages}
    control.post("/hubspot/pipelines", json=renewals)
    shown = hubspot.get("/crm/v3/pipelines/deals/77001").json()
    assert [stage["metadata"]["isClosed"] for stage in shown["stages"]] == ["false", "true"]
    form = {"guid": "f" * 8, "name": "Pop-up", "type": "captured"}
    control.post("/hubspot/forms", json=form)
    default = {row["id"] for row in hubspot.get("/marketing/v3/forms").json()["results"]}
    asked = {"formTypes": ["hubspot", "captured"]}
    wide = {row["id"] for row in hubspot.get("/marketing/v3/forms", params=asked).json()["results"]}
    assert wide - default == {"f" * 8}


@pytest.mark.parametrize(
    ("status", "headers"), [(477, {"Retry-After": "7"}), (502, {}), (503, {}), (504, {})]
)
def test_faults_answer_with_any_status(
    hubspot: httpx.Client, control: httpx.Client, status: int, headers: dict[str, str]
) -> None:
    fault = {"kind": "status", "system": "hubspot", "status": status, "headers": headers}
    control.post("/faults", json=fault)
    refused = hubspot.get(CONTACTS)
    assert refused.status_code == status
    assert refused.headers.get("retry-after") == headers.get("Retry-After")
    assert hubspot.get(CONTACTS).status_code == 200
