"""Recorded refusals of Salesforce, and acceptances beside them, as our errors and receipts."""

from __future__ import annotations

import pytest

from flows.connectors.salesforce import Salesforce
from flows.errors import Unauthorised, VendorError
from tests.flows.connectors.vendor import Reply, Vendor
from tests.replay.recordings import needs_recordings
from tests.replay.salesforce_answers import TOKEN, org, pull, recorded
from tests.replay.wire import assert_same_objects, payloads, play

pytestmark = needs_recordings


def test_a_recorded_expired_session_is_renewed_once(player: Vendor, salesforce: Salesforce) -> None:
    expired, page = recorded("expired_session"), recorded("fixtures__api_responses__findleads.json")
    answers = [play(expired), play(page)]
    player.script = org(player, lambda call: answers.pop(0) if len(answers) > 1 else answers[0])
    pages = pull(salesforce)
    assert_same_objects(payloads(pages), page.body["records"])
    assert [call.path for call in player.calls].count(TOKEN) == 2


def test_a_session_that_stays_expired_is_renewed_no_second_time(
    player: Vendor, salesforce: Salesforce
) -> None:
    player.script = org(player, lambda call: play(recorded("expired_session")))
    with pytest.raises(Unauthorised) as caught:
        salesforce.check()
    assert caught.value.code == "INVALID_SESSION_ID"
    assert "Session expired or invalid" in str(caught.value)
    assert [call.path for call in player.calls].count(TOKEN) == 2


@pytest.mark.parametrize("name", ["auth_error", "refresh_error"])
def test_a_recorded_login_refusal_is_no_credential(
    player: Vendor, salesforce: Salesforce, name: str
) -> None:
    refusal = recorded(name)
    player.script = lambda call: play(refusal)
    with pytest.raises(Unauthorised) as caught:
        salesforce.check()
    assert caught.value.code == "invalid_grant"
    assert refusal.body["error_description"] in str(caught.value)
    assert len(player.calls) == 1, "a wrong credential is not tried again"


@pytest.mark.parametrize("name", ["auth_success", "reauth_success", "refresh_success"])
def test_each_recorded_token_answer_opens_a_session(
    player: Vendor, salesforce: Salesforce, name: str
) -> None:
    token = {**recorded(name).body, "instance_url": player.url}
    page = recorded("query_empty")
    player.script = lambda call: Reply(token) if call.path == TOKEN else play(page)
    salesforce.check()
    assert player.calls[-1].headers["authorization"] == f"Bearer {token['access_token']}"


@pytest.mark.parametrize("name", ["query_error", "search_error"])
def test_a_recorded_query_refusal_keeps_code_and_words(
    player: Vendor, salesforce: Salesforce, name: str
) -> None:
    refusal = recorded(name)
    player.script = org(player, lambda call: play(refusal))
    with pytest.raises(VendorError) as caught:
        pull(salesforce)
    assert caught.value.code == refusal.body[0]["errorCode"]
    assert refusal.body[0]["message"] in str(caught.value)
    assert not caught.value.retryable
    assert not caught.value.ambiguous


@pytest.mark.parametrize("name", ["create_success", "upsert_created_success"])
def test_a_recorded_result_makes_an_accepted_receipt(
    player: Vendor, salesforce: Salesforce, name: str
) -> None:
    result = recorded(name).body
    player.script = org(player, lambda call: Reply([result]))
    row = {"baton_lead_key__c": "L00000001", "LastName": "Lovelace"}
    (receipt,) = salesforce.push("lead", "baton_lead_key__c", [row])
    assert (receipt.key, receipt.status) == ("L00000001", "accepted")
    assert receipt.vendor_id == result["id"]


@pytest.mark.parametrize("name", ["write_error", "upsert_error", "upsert_multiple_error"])
def test_a_recorded_refusal_gives_every_row_its_receipt(
    player: Vendor, salesforce: Salesforce, name: str
) -> None:
    refusal = recorded(name)
    player.script = org(player, lambda call: play(refusal))
    rows = [{"baton_lead_key__c": f"L{number}", "LastName": "Lovelace"} for number in range(5)]
    receipts = list(salesforce.push("lead", "baton_lead_key__c", rows))
    assert sorted(receipt.key for receipt in receipts) == ["L0", "L1", "L2", "L3", "L4"]
    assert {receipt.status for receipt in receipts} == {"rejected"}
    first = refusal.body[0]
    words = first["message"] if isinstance(first, dict) else first
    assert all(words in (receipt.reason or "") for receipt in receipts)


def test_a_recorded_result_beside_a_recorded_refusal_answers_row_by_row(
    player: Vendor, salesforce: Salesforce
) -> None:
    made = recorded("create_success").body
    told = recorded("write_error").body[0]
    failed = {
        "success": False,
        "errors": [{"statusCode": told["errorCode"], "message": told["message"], "fields": []}],
    }
    player.script = org(player, lambda call: Reply([made, failed]))
    rows = [{"baton_lead_key__c": key, "LastName": "Lovelace"} for key in ("L1", "L2")]
    receipts = {r.key: r for r in salesforce.push("lead", "baton_lead_key__c", rows)}
    assert receipts["L1"].status == "accepted"
    assert receipts["L2"].status == "rejected"
    assert "No such column 'foo'" in (receipts["L2"].reason or "")
