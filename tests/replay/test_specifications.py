"""Our requests and the sandbox's answers against the specifications the vendors publish.

Slack's document ends in 2020: what its reference has named since stands in lists here, with the
reason. Salesforce publishes requests only. Marketo's specification lies beside them and is not
read, because neither a connector nor a sandbox of Marketo exists here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest

from flows.connectors.http import open_client
from flows.connectors.salesforce import Salesforce
from flows.connectors.slack import Slack
from sandbox.server import Sandbox
from tests.replay.recordings import needs_recordings
from tests.replay.specification import Definition, Specification, salesforce_requests

pytestmark = needs_recordings

METHODS = (
    "auth.test",
    "chat.postMessage",
    "conversations.history",
    "conversations.open",
    "users.lookupByEmail",
)
# Arguments and keys Slack has named since 2020 (docs.slack.dev, the method's own page).
ARGUMENTS_SINCE = {
    "chat.postMessage": {"metadata"},  # message metadata, 2022
    "conversations.history": {"include_all_metadata"},
}
KEYS_SINCE = (
    *("*.app_id", "*.metadata", "*.warning"),
    *(".response_metadata", ".no_op", ".already_open"),
)
# Errors of today's reference that the document of 2020 does not list.
ERRORS_SINCE = {"invalid_arguments"}


@pytest.fixture(scope="module")
def slack_specification() -> Specification:
    return Specification.read("slack/slack_web.mended.json")


@pytest.fixture
def sent() -> list[httpx.Request]:
    return []


@pytest.fixture
def client(sent: list[httpx.Request]) -> Iterator[httpx.Client]:
    with open_client(10) as opened:
        opened.event_hooks = {"request": [sent.append]}
        yield opened


@pytest.fixture
def slack(box: Sandbox, client: httpx.Client) -> Iterator[Slack]:
    connector = Slack(
        base_url=box.env["BATON_SLACK_BASE_URL"],
        token=box.env["BATON_SLACK_TOKEN"],
        seconds_between_messages=0,
        client=client,
    )
    yield connector
    connector.close()


@pytest.fixture(scope="module")
def someone(box: Sandbox) -> str:
    """A colleague whom Slack knows."""
    found = [user for user in box.world.slack.users.values() if not user["deleted"]]
    return str(found[0]["profile"]["email"])


def test_a_missing_scope_is_told_as_specified(
    slack_specification: Specification, box: Sandbox, ask: Ask
) -> None:
    scopes = box.world.slack.scopes
    scopes.remove("im:history")
    answer = ask("conversations.history", channel="D0000000001")
    scopes.add("im:history")
    schema = slack_specification.schema("post", "/conversations.history", "default")
    assert [*slack_specification.faults(schema, answer)] == []
    assert (answer["error"], answer["needed"]) == ("missing_scope", "im:history")


Ask = Callable[..., dict[str, Any]]


@pytest.fixture
def ask(box: Sandbox, client: httpx.Client) -> Ask:
    """Call a method of the sandbox's Slack with form arguments."""

    def call(method: str, token: str = "", **arguments: str) -> dict[str, Any]:
        response = client.post(
            f"{box.env['BATON_SLACK_BASE_URL']}/{method}",
            data=arguments,
            headers={"Authorization": f"Bearer {token or box.env['BATON_SLACK_TOKEN']}"},
        )
        assert response.status_code == 200
        found: dict[str, Any] = response.json()
        return found

    return call


def method_of(request: httpx.Request) -> str:
    return request.url.path.rsplit("/", 1)[-1]


def test_slack_answers_as_specified(
    slack_specification: Specification, ask: Ask, someone: str
) -> None:
    user = ask("users.lookupByEmail", email=someone)
    channel = ask("conversations.open", users=user["user"]["id"])
    where = {"channel": channel["channel"]["id"]}
    answers = {
        "auth.test": ask("auth.test"),
        "users.lookupByEmail": user,
        "conversations.open": channel,
        "chat.postMessage": ask("chat.postMessage", text="Good morning", **where),
        "conversations.history": ask("conversations.history", **where),
    }
    assert set(answers) == set(METHODS)
    assert answers["conversations.history"]["messages"] != []
    wrong = [
        f"{method}: {fault}"
        for method, answer in answers.items()
        for fault in slack_specification.faults(
            slack_specification.schema("post", f"/{method}", "200"), answer, lenient=KEYS_SINCE
        )
    ]
    assert wrong == []


def test_slack_refuses_as_specified(
    slack_specification: Specification, ask: Ask, someone: str
) -> None:
    nobody = {"token": "xoxb-nobody"}
    refusals = [
        ("auth.test", ask("auth.test", **nobody), "invalid_auth"),
        ("users.lookupByEmail", ask("users.lookupByEmail", email="n@x.example"), "users_not_found"),
        ("users.lookupByEmail", ask("users.lookupByEmail"), "invalid_arguments"),
        ("conversations.open", ask("conversations.open", users="U0NOBODY00"), "user_not_found"),
        ("conversations.open", ask("conversations.open"), "users_list_not_supplied"),
        ("chat.postMessage", ask("chat.postMessage", channel="C0NOWHERE00"), "channel_not_found"),
        ("conversations.history", ask("conversations.history"), "channel_not_found"),
    ]
    user = ask("users.lookupByEmail", email=someone)["user"]["id"]
    direct = ask("conversations.open", users=user)
    empty = ask("chat.postMessage", channel=direct["channel"]["id"])
    refusals.append(("chat.postMessage", empty, "no_text"))
    for method, answer, error in refusals:
        assert (answer["ok"], answer["error"]) == (False, error), method
        lenient = [".response_metadata", *([".error"] if error in ERRORS_SINCE else [])]
        schema = slack_specification.schema("post", f"/{method}", "default")
        assert [*slack_specification.faults(schema, answer, lenient=lenient)] == [], method


def test_our_slack_requests_use_documented_arguments(
    slack_specification: Specification, slack: Slack, someone: str, sent: list[httpx.Request]
) -> None:
    row = {
        "message_key": "replay-1",
        "user_email": someone,
        "text": "Good morning",
        "blocks": json.dumps([{"type": "section", "text": {"type": "mrkdwn", "text": "Hello"}}]),
    }
    slack.check()
    (receipt,) = slack.push("message", "message_key", [row])
    assert receipt.status == "accepted"
    assert slack.find("replay-1", someone) is not None
    assert {method_of(request) for request in sent} == set(METHODS)
    for request in sent:
        method = method_of(request)
        operation = slack_specification.operation(request.method.lower(), f"/{method}")
        kind = request.headers["content-type"].partition(";")[0] if request.content else None
        assert kind is None or kind in operation["consumes"], method
        if kind == "application/json":
            arguments = set(json.loads(request.content))
            assert "charset=utf-8" in request.headers["content-type"]
        else:
            arguments = set(parse_qs(request.content.decode(), keep_blank_values=True))
        known = {item["name"] for item in operation["parameters"]}
        assert arguments <= known | ARGUMENTS_SINCE.get(method, set()), method
        needed = {item["name"] for item in operation["parameters"] if item.get("required")}
        assert needed <= arguments, method
        assert request.headers["authorization"].startswith("Bearer ")


# Documented in the REST, Tooling and Bulk 2.0 references, and left out of the collection.
SALESFORCE_ALSO = (
    ("GET", r"/services/data/v[\d.]+/(query|queryAll)/[\w-]+", "the next page of a query"),
    ("PATCH", r"/services/data/v[\d.]+/composite/sobjects(/\w+/\w+)?", "collections"),
    ("POST", r"/services/data/v[\d.]+/jobs/query", "Bulk 2.0 query"),
    ("(GET|PATCH|DELETE)", r"/services/data/v[\d.]+/jobs/query/\w+", "Bulk 2.0 query"),
    ("GET", r"/services/data/v[\d.]+/jobs/query/\w+/results", "Bulk 2.0 query"),
    ("GET", r"/services/data/v[\d.]+/tooling/query/?", "Tooling"),
    ("POST", r"/services/data/v[\d.]+/tooling/sobjects/\w+", "Tooling"),
)
# From so many rows on, the connector writes by a job.
BULK_ROWS = 2000
NO_SESSION = re.compile(r"/services/oauth2/token")


@pytest.fixture(scope="module")
def definitions() -> list[Definition]:
    found = salesforce_requests()
    assert len(found) == 105
    return found


@pytest.fixture(scope="module")
def asked(box: Sandbox) -> list[httpx.Request]:
    """One request of every kind our Salesforce connector makes."""
    made: list[httpx.Request] = []
    with open_client(10) as client:
        client.event_hooks = {"request": [made.append]}
        connector = Salesforce(
            login_url=box.env["BATON_SALESFORCE_LOGIN_URL"],
            client_id=box.env["BATON_SALESFORCE_CLIENT_ID"],
            client_secret=box.env["BATON_SALESFORCE_CLIENT_SECRET"],
            bulk_from=30,
            client=client,
        )
        use_everything(connector)
        connector.close()
    return made


def use_everything(salesforce: Salesforce) -> None:
    now = datetime.now(UTC)
    salesforce.check()
    salesforce.describe()
    list(salesforce.examine())
    list(salesforce.set_up())
    for stream in salesforce.streams:
        # The second pull, hours later, also asks what was deleted.
        cursor = [page.cursor for page in salesforce.pull(stream, None, now)][-1]
        list(salesforce.pull(stream, cursor, now + timedelta(hours=3)))
    row = {"baton_lead_key__c": "SPEC-1", "LastName": "Lovelace", "Company": "Engines"}
    (receipt,) = salesforce.push("lead", "baton_lead_key__c", [row])
    known = {"baton_lead_key__c": "SPEC-1", "Id": receipt.vendor_id, "Title": "Countess"}
    many = [{**row, "baton_lead_key__c": f"SPEC-{n}"} for n in range(2, BULK_ROWS + 2)]
    receipts = salesforce.push("lead", "baton_lead_key__c", [known, *many])
    assert {receipt.status for receipt in receipts} == {"accepted"}
    assert salesforce.find("lead", "baton_lead_key__c", ["SPEC-1"]) != {}


def test_our_salesforce_requests_are_those_the_vendor_publishes(
    definitions: list[Definition], asked: list[httpx.Request]
) -> None:
    calls = {(request.method, request.url.path) for request in asked}
    assert len(calls) > 20
    unknown = [f"{method} {path}" for method, path in calls if not known(method, path, definitions)]
    assert unknown == []
    for request in asked:
        if not NO_SESSION.search(request.url.path):
            assert request.headers["authorization"].startswith("Bearer "), request.url.path


def known(method: str, path: str, definitions: list[Definition]) -> bool:
    if any(re.fullmatch(m, method) and re.fullmatch(p, path) for m, p, _ in SALESFORCE_ALSO):
        return True
    return matching(method, path, definitions) != []


def matching(method: str, path: str, definitions: list[Definition]) -> list[Definition]:
    found = [d for d in definitions if d.method == method and d.pattern.fullmatch(path)]
    # The collection has names where the path has words: the one with most words of its own fits.
    return sorted(found, key=lambda d: d.pattern.pattern.count("[^/]+"))[:1]


def test_our_salesforce_requests_carry_the_published_type_and_parameters(
    definitions: list[Definition], asked: list[httpx.Request]
) -> None:
    compared = set()
    for request in asked:
        if NO_SESSION.search(request.url.path):
            continue
        for definition in matching(request.method, request.url.path, definitions):
            compared.add(definition.name)
            theirs = definition.headers.get("content-type", "").partition(";")[0]
            if request.content and theirs:
                ours = request.headers["content-type"].partition(";")[0]
                assert ours == theirs, f"{definition.name}: {ours}"
            if request.method == "GET" and definition.parameters:
                assert set(request.url.params) <= definition.parameters, definition.name
    assert compared >= {
        *("batch", "query", "queryall", "versions", "limit", "sobject_get_deleted"),
        *("create_job", "upload_job_data", "close_or_abort_a_job", "get_job_info", "delete_job"),
        *("get_job_successful_record_results", "get_job_failed_record_results"),
    }


def test_a_token_is_asked_for_with_a_form_as_published(
    definitions: list[Definition], asked: list[httpx.Request]
) -> None:
    tokens = [request for request in asked if NO_SESSION.search(request.url.path)]
    published = next(d for d in definitions if d.name == "jwt_bearer_token_flow")
    assert len(tokens) == 1, "one session serves the whole connector"
    assert (tokens[0].method, published.method) == ("POST", "POST")
    assert published.pattern.fullmatch(tokens[0].url.path)
    assert tokens[0].headers["content-type"] == published.headers["content-type"]
    assert "grant_type" in parse_qs(tokens[0].content.decode())
