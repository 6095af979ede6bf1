"""Two ways into an org, and what each refusal tells its reader to mend."""

from __future__ import annotations

import base64
import json
import time
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from flows.connectors.salesforce import Salesforce
from flows.errors import Unauthorised, Unreachable, VendorError
from tests.flows.connectors.salesforce_org import SECRET, Org, page, pull, refusal
from tests.flows.connectors.vendor import QUICK, Call, Reply, Vendor

KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PEM = KEY.private_bytes(
    serialization.Encoding.PEM,
    serialization.PrivateFormat.PKCS8,
    serialization.NoEncryption(),
).decode()


def by_key(vendor: Vendor, key: str = PEM) -> Salesforce:
    return Salesforce(
        login_url=vendor.url,
        client_id="consumer-key",
        private_key=key,
        username="integration@lumenfold.example",
        audience="https://test.salesforce.com",
        timeout=2,
        patience=QUICK,
    )


def part(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def assertion_of(call: Call) -> str:
    assert call.form["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer"
    assert set(call.form) == {"grant_type", "assertion"}
    return call.form["assertion"]


def test_a_key_signs_what_the_vendor_checks(vendor: Vendor, org: Org) -> None:
    salesforce = by_key(vendor)
    salesforce.check()
    head, claims, signature = assertion_of(vendor.calls[0]).split(".")
    KEY.public_key().verify(
        part(signature), f"{head}.{claims}".encode(), padding.PKCS1v15(), hashes.SHA256()
    )
    assert json.loads(part(head)) == {"alg": "RS256"}
    told = json.loads(part(claims))
    assert told["iss"] == "consumer-key"
    assert told["sub"] == "integration@lumenfold.example"
    assert told["aud"] == "https://test.salesforce.com"
    assert 150 < told["exp"] - time.time() <= 180
    salesforce.close()


@pytest.mark.parametrize("form", ["file", "one line"])
def test_a_key_may_be_a_file_or_one_line(
    vendor: Vendor, org: Org, tmp_path: Path, form: str
) -> None:
    path = tmp_path / "key.pem"
    path.write_text(PEM)
    salesforce = by_key(vendor, str(path) if form == "file" else PEM.replace("\n", "\\n"))
    salesforce.check()
    assert assertion_of(vendor.calls[0])
    salesforce.close()


@pytest.mark.parametrize("key", ["nowhere/key.pem", "-----BEGIN PRIVATE KEY-----\\nAAAA", "EC"])
def test_a_key_that_cannot_be_used_is_named_and_not_repeated(
    vendor: Vendor, org: Org, key: str
) -> None:
    if key == "EC":
        key = (
            ec.generate_private_key(ec.SECP256R1())
            .private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
            .decode()
        )
    salesforce = by_key(vendor, key)
    with pytest.raises(Unauthorised, match="private key") as caught:
        salesforce.check()
    assert "BATON_SALESFORCE_PRIVATE_KEY" in str(caught.value)
    assert "BEGIN" not in str(caught.value)
    assert vendor.calls == []
    salesforce.close()


@pytest.mark.parametrize(
    ("code", "words", "cure"),
    [
        ("invalid_grant", "user hasn't approved this consumer", "pre-authorised"),
        ("invalid_grant", "audience is invalid", "BATON_SALESFORCE_AUDIENCE"),
        ("invalid_grant", "no client credentials user enabled", "runs as"),
        ("invalid_grant", "invalid assertion", "certificate"),
        ("invalid_client", "invalid client credentials", "BATON_SALESFORCE_CLIENT_ID"),
        ("invalid_client_id", "client identifier invalid", "BATON_SALESFORCE_CLIENT_ID"),
        ("inactive_user", "user is inactive", "Activate"),
        ("invalid_app_access", "user is not admin approved to access this app", "permission set"),
        ("unsupported_grant_type", "grant type not supported", "Enable this flow"),
        ("invalid_grant", "request not supported on this domain", "LOGIN_URL"),
    ],
)
def test_a_refused_login_says_what_to_mend(
    salesforce: Salesforce, vendor: Vendor, code: str, words: str, cure: str
) -> None:
    body = {"error": code, "error_description": f"{words} {SECRET}"}
    vendor.replies(Reply(body, 400))
    with pytest.raises(Unauthorised) as caught:
        salesforce.check()
    assert cure in (caught.value.next_step or "")
    assert SECRET not in str(caught.value)
    assert len(vendor.calls) == 1


def test_bulk_says_a_dead_session_with_a_400_and_it_is_renewed(
    salesforce: Salesforce, org: Org
) -> None:
    org.replies(refusal("InvalidSessionId", "Session expired or invalid"), page())
    salesforce.check()
    assert org.minted == 2


def test_a_secret_is_sent_with_its_client_and_nothing_else(
    salesforce: Salesforce, vendor: Vendor, org: Org
) -> None:
    salesforce.check()
    assert vendor.calls[0].form == {
        "grant_type": "client_credentials",
        "client_id": "app",
        "client_secret": SECRET,
    }


def test_every_call_names_us_as_its_client(salesforce: Salesforce, org: Org) -> None:
    salesforce.check()
    assert org.asked[0].headers["sforce-call-options"] == "client=baton"


def test_a_retired_version_names_the_setting(salesforce: Salesforce, org: Org) -> None:
    org.replies(refusal("UNSUPPORTED_API_VERSION", "no longer supported", 410))
    with pytest.raises(VendorError, match=r"version 62\.0 of the API is retired") as caught:
        salesforce.check()
    assert "BATON_SALESFORCE_API_VERSION" in str(caught.value)
    assert len(org.asked) == 1


def test_a_maintenance_page_is_waited_for_and_read_without_its_tags(
    salesforce: Salesforce, org: Org
) -> None:
    text = b"<html><style>b{}</style><body><h1>We are down</h1> for maintenance</body></html>"
    down = Reply(text, 503, {"content-type": "text/html"})
    org.replies(down, page())
    salesforce.check()
    org.replies(down)
    with pytest.raises(VendorError) as caught:
        salesforce.check()
    assert caught.value.answer == "We are down for maintenance"


@pytest.mark.parametrize("body", [b"<html>login</html>", b"<?xml version='1.0'?><a/>"])
def test_a_page_for_people_with_status_200_is_no_answer(
    salesforce: Salesforce, org: Org, body: bytes
) -> None:
    org.replies(Reply(body, 200, {"content-type": "text/html"}), page())
    salesforce.check()
    assert len(org.asked) == 2
    org.replies(Reply(body, 200, {"content-type": "text/html"}))
    with pytest.raises(Unreachable):
        salesforce.check()


@pytest.mark.parametrize("status", [406, 500, 503])
def test_what_passes_is_asked_again(salesforce: Salesforce, org: Org, status: int) -> None:
    org.replies(refusal("UNKNOWN_EXCEPTION", "unexpected", status), page())
    salesforce.check()
    assert len(org.asked) == 2


# --- the budget ------------------------------------------------------------------------------


def used(calls: int) -> dict[str, str]:
    return {"Sforce-Limit-Info": f"api-usage={calls}/1000; per-app-api-usage=17/250(appName=x)"}


def test_reading_stops_at_its_share_of_the_day_and_writing_goes_on(
    salesforce: Salesforce, org: Org
) -> None:
    org.script = lambda call: Reply({"records": [], "done": True}, headers=used(800))
    list(pull(salesforce, "users"))
    with pytest.raises(Exception, match="800 of the day's 1000 calls") as caught:
        list(pull(salesforce, "leads"))
    assert getattr(caught.value, "exhausted", False)
    assert len(org.asked) == 1
    org.script = lambda call: Reply([{"id": "00Q1", "success": True, "errors": []}])
    (receipt,) = salesforce.push("lead", "k__c", [{"k__c": "a"}])
    assert receipt.status == "accepted"


def test_too_many_calls_at_once_cost_a_longer_pause_than_a_hiccup(
    salesforce: Salesforce, org: Org
) -> None:
    words = "ConcurrentRequests (Concurrent API Requests) Limit exceeded."
    org.replies(refusal("REQUEST_LIMIT_EXCEEDED", words, 403), page())
    began = time.monotonic()
    salesforce.check()
    # A quarter of the whole patience: 30 seconds of the 120 in production.
    assert time.monotonic() - began >= QUICK.total / 4
    assert len(org.asked) == 2
