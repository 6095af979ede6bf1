"""What an org says no to: waited for where time cures it, told in words where it does not."""

from __future__ import annotations

from typing import Any

import pytest

from flows.connectors.base import Change, Finding, Receipt
from flows.connectors.salesforce import Salesforce
from flows.errors import VendorError
from tests.flows.connectors.salesforce_org import KEY, ROOT, Org, page, push, refusal
from tests.flows.connectors.vendor import Call, Reply

FINE = {"id": "00Q1", "success": True, "errors": []}


def failed(code: str, message: str, **more: Any) -> dict[str, Any]:
    return {"success": False, "errors": [{"statusCode": code, "message": message, **more}]}


def only(receipts: dict[str, Receipt]) -> Receipt:
    (receipt,) = receipts.values()
    return receipt


def duplicates(name: str, **more: Any) -> Reply:
    matched = {"record": {"attributes": {"type": "Lead"}, "Id": "00Q7"}, "matchConfidence": 100.0}
    found = {
        "duplicateRule": "Standard_Lead_Duplicate_Rule",
        "matchResults": [{"matchRecords": [matched]}],
        **more,
    }
    words = "Use one of these records?"
    return Reply([failed("DUPLICATES_DETECTED", words, **{name: found})])


@pytest.mark.parametrize("name", ["duplicateResult", "duplicateResut"])
def test_a_duplicate_names_its_rule_and_the_records_it_resembles(
    salesforce: Salesforce, org: Org, name: str
) -> None:
    org.replies(duplicates(name))
    receipt = only(push(salesforce, {KEY: "a"}))
    assert receipt.status == "rejected"
    assert receipt.reason == (
        "DUPLICATES_DETECTED: Use one of these records? "
        "(rule Standard_Lead_Duplicate_Rule, it matches 00Q7)"
    )


@pytest.mark.parametrize(
    "reply",
    [
        Reply([failed("DUPLICATES_DETECTED", "Use one of these records?")]),
        Reply([failed("DUPLICATES_DETECTED", "Use one of these records?", duplicateResult=None)]),
        duplicates("duplicateResult", matchResults=None, duplicateRule=None),
        duplicates("duplicateResult", matchResults=[{"matchRecords": [{}]}, None]),
    ],
)
def test_a_duplicate_without_particulars_is_still_one_refused_row(
    salesforce: Salesforce, org: Org, reply: Reply
) -> None:
    org.replies(reply)
    reason = only(push(salesforce, {KEY: "a"})).reason or ""
    assert reason.startswith("DUPLICATES_DETECTED: Use one of these records?")


def test_writes_of_ours_pass_a_rule_that_only_alerts(salesforce: Salesforce, org: Org) -> None:
    org.replies(Reply([FINE]))
    push(salesforce, {KEY: "a"})
    assert org.asked[0].headers["sforce-duplicate-rule-header"] == "allowSave=true"


def test_a_refused_value_names_its_field(salesforce: Salesforce, org: Org) -> None:
    code, words = "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", "bad value for restricted picklist"
    org.replies(Reply([failed(code, words, fields=["LeadSource"])]))
    receipt = only(push(salesforce, {KEY: "a", "LeadSource": "Select"}))
    assert receipt.reason == f"{code}: {words} (fields LeadSource)"


@pytest.mark.parametrize("words", ["UNABLE_TO_LOCK_ROW", "System.LimitException: Too many SOQL"])
def test_a_trigger_that_met_a_lock_or_a_limit_is_sent_again(
    salesforce: Salesforce, org: Org, words: str
) -> None:
    # The telling words stand behind more than a reason holds.
    message = f"LeadTrigger: {'execution of BeforeUpdate ' * 20} caused by: {words} queries: 101"
    code = "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY"
    org.replies(Reply([FINE, failed(code, message)]), Reply([FINE]))
    receipts = push(salesforce, {KEY: "a"}, {KEY: "b"})
    assert {receipt.status for receipt in receipts.values()} == {"accepted"}
    assert [len(call.json["records"]) for call in org.asked] == [2, 1]


def test_a_trigger_that_failed_for_itself_is_not_sent_again(
    salesforce: Salesforce, org: Org
) -> None:
    code = "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY"
    org.replies(Reply([failed(code, "LeadTrigger: System.NullPointerException")]))
    assert only(push(salesforce, {KEY: "a"})).status == "rejected"
    assert len(org.asked) == 1


def test_a_lock_that_refuses_the_whole_call_is_waited_for(salesforce: Salesforce, org: Org) -> None:
    org.replies(refusal("UNABLE_TO_LOCK_ROW", "unable to obtain exclusive access"), Reply([FINE]))
    assert only(push(salesforce, {KEY: "a"})).status == "accepted"


def test_a_lock_that_stays_rejects_its_row_in_the_end(salesforce: Salesforce, org: Org) -> None:
    org.replies(Reply([failed("UNABLE_TO_LOCK_ROW", "unable to obtain exclusive access")]))
    receipt = only(push(salesforce, {KEY: "a"}))
    assert receipt.status == "rejected"
    assert "UNABLE_TO_LOCK_ROW" in (receipt.reason or "")
    assert len(org.asked) == 4


# --- a doctor and a set-up that meet refusals ---------------------------------------------------


def findings(salesforce: Salesforce) -> dict[str, Finding]:
    return {finding.check: finding for finding in salesforce.examine()}


@pytest.mark.parametrize(
    "reply",
    [
        Reply("nothing that is expected"),
        Reply([]),
        Reply({}),
        Reply({"fields": [None, {"name": None}], "results": "x", "records": [7], "size": None}),
        refusal("API_DISABLED_FOR_ORG", "not enabled", 403),
        refusal("UNSUPPORTED_API_VERSION", "no longer supported", 410),
    ],
)
def test_a_doctor_never_raises_and_looks_at_everything(
    salesforce: Salesforce, org: Org, reply: Reply
) -> None:
    org.script = lambda call: reply
    found = findings(salesforce)
    assert found["salesforce.credential"].status == "ok"
    assert found["salesforce.api_version"].status == "broken"
    assert found["salesforce.daily_calls"].status == "warning"
    assert any(check.startswith("salesforce.object") for check in found)


def test_an_object_that_cannot_be_seen_hides_no_other(salesforce: Salesforce, org: Org) -> None:
    def describe(call: Call) -> Reply:
        name = call.path.split("/")[-2]
        if name == "Opportunity":
            return refusal("NOT_FOUND", "The requested resource does not exist", 404)
        rights = {"queryable": True, "createable": name != "Task", "updateable": True}
        return Reply({**rights, "fields": [{"name": "Id", "type": "id"}]})

    org.routes(describe=describe, batch=refusal("NOT_FOUND", "no composite", 404))
    found = findings(salesforce)
    # A sync hands leads over without it.
    assert found["salesforce.object Opportunity"].status == "warning"
    assert "Read on Opportunity" in (found["salesforce.object Opportunity"].cure or "")
    assert found["salesforce.object Lead"].status == "ok"
    assert found["salesforce.object Task"].status == "broken"
    assert "not createable" in found["salesforce.object Task"].detail
    assert found["salesforce.field Lead.baton_score__c"].cure == "Create it: baton setup-crm"


def test_rules_and_rights_are_told_where_they_can_be_seen(salesforce: Salesforce, org: Org) -> None:
    def query(call: Call) -> Reply:
        text = call.query["q"][0]
        if "FROM PermissionSetAssignment" in text:
            return page({"PermissionSetId": "0PS1"})
        if "FROM PermissionSet " in text:
            return page({"Id": "0PS1", "PermissionsViewAllData": False})
        return page({"Name": "Round robin", "MasterLabel": "Standard"})

    org.routes(query=query)
    found = findings(salesforce)
    assert found["salesforce.view_all"].status == "warning"
    assert found["salesforce.assignment_rule Lead"].detail.startswith("Round robin")
    assert "one that blocks refuses" in found["salesforce.duplicate_rules Lead"].detail


def changes(salesforce: Salesforce) -> dict[str, Change]:
    return {change.what: change for change in salesforce.set_up()}


def test_a_set_up_without_the_right_to_it_says_which_right(
    salesforce: Salesforce, org: Org
) -> None:
    no = refusal("INSUFFICIENT_ACCESS", "insufficient access rights", 403)
    described = Reply({"fields": [{"name": "Id", "type": "id"}]})
    org.routes(describe=described, CustomField=no, PermissionSet=no)
    told = changes(salesforce)
    assert {change.status for change in told.values()} == {"refused"}
    assert "Customize Application" in told["field Lead.baton_score__c"].detail
    assert "Manage Users" in told["permission set Baton"].detail


def test_one_refused_field_stops_no_other(salesforce: Salesforce, org: Org) -> None:
    def create(call: Call) -> Reply:
        if "score__c" in call.json["FullName"]:
            return refusal("FIELD_INTEGRITY_EXCEPTION", "too many custom fields")
        return Reply({"id": "00N1", "success": True}, 201)

    described = Reply({"fields": [{"name": "Id", "type": "id"}]})
    made = Reply({"id": "0PS1", "success": True}, 201)
    org.routes(describe=described, CustomField=create, PermissionSet=made)
    told = changes(salesforce)
    assert told["field Lead.baton_score__c"].status == "refused"
    assert "too many custom fields" in told["field Lead.baton_score__c"].detail
    assert told["field Lead.baton_trigger__c"].status == "created"
    assert told["access to Lead.baton_trigger__c"].status == "granted"
    assert "access to Lead.baton_score__c" not in told
    body = next(c.json for c in org.asked if c.path == f"{ROOT}/sobjects/FieldPermissions")
    assert body["ParentId"] == "0PS1"
    assert body["PermissionsRead"] is body["PermissionsEdit"] is True


def test_what_a_lost_answer_already_made_is_present(salesforce: Salesforce, org: Org) -> None:
    described = Reply({"fields": [{"name": "Id", "type": "id"}]})
    there = refusal("DUPLICATE_VALUE", "duplicate value found")
    org.routes(
        describe=described,
        CustomField=Reply({"id": "00N1", "success": True}, 201),
        PermissionSet=Reply({"id": "0PS1", "success": True}, 201),
        FieldPermissions=there,
        PermissionSetAssignment=there,
    )
    told = changes(salesforce)
    assert told["access to Lead.baton_score__c"].status == "granted"
    assert told["permission set Baton for user 00500000000000zAAA"].status == "present"


def test_a_definition_says_everything_the_vendor_wants(salesforce: Salesforce, org: Org) -> None:
    described = Reply({"fields": []})
    org.routes(describe=described, CustomField=Reply({"id": "00N1"}, 201))
    changes(salesforce)
    asked = [call.json for call in org.asked if call.path.endswith("tooling/sobjects/CustomField")]
    definitions = {body["FullName"]: body["Metadata"] for body in asked}
    assert definitions["Lead.baton_lead_key__c"] == {
        "type": "Text",
        "label": "Baton lead key",
        "description": "Names the lead in Baton. Written once; rows are recognised by it.",
        "length": 64,
        "externalId": True,
        "unique": True,
        "caseSensitive": False,
        "required": False,
    }
    assert definitions["Lead.baton_score_reasons__c"]["visibleLines"] == 5
    assert definitions["Lead.baton_score__c"]["precision"] == 5
    assert "Activity.baton_task_key__c" in definitions


def test_an_org_that_is_down_stops_a_set_up(salesforce: Salesforce, org: Org) -> None:
    org.script = lambda call: refusal("SERVER_UNAVAILABLE", "down", 503)
    with pytest.raises(VendorError):
        changes(salesforce)
