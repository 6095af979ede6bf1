"""The four connectors against the sandbox, which was written from the vendors' documents alone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest

from flows.connectors.base import Connector, Page
from flows.connectors.hubspot import HubSpot
from flows.connectors.salesforce import Salesforce
from flows.connectors.slack import Slack
from flows.connectors.smtp import Smtp
from sandbox.faults import Fault
from sandbox.server import Sandbox
from tests.flows.connectors.pages import cursor_of, payloads

AVA = "ava.morgan@lumenfold.example"
GEORGE = "george.patel@lumenfold.example"  # the one rep without Slack
AVA_ID, BEN_ID = "005000000000001AAA", "005000000000002AAA"


@dataclass
class Outside:
    """A running sandbox and the connectors pointed at it."""

    box: Sandbox
    hubspot: HubSpot
    salesforce: Salesforce
    slack: Slack
    smtp: Smtp

    @property
    def now(self) -> datetime:
        return self.box.world.clock.now()

    def pull(self, connector: Connector, name: str, cursor: str | None = None) -> list[Page]:
        stream = next(s for s in connector.streams if s.name == name)
        return list(connector.pull(stream, cursor, self.now))

    def effects(self, store: Any, **wanted: Any) -> list[dict[str, Any]]:
        return [e for e in store.effects if all(e.get(k) == v for k, v in wanted.items())]


@pytest.fixture(scope="module")
def world() -> Iterator[Outside]:
    with Sandbox(leads=300, seed=11, limits=False) as box, ExitStack() as stack:
        env = box.env
        connectors = (
            HubSpot(
                base_url=env["BATON_HUBSPOT_BASE_URL"],
                token=env["BATON_HUBSPOT_TOKEN"],
                requests_per_10s=0,
                searches_per_second=0,
            ),
            Salesforce(
                login_url=env["BATON_SALESFORCE_LOGIN_URL"],
                client_id=env["BATON_SALESFORCE_CLIENT_ID"],
                client_secret=env["BATON_SALESFORCE_CLIENT_SECRET"],
                page_size=200,
            ),
            Slack(
                base_url=env["BATON_SLACK_BASE_URL"],
                token=env["BATON_SLACK_TOKEN"],
                seconds_between_messages=0,
            ),
            Smtp(
                host=env["BATON_SMTP_HOST"],
                port=int(env["BATON_SMTP_PORT"]),
                username=env["BATON_SMTP_USERNAME"],
                password=env["BATON_SMTP_PASSWORD"],
                sender=env["BATON_SMTP_SENDER"],
                security="none",
            ),
        )
        for connector in connectors:
            stack.enter_context(closing(connector))
        yield Outside(box, *connectors)


@pytest.fixture
def outside(world: Outside) -> Iterator[Outside]:
    yield world
    world.box.world.faults.clear()


@pytest.mark.parametrize("name", ["hubspot", "salesforce", "slack", "smtp"])
def test_the_credentials_work(outside: Outside, name: str) -> None:
    connector: Connector = getattr(outside, name)
    assert isinstance(connector, Connector)
    connector.check()


@pytest.mark.parametrize("name", [stream.name for stream in HubSpot.streams])
def test_every_hubspot_stream_brings_records_of_its_own_shape(outside: Outside, name: str) -> None:
    pages = outside.pull(outside.hubspot, name)
    assert payloads(pages)
    if name not in ("owners", "forms"):
        assert cursor_of(pages)


@pytest.mark.parametrize("name", [stream.name for stream in Salesforce.streams])
def test_every_salesforce_stream_brings_records_of_its_own_shape(
    outside: Outside, name: str
) -> None:
    assert payloads(outside.pull(outside.salesforce, name))
    assert not outside.salesforce.dropped_fields


def test_nobody_is_missing_from_a_first_pull(outside: Outside) -> None:
    pages = outside.pull(outside.hubspot, "contacts")
    total = next(page.total for page in pages if page.total is not None)
    alive = [r for page in pages for r in page.records if not r.is_deleted]
    assert len({r.key for r in alive}) == total
    pages = outside.pull(outside.salesforce, "leads")
    assert len(payloads(pages)) == pages[0].total


def test_archived_owners_come_with_the_others(outside: Outside) -> None:
    owners = payloads(outside.pull(outside.hubspot, "owners"))
    assert owners["7009"]["archived"] is True
    assert owners["7001"]["archived"] is False


def test_a_second_pull_brings_only_what_changed(outside: Outside) -> None:
    for connector, name in ((outside.hubspot, "contacts"), (outside.salesforce, "leads")):
        cursor = cursor_of(outside.pull(connector, name))
        outside.box.world.clock.advance(3 * 3600)
        again = outside.pull(connector, name, cursor)
        assert len(payloads(again)) < 100


def test_a_hubspot_update_is_confirmed_and_a_backward_move_shows(outside: Outside) -> None:
    contacts = payloads(outside.pull(outside.hubspot, "contacts"))
    customer = next(
        key
        for key, item in contacts.items()
        if item["properties"].get("lifecyclestage") in ("customer", "opportunity")
    )
    other = next(key for key in contacts if key != customer)
    rows = [
        {"id": customer, "baton_score": 9, "lifecyclestage": "lead"},
        {"id": other, "baton_score": 4, "baton_trigger": None},
        {"id": "999999999", "baton_score": 1},
    ]
    receipts = {r.key: r for r in outside.hubspot.push("contact", "id", rows)}
    assert receipts[customer].status == receipts[other].status == "accepted"
    assert receipts[customer].returned is not None
    assert receipts[customer].returned["lifecyclestage"] != "lead"
    assert receipts["999999999"].status == "rejected"
    found = outside.hubspot.find("contact", "id", [customer, "999999999"])
    assert found[customer]["properties"]["baton_score"] == "9"


def test_a_misspelt_property_rejects_its_rows_and_no_other(outside: Outside) -> None:
    ids = list(payloads(outside.pull(outside.hubspot, "contacts")))[:5]
    rows: list[dict[str, Any]] = [{"id": key, "baton_score": 5} for key in ids]
    rows[2] = {"id": ids[2], "baton_scor": 5}
    receipts = {r.key: r.status for r in outside.hubspot.push("contact", "id", rows)}
    assert [key for key, status in receipts.items() if status != "accepted"] == [ids[2]]


def lead(key: str, **more: Any) -> dict[str, Any]:
    return {"baton_lead_key__c": key, "LastName": "Ng", "Company": "Acme", **more}


def test_a_salesforce_lead_is_created_once_and_keeps_its_owner(outside: Outside) -> None:
    rows = [lead("L-1", OwnerId=BEN_ID, baton_score__c=8), lead("L-2", Email="no mail")]
    push = outside.salesforce.push
    first = {r.key: r for r in push("lead", "baton_lead_key__c", rows)}
    again = {r.key: r for r in push("lead", "baton_lead_key__c", rows)}
    assert first["L-1"].status == "accepted"
    assert first["L-1"].vendor_id == again["L-1"].vendor_id
    assert "INVALID_EMAIL_ADDRESS" in (first["L-2"].reason or "")
    found = outside.salesforce.find("lead", "baton_lead_key__c", ["L-1", "L-2"])
    assert list(found) == ["L-1"]
    # The sandbox has an assignment rule that takes every lead it is allowed to.
    assert found["L-1"]["OwnerId"] == BEN_ID
    update = lead("L-1", Id=first["L-1"].vendor_id, OwnerId=AVA_ID)
    assert [r.status for r in push("lead", "baton_lead_key__c", [update])] == ["accepted"]
    assert outside.salesforce.find("lead", "Id", [update["Id"]])[update["Id"]]["OwnerId"] == AVA_ID


def test_a_write_whose_answer_was_lost_has_one_effect(outside: Outside) -> None:
    outside.box.world.faults.add(
        Fault("drop_after", system="salesforce", method="PATCH", path="/composite/sobjects")
    )
    receipts = list(
        outside.salesforce.push("lead", "baton_lead_key__c", [lead("L-9", OwnerId=AVA_ID)])
    )
    assert [r.status for r in receipts] == ["accepted"]
    created = outside.effects(outside.box.world.salesforce, action="create", object="Lead")
    assert len([e for e in created if e["fields"].get("baton_lead_key__c") == "L-9"]) == 1


def message(key: str, email: str = AVA) -> dict[str, Any]:
    blocks = [{"type": "section", "text": {"type": "mrkdwn", "text": "*New lead*"}}]
    return {"message_key": key, "user_email": email, "text": "lead", "blocks": json.dumps(blocks)}


def test_a_slack_message_whose_answer_was_lost_is_found_instead_of_sent_again(
    outside: Outside,
) -> None:
    outside.box.world.faults.add(Fault("drop_after", system="slack", path="chat.postMessage"))
    (lost,) = outside.slack.push("message", "message_key", [message("m-1")])
    assert lost.status == "unknown"
    found = outside.slack.find("m-1", AVA)
    assert found is not None
    assert found.status == "accepted"
    assert outside.slack.find("m-none", AVA) is None


def test_a_rep_without_slack_gets_a_mail(outside: Outside) -> None:
    (refused,) = outside.slack.push("message", "message_key", [message("m-3", GEORGE)])
    assert refused.reason == "users_not_found"
    mail = {"message_key": "m-3", "to_email": GEORGE, "subject": "Lead", "body_text": "Call."}
    (receipt,) = outside.smtp.push("message", "message_key", [mail])
    assert receipt.status == "accepted"


def test_a_throttled_vendor_costs_time_and_no_record(outside: Outside) -> None:
    outside.box.world.clock.advance(60)  # what was written just now is in the index by then
    whole = payloads(outside.pull(outside.hubspot, "contacts"))
    words = {"status": "error", "message": "secondly limit", "category": "RATE_LIMITS"}
    search = r"/contacts/search$"
    outside.box.world.faults.add(
        Fault("status", system="hubspot", path=search, status=429, body=words, after=1),
        Fault("drop", system="hubspot", path=search),
        Fault("truncate", system="hubspot", path=search),
    )
    assert payloads(outside.pull(outside.hubspot, "contacts")) == whole


def test_what_happens_during_a_pull_comes_with_the_next(outside: Outside) -> None:
    hubspot, clock = outside.hubspot, outside.box.world.clock
    stream = next(s for s in hubspot.streams if s.name == "contacts")
    pull = hubspot.pull(stream, None, outside.now)
    first = next(pull)
    moved = first.records[0].key
    clock.advance(timedelta(seconds=90).total_seconds())
    with outside.box.world.lock:
        outside.box.world.hubspot.update("contacts", moved, {"jobtitle": "Chief of Everything"})
    cursor = cursor_of([first, *pull])
    clock.advance(60)
    fresh = payloads(outside.pull(hubspot, "contacts", cursor))
    assert fresh[moved]["properties"]["jobtitle"] == "Chief of Everything"
