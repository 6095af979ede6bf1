"""Custom fields of the Salesforce sandbox: made by API, closed until granted, changed later."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from tests.sandbox.salesforce_org import (
    AVA,
    NOW,
    ROBOT,
    ROOT,
    TOOLING,
    Org,
    codes,
    fresh_store,
    sign_in,
)

LONG = {"type": "LongTextArea", "length": 32_768, "visibleLines": 3}


@pytest.fixture
def bare(org_server: tuple[httpx.Client, SimpleNamespace], org: Org) -> Org:
    """An org in which nobody has made Baton's fields yet."""
    http, world = org_server
    world.salesforce = fresh_store(org.clock, custom_fields=False)
    http.headers["Authorization"] = f"Bearer {sign_in(http).json()['access_token']}"
    return Org(world.salesforce, http, org.clock)


def described(org: Org, name: str, object_name: str = "Lead") -> dict[str, Any] | None:
    answer = org.http.get(f"{ROOT}/sobjects/{object_name}/describe").json()
    return next((field for field in answer["fields"] if field["name"] == name), None)


def tooling(org: Org, soql: str) -> httpx.Response:
    return org.http.get(f"{ROOT}/tooling/query", params={"q": soql})


# --- an org without fields ---------------------------------------------------------------------


def test_an_org_can_start_without_batons_fields(bare: Org) -> None:
    assert described(bare, "baton_lead_key__c") is None
    assert described(bare, "baton_task_key__c", "Task") is None
    assert (
        "No such column 'baton_score__c'"
        in bare.refusal("SELECT baton_score__c FROM Lead")["message"]
    )
    assert described(bare, "DisqualificationReason__c") is not None


def test_a_field_made_by_api_is_invisible_until_a_permission_set_opens_it(bare: Org) -> None:
    made = bare.make_field("Lead.baton_score__c", type="Number", precision=5, scale=2)
    assert made.status_code == 201
    assert made.json() == {
        "id": made.json()["id"],
        "success": True,
        "errors": [],
        "warnings": [],
        "infos": [],
    }
    assert made.json()["id"].startswith("00N")
    lead = bare.lead()
    assert bare.refusal("SELECT baton_score__c FROM Lead")["errorCode"] == "INVALID_FIELD"
    assert described(bare, "baton_score__c") is None
    assert codes(bare.patch({"id": lead, "baton_score__c": 9})) == ["INVALID_FIELD"]
    bare.grant(bare.permission_set(), "Lead.baton_score__c")
    assert codes(bare.patch({"id": lead, "baton_score__c": 9.125})) == ["ok"]
    assert bare.query("SELECT baton_score__c FROM Lead")["records"][0]["baton_score__c"] == 9.13
    field = described(bare, "baton_score__c")
    assert field is not None
    assert (field["type"], field["precision"], field["scale"]) == ("double", 5, 2)
    assert (field["updateable"], field["custom"], field["label"]) == (True, True, "A field")


def test_a_permission_set_nobody_holds_opens_nothing(bare: Org) -> None:
    bare.make_field("Lead.x__c")
    parent = bare.post("sobjects/PermissionSet", {"Name": "P", "Label": "P"}).json()["id"]
    bare.grant(parent, "Lead.x__c")
    assert described(bare, "x__c") is None
    other = {"PermissionSetId": parent, "AssigneeId": AVA}
    bare.post("sobjects/PermissionSetAssignment", other)
    assert described(bare, "x__c") is None
    mine = {"PermissionSetId": parent, "AssigneeId": ROBOT}
    assigned = bare.post("sobjects/PermissionSetAssignment", mine).json()["id"]
    assert described(bare, "x__c") is not None
    bare.http.delete(f"{ROOT}/sobjects/PermissionSetAssignment/{assigned}")
    assert described(bare, "x__c") is None


def test_read_without_edit_can_be_read_and_not_written(bare: Org) -> None:
    bare.make_field("Lead.x__c")
    lead, parent = bare.lead(), bare.permission_set()
    granted = bare.grant(parent, "Lead.x__c", edit=False).json()["id"]
    field = described(bare, "x__c")
    assert field is not None
    assert (field["updateable"], field["createable"]) == (False, False)
    assert bare.query("SELECT x__c FROM Lead")["totalSize"] == 1
    (result,) = bare.patch({"id": lead, "x__c": "v"})
    assert result["errors"][0]["statusCode"] == "INVALID_FIELD_FOR_INSERT_UPDATE"
    address = f"{ROOT}/sobjects/FieldPermissions/{granted}"
    assert bare.http.patch(address, json={"PermissionsEdit": True}).status_code == 204
    assert codes(bare.patch({"id": lead, "x__c": "v"})) == ["ok"]


def test_a_permission_is_given_once_and_only_for_what_is_there(bare: Org) -> None:
    bare.make_field("Lead.x__c")
    parent = bare.permission_set()
    assert bare.grant(parent, "Lead.x__c").status_code == 201
    assert bare.grant(parent, "Lead.x__c").json()[0]["errorCode"] == "DUPLICATE_VALUE"
    for wrong in ("Lead.y__c", "Lead.LastName", "Contact.x__c", "Activity.x__c"):
        error = bare.grant(parent, wrong).json()[0]
        assert error["errorCode"] == "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", wrong
    again = {"PermissionSetId": parent, "AssigneeId": ROBOT}
    answer = bare.post("sobjects/PermissionSetAssignment", again)
    assert answer.json()[0]["errorCode"] == "DUPLICATE_VALUE"
    twice = bare.post("sobjects/PermissionSet", {"Name": "Baton", "Label": "B"})
    assert twice.json()[0]["errorCode"] == "DUPLICATE_DEVELOPER_NAME"
    body = {"ParentId": parent, "SobjectType": "Lead", "Field": "Lead.Title",
            "PermissionsRead": False, "PermissionsEdit": True}  # fmt: skip
    edit_alone = bare.post("sobjects/FieldPermissions", body)
    assert edit_alone.json()[0]["errorCode"] == "FIELD_INTEGRITY_EXCEPTION"


def test_permissions_are_found_by_soql(bare: Org) -> None:
    bare.make_field("Lead.x__c")
    parent = bare.permission_set()
    bare.grant(parent, "Lead.x__c")
    found = bare.query(
        "SELECT Field, PermissionsEdit, Parent.Name FROM FieldPermissions "
        f"WHERE ParentId = '{parent}' AND SobjectType = 'Lead'"
    )["records"]
    assert [(r["Field"], r["PermissionsEdit"], r["Parent"]["Name"]) for r in found] == [
        ("Lead.x__c", True, "Baton")
    ]
    held = bare.query(
        f"SELECT PermissionSet.Name FROM PermissionSetAssignment WHERE AssigneeId = '{ROBOT}'"
    )["records"]
    assert [row["PermissionSet"]["Name"] for row in held] == ["Baton"]


def test_a_rolled_back_permission_opens_nothing(bare: Org) -> None:
    bare.make_field("Lead.x__c")
    parent = bare.permission_set()
    kind = {"attributes": {"type": "FieldPermissions"}, "ParentId": parent, "SobjectType": "Lead",
            "PermissionsRead": True}  # fmt: skip
    records = [{**kind, "Field": "Lead.x__c"}, {**kind, "Field": "Lead.nope__c"}]
    results = bare.post("composite/sobjects", {"allOrNone": True, "records": records}).json()
    assert codes(results)[0] == "ALL_OR_NONE_OPERATION_ROLLED_BACK"
    assert described(bare, "x__c") is None


# --- making fields -----------------------------------------------------------------------------


def test_a_field_of_an_activity_stands_on_tasks_and_events(bare: Org) -> None:
    answer = bare.make_field("Activity.baton_task_key__c", externalId=True, unique=True)
    assert answer.status_code == 201
    assert bare.make_field("Task.other__c").json()[0]["errorCode"] == "INVALID_TYPE"
    parent = bare.permission_set()
    bare.grant(parent, "Task.baton_task_key__c")
    bare.grant(parent, "Event.baton_task_key__c")
    for name in ("Task", "Event"):
        field = described(bare, "baton_task_key__c", name)
        assert field is not None
        assert (field["externalId"], field["unique"]) == (True, True)
    address = f"{ROOT}/sobjects/Task/baton_task_key__c/k1"
    assert bare.http.patch(address, json={"Subject": "Call"}).status_code == 201
    assert bare.http.patch(address, json={"Subject": "Call again"}).status_code == 200
    listed = tooling(bare, "SELECT TableEnumOrId FROM CustomField").json()["records"]
    assert [row["TableEnumOrId"] for row in listed].count("Activity") == 1


def test_an_existing_field_is_a_duplicate_also_when_nobody_sees_it(bare: Org) -> None:
    assert bare.make_field("Lead.x__c").status_code == 201
    for name in ("Lead.x__c", "Lead.X__c"):
        error = bare.make_field(name).json()[0]
        assert error["errorCode"] == "DUPLICATE_DEVELOPER_NAME"


@pytest.mark.parametrize(
    ("name", "metadata", "code"),
    [
        ("Lead.x", {}, "FIELD_INTEGRITY_EXCEPTION"),
        ("Lead.two__parts__c", {}, "FIELD_INTEGRITY_EXCEPTION"),
        ("Nothing.x__c", {}, "INVALID_TYPE"),
        ("Lead.x__c", {"type": "Wish"}, "INVALID_TYPE"),
        ("Lead.x__c", {"label": None}, "FIELD_INTEGRITY_EXCEPTION"),
        ("Lead.x__c", {"length": None}, "FIELD_INTEGRITY_EXCEPTION"),
        ("Lead.x__c", {"length": 256}, "NUMBER_OUTSIDE_VALID_RANGE"),
        ("Lead.x__c", {"type": "Number"}, "FIELD_INTEGRITY_EXCEPTION"),
        ("Lead.x__c", {"type": "Checkbox"}, "FIELD_INTEGRITY_EXCEPTION"),
        ("Lead.x__c", {"type": "LongTextArea", "length": 1000}, "FIELD_INTEGRITY_EXCEPTION"),
    ],
)
def test_half_a_field_is_refused(bare: Org, name: str, metadata: Any, code: str) -> None:
    answer = bare.make_field(name, **metadata)
    assert (answer.status_code, answer.json()[0]["errorCode"]) == (400, code)


@pytest.mark.parametrize(
    ("metadata", "wire", "value"),
    [
        ({"type": "Text", "length": 5}, "string", "abcde"),
        (LONG, "textarea", "long" * 100),
        ({"type": "DateTime"}, "datetime", "2026-11-02T09:00:00.000+0000"),
        ({"type": "Checkbox", "defaultValue": False}, "boolean", True),
    ],
)
def test_each_type_holds_what_it_should(bare: Org, metadata: Any, wire: str, value: Any) -> None:
    bare.make_field("Lead.x__c", **metadata)
    bare.grant(bare.permission_set(), "Lead.x__c")
    field = described(bare, "x__c")
    assert field is not None
    assert field["type"] == wire
    lead = bare.lead()
    assert codes(bare.patch({"id": lead, "x__c": value})) == ["ok"]
    assert bare.query("SELECT x__c FROM Lead")["records"][0]["x__c"] == value


def test_a_made_field_keeps_its_bounds(bare: Org) -> None:
    bare.make_field("Lead.short__c", length=3)
    bare.make_field("Lead.small__c", type="Number", precision=3, scale=1)
    values = {"restricted": True, "valueSetDefinition": {"value": [{"valueName": "Hot"}]}}
    bare.make_field("Lead.heat__c", type="Picklist", valueSet=values)
    parent, lead = bare.permission_set(), bare.lead()
    for name in ("short__c", "small__c", "heat__c"):
        bare.grant(parent, f"Lead.{name}")
    results = [
        bare.patch({"id": lead, name: value})[0]
        for name, value in (("short__c", "long"), ("small__c", 100), ("heat__c", "Cold"),
                            ("heat__c", "Hot"))
    ]  # fmt: skip
    assert codes(results) == [
        "STRING_TOO_LONG",
        "NUMBER_OUTSIDE_VALID_RANGE",
        "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
        "ok",
    ]


def test_fields_are_listed_read_changed_and_dropped_by_the_tooling_api(bare: Org) -> None:
    made = bare.make_field("Lead.x__c", length=40).json()["id"]
    soql = "SELECT Id, DeveloperName FROM CustomField WHERE TableEnumOrId = 'Lead'"
    names = {row["DeveloperName"] for row in tooling(bare, soql).json()["records"]}
    assert names == {"DisqualificationReason", "x"}
    one = f"SELECT FullName, Metadata FROM CustomField WHERE Id = '{made}'"
    (record,) = tooling(bare, one).json()["records"]
    assert (record["FullName"], record["Metadata"]["length"]) == ("Lead.x__c", 40)
    many = tooling(bare, "SELECT FullName FROM CustomField")
    assert many.json()[0]["errorCode"] == "MALFORMED_QUERY"
    body = {"Metadata": {"type": "Text", "label": "Longer", "length": 80}}
    assert bare.http.patch(f"{TOOLING}/{made}", json=body).status_code == 204
    assert bare.http.get(f"{TOOLING}/{made}").json()["Metadata"]["length"] == 80
    assert bare.http.delete(f"{TOOLING}/{made}").status_code == 204
    assert bare.http.get(f"{TOOLING}/{made}").status_code == 404
    assert bare.make_field("Lead.x__c").status_code == 201


# --- describing --------------------------------------------------------------------------------


def test_describe_tells_picklists_with_their_values(org: Org) -> None:
    status = described(org, "Status")
    assert status is not None
    assert status["picklistValues"][0] == {
        "active": True,
        "defaultValue": True,
        "label": "Open - Not Contacted",
        "validFor": None,
        "value": "Open - Not Contacted",
    }
    assert status["restrictedPicklist"] is False
    org.store.customize.add_value("Lead", "Status", "Nurturing")
    org.store.customize.remove_value("Lead", "Status", "Working - Contacted")
    told = described(org, "Status")
    assert told is not None
    active = {value["value"]: value["active"] for value in told["picklistValues"]}
    assert (active["Nurturing"], active["Working - Contacted"]) == (True, False)


def test_an_inactive_value_of_a_restricted_list_is_refused(org: Org) -> None:
    org.store.customize.alter("Lead", "Status", restricted=True)
    org.store.customize.remove_value("Lead", "Status", "Working - Contacted")
    lead = org.lead()
    (result,) = org.patch({"id": lead, "Status": "Working - Contacted"})
    assert result["errors"] == [
        {
            "statusCode": "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
            "message": "Status: bad value for restricted picklist field: Working - Contacted",
            "fields": ["Status"],
        }
    ]


def test_basic_information_names_the_object_without_its_fields(org: Org) -> None:
    told = org.http.get(f"{ROOT}/sobjects/Lead").json()
    assert (told["objectDescribe"]["keyPrefix"], told["recentItems"]) == ("00Q", [])
    assert "fields" not in told["objectDescribe"]


def test_a_hidden_field_is_gone_for_this_user_and_comes_back(org: Org) -> None:
    lead = org.lead(baton_lead_key__c="k1")
    org.store.access.set_profile("Lead", "baton_lead_key__c", "none")
    assert described(org, "baton_lead_key__c") is None
    assert org.http.get(f"{ROOT}/sobjects/Lead/baton_lead_key__c/k1").status_code == 404
    assert "baton_lead_key__c" not in org.http.get(f"{ROOT}/sobjects/Lead/{lead}").json()
    org.store.access.set_profile("Lead", "baton_lead_key__c", "edit")
    assert org.http.get(f"{ROOT}/sobjects/Lead/baton_lead_key__c/k1").json()["Id"] == lead


def test_a_renamed_field_keeps_what_it_held(org: Org) -> None:
    org.lead(baton_lead_key__c="k1")
    org.store.customize.rename("Lead", "baton_lead_key__c", "handover_key__c")
    assert org.refusal("SELECT baton_lead_key__c FROM Lead")["errorCode"] == "INVALID_FIELD"
    (found,) = org.query("SELECT handover_key__c FROM Lead WHERE handover_key__c = 'k1'")["records"]
    assert found["handover_key__c"] == "k1"


def test_a_retyped_field_reads_what_it_can_and_empties_the_rest(org: Org) -> None:
    org.lead(DisqualificationReason__c="7")
    org.lead(DisqualificationReason__c="spam")
    org.store.customize.retype("Lead", "DisqualificationReason__c", "double")
    soql = "SELECT DisqualificationReason__c FROM Lead ORDER BY DisqualificationReason__c"
    held = [row["DisqualificationReason__c"] for row in org.query(soql)["records"]]
    assert held == [None, 7.0]


def test_a_removed_field_is_unknown_and_can_be_made_again(org: Org) -> None:
    org.lead(baton_score__c=9)
    org.store.customize.remove("Lead", "baton_score__c")
    assert org.refusal("SELECT baton_score__c FROM Lead")["errorCode"] == "INVALID_FIELD"
    org.make_field("Lead.baton_score__c", type="Number", precision=18, scale=0)
    org.grant(org.permission_set(), "Lead.baton_score__c")
    assert org.query("SELECT baton_score__c FROM Lead")["records"][0]["baton_score__c"] is None


def test_making_a_field_is_an_effect(bare: Org) -> None:
    bare.make_field("Lead.x__c")
    (effect,) = bare.store.effects
    assert (effect["object"], effect["fields"]) == ("CustomField", {"FullName": "Lead.x__c"})
    assert effect["at"].startswith(f"{NOW:%Y-%m-%d}")


def test_what_an_admin_grants_behind_the_api_is_seen_at_once(bare: Org) -> None:
    bare.make_field("Lead.x__c")
    parent = bare.permission_set()
    assert described(bare, "x__c") is None
    permission = {"ParentId": parent, "SobjectType": "Lead", "Field": "Lead.x__c",
                  "PermissionsRead": True}  # fmt: skip
    granted = bare.store.insert("FieldPermissions", permission)
    assert described(bare, "x__c") is not None
    bare.store.delete("FieldPermissions", granted)
    assert described(bare, "x__c") is None
