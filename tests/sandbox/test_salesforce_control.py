"""The control app's Salesforce routes, each by what it does to the next call of a client."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import httpx
import pytest

from sandbox.server import Sandbox
from tests.sandbox.salesforce_org import JOBS, ROOT, rows_of


@pytest.fixture
def crm(box: Sandbox) -> Iterator[httpx.Client]:
    settings = box.env
    with httpx.Client(base_url=settings["BATON_SALESFORCE_LOGIN_URL"], timeout=20) as client:
        sign_in(client, settings)
        yield client


def sign_in(client: httpx.Client, settings: dict[str, str]) -> None:
    form = {
        "grant_type": "client_credentials",
        "client_id": settings["BATON_SALESFORCE_CLIENT_ID"],
        "client_secret": settings["BATON_SALESFORCE_CLIENT_SECRET"],
    }
    token = client.post("/services/oauth2/token", data=form).json()["access_token"]
    client.headers["Authorization"] = f"Bearer {token}"
    client.headers["Sforce-Auto-Assign"] = "FALSE"


def say(control: httpx.Client, path: str, body: Any = None) -> Any:
    answer = control.post(f"/salesforce/{path}", json=body if body is not None else {})
    assert answer.status_code == 200, answer.text
    return answer.json()


def found(crm: httpx.Client, soql: str) -> list[dict[str, Any]]:
    answer = crm.get(f"{ROOT}/query", params={"q": soql})
    assert answer.status_code == 200, answer.text
    return answer.json()["records"]


@pytest.fixture
def lead(crm: httpx.Client) -> str:
    body = {"LastName": "Byron", "Company": "Engines"}
    return crm.post(f"{ROOT}/sobjects/Lead", json=body).json()["id"]


def change(crm: httpx.Client, lead: str, **fields: Any) -> httpx.Response:
    return crm.patch(f"{ROOT}/sobjects/Lead/{lead}", json=fields)


def code_of(answer: httpx.Response) -> str:
    return answer.json()[0]["errorCode"]


def test_rows_are_locked_as_often_as_said(
    control: httpx.Client, crm: httpx.Client, lead: str
) -> None:
    say(control, "lock", {"ids": [lead], "times": 2})
    for _ in range(2):
        assert code_of(change(crm, lead, Title="a")) == "UNABLE_TO_LOCK_ROW"
    say(control, "lock", {"ids": [lead], "in_trigger": True})
    assert code_of(change(crm, lead, Title="a")) == "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY"
    assert change(crm, lead, Title="a").status_code == 204


def test_any_error_can_wait_for_a_record(
    control: httpx.Client, crm: httpx.Client, lead: str
) -> None:
    error = {"id": lead, "code": "ENTITY_IS_LOCKED", "message": "In approval.", "fields": ["Id"]}
    say(control, "errors", error)
    answer = change(crm, lead, Title="a")
    assert answer.json() == [
        {"message": "In approval.", "errorCode": "ENTITY_IS_LOCKED", "fields": ["Id"]}
    ]
    assert change(crm, lead, Title="a").status_code == 204


def test_calls_are_refused_whatever_they_ask(control: httpx.Client, crm: httpx.Client) -> None:
    say(control, "refuse")
    answer = crm.get(f"{ROOT}/limits")
    assert (answer.status_code, code_of(answer)) == (403, "REQUEST_LIMIT_EXCEEDED")
    assert answer.json()[0]["message"].startswith("ConcurrentRequests")
    assert crm.get(f"{ROOT}/limits").status_code == 200


def test_rows_can_commit_late(
    control: httpx.Client, crm: httpx.Client, box: Sandbox, lead: str
) -> None:
    until = (box.world.clock.now() + timedelta(minutes=5)).isoformat()
    say(control, "hide", {"ids": [lead], "until": until})
    soql = f"SELECT Id FROM Lead WHERE Id = '{lead}'"
    assert found(crm, soql) == []
    box.world.clock.advance(301)
    assert [row["Id"] for row in found(crm, soql)] == [lead]


def test_sessions_and_cursors_end(control: httpx.Client, crm: httpx.Client, box: Sandbox) -> None:
    headers = {"Sforce-Query-Options": "batchSize=200"}
    say(control, "limits", {"page_size": 50})
    page = crm.get(f"{ROOT}/query", params={"q": "SELECT Id FROM Lead"}, headers=headers).json()
    say(control, "limits", {"page_size": 2000})
    say(control, "cursors/expire")
    assert code_of(crm.get(page["nextRecordsUrl"])) == "INVALID_QUERY_LOCATOR"
    say(control, "sessions/expire")
    assert crm.get(f"{ROOT}/limits").status_code == 401
    sign_in(crm, box.env)
    assert crm.get(f"{ROOT}/limits").status_code == 200


def test_validation_rules_come_and_go(control: httpx.Client, crm: httpx.Client, lead: str) -> None:
    rule = {"name": "No_vp", "object": "Lead", "when": "Title = 'VP'", "message": "No.",
            "field": "Title"}  # fmt: skip
    assert say(control, "validation-rules", rule) == {"validation_rules": ["No_vp"]}
    assert code_of(change(crm, lead, Title="VP")) == "FIELD_CUSTOM_VALIDATION_EXCEPTION"
    control.delete("/salesforce/validation-rules")
    assert change(crm, lead, Title="VP").status_code == 204
    wrong = control.post("/salesforce/validation-rules", json=rule | {"when": "Nope__c = 1"})
    assert wrong.status_code == 400
    assert "No such column" in wrong.json()["error"]


def test_duplicate_rules_come_and_go(control: httpx.Client, crm: httpx.Client) -> None:
    say(control, "duplicate-rules", {"object": "Lead", "fields": ["Email"], "action": "Block"})
    body = {"LastName": "B", "Company": "C", "Email": "twice@engines.example"}
    assert crm.post(f"{ROOT}/sobjects/Lead", json=body).status_code == 201
    assert code_of(crm.post(f"{ROOT}/sobjects/Lead", json=body)) == "DUPLICATES_DETECTED"
    control.delete("/salesforce/duplicate-rules")
    assert crm.post(f"{ROOT}/sobjects/Lead", json=body).status_code == 201


def test_the_assignment_rule_can_be_given_to_somebody_else(
    control: httpx.Client, crm: httpx.Client, box: Sandbox, lead: str
) -> None:
    before = box.world.salesforce.assignment_owner_id
    taker = found(crm, "SELECT Id FROM User WHERE IsActive = true ORDER BY Id LIMIT 1")[0]["Id"]
    say(control, "assignment-rule", {"owner_id": taker})
    address = f"{ROOT}/sobjects/Lead/{lead}"
    crm.patch(address, json={"Title": "CEO"}, headers={"Sforce-Auto-Assign": "TRUE"})
    assert crm.get(address).json()["OwnerId"] == taker
    say(control, "assignment-rule", {"owner_id": before})


def test_a_field_is_hidden_by_its_level(
    control: httpx.Client, crm: httpx.Client, lead: str
) -> None:
    where = {"object": "Lead", "fields": ["baton_score__c"]}
    say(control, "access", {**where, "level": "read"})
    assert code_of(change(crm, lead, baton_score__c=5)) == "INVALID_FIELD_FOR_INSERT_UPDATE"
    say(control, "access", {**where, "level": "none"})
    assert code_of(change(crm, lead, baton_score__c=5)) == "INVALID_FIELD"
    say(control, "access", {**where, "level": "edit"})
    assert change(crm, lead, baton_score__c=5).status_code == 204
    assert control.post("/salesforce/access", json={**where, "level": "x"}).status_code == 400


def test_fields_come_change_and_go(control: httpx.Client, crm: httpx.Client, lead: str) -> None:
    where = {"object": "Lead", "field": "Extra__c"}
    say(control, "fields", {**where, "action": "add", "type": "string", "length": 10})
    assert change(crm, lead, Extra__c="7").status_code == 204
    say(control, "fields", {**where, "action": "retype", "type": "double"})
    assert crm.get(f"{ROOT}/sobjects/Lead/{lead}").json()["Extra__c"] == 7.0
    say(control, "fields", {**where, "action": "rename", "to": "Other__c"})
    where["field"] = "Other__c"
    say(control, "fields", {**where, "action": "alter", "read_only": True})
    assert code_of(change(crm, lead, Other__c=1)) == "INVALID_FIELD_FOR_INSERT_UPDATE"
    say(control, "fields", {**where, "action": "remove"})
    assert "Other__c" not in crm.get(f"{ROOT}/sobjects/Lead/{lead}").json()
    assert control.post("/salesforce/fields", json={**where, "action": "x"}).status_code == 400


def test_picklist_values_come_and_go(control: httpx.Client, crm: httpx.Client) -> None:
    where = {"object": "Lead", "field": "Status", "value": "Parked"}

    def told() -> dict[str, bool]:
        fields = crm.get(f"{ROOT}/sobjects/Lead/describe").json()["fields"]
        status = next(field for field in fields if field["name"] == "Status")
        return {value["value"]: value["active"] for value in status["picklistValues"]}

    say(control, "picklists", {**where, "action": "add"})
    assert told()["Parked"] is True
    say(control, "picklists", {**where, "action": "deactivate"})
    assert told()["Parked"] is False
    say(control, "picklists", {**where, "action": "remove"})
    assert "Parked" not in told()


def test_limits_are_set_and_told(control: httpx.Client, crm: httpx.Client) -> None:
    app = {"used": 1, "limit": 2, "name": "B"}
    body = {"enabled": True, "daily_limit": 100, "calls_today": 99, "app": app}
    told = say(control, "limits", body)["limit_info"]
    assert told == "api-usage=99/100; per-app-api-usage=1/2(appName=B)"
    assert crm.get(f"{ROOT}/limits").status_code == 200
    spent = crm.get(f"{ROOT}/limits")
    assert (spent.status_code, code_of(spent)) == (403, "REQUEST_LIMIT_EXCEEDED")
    say(control, "limits", {"enabled": False, "daily_limit": 100_000, "calls_today": 0,
                            "app": None})  # fmt: skip
    assert crm.get(f"{ROOT}/limits").status_code == 200


def test_a_mass_update_touches_the_oldest(control: httpx.Client, crm: httpx.Client) -> None:
    at = "2026-03-18T15:29:00+00:00"
    assert say(control, "touch", {"object": "Lead", "count": 25, "at": at}) == {"touched": 25}
    soql = "SELECT COUNT() FROM Lead WHERE SystemModstamp = 2026-03-18T15:29:00Z"
    assert crm.get(f"{ROOT}/query", params={"q": soql}).json()["totalSize"] >= 25


def test_a_record_can_go_past_the_bin(control: httpx.Client, crm: httpx.Client, lead: str) -> None:
    say(control, "purge", {"object": "Lead", "ids": [lead]})
    answer = crm.get(f"{ROOT}/queryAll", params={"q": f"SELECT Id FROM Lead WHERE Id = '{lead}'"})
    assert answer.json()["totalSize"] == 0


def run_query(crm: httpx.Client) -> tuple[str, list[str]]:
    """Run a query job and return its id and the states it went through."""
    body = {"operation": "query", "query": "SELECT Id FROM Lead"}
    job = crm.post(f"{JOBS}/query", json=body).json()["id"]
    states = [""]
    while states[-1] not in ("JobComplete", "Failed"):
        states.append(crm.get(f"{JOBS}/query/{job}").json()["state"])
    return job, states[1:]


def test_bulk_jobs_can_be_slow_fail_and_break_off(control: httpx.Client, crm: httpx.Client) -> None:
    say(control, "bulk", {"extra_polls": 2})
    assert run_query(crm)[1] == ["InProgress"] * 3 + ["JobComplete"]
    say(control, "bulk", {"reset": True})
    say(control, "bulk", {"fail": {"message": "InternalServerError : try later"}})
    job, states = run_query(crm)
    assert states[-1] == "Failed"
    told = crm.get(f"{JOBS}/query/{job}").json()
    assert told["errorMessage"] == "InternalServerError : try later"
    say(control, "bulk", {"truncate": 5})
    job, states = run_query(crm)
    assert states == ["InProgress", "JobComplete"]
    short = crm.get(f"{JOBS}/query/{job}/results")
    whole = crm.get(f"{JOBS}/query/{job}/results")
    assert len(rows_of(short.text)) == 5
    assert short.headers["sforce-numberofrecords"] == whole.headers["sforce-numberofrecords"]
    assert len(rows_of(whole.text)) == int(whole.headers["sforce-numberofrecords"]) > 5
    jobs = control.get("/salesforce").json()["jobs"]
    assert jobs[-1]["state"] == "JobComplete"
