"""The whole connector against an org that was written from the vendor's documents alone."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from flows.connectors.base import Page
from flows.connectors.salesforce import Salesforce
from flows.errors import RateLimited
from sandbox.faults import Fault
from sandbox.salesforce import SalesforceStore
from sandbox.server import Sandbox
from tests.flows.connectors.pages import cursor_of
from tests.flows.connectors.salesforce_org import KEY, push
from tests.flows.connectors.vendor import QUICK


@pytest.fixture(scope="module")
def module_box() -> Iterator[Sandbox]:
    with Sandbox(leads=300, seed=11, limits=False) as running:
        yield running


@pytest.fixture
def box(module_box: Sandbox) -> Iterator[Sandbox]:
    yield module_box
    module_box.world.faults.clear()
    rules = module_box.world.salesforce.rules
    rules.duplicates.clear()
    rules.validations.clear()


@pytest.fixture
def crowd() -> Iterator[Sandbox]:
    """An org of its own for thousands of leads, which would slow down every other test."""
    with Sandbox(leads=20, seed=5, limits=False) as running:
        yield running


@pytest.fixture
def empty() -> Iterator[Sandbox]:
    """An org that has none of our fields yet."""
    with Sandbox(leads=20, seed=3, limits=False, custom_fields=False) as running:
        yield running


def connect(box: Sandbox, **how: Any) -> Salesforce:
    return Salesforce(
        login_url=box.env["BATON_SALESFORCE_LOGIN_URL"],
        client_id=box.env["BATON_SALESFORCE_CLIENT_ID"],
        **{"client_secret": box.env["BATON_SALESFORCE_CLIENT_SECRET"], "patience": QUICK, **how},
    )


@pytest.fixture
def salesforce(box: Sandbox) -> Iterator[Salesforce]:
    connector = connect(box, page_size=200)
    yield connector
    connector.close()


def store_of(box: Sandbox) -> SalesforceStore:
    return box.world.salesforce


def now_of(box: Sandbox) -> datetime:
    return box.world.clock.now()


def pull(
    box: Sandbox, salesforce: Salesforce, name: str, cursor: str | None = None
) -> Iterator[Page]:
    stream = next(s for s in salesforce.streams if s.name == name)
    return salesforce.pull(stream, cursor, now_of(box))


def versions(pages: list[Page]) -> dict[str, Any]:
    return {record.key: record for one in pages for record in one.records}


def new_leads(box: Sandbox, count: int, at: datetime, name: str = "N") -> list[str]:
    store = store_of(box)
    with box.world.lock:
        fields = [{"LastName": f"{name}{n}", "Company": "Acme"} for n in range(count)]
        return [store.insert("Lead", some, at=at) for some in fields]


def test_a_key_opens_the_org(box: Sandbox) -> None:
    store = store_of(box)
    user = store.find(store.integration_user_id)
    assert user is not None
    salesforce = connect(
        box, client_secret="", private_key=store.jwt_private_key_pem, username=user["Username"]
    )
    salesforce.check()
    salesforce.close()


@pytest.mark.parametrize("name", [s.name for s in Salesforce.streams if s.path])
def test_a_job_brings_the_very_bytes_that_rest_brings(box: Sandbox, name: str) -> None:
    rest, bulk = connect(box), connect(box, page_size=200, bulk_from=0)
    assert versions(list(pull(box, rest, name))) == versions(list(pull(box, bulk, name)))
    rest.close()
    bulk.close()


def test_a_large_object_costs_few_calls(crowd: Sandbox) -> None:
    rest, bulk = connect(crowd, page_size=200), connect(crowd, page_size=200, bulk_from=200)
    many = new_leads(crowd, 3000, now_of(crowd) - timedelta(days=40))
    assert set(versions(list(pull(crowd, rest, "leads")))) > set(many)
    assert set(versions(list(pull(crowd, bulk, "leads")))) > set(many)
    assert rest.budget.spent["read"] > 15
    assert bulk.budget.spent["read"] + bulk.budget.spent["bulk"] < 10
    rest.close()
    bulk.close()


def test_twelve_thousand_leads_with_one_stamp_survive_interruption_after_every_page(
    crowd: Sandbox,
) -> None:
    salesforce = connect(crowd)
    at = now_of(crowd) - timedelta(days=20)
    tied, cursor, seen = set(new_leads(crowd, 12_000, at, "T")), None, set()
    for _ in range(30):
        first = next(pull(crowd, salesforce, "leads", cursor))
        cursor = first.cursor
        seen |= set(versions([first]))
        if not json.loads(cursor or "{}")["open"]:
            break
    assert seen >= tied
    salesforce.close()


def test_a_lead_that_moves_while_pages_are_read_lands_as_it_is(
    box: Sandbox, salesforce: Salesforce
) -> None:
    store, pages = store_of(box), pull(box, salesforce, "leads")
    landed = list(itertools.islice(pages, 1))
    early = landed[0].records[0].key
    box.world.clock.advance(30)
    with box.world.lock:
        store.update("Lead", early, {"Title": "Chief of Everything"})
    landed += pages
    box.world.clock.advance(60)
    landed += pull(box, salesforce, "leads", cursor_of(landed))
    assert json.loads(versions(landed)[early].payload)["Title"] == "Chief of Everything"


def test_a_download_that_breaks_off_on_a_row_s_end_is_noticed(box: Sandbox) -> None:
    salesforce = connect(box, page_size=200, bulk_from=0)
    whole = versions(list(pull(box, salesforce, "leads")))
    with box.world.lock:
        store_of(box).bulk.behaviour.truncate.append(7)
    assert versions(list(pull(box, salesforce, "leads"))) == whole
    salesforce.close()


def test_sessions_that_end_while_a_job_is_read_are_renewed(box: Sandbox) -> None:
    salesforce = connect(box, page_size=200, bulk_from=0)
    pages = pull(box, salesforce, "leads")
    landed = list(itertools.islice(pages, 2))
    with box.world.lock:
        store_of(box).expire_sessions()
    landed += pages
    assert len(versions(landed)) == landed[0].total
    salesforce.close()


def test_a_hard_delete_lands_and_a_merge_keeps_its_winner(
    box: Sandbox, salesforce: Salesforce
) -> None:
    store = store_of(box)
    hard, loser, winner = new_leads(box, 3, now_of(box) - timedelta(days=1))
    cursor = cursor_of(list(pull(box, salesforce, "leads")))
    box.world.clock.advance(1800)
    with box.world.lock:
        store.merge("Lead", winner, loser)
    merged = list(pull(box, salesforce, "leads", cursor))
    assert json.loads(versions(merged)[loser].payload)["MasterRecordId"] == winner
    with box.world.lock:
        store.delete("Lead", hard)
        for gone in (hard, loser):
            store.purge("Lead", gone)
    box.world.clock.advance(3600)
    swept = versions(list(pull(box, salesforce, "leads", cursor_of(merged))))
    assert swept[hard].is_deleted
    assert json.loads(swept[hard].payload)["IsDeleted"] is True
    assert loser not in swept


# --- writing ---------------------------------------------------------------------------------


def row(key: str, **more: Any) -> dict[str, Any]:
    return {KEY: key, "LastName": "Ng", "Company": "Acme", **more}


def test_many_leads_are_written_by_a_job_and_keep_their_owner(box: Sandbox) -> None:
    salesforce, owner = connect(box), "005000000000002AAA"
    rows = [row(f"B-{n}", OwnerId=owner) for n in range(2_000)]
    rows[5]["Email"] = "no mail"
    rows[6]["LastName"] = 'O"Neil, Jo\nII'
    receipts = push(salesforce, *rows)
    assert len(receipts) == 2_000
    assert "B-5" in receipts
    assert [k for k, r in receipts.items() if r.status != "accepted"] == ["B-5"]
    assert "INVALID_EMAIL_ADDRESS" in (receipts["B-5"].reason or "")
    found = salesforce.find("lead", KEY, ["B-6", "B-1999"])
    assert found["B-6"]["LastName"] == 'O"Neil, Jo\nII'
    assert found["B-1999"]["OwnerId"] == owner
    assert salesforce.budget.spent["write"] < 20
    again = push(
        salesforce, *[{**r, "Id": receipts[r[KEY]].vendor_id} for r in rows[7:]] + rows[:5]
    )
    assert {r.status for r in again.values()} == {"accepted"}
    assert again["B-8"].vendor_id == receipts["B-8"].vendor_id
    salesforce.close()


def test_a_rule_that_alerts_is_passed_and_one_that_blocks_says_its_name_and_the_match(
    box: Sandbox, salesforce: Salesforce
) -> None:
    rules = store_of(box).rules
    mail = "same@acme.example"
    first = push(salesforce, row("D-1", Email=mail))["D-1"]
    with box.world.lock:
        rules.add_duplicate("Gentle", "Lead", ["Email"], "Alert", "Use one of these?")
    assert push(salesforce, row("D-2", Email=mail))["D-2"].status == "accepted"
    with box.world.lock:
        rules.add_duplicate("Strict", "Lead", ["Email"], "Block", "Use one of these?")
    refused = push(salesforce, row("D-3", Email=mail), row("D-4"))
    assert refused["D-3"].status == "rejected"
    reason = refused["D-3"].reason or ""
    assert reason.startswith("DUPLICATES_DETECTED: Use one of these?")
    assert "rule Strict" in reason
    assert str(first.vendor_id) in reason
    assert refused["D-4"].status == "accepted"


def test_a_validation_rule_speaks_for_itself(box: Sandbox, salesforce: Salesforce) -> None:
    with box.world.lock:
        store_of(box).rules.add_validation(
            "Title_needed", "Lead", "Title = null", "A lead needs a title.", "Title"
        )
    receipts = push(salesforce, row("V-1"), row("V-2", Title="VP"))
    assert receipts["V-1"].reason == (
        "FIELD_CUSTOM_VALIDATION_EXCEPTION: A lead needs a title. (fields Title)"
    )
    assert receipts["V-2"].status == "accepted"


def test_a_lock_inside_a_trigger_is_waited_for(box: Sandbox, salesforce: Salesforce) -> None:
    made = push(salesforce, row("T-1"))["T-1"].vendor_id
    with box.world.lock:
        store_of(box).lock_row(str(made), in_trigger=True)
    assert push(salesforce, row("T-1", Id=made, Title="VP"))["T-1"].status == "accepted"


# --- what the org must grant -----------------------------------------------------------------


def test_all_objects_are_described_in_one_call(box: Sandbox, salesforce: Salesforce) -> None:
    described = salesforce.describe()
    assert salesforce.budget.spent["read"] == 1
    assert set(described) == {s.name for s in salesforce.streams if s.path}
    fields = {field.name: field for field in described["leads"]}
    assert list(fields) == sorted(fields)
    assert fields["SystemModstamp"].kind == "datetime"
    assert not fields["SystemModstamp"].is_writable
    assert fields["Email"].is_writable
    assert described == salesforce.describe()


def test_objects_are_described_one_by_one_where_a_batch_is_refused(
    box: Sandbox, salesforce: Salesforce
) -> None:
    words = [{"errorCode": "FUNCTIONALITY_NOT_ENABLED", "message": "no composite"}]
    whole = salesforce.describe()
    box.world.faults.add(
        Fault("status", system="salesforce", path="/composite/batch", status=400, body=words)
    )
    assert salesforce.describe() == whole
    assert salesforce.budget.spent["read"] == 1 + 1 + len(whole)


def statuses(salesforce: Salesforce) -> dict[str, str]:
    return {finding.check: finding.status for finding in salesforce.examine()}


def test_a_healthy_org_has_nothing_to_mend(box: Sandbox, salesforce: Salesforce) -> None:
    findings = list(salesforce.examine())
    assert {f.check: f for f in findings if f.status == "broken"} == {}
    checks = {finding.check for finding in findings}
    assert {
        "salesforce.credential",
        "salesforce.api_version",
        "salesforce.daily_calls",
        "salesforce.object Lead",
        "salesforce.field Lead.baton_score__c",
        "salesforce.field Activity.baton_task_key__c",
    } <= checks


def test_an_org_is_set_up_once_and_a_second_time_finds_everything(empty: Sandbox) -> None:
    salesforce = connect(empty)
    before = statuses(salesforce)
    assert before["salesforce.field Lead.baton_lead_key__c"] == "broken"
    changes = list(salesforce.set_up())
    assert [change for change in changes if change.status == "refused"] == []
    assert {c.what for c in changes if c.status == "created"} == {
        "permission set Baton",
        *(f"field {f.object_name}.{f.name}" for f in salesforce.custom_fields),
    }
    assert len([c for c in changes if c.status == "granted"]) == len(salesforce.custom_fields) + 1
    assert {change.status for change in salesforce.set_up()} == {"present"}
    assert set(statuses(salesforce).values()) == {"ok"}
    assert push(salesforce, row("S-1", baton_score__c=9))["S-1"].status == "accepted"
    list(pull(empty, salesforce, "leads"))
    assert salesforce.dropped_fields == {}
    salesforce.close()


def test_a_field_of_another_type_is_refused_and_left_as_it_is(empty: Sandbox) -> None:
    store = store_of(empty)
    salesforce = connect(empty)
    list(salesforce.set_up())
    with empty.world.lock:
        store.customize.retype("Lead", "baton_score__c", "string", 20)
    told = {change.what: change for change in salesforce.set_up()}
    assert told["field Lead.baton_score__c"].status == "refused"
    assert "must be Number" in told["field Lead.baton_score__c"].detail
    assert told["field Lead.baton_trigger__c"].status == "present"
    assert statuses(salesforce)["salesforce.field Lead.baton_score__c"] == "broken"
    kinds = {field.name: field.kind for field in salesforce.describe()["leads"]}
    assert kinds["baton_score__c"] == "string"
    salesforce.close()


def test_a_field_that_exists_unseen_is_granted_and_not_made_again(empty: Sandbox) -> None:
    store = store_of(empty)
    salesforce = connect(empty)
    list(salesforce.set_up())
    with empty.world.lock:
        for name in ("PermissionSetAssignment", "FieldPermissions", "PermissionSet"):
            for record in store.table(name).between(None, None):
                store.delete(name, record["Id"])
    assert statuses(salesforce)["salesforce.field Lead.baton_score__c"] == "broken"
    told = {change.what: change.status for change in salesforce.set_up()}
    assert told["field Lead.baton_score__c"] == "present"
    assert told["access to Lead.baton_score__c"] == "granted"
    assert statuses(salesforce)["salesforce.field Lead.baton_score__c"] == "ok"
    salesforce.close()


def test_a_field_that_can_be_read_and_not_written_is_named(
    empty: Sandbox,
) -> None:
    salesforce = connect(empty)
    list(salesforce.set_up())
    with empty.world.lock:
        empty.world.salesforce.customize.alter("Lead", "baton_trigger__c", read_only=True)
        empty.world.salesforce.access.set_profile("Lead", "Phone", "none")
    found = {finding.check: finding for finding in salesforce.examine()}
    assert found["salesforce.field Lead.baton_trigger__c"].status == "broken"
    assert "not written" in found["salesforce.field Lead.baton_trigger__c"].detail
    assert found["salesforce.columns Lead"].status == "warning"
    assert "Phone" in found["salesforce.columns Lead"].detail
    salesforce.close()


def test_a_day_nearly_used_up_is_a_warning_and_reading_leaves_the_rest() -> None:
    with Sandbox(leads=20, seed=3) as box:
        store, salesforce = store_of(box), connect(box)
        salesforce.check()
        with box.world.lock:
            store.calls_today = int(store.daily_limit * 0.85)
        assert statuses(salesforce)["salesforce.daily_calls"] == "warning"
        with pytest.raises(RateLimited, match="the rest is kept"):
            list(pull(box, salesforce, "leads"))
        assert push(salesforce, row("Q-1"))["Q-1"].status == "accepted"
        salesforce.close()


def test_a_version_the_org_does_not_offer_is_named_with_its_setting(box: Sandbox) -> None:
    salesforce = connect(box, api_version="999.0")
    found = {finding.check: finding for finding in salesforce.examine()}
    assert found["salesforce.credential"].status == "ok"
    assert found["salesforce.api_version"].status == "broken"
    assert "BATON_SALESFORCE_API_VERSION" in (found["salesforce.api_version"].cure or "")
    salesforce.close()


def test_a_wrong_secret_is_the_one_thing_found(box: Sandbox) -> None:
    salesforce = connect(box, client_secret="wrong-secret")
    (finding,) = salesforce.examine()
    assert (finding.check, finding.status) == ("salesforce.credential", "broken")
    assert "BATON_SALESFORCE_CLIENT_ID" in (finding.cure or "")
    assert "wrong-secret" not in finding.detail
    salesforce.close()
