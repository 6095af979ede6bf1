"""Slack says 200 to everything: what each body means for a message that must not go out twice."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from flows.connectors.base import Receipt
from flows.connectors.slack import Slack
from flows.errors import Unauthorised, VendorError
from tests.flows.connectors.vendor import QUICK, Call, Reply, Vendor

ROW = {"message_key": "k1", "user_email": "Ava.Morgan@lumenfold.example", "text": "New lead"}
BLOCKS = json.dumps([{"type": "section", "text": {"type": "mrkdwn", "text": "New lead"}}])


class Workspace:
    """Knows one user; ``post`` is what chat.postMessage answers, one after the other."""

    def __init__(self, vendor: Vendor) -> None:
        self.post: list[Reply] = []
        self.history: list[dict[str, Any]] = []
        self.vendor = vendor
        vendor.script = self

    def __call__(self, call: Call) -> Reply:
        assert call.headers["authorization"] == "Bearer xoxb-1-secret"
        method = call.path.removeprefix("/api/")
        if method == "users.lookupByEmail":
            known = call.form["email"] == "ava.morgan@lumenfold.example"
            return Reply(
                {"ok": True, "user": {"id": "U1"}}
                if known
                else {"ok": False, "error": "users_not_found"}
            )
        if method == "conversations.open":
            return Reply({"ok": True, "channel": {"id": "D1"}})
        if method == "conversations.history":
            at = int(call.form.get("cursor", "0"))
            more = str(at + 1) if at + 1 < len(self.history) else ""
            messages = self.history[at : at + 1]
            metadata = {"next_cursor": more}
            return Reply({"ok": True, "messages": messages, "response_metadata": metadata})
        if method == "chat.postMessage" and self.post:
            return self.post.pop(0)
        return Reply({"ok": True, "channel": "D1", "ts": "1767607200.000100"})

    def posts(self) -> list[dict[str, Any]]:
        return [call.json for call in self.vendor.calls if call.path.endswith("postMessage")]


@pytest.fixture
def workspace(vendor: Vendor) -> Workspace:
    return Workspace(vendor)


@pytest.fixture
def slack(vendor: Vendor, workspace: Workspace) -> Iterator[Slack]:
    connector = Slack(
        base_url=f"{vendor.url}/api",
        token="xoxb-1-secret",
        timeout=0.5,
        seconds_between_messages=0,
        patience=QUICK,
    )
    yield connector
    connector.close()


def send(slack: Slack, *rows: dict[str, Any]) -> list[Receipt]:
    return list(slack.push("message", "message_key", rows))


def test_a_message_carries_its_key_and_the_receipt_its_place(
    slack: Slack, workspace: Workspace
) -> None:
    (receipt,) = send(slack, {**ROW, "blocks": BLOCKS})
    assert receipt == Receipt(
        "k1",
        "accepted",
        "D1:1767607200.000100",
        returned={"channel": "D1", "ts": "1767607200.000100"},
    )
    (post,) = workspace.posts()
    assert post["channel"] == "D1"
    assert post["metadata"] == {"event_type": "baton_handover", "event_payload": {"key": "k1"}}
    assert post["blocks"] == json.loads(BLOCKS)


def test_user_and_conversation_are_looked_up_once(slack: Slack, vendor: Vendor) -> None:
    send(slack, ROW, {**ROW, "message_key": "k2"})
    assert [call.path.rsplit("/", 1)[1] for call in vendor.calls] == [
        "users.lookupByEmail",
        "conversations.open",
        "chat.postMessage",
        "chat.postMessage",
    ]


def test_no_address_travels_in_a_url(slack: Slack, vendor: Vendor) -> None:
    send(slack, ROW)
    assert all("lumenfold" not in json.dumps(call.query) for call in vendor.calls)


def test_someone_without_slack_is_rejected_and_the_next_row_goes_on(slack: Slack) -> None:
    unknown = {**ROW, "message_key": "k0", "user_email": "george.patel@lumenfold.example"}
    receipts = send(slack, unknown, ROW)
    assert [(r.status, r.reason) for r in receipts] == [
        ("rejected", "users_not_found"),
        ("accepted", None),
    ]


@pytest.mark.parametrize(
    "fault",
    [
        Reply(drop=True),
        Reply({"ok": True}, cut=True),
        Reply({"ok": False, "error": "internal_error"}),
        Reply({"ok": False, "error": "internal_error"}, 500),
        Reply(b"<html>", headers={"content-type": "text/html"}),
        Reply([]),
    ],
)
def test_a_lost_answer_is_unknown_and_the_post_is_not_repeated(
    slack: Slack, workspace: Workspace, fault: Reply
) -> None:
    workspace.post = [fault]
    (receipt,) = send(slack, ROW)
    assert receipt.status == "unknown"
    assert len(workspace.posts()) == 1


@pytest.mark.parametrize(
    "fault",
    [
        Reply({"ok": False, "error": "ratelimited"}, 429, {"Retry-After": "1"}),
        Reply({"ok": False, "error": "ratelimited"}, 429),
        Reply({"ok": False, "error": "rate_limited"}),
    ],
)
def test_a_throttled_post_is_repeated_because_it_was_refused(
    slack: Slack, workspace: Workspace, fault: Reply
) -> None:
    workspace.post = [fault]
    assert send(slack, ROW)[0].status == "accepted"
    assert len(workspace.posts()) == 2


def test_one_lost_answer_does_not_silence_the_others_and_three_do(
    slack: Slack, workspace: Workspace
) -> None:
    rows = [{**ROW, "message_key": str(n)} for n in range(6)]
    workspace.post = [Reply(drop=True), Reply({"ok": True, "ts": "1"})]
    assert [r.status for r in send(slack, *rows[:3])] == ["unknown", "accepted", "accepted"]
    workspace.post = [Reply(drop=True)] * 3
    statuses = [r.status for r in send(slack, *rows)]
    assert statuses == ["unknown"] * 3 + ["rejected"] * 3


def test_a_search_that_fails_is_not_taken_for_not_found(slack: Slack, vendor: Vendor) -> None:
    vendor.replies(Reply({"ok": False, "error": "internal_error"}, 503))
    with pytest.raises(VendorError):
        slack.find("k1", ROW["user_email"])


def test_a_dead_token_leaves_every_row_unsent(slack: Slack, workspace: Workspace) -> None:
    workspace.post = [Reply({"ok": False, "error": "token_revoked"})]
    receipts = send(slack, ROW, {**ROW, "message_key": "k2"})
    assert [r.status for r in receipts] == ["rejected", "rejected"]
    assert len(workspace.posts()) == 1
    assert "xoxb" not in str(receipts)


def test_a_layout_slack_refuses_still_arrives_as_text(slack: Slack, workspace: Workspace) -> None:
    workspace.post = [Reply({"ok": False, "error": "invalid_blocks"})]
    (receipt,) = send(slack, {**ROW, "blocks": BLOCKS})
    assert (receipt.status, receipt.reason) == ("accepted", "sent as plain text: invalid_blocks")
    assert "blocks" not in workspace.posts()[1]


def test_blocks_that_are_no_json_are_left_out(slack: Slack, workspace: Workspace) -> None:
    assert send(slack, {**ROW, "blocks": "{"})[0].status == "accepted"
    assert "blocks" not in workspace.posts()[0]


def test_a_refusal_names_slacks_reason(slack: Slack, workspace: Workspace) -> None:
    workspace.post = [Reply({"ok": False, "error": "channel_not_found"})]
    assert send(slack, ROW)[0].reason == "channel_not_found"


def test_an_unknown_message_is_looked_for_page_by_page(slack: Slack, workspace: Workspace) -> None:
    workspace.history = [
        {"ts": "3", "text": "from a person"},
        {"ts": "2", "metadata": {"event_type": "x", "event_payload": {"key": "k0"}}},
        {"ts": "1", "metadata": {"event_type": "x", "event_payload": {"key": "k1"}}},
    ]
    found = slack.find("k1", ROW["user_email"])
    assert found is not None
    assert (found.status, found.vendor_id) == ("accepted", "D1:1")
    assert slack.find("k9", ROW["user_email"]) is None
    assert slack.find("k1", "nobody@lumenfold.example") is None


def test_a_wrong_token_is_told_apart(slack: Slack, vendor: Vendor) -> None:
    vendor.replies(Reply({"ok": False, "error": "invalid_auth"}))
    with pytest.raises(Unauthorised):
        slack.check()
