from __future__ import annotations

import socket
import time
from collections.abc import Iterator

import pytest

from flows.connectors.budget import rate
from flows.connectors.http import Http, explain, parse, retry_after
from flows.errors import Forbidden, RateLimited, Unauthorised, Unreachable, VendorError
from tests.flows.connectors.vendor import QUICK, Reply, Vendor

TOKEN = "pat-na1-0f9c1d2e-secret"
RATE_LIMITED = {
    "status": "error",
    "message": "You have reached your secondly limit.",
    "category": "RATE_LIMITS",
}


@pytest.fixture
def http(vendor: Vendor) -> Iterator[Http]:
    wire = Http("hubspot", vendor.url, timeout=2, secrets=lambda: (TOKEN,), patience=QUICK)
    yield wire
    wire.close()


def get(http: Http) -> object:
    return http.call("GET", "/x", doing="reading x", repeatable=True).body


def post(http: Http) -> object:
    return http.call("POST", "/x", doing="posting x", repeatable=False, json_body={"a": 1}).body


def test_a_429_without_retry_after_is_waited_out(http: Http, vendor: Vendor) -> None:
    vendor.replies(Reply(RATE_LIMITED, 429), Reply(RATE_LIMITED, 429), Reply({"ok": 1}))
    assert get(http) == {"ok": 1}
    assert len(vendor.calls) == 3


def test_a_429_is_repeated_even_for_a_write_that_may_not_be_sent_twice(
    http: Http, vendor: Vendor
) -> None:
    vendor.replies(Reply(RATE_LIMITED, 429), Reply({"ok": 1}))
    assert post(http) == {"ok": 1}


def test_retry_after_is_obeyed(http: Http, vendor: Vendor) -> None:
    vendor.replies(Reply(RATE_LIMITED, 429, {"Retry-After": "0.4"}), Reply({}))
    start = time.monotonic()
    get(http)
    assert time.monotonic() - start >= 0.4


def test_a_retry_after_beyond_our_patience_is_the_next_runs_business(
    http: Http, vendor: Vendor
) -> None:
    vendor.replies(Reply(RATE_LIMITED, 429, {"Retry-After": "3600"}))
    with pytest.raises(RateLimited) as caught:
        get(http)
    assert caught.value.retry_after == 3600
    assert len(vendor.calls) == 1


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("2", 2), ("0", 0.2), ("-5", None), ("soon", None), ("nan", None), ("1e12", None)],
)
def test_an_absurd_retry_after_counts_as_none(value: str, seconds: float | None) -> None:
    assert retry_after({"retry-after": value}) == seconds


def test_a_daily_limit_is_not_waited_for(http: Http, vendor: Vendor) -> None:
    vendor.replies(Reply({**RATE_LIMITED, "policyName": "DAILY"}, 429))
    with pytest.raises(RateLimited) as caught:
        get(http)
    assert caught.value.exhausted
    assert not caught.value.retryable
    assert len(vendor.calls) == 1


@pytest.mark.parametrize("fault", [Reply(drop=True), Reply({"a": "b" * 50}, cut=True)])
def test_a_lost_answer_is_asked_for_again_when_that_is_safe(
    http: Http, vendor: Vendor, fault: Reply
) -> None:
    vendor.replies(fault, Reply({"ok": 1}))
    assert get(http) == {"ok": 1}


@pytest.mark.parametrize(
    "fault",
    [
        Reply(drop=True),
        Reply({"a": "b" * 50}, cut=True),
        Reply(b"<html>hello</html>", headers={"content-type": "text/html"}),
        Reply({"message": "oops"}, 502),
    ],
)
def test_a_lost_answer_to_a_write_is_ambiguous_and_never_repeated(
    http: Http, vendor: Vendor, fault: Reply
) -> None:
    vendor.replies(fault, Reply({"ok": 1}))
    with pytest.raises((Unreachable, VendorError)) as caught:
        post(http)
    assert caught.value.ambiguous
    assert len(vendor.calls) == 1


def test_a_late_answer_counts_as_lost(vendor: Vendor) -> None:
    def late(call: object) -> Reply:
        time.sleep(0.4)
        return Reply({})

    vendor.script = late
    wire = Http("hubspot", vendor.url, timeout=0.1, patience=QUICK)
    with pytest.raises(Unreachable) as caught:
        post(wire)
    assert caught.value.ambiguous
    wire.close()


def test_no_connection_is_not_ambiguous() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}"
    wire = Http("hubspot", address, timeout=1, patience=QUICK)
    with pytest.raises(Unreachable) as caught:
        post(wire)
    assert not caught.value.ambiguous
    wire.close()


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (401, {"message": "no", "category": "INVALID_AUTHENTICATION"}, Unauthorised),
        (403, {"message": "no", "category": "MISSING_SCOPES"}, Forbidden),
        (403, [{"errorCode": "API_DISABLED_FOR_ORG", "message": "no"}], Forbidden),
        (403, [{"errorCode": "REQUEST_LIMIT_EXCEEDED", "message": "Concurrent"}], RateLimited),
        (300, ["/services/data/1", "/services/data/2"], VendorError),
        (302, None, VendorError),
        (400, {"message": "bad"}, VendorError),
    ],
)
def test_each_refusal_has_its_class(
    http: Http, vendor: Vendor, status: int, body: object, kind: type
) -> None:
    vendor.replies(Reply(body, status))
    with pytest.raises(kind) as caught:
        get(http)
    assert caught.value.status == status
    assert len(vendor.calls) == (4 if kind is RateLimited else 1)


def test_no_error_text_holds_a_token_or_an_address(http: Http, vendor: Vendor) -> None:
    echo = f"token {TOKEN} of ada.lovelace@acme.example, Bearer abcdef123456"
    vendor.replies(Reply({"message": echo}, 400))
    with pytest.raises(VendorError) as caught:
        get(http)
    told = str(caught.value) + repr(caught.value) + repr(caught.value.__reduce__())
    assert TOKEN not in told
    assert "lovelace" not in told
    assert "abcdef" not in told
    assert "a***@acme.example" in told


def test_a_lane_paces_its_calls_and_leaves_the_others_alone(vendor: Vendor) -> None:
    vendor.replies(Reply({}))
    wire = Http("hubspot", vendor.url, timeout=2, lanes={"search": rate(2, 0.3)}, patience=QUICK)
    start = time.monotonic()
    for _ in range(10):
        get(wire)
    unpaced = time.monotonic() - start
    start = time.monotonic()
    for _ in range(5):
        wire.call("GET", "/x", doing="x", repeatable=True, lane="search")
    assert time.monotonic() - start >= 0.5 > unpaced
    wire.close()


def test_one_bad_string_does_not_spoil_the_page_around_it() -> None:
    assert parse(b'[{"a": "\\ud800"}, {"a": 1}]')[1] == {"a": 1}
    assert parse(b'[{"a": "\xff"}, {"a": 1}]')[1] == {"a": 1}
    with pytest.raises(ValueError, match=r"Expecting|Unterminated"):
        parse(b'[{"a": 1}, {"a"')


def test_an_error_body_of_any_shape_is_read() -> None:
    assert explain(None) == (None, None)
    assert explain([]) == (None, None)
    assert explain({"error": "invalid_grant", "error_description": "no"}) == ("invalid_grant", "no")
    assert explain({"message": "m", "errors": [{"message": "more"}]}) == (None, "m more")
