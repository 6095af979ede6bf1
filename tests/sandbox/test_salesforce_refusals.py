"""What the org's own rules do to writes in the Salesforce sandbox, and calls inside calls."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox.salesforce_org import BEN, KEEP_OWNER, MANY, ROOT, Org, codes

LEAD = {"LastName": "Byron", "Company": "Engines", "Email": "ada@engines.example"}


def alert(org: Org, action: str = "Alert") -> None:
    name = "Standard_Lead_Duplicate_Rule"
    org.store.rules.add_duplicate(name, "Lead", ["Email"], action, "Use one of these records?")


def allow(words: str) -> dict[str, str]:
    return {"Sforce-Duplicate-Rule-Header": words}


# --- duplicate rules ---------------------------------------------------------------------------


def test_a_duplicate_is_refused_with_what_it_resembles(org: Org) -> None:
    alert(org)
    old = org.lead(Email="ADA@engines.example")
    answer = org.post("sobjects/Lead", LEAD)
    assert answer.status_code == 400
    (error,) = answer.json()
    assert (error["errorCode"], error["message"]) == (
        "DUPLICATES_DETECTED",
        "Use one of these records?",
    )
    result = error["duplicateResult"]
    assert (result["allowSave"], result["duplicateRule"]) == (True, "Standard_Lead_Duplicate_Rule")
    assert result["duplicateRuleEntityType"] == "Lead"
    (match,) = result["matchResults"]
    assert (match["size"], match["success"], match["matchEngine"]) == (1, True, "FuzzyMatchEngine")
    (found,) = match["matchRecords"]
    assert found["matchConfidence"] == 100.0
    assert found["record"]["Id"] == old
    assert "Email" not in found["record"]


def test_allow_save_beats_an_alert_and_not_a_block(org: Org) -> None:
    alert(org)
    org.lead(Email=LEAD["Email"])
    saved = org.post("sobjects/Lead", LEAD, **allow("allowSave=true; includeRecordDetails=false"))
    assert saved.status_code == 201
    alert(org, "Block")
    blocked = org.post("sobjects/Lead", LEAD, **allow("allowSave=true"))
    (error,) = blocked.json()
    assert error["errorCode"] == "DUPLICATES_DETECTED"
    assert error["duplicateResult"]["allowSave"] is False
    assert error["duplicateResult"]["matchResults"][0]["size"] == 2


def test_details_of_the_match_come_when_asked_for(org: Org) -> None:
    alert(org)
    org.lead(Email=LEAD["Email"])
    (error,) = org.post("sobjects/Lead", LEAD, **allow("includeRecordDetails=true")).json()
    record = error["duplicateResult"]["matchResults"][0]["matchRecords"][0]["record"]
    assert (record["Name"], record["Email"]) == ("Lovelace", LEAD["Email"])


def test_in_a_collection_only_the_duplicate_fails(org: Org) -> None:
    alert(org)
    org.store.delete("Lead", org.lead(Email="gone@engines.example"))
    org.lead(Email=LEAD["Email"])
    kind = {"attributes": {"type": "Lead"}}
    records = [{**kind, **LEAD}, {**kind, **LEAD, "Email": "gone@engines.example"}]
    results = org.http.post(MANY, json={"records": records}).json()
    assert codes(results) == ["DUPLICATES_DETECTED", "ok"]
    assert "duplicateResult" in results[0]["errors"][0]


# --- validation rules and scripted errors ------------------------------------------------------


def test_a_validation_rule_refuses_in_its_own_words(org: Org) -> None:
    org.store.rules.add_validation(
        "Reason_needed",
        "Lead",
        "Status = 'Closed - Not Converted' AND DisqualificationReason__c = null",
        "Say why this lead is closed.",
        "DisqualificationReason__c",
    )
    lead = org.lead()
    (refused,) = org.patch({"id": lead, "Status": "Closed - Not Converted"})
    assert refused["errors"] == [
        {
            "statusCode": "FIELD_CUSTOM_VALIDATION_EXCEPTION",
            "message": "Say why this lead is closed.",
            "fields": ["DisqualificationReason__c"],
        }
    ]
    both = {"id": lead, "Status": "Closed - Not Converted", "DisqualificationReason__c": "spam"}
    assert codes(org.patch(both)) == ["ok"]
    created = org.post("sobjects/Lead", {**LEAD, "Status": "Closed - Not Converted"})
    assert created.json()[0]["errorCode"] == "FIELD_CUSTOM_VALIDATION_EXCEPTION"
    org.store.update("Lead", lead, {"DisqualificationReason__c": None})
    assert org.row(lead)["DisqualificationReason__c"] is None


def test_a_rule_is_about_the_record_as_it_would_be(org: Org) -> None:
    org.store.rules.add_validation("Big", "Lead", "NumberOfEmployees > 10", "Too big.")
    lead = org.lead(NumberOfEmployees=500)
    assert codes(org.patch({"id": lead, "Title": "CEO"})) == ["FIELD_CUSTOM_VALIDATION_EXCEPTION"]
    assert codes(org.patch({"id": lead, "NumberOfEmployees": 5})) == ["ok"]


def test_a_lock_can_hide_inside_a_trigger_error(org: Org) -> None:
    lead = org.lead()
    org.store.lock_row(lead, in_trigger=True)
    (refused,) = org.patch({"id": lead, "Title": "CEO"})
    error = refused["errors"][0]
    assert error["statusCode"] == "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY"
    assert "UNABLE_TO_LOCK_ROW" in error["message"]
    assert codes(org.patch({"id": lead, "Title": "CEO"})) == ["ok"]


def test_a_lock_meets_single_writes_at_the_top_of_the_answer(org: Org) -> None:
    lead = org.lead()
    org.store.lock_row(lead)
    answer = org.http.patch(f"{ROOT}/sobjects/Lead/{lead}", json={"Title": "CEO"})
    assert answer.status_code == 400
    assert answer.json() == [
        {
            "message": "unable to obtain exclusive access to this record or 1 records: " + lead,
            "errorCode": "UNABLE_TO_LOCK_ROW",
        }
    ]


def test_a_busy_org_refuses_whole_calls(org: Org) -> None:
    org.store.refuse_calls("REQUEST_LIMIT_EXCEEDED", "ConcurrentRequests", times=1)
    answer = org.http.get(f"{ROOT}/limits")
    assert (answer.status_code, answer.json()[0]["errorCode"]) == (403, "REQUEST_LIMIT_EXCEEDED")
    assert org.http.get(f"{ROOT}/limits").status_code == 200


def test_the_limit_header_may_carry_the_apps_own_share(org: Org) -> None:
    org.store.app_usage = (17, 250, "Baton")
    told = org.http.get(f"{ROOT}/limits").headers["Sforce-Limit-Info"]
    assert told == "api-usage=1/100000; per-app-api-usage=17/250(appName=Baton)"


def test_all_or_none_takes_the_history_back_too(org: Org) -> None:
    lead = org.lead()
    changed = {"id": lead, "OwnerId": BEN}
    results = org.patch(changed, {"Title": "no id"}, allOrNone=True)
    assert codes(results)[0] == "ALL_OR_NONE_OPERATION_ROLLED_BACK"
    assert org.query("SELECT Id FROM LeadHistory")["totalSize"] == 0


# --- calls inside calls ------------------------------------------------------------------------


def composite(org: Org, *requests: dict[str, Any], **body: Any) -> list[dict[str, Any]]:
    answer = org.post("composite", {"compositeRequest": list(requests), **body}, **KEEP_OWNER)
    assert answer.status_code == 200, answer.text
    return answer.json()["compositeResponse"]


def sub(name: str, method: str, path: str, body: Any = None) -> dict[str, Any]:
    made = {"method": method, "url": f"{ROOT}/{path}", "referenceId": name}
    return made | ({"body": body} if body is not None else {})


def test_a_later_call_names_what_an_earlier_one_answered(org: Org) -> None:
    made, task, read = composite(
        org,
        sub("lead", "POST", "sobjects/Lead", LEAD),
        sub("task", "POST", "sobjects/Task", {"Subject": "Call", "WhoId": "@{lead.id}"}),
        sub("read", "GET", "query?q=SELECT+WhoId+FROM+Task+WHERE+Id='@{task.id}'"),
    )
    assert (made["httpStatusCode"], made["referenceId"]) == (201, "lead")
    assert made["httpHeaders"]["Location"] == f"{ROOT}/sobjects/Lead/{made['body']['id']}"
    assert task["httpStatusCode"] == 201
    assert read["body"]["records"][0]["WhoId"] == made["body"]["id"]


def test_one_composite_counts_as_one_call(org: Org) -> None:
    before = org.store.calls_today
    composite(org, sub("a", "GET", "limits"), sub("b", "GET", "limits"))
    assert org.store.calls_today == before + 1
    asked = {"method": "GET", "url": "v62.0/limits"}
    org.post("composite/batch", {"batchRequests": [asked, asked]})
    assert org.store.calls_today == before + 3


def test_without_all_or_none_the_good_ones_stay(org: Org) -> None:
    good, bad, lost = composite(
        org,
        sub("good", "POST", "sobjects/Lead", LEAD),
        sub("bad", "POST", "sobjects/Lead", {"LastName": "x"}),
        sub("lost", "GET", "sobjects/Lead/@{bad.id}"),
    )
    assert (good["httpStatusCode"], bad["httpStatusCode"]) == (201, 400)
    assert bad["body"][0]["errorCode"] == "REQUIRED_FIELD_MISSING"
    assert lost["body"][0]["errorCode"] == "PROCESSING_HALTED"
    assert len(org.store.all("Lead")) == 1


def test_all_or_none_undoes_every_call(org: Org) -> None:
    lead = org.lead(Title="before")
    answers = composite(
        org,
        sub("new", "POST", "sobjects/Lead", LEAD),
        sub("old", "PATCH", f"sobjects/Lead/{lead}", {"Title": "after"}),
        sub("many", "PATCH", "composite/sobjects", {
            "records": [{"attributes": {"type": "Lead"}, "id": lead, "Title": "later"}]}),
        sub("bad", "POST", "sobjects/Lead", {"LastName": "x"}),
        allOrNone=True,
    )  # fmt: skip
    assert [answer["httpStatusCode"] for answer in answers] == [400, 400, 400, 400]
    assert answers[0]["body"][0]["errorCode"] == "PROCESSING_HALTED"
    assert answers[3]["body"][0]["errorCode"] == "REQUIRED_FIELD_MISSING"
    assert [row["Title"] for row in org.store.all("Lead")] == ["before"]
    assert org.store.effects == []


def test_a_batch_answers_each_call_on_its_own(org: Org) -> None:
    lead = org.lead()
    requests = [
        {"method": "PATCH", "url": f"v62.0/sobjects/Lead/{lead}", "richInput": {"Title": "CEO"}},
        {"method": "GET", "url": "v62.0/sobjects/Lead/00Q00000000ZZZZ"},
        {"method": "GET", "url": f"v62.0/sobjects/Lead/{lead}?fields=Title"},
    ]
    told = org.post("composite/batch", {"batchRequests": requests}).json()
    assert told["hasErrors"] is True
    assert [each["statusCode"] for each in told["results"]] == [204, 404, 200]
    assert told["results"][2]["result"]["Title"] == "CEO"
    halted = org.post("composite/batch", {"batchRequests": requests, "haltOnError": True}).json()
    assert [each["statusCode"] for each in halted["results"]] == [204, 404, 412]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("composite", {"compositeRequest": [sub(f"r{n}", "GET", "limits") for n in range(26)]}),
        ("composite/batch", {"batchRequests": [{"method": "GET", "url": "v62.0/limits"}] * 26}),
    ],
)
def test_more_than_25_calls_inside_one_are_too_many(org: Org, path: str, body: Any) -> None:
    answer = org.post(path, body)
    assert (answer.status_code, answer.json()[0]["errorCode"]) == (400, "LIMIT_EXCEEDED")


def test_an_ambiguous_external_id_in_a_collection_fails_its_record(org: Org) -> None:
    org.lead(baton_lead_key__c="twice")
    org.lead(baton_lead_key__c="twice")
    record = {"attributes": {"type": "Lead"}, "baton_lead_key__c": "twice", "Title": "CEO"}
    answer = org.http.patch(f"{MANY}/Lead/baton_lead_key__c", json={"records": [record]})
    assert codes(answer.json()) == ["DUPLICATE_EXTERNAL_ID"]


# --- bodies and headers that make no sense -----------------------------------------------------


@pytest.mark.parametrize("header", ["maybe", "01Q00000000-001"])
def test_an_assignment_header_that_names_no_rule_is_refused(org: Org, header: str) -> None:
    answer = org.post("sobjects/Lead", LEAD, **{"Sforce-Auto-Assign": header})
    assert (answer.status_code, answer.json()[0]["errorCode"]) == (400, "MALFORMED_ID")
    job = {"object": "Lead", "operation": "insert", "assignmentRuleId": header}
    refused = org.post("jobs/ingest", job)
    assert (refused.status_code, refused.json()[0]["errorCode"]) == (400, "INVALIDJOB")


def test_attributes_must_be_an_object(org: Org) -> None:
    answer = org.http.post(MANY, json={"records": [{"attributes": "Lead", **LEAD}]})
    assert codes(answer.json()) == ["INVALID_TYPE"]


def test_a_number_beyond_all_bounds_is_refused_not_rounded(org: Org) -> None:
    org.make_field("Lead.big__c", type="Number", precision=5, scale=2)
    org.grant(org.permission_set(), "Lead.big__c")
    answer = org.post("sobjects/Lead", {**LEAD, "big__c": 1e300})
    assert answer.json()[0]["errorCode"] == "NUMBER_OUTSIDE_VALID_RANGE"


@pytest.mark.parametrize(
    "metadata",
    [
        {"length": "long"},
        {"type": "Number", "precision": "five", "scale": 0},
        {"type": "Picklist", "valueSet": {"valueSetDefinition": {"value": ["Hot"]}}},
    ],
)
def test_metadata_of_the_wrong_type_is_refused(org: Org, metadata: dict[str, Any]) -> None:
    answer = org.make_field("Lead.x__c", **metadata)
    assert (answer.status_code, answer.json()[0]["errorCode"]) == (400, "JSON_PARSER_ERROR")
