"""The Slack sandbox over real HTTP: refusals inside a 200, limits per channel, kept metadata."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from threading import RLock
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from sandbox.clock import Clock
from sandbox.server import Server
from sandbox.slack import Channel, SlackStore, slack_app

NOW = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
AVA, DIRECT = "U0000000001", "D0000000001"
META = {"event_type": "baton_handover", "event_payload": {"key": "lead-1"}}


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[httpx.Client, SimpleNamespace]]:
    world = SimpleNamespace(lock=RLock(), slack=None)
    served = Server("slack", slack_app(world), 0)
    served.start()
    headers = {"Authorization": "Bearer xoxb-right"}
    with httpx.Client(base_url=f"{served.url}/api", headers=headers) as client:
        yield client, world
    served.stop()


@pytest.fixture
def store(server: tuple[httpx.Client, SimpleNamespace]) -> SlackStore:
    made = SlackStore(Clock(NOW, frozen=True), "xoxb-right")
    made.add_user(AVA, "ava.morgan@x.example", "Ava Morgan", DIRECT)
    made.add_user("U0000000002", "gone@x.example", "Gone", is_deleted=True)
    made.add_channel("C0000000001", "leads")
    made.add_channel("C0000000002", "private", is_member=False)
    made.add_channel("C0000000003", "old", is_archived=True)
    server[1].slack = made
    return made


@pytest.fixture
def http(server: tuple[httpx.Client, SimpleNamespace], store: SlackStore) -> httpx.Client:
    return server[0]


def post(http: httpx.Client, **body: Any) -> dict[str, Any]:
    content = {"channel": DIRECT, "text": "Hot lead", **body}
    headers = {"Content-Type": "application/json; charset=utf-8"}
    answer = http.post("/chat.postMessage", json=content, headers=headers)
    assert answer.status_code == 200
    return answer.json()


def section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}}


def test_a_message_is_kept_with_its_metadata(http: httpx.Client, store: SlackStore) -> None:
    answer = post(http, blocks=[section("*Score* 9")], metadata=META)
    assert (answer["ok"], answer["channel"]) == (True, DIRECT)
    assert answer["ts"] == "1793610000.000100"
    assert answer["message"]["text"] == "Hot lead"
    assert "warning" not in answer
    (message,) = store.messages
    assert (message["metadata"], message["channel"]) == (META, DIRECT)
    (effect,) = store.effects
    assert (effect["action"], effect["id"]) == ("message", answer["ts"])


def test_each_message_has_its_own_ts(http: httpx.Client) -> None:
    assert post(http)["ts"] < post(http)["ts"] < post(http)["ts"]


@pytest.mark.parametrize(("token", "error"), [("Bearer wrong", "invalid_auth"), ("", "not_authed")])
def test_a_wrong_token_is_refused_with_status_200(
    http: httpx.Client, token: str, error: str
) -> None:
    answer = http.post("/auth.test", headers={"Authorization": token})
    assert (answer.status_code, answer.json()) == (200, {"ok": False, "error": error})


def test_auth_test_names_the_bot(http: httpx.Client) -> None:
    assert http.post("/auth.test").json()["user_id"] == "U0BATON0000"


def test_an_unknown_method_is_refused(http: httpx.Client) -> None:
    answer = http.post("/chat.shout").json()
    assert answer == {"ok": False, "error": "unknown_method", "req_method": "chat.shout"}


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({"channel": AVA}, "channel_not_found"),
        ({"channel": "#leads"}, "channel_not_found"),
        ({"channel": "C0000000002"}, "not_in_channel"),
        ({"channel": "C0000000003"}, "is_archived"),
        ({"text": ""}, "no_text"),
        ({"blocks": [section("x")] * 51}, "invalid_blocks"),
        ({"blocks": [section("x" * 3001)]}, "invalid_blocks"),
        ({"blocks": [{"type": "banner"}]}, "invalid_blocks"),
        ({"blocks": [{"type": "section"}]}, "invalid_blocks"),
        ({"blocks": [{"type": "header", "text": {"type": "mrkdwn", "text": "x"}}]},
         "invalid_blocks"),
        ({"blocks": [{"type": "context", "elements": []}]}, "invalid_blocks"),
        ({"blocks": "no json"}, "invalid_blocks_format"),
        ({"blocks": {"type": "divider"}}, "invalid_blocks_format"),
        ({"metadata": {"event_type": "x"}}, "invalid_metadata_format"),
        ({"metadata": META | {"event_payload": {"key": "x" * 17_000}}}, "metadata_too_large"),
        ({"attachments": [{"text": "x"}] * 101}, "too_many_attachments"),
    ],
)  # fmt: skip
def test_what_slack_does_not_take(
    http: httpx.Client, store: SlackStore, body: dict[str, Any], error: str
) -> None:
    answer = post(http, **body)
    assert (answer["ok"], answer["error"]) == (False, error)
    assert store.messages == []


def test_invalid_blocks_say_where(http: httpx.Client) -> None:
    long = {"type": "button", "text": {"type": "plain_text", "text": "x" * 76}, "url": "y" * 3001}
    answer = post(http, blocks=[section("fine"), {"type": "actions", "elements": [long]}])
    reasons = answer["response_metadata"]["messages"]
    assert reasons == [
        "[ERROR] must be less than 76 characters [json-pointer:/blocks/1/elements/0/text/text]",
        "[ERROR] must be less than 3001 characters [json-pointer:/blocks/1/elements/0/url]",
    ]


def test_a_long_text_is_cut(http: httpx.Client, store: SlackStore) -> None:
    assert post(http, text="x" * 40_001)["ok"]
    assert len(store.messages[0]["text"]) == 40_000


def test_blocks_without_text_are_taken_with_a_warning(http: httpx.Client) -> None:
    answer = post(http, text="", blocks=[section("x")])
    assert (answer["ok"], answer["warning"]) == (True, "missing_text_in_message")


def test_json_without_a_charset_is_warned_about(http: httpx.Client) -> None:
    answer = http.post("/chat.postMessage", json={"channel": DIRECT, "text": "x"}).json()
    assert (answer["ok"], answer["warning"]) == (True, "missing_charset")
    assert answer["response_metadata"]["warnings"] == ["missing_charset"]


def test_a_form_carries_blocks_as_json(http: httpx.Client, store: SlackStore) -> None:
    form = {"channel": DIRECT, "text": "x", "blocks": '[{"type": "divider"}]'}
    assert http.post("/chat.postMessage", data=form).json()["ok"]
    assert store.messages[0]["blocks"] == [{"type": "divider"}]


def test_broken_json_is_refused(http: httpx.Client) -> None:
    headers = {"Content-Type": "application/json; charset=utf-8"}
    answer = http.post("/chat.postMessage", content=b"{", headers=headers).json()
    assert answer == {"ok": False, "error": "invalid_json"}


def test_more_than_a_burst_in_one_channel_answers_429(
    http: httpx.Client, store: SlackStore
) -> None:
    for _ in range(3):
        assert post(http)["ok"]
    answer = http.post("/chat.postMessage", json={"channel": DIRECT, "text": "x"})
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "1")
    assert answer.json() == {"ok": False, "error": "ratelimited"}
    assert post(http, channel="C0000000001")["ok"], "another channel has its own second"
    time.sleep(1.05)
    assert post(http)["ok"]
    assert len(store.messages) == 5


def test_limits_can_be_off(http: httpx.Client, store: SlackStore) -> None:
    store.limits = False
    assert all(post(http)["ok"] for _ in range(10))


def test_a_channel_never_saves_up_more_than_a_burst() -> None:
    channel = Channel("C1", filled_at=time.monotonic() - 100)
    assert [channel.take() == 0 for _ in range(4)] == [True, True, True, False]


def test_a_person_is_found_by_email_in_any_case(http: httpx.Client) -> None:
    asked = {"email": "Ava.Morgan@X.example"}
    for answer in (
        http.get("/users.lookupByEmail", params=asked),
        http.post("/users.lookupByEmail", data=asked),
    ):
        assert answer.json()["user"]["id"] == AVA
    assert http.get("/users.info", params={"user": AVA}).json()["user"]["real_name"] == "Ava Morgan"


@pytest.mark.parametrize("email", ["nobody@x.example", "gone@x.example"])
def test_unknown_and_deactivated_people_are_not_found(http: httpx.Client, email: str) -> None:
    answer = http.get("/users.lookupByEmail", params={"email": email}).json()
    assert answer == {"ok": False, "error": "users_not_found"}


def test_the_lookup_reads_no_json(http: httpx.Client) -> None:
    answer = http.post("/users.lookupByEmail", json={"email": "ava.morgan@x.example"}).json()
    assert (answer["ok"], answer["error"]) == (False, "invalid_arguments")


def test_direct_messages_are_opened_by_user_id(http: httpx.Client) -> None:
    answer = http.post("/conversations.open", json={"users": AVA}).json()
    assert answer["channel"]["id"] == DIRECT
    refused = http.post("/conversations.open", data={"users": "U0000000007"}).json()
    assert refused["error"] == "user_not_found"
    empty = http.post("/conversations.open", data={}).json()
    assert empty["error"] == "users_list_not_supplied"


def test_the_history_is_newest_first_and_shows_metadata_when_asked(
    http: httpx.Client, store: SlackStore
) -> None:
    store.limits = False
    stamps = [post(http, text=f"n{number}", metadata=META)["ts"] for number in range(5)]
    asked = {"channel": DIRECT, "limit": 2, "include_all_metadata": "true"}
    first = http.get("/conversations.history", params=asked).json()
    assert [message["text"] for message in first["messages"]] == ["n4", "n3"]
    assert first["messages"][0]["metadata"] == META
    cursor = first["response_metadata"]["next_cursor"]
    second = http.get("/conversations.history", params=asked | {"cursor": cursor}).json()
    assert [message["text"] for message in second["messages"]] == ["n2", "n1"]
    plain = http.get("/conversations.history", params={"channel": DIRECT, "oldest": stamps[3]})
    (message,) = plain.json()["messages"]
    assert message["text"] == "n4"
    assert "metadata" not in message
    assert plain.json()["has_more"] is False
