"""Rows written to HubSpot: batches of 100, answered row by row, refused as finely as can be."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from flows.connectors.hubspot import HubSpot
from tests.flows.connectors.vendor import QUICK, Call, Reply, Vendor


def update(hubspot: HubSpot, rows: list[dict[str, Any]]) -> dict[str, Any]:
    receipts = list(hubspot.push("contact", "id", rows))
    assert len(receipts) == len(rows)
    return {receipt.key: receipt for receipt in receipts}


def test_a_batch_is_answered_row_by_row(hubspot: HubSpot, vendor: Vendor) -> None:
    vendor.replies(
        Reply(
            {
                "status": "COMPLETE",
                "results": [{"id": "1", "properties": {"lifecyclestage": "customer"}}],
                "errors": [
                    {
                        "category": "OBJECT_NOT_FOUND",
                        "message": "no ada@acme.example",
                        "context": {"ids": ["2"]},
                    }
                ],
                "numErrors": 1,
            },
            207,
        )
    )
    rows = [{"id": str(n), "lifecyclestage": "lead", "baton_score": None} for n in (1, 2, 3)]
    receipts = update(hubspot, rows)
    assert receipts["1"].returned == {"lifecyclestage": "customer"}
    assert receipts["2"].status == "rejected"
    assert receipts["2"].reason == "OBJECT_NOT_FOUND: no a***@acme.example"
    assert receipts["3"].status == "unknown"
    sent = vendor.calls[0].json["inputs"]
    assert sent[0] == {"id": "1", "properties": {"lifecyclestage": "lead"}}


def test_values_are_sent_as_the_text_hubspot_gives_back(hubspot: HubSpot, vendor: Vendor) -> None:
    vendor.replies(Reply({"results": []}))
    row = {"id": 5, "a": 7.0, "b": True, "c": datetime(2026, 1, 5, 10, tzinfo=UTC), "d": "", "e": 7}
    update_keys = list(hubspot.push("contact", "id", [row]))
    assert [r.status for r in update_keys] == ["unknown"]
    assert vendor.calls[0].json["inputs"] == [
        {
            "id": "5",
            "properties": {
                "a": "7",
                "b": "true",
                "c": "2026-01-05T10:00:00.000Z",
                "d": "",
                "e": "7",
            },
        }
    ]


def test_one_bad_value_does_not_take_the_batch_with_it(hubspot: HubSpot, vendor: Vendor) -> None:
    def script(call: Call) -> Reply:
        inputs = call.json["inputs"]
        if any(item["properties"].get("numemployees") == "many" for item in inputs):
            return Reply({"message": "many is no option", "category": "VALIDATION_ERROR"}, 400)
        return Reply({"results": [{"id": i["id"], "properties": {}} for i in inputs]})

    vendor.script = script
    rows = [{"id": str(n), "numemployees": "many" if n == 77 else "1-5"} for n in range(250)]
    receipts = update(hubspot, rows)
    assert [k for k, r in receipts.items() if r.status != "accepted"] == ["77"]
    assert receipts["77"].reason == "many is no option"
    assert len(vendor.calls) < 20


def test_a_property_that_does_not_exist_is_not_asked_for_a_hundred_times(
    hubspot: HubSpot, vendor: Vendor
) -> None:
    error = {"code": "PROPERTY_DOESNT_EXIST", "context": {"propertyName": ["baton_scor"]}}
    vendor.replies(Reply({"message": "no such property", "errors": [error]}, 400))
    receipts = update(hubspot, [{"id": str(n), "baton_scor": 1} for n in range(100)])
    assert {r.status for r in receipts.values()} == {"rejected"}
    assert len(vendor.calls) == 1


def test_an_update_whose_answer_was_lost_is_sent_again(hubspot: HubSpot, vendor: Vendor) -> None:
    vendor.replies(Reply(drop=True), Reply({"results": [{"id": "1", "properties": {}}]}))
    assert update(hubspot, [{"id": "1", "x": 1}])["1"].status == "accepted"


def test_an_update_that_stays_lost_is_unknown(hubspot: HubSpot, vendor: Vendor) -> None:
    vendor.replies(Reply(drop=True))
    assert update(hubspot, [{"id": "1", "x": 1}])["1"].status == "unknown"


def test_a_merged_away_id_is_found_under_its_old_name(hubspot: HubSpot, vendor: Vendor) -> None:
    survivor = {"id": "30", "properties": {"hs_merged_object_ids": "10;20", "baton_lead_key": "k"}}
    vendor.replies(Reply({"results": [survivor]}, 207))
    found = hubspot.find("contact", "id", ["10", "99"])
    assert found == {"10": survivor}
    assert hubspot.find("contact", "baton_lead_key", ["k"]) == {"k": survivor}
    assert vendor.calls[-1].json["idProperty"] == "baton_lead_key"


def test_a_locked_record_is_left_alone_for_two_seconds_and_written_then(
    hubspot: HubSpot, vendor: Vendor
) -> None:
    vendor.replies(
        Reply({"message": "locked"}, 423), Reply({"results": [{"id": "1", "properties": {}}]})
    )
    began = time.monotonic()
    assert update(hubspot, [{"id": "1", "x": 1}])["1"].status == "accepted"
    assert time.monotonic() - began >= 2


def test_a_lock_that_lasts_costs_its_own_batch_and_no_other(vendor: Vendor) -> None:
    impatient = replace(QUICK, total=1)
    hubspot = HubSpot(base_url=vendor.url, token="x", timeout=2, patience=impatient)

    def script(call: Call) -> Reply:
        ids = [item["id"] for item in call.json["inputs"]]
        if "7" in ids:
            return Reply({"message": "record is locked"}, 423)
        return Reply({"results": [{"id": name, "properties": {}} for name in ids]})

    vendor.script = script
    receipts = update(hubspot, [{"id": str(n), "x": 1} for n in range(150)])
    hubspot.close()
    assert {key for key, r in receipts.items() if r.status == "accepted"} == {
        str(n) for n in range(100, 150)
    }
    assert receipts["7"].reason == "record is locked"
    assert len(vendor.calls) == 2


def test_a_read_only_property_is_not_asked_for_a_hundred_times(
    hubspot: HubSpot, vendor: Vendor
) -> None:
    error = {
        "code": "READ_ONLY_VALUE",
        "message": "hs_object_id is read only",
        "context": {"propertyName": ["hs_object_id"]},
    }
    vendor.replies(
        Reply({"message": "Property values were not valid: […]", "errors": [error]}, 400)
    )
    receipts = update(hubspot, [{"id": str(n), "hs_object_id": 1} for n in range(100)])
    assert {r.reason for r in receipts.values()} == {"hs_object_id: hs_object_id is read only"}
    assert {r.refused_field for r in receipts.values()} == {None}
    assert len(vendor.calls) == 1


def test_a_value_an_admin_forbids_is_found_and_its_reason_is_readable(
    hubspot: HubSpot, vendor: Vendor
) -> None:
    listed = '[{"isValid":false,"message":"no","error":"INVALID_OPTION","name":"hs_lead_status"}]'
    error = {
        "code": "INVALID_OPTION",
        "message": "gone, says ada@acme.example, was not one of the allowed options: [NEW, OPEN]",
        "context": {"propertyName": ["hs_lead_status"]},
    }
    refusal = {
        "category": "VALIDATION_ERROR",
        "message": f"Property values were not valid: {listed}",
        "errors": [error],
    }

    def script(call: Call) -> Reply:
        inputs = call.json["inputs"]
        if any(item["properties"]["hs_lead_status"] == "gone" for item in inputs):
            return Reply(refusal, 400)
        return Reply({"results": [{"id": item["id"], "properties": {}} for item in inputs]})

    vendor.script = script
    rows = [{"id": str(n), "hs_lead_status": "gone" if n == 42 else "NEW"} for n in range(100)]
    receipts = update(hubspot, rows)
    assert [key for key, r in receipts.items() if r.status != "accepted"] == ["42"]
    assert receipts["42"].refused_field == "hs_lead_status"
    assert receipts["42"].reason == (
        "hs_lead_status: gone, says a***@acme.example, was not one of the allowed options: "
        "[NEW, OPEN]"
    )


def test_one_record_twice_goes_out_in_two_calls(hubspot: HubSpot, vendor: Vendor) -> None:
    def script(call: Call) -> Reply:
        ids = [item["id"] for item in call.json["inputs"]]
        if len(set(ids)) < len(ids):
            return Reply({"message": "Duplicate IDs found in batch input: [1]"}, 400)
        return Reply({"results": [{"id": name, "properties": {}} for name in ids]})

    vendor.script = script
    rows = [{"id": "1", "x": 1}, {"id": "2", "x": 1}, {"id": "1", "x": 2}]
    receipts = list(hubspot.push("contact", "id", rows))
    assert [(r.key, r.status) for r in receipts].count(("1", "accepted")) == 2
    assert [c.json["inputs"][0]["properties"] for c in vendor.calls] == [{"x": "1"}, {"x": "2"}]


def test_an_error_without_context_is_matched_by_the_record_it_names(
    hubspot: HubSpot, vendor: Vendor
) -> None:
    errors = [{"category": "CONFLICT", "message": "record 12 is locked by 99"}, "text"]
    body = {"results": [{"id": "2", "properties": {}}], "errors": errors}
    vendor.replies(Reply(body, 207))
    receipts = update(hubspot, [{"id": name, "x": 1} for name in ("1", "2", "12")])
    assert {key: r.status for key, r in receipts.items()} == {
        "1": "unknown",
        "2": "accepted",
        "12": "rejected",
    }


def test_an_error_that_names_no_record_leaves_the_others_unknown_with_its_words(
    hubspot: HubSpot, vendor: Vendor
) -> None:
    errors = [{"category": "VALIDATION_ERROR", "message": "something is wrong"}]
    vendor.replies(Reply({"results": [{"id": "2", "properties": {}}], "errors": errors}, 207))
    receipts = update(hubspot, [{"id": name, "x": 1} for name in ("1", "2")])
    assert receipts["1"].status == "unknown"
    assert "something is wrong" in (receipts["1"].reason or "")
    assert receipts["2"].status == "accepted"
