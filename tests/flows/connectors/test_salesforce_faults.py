"""Salesforce's quirks that a healthy sandbox does not show, one server script each."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from flows.connectors.base import millis, write_cursor
from flows.connectors.salesforce import Salesforce
from flows.errors import SchemaChanged, Unauthorised, VendorError
from tests.flows.connectors.salesforce_org import (
    KEY,
    LOCKED,
    NOW,
    SECRET,
    Org,
    lead,
    page,
    pull,
    push,
    soql,
)
from tests.flows.connectors.vendor import Call, Reply, Vendor


def test_a_dead_session_is_renewed_once(salesforce: Salesforce, org: Org) -> None:
    dead = Reply([{"errorCode": "INVALID_SESSION_ID", "message": "Session expired"}], 401)
    org.replies(dead, page(lead(1, NOW)))
    assert len(next(pull(salesforce, "leads")).records) == 1
    assert org.minted == 2
    assert [call.headers["authorization"][-6:] for call in org.asked] == ["token1", "token2"]


def test_a_session_that_stays_dead_is_not_renewed_for_ever(
    salesforce: Salesforce, org: Org
) -> None:
    org.replies(Reply([{"errorCode": "INVALID_SESSION_ID", "message": "no"}], 401))
    with pytest.raises(Unauthorised):
        salesforce.check()
    assert org.minted == 2


def test_a_wrong_secret_is_a_credential_problem(salesforce: Salesforce, vendor: Vendor) -> None:
    words = f"invalid client credentials {SECRET}"
    vendor.replies(Reply({"error": "invalid_client", "error_description": words}, 400))
    with pytest.raises(Unauthorised) as caught:
        salesforce.check()
    assert SECRET not in str(caught.value)


def test_pages_follow_each_other_and_each_one_moves_the_cursor(
    salesforce: Salesforce, org: Org
) -> None:
    early, late = NOW - timedelta(hours=2), NOW - timedelta(hours=1)
    org.replies(
        page(lead(1, early), following="/services/data/v62.0/query/01g-2"), page(lead(2, late))
    )
    pages = list(pull(salesforce, "leads"))
    assert [r.key for p in pages for r in p.records] == [lead(1, NOW)["Id"], lead(2, NOW)["Id"]]
    assert org.asked[0].path == "/services/data/v62.0/queryAll"
    assert soql(org.asked[0]).endswith("FROM Lead ORDER BY SystemModstamp, Id")
    assert org.asked[1].path == "/services/data/v62.0/query/01g-2"
    assert [json.loads(p.cursor or "")["open"] for p in pages] == [True, False]


def test_a_next_page_beside_done_is_not_followed(salesforce: Salesforce, org: Org) -> None:
    org.replies(Reply({"records": [lead(1, NOW)], "done": True, "nextRecordsUrl": "/x"}))
    assert len(list(pull(salesforce, "leads"))) == 1


def test_a_finished_pull_looks_ten_minutes_back(salesforce: Salesforce, org: Org) -> None:
    org.replies(page(lead(1, NOW - timedelta(hours=1))))
    cursor = list(pull(salesforce, "leads"))[-1].cursor
    list(pull(salesforce, "leads", cursor))
    assert "WHERE SystemModstamp >= 2026-11-20T10:50:00Z ORDER" in soql(org.asked[1])


def test_an_interrupted_pull_goes_on_behind_its_last_row(salesforce: Salesforce, org: Org) -> None:
    org.replies(page(lead(7, NOW - timedelta(hours=1)), following="/services/data/v62.0/query/01g"))
    cursor = next(pull(salesforce, "leads")).cursor
    org.replies(page())
    list(pull(salesforce, "leads", cursor))
    assert (
        "WHERE ((SystemModstamp = 2026-11-20T11:00:00Z AND Id > '00Q000000000007AAA') "
        "OR SystemModstamp > 2026-11-20T11:00:00Z) ORDER" in soql(org.asked[-1])
    )


def test_a_pull_cut_off_close_to_its_present_looks_back_for_late_commits(
    salesforce: Salesforce, org: Org
) -> None:
    near = NOW - timedelta(minutes=3)
    org.replies(page(lead(7, near), following="/services/data/v62.0/query/01g"))
    cursor = next(pull(salesforce, "leads")).cursor
    org.replies(page())
    list(pull(salesforce, "leads", cursor))
    assert "Id > '00Q000000000007AAA'" in soql(org.asked[-2])
    assert "SystemModstamp >= 2026-11-20T11:47:00Z" in soql(org.asked[-1])


def test_a_lost_locator_is_replaced_by_a_query_behind_the_last_row(
    salesforce: Salesforce, org: Org
) -> None:
    org.replies(
        page(lead(1, NOW - timedelta(hours=3)), following="/services/data/v62.0/query/01g"),
        Reply([{"errorCode": "INVALID_QUERY_LOCATOR", "message": "invalid query locator"}], 400),
        page(lead(2, NOW - timedelta(hours=3))),
    )
    pages = list(pull(salesforce, "leads"))
    assert len(pages) == 2
    assert "Id > '00Q000000000001AAA'" in soql(org.asked[2])


def test_a_column_this_user_may_not_see_is_left_out_and_reported(
    salesforce: Salesforce, org: Org
) -> None:
    def script(call: Call) -> Reply:
        for name in ("DisqualificationReason__c", "baton_score__c"):
            if name in soql(call):
                words = (
                    f"\nSELECT Id\n^\nERROR at Row:1\nNo such column '{name}' on entity 'Lead'. If"
                )
                return Reply([{"errorCode": "INVALID_FIELD", "message": words}], 400)
        return page(lead(1, NOW))

    org.script = script
    assert len(list(pull(salesforce, "leads"))) == 1
    assert salesforce.dropped_fields == {"leads": ["DisqualificationReason__c", "baton_score__c"]}
    list(pull(salesforce, "leads"))
    assert len(org.asked) == 4


def test_a_missing_id_column_is_no_column_to_leave_out(salesforce: Salesforce, org: Org) -> None:
    words = "No such column 'SystemModstamp' on entity 'Lead'"
    org.replies(Reply([{"errorCode": "INVALID_FIELD", "message": words}], 400))
    with pytest.raises(VendorError, match="SystemModstamp"):
        list(pull(salesforce, "leads"))


def test_a_stamp_in_the_future_does_not_carry_the_cursor_away(
    salesforce: Salesforce, org: Org
) -> None:
    org.replies(page(lead(1, NOW - timedelta(hours=1)), lead(2, datetime(2999, 1, 1, tzinfo=UTC))))
    cursor = json.loads(next(pull(salesforce, "leads")).cursor or "")
    assert cursor["stamp"] == "2026-11-20T11:00:00.000Z"
    far = write_cursor(stamp="2999-01-01T00:00:00Z", id="x", open=False, deep_at=millis(NOW))
    list(pull(salesforce, "leads", far))
    assert "SystemModstamp >= 2026-11-20T11:50:00Z" in soql(org.asked[-1])


def test_deleted_and_broken_rows_are_told_apart(salesforce: Salesforce, org: Org) -> None:
    org.replies(page(lead(1, NOW, IsDeleted=True), {"Name": "no id"}, lead(3, NOW)))
    landed = next(pull(salesforce, "leads"))
    assert [r.is_deleted for r in landed.records] == [True, False]
    assert [r.reason for r in landed.rejects] == ["no usable id"]


def test_who_we_are_comes_from_the_token(salesforce: Salesforce, org: Org) -> None:
    record = next(pull(salesforce, "identity")).records[0]
    assert json.loads(record.payload) == {
        "user_id": "00500000000000zAAA",
        "organization_id": "00Dxx0000001gPLEAY",
        "instance_url": org.vendor.url,
    }
    assert org.asked == []


def test_the_daily_budget_is_read_from_each_answer(salesforce: Salesforce, org: Org) -> None:
    header = {"Sforce-Limit-Info": "api-usage=24/15000; per-app-api-usage=17/250(appName=x)"}
    org.script = lambda call: Reply({"records": [], "done": True}, headers=header)
    salesforce.check()
    assert salesforce.usage == (24, 15000)


def test_an_answer_without_records_is_a_strange_one(salesforce: Salesforce, org: Org) -> None:
    org.replies(Reply({"unexpected": 1}))
    with pytest.raises(SchemaChanged):
        list(pull(salesforce, "leads"))


# --- writing ---------------------------------------------------------------------------------


def row(key: str, **more: Any) -> dict[str, Any]:
    return {KEY: key, "OwnerId": "005000000000001AAA", **more}


def ok(call: Call) -> Reply:
    return Reply(
        [{"id": f"00Q-{r[KEY]}", "success": True, "errors": []}
         for r in call.json["records"]]
    )  # fmt: skip


def test_known_rows_are_updated_by_id_and_new_ones_upserted_by_key(
    salesforce: Salesforce, org: Org
) -> None:
    org.script = ok
    due = datetime(2026, 1, 5, 10, tzinfo=UTC)
    rows = [row("a", Id="00Q1", baton_sla_due_at__c=due), row("b", LastName="Ng", Title=None)]
    receipts = push(salesforce, *rows)
    assert {r.status for r in receipts.values()} == {"accepted"}
    first, second = org.asked
    assert first.path == "/services/data/v62.0/composite/sobjects"
    assert second.path == "/services/data/v62.0/composite/sobjects/Lead/baton_lead_key__c"
    for call in org.asked:
        assert call.method == "PATCH"
        assert call.headers["sforce-auto-assign"] == "FALSE"
        assert call.json["allOrNone"] is False
    assert first.json["records"][0]["id"] == "00Q1"
    assert first.json["records"][0]["baton_sla_due_at__c"] == "2026-01-05T10:00:00.000Z"
    assert second.json["records"][0] == {"attributes": {"type": "Lead"}, **row("b", LastName="Ng")}


def test_calls_hold_200_rows_and_never_one_record_twice(salesforce: Salesforce, org: Org) -> None:
    org.script = ok
    rows = [row(str(n), Id=f"00Q{n % 210}") for n in range(230)]
    push(salesforce, *rows)
    for call in org.asked:
        ids = [record["id"] for record in call.json["records"]]
        assert len(ids) == len(set(ids)) <= 200


def test_a_locked_row_alone_is_sent_again(salesforce: Salesforce, org: Org) -> None:
    fine = {"id": "00Q1", "success": True, "errors": []}
    org.replies(
        Reply([fine, {"success": False, "errors": [LOCKED]}]),
        Reply([{"id": "00Q2", "success": True, "errors": []}]),
    )
    receipts = push(salesforce, row("a", Id="00Q1"), row("b", Id="00Q2"))
    assert {r.status for r in receipts.values()} == {"accepted"}
    assert [len(call.json["records"]) for call in org.asked] == [2, 1]


def test_answers_already_given_stand_when_the_repeat_is_lost(
    salesforce: Salesforce, org: Org
) -> None:
    fine = {"id": "00Q1", "success": True, "errors": []}
    org.replies(Reply([fine, {"success": False, "errors": [LOCKED]}]), Reply(drop=True))
    receipts = push(salesforce, row("a", Id="00Q1"), row("b", Id="00Q2"))
    assert (receipts["a"].status, receipts["b"].status) == ("accepted", "unknown")


def test_each_row_has_the_reason_salesforce_gave(salesforce: Salesforce, org: Org) -> None:
    error = {
        "statusCode": "INVALID_EMAIL_ADDRESS",
        "message": "Email: ada@acme is bad a.b@c.example",
    }
    org.replies(Reply([{"success": False, "errors": [error]}, {"success": True, "id": "2"}]))
    receipts = push(salesforce, row("a"), row("b"))
    assert receipts["a"].reason == "INVALID_EMAIL_ADDRESS: Email: ada@acme is bad a***@c.example"
    assert receipts["b"].vendor_id == "2"


def test_an_ambiguous_external_id_rejects_its_row_only(salesforce: Salesforce, org: Org) -> None:
    def script(call: Call) -> Reply:
        keys = [record[KEY] for record in call.json["records"]]
        return Reply(["/a", "/b"], 300) if "twice" in keys else ok(call)

    org.script = script
    receipts = push(salesforce, row("one"), row("twice"), row("three"))
    assert [k for k, r in receipts.items() if r.status == "rejected"] == ["twice"]


def test_an_answer_with_too_few_rows_leaves_them_unknown(salesforce: Salesforce, org: Org) -> None:
    org.replies(Reply([{"success": True, "id": "1"}]))
    receipts = push(salesforce, row("a"), row("b"))
    assert {r.status for r in receipts.values()} == {"unknown"}


def test_the_daily_limit_stops_the_target_at_once(salesforce: Salesforce, org: Org) -> None:
    words = {"errorCode": "REQUEST_LIMIT_EXCEEDED", "message": "TotalRequests Limit exceeded."}
    org.replies(Reply([words], 403))
    receipts = push(salesforce, *(row(str(n)) for n in range(450)))
    assert len(org.asked) == 1
    assert {r.status for r in receipts.values()} == {"rejected"}


def test_unknown_rows_are_found_by_their_key(salesforce: Salesforce, org: Org) -> None:
    org.replies(page(lead(1, NOW, baton_lead_key__c="o'key")))
    found = salesforce.find("lead", KEY, ["o'key", "other"])
    assert list(found) == ["o'key"]
    assert org.asked[0].path == "/services/data/v62.0/query"
    assert soql(org.asked[0]).endswith("WHERE baton_lead_key__c IN ('o\\'key', 'other')")
