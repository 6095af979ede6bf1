"""Signing in to the Salesforce sandbox with a signed assertion."""

from __future__ import annotations

import base64
import time
from typing import Any

import httpx
import orjson
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256

from tests.sandbox.salesforce_org import ROBOT, ROOT, Org

BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"


def encoded(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).decode().rstrip("=")


def assertion(pem: str, header: dict[str, Any] | None = None, **claims: Any) -> str:
    said = {
        "iss": "key",
        "sub": "robot@x.example",
        "aud": "https://login.salesforce.com",
        "exp": int(time.time()) + 180,
        **claims,
    }
    head = encoded(orjson.dumps(header or {"alg": "RS256"}))
    body = encoded(orjson.dumps(said))
    key = serialization.load_pem_private_key(pem.encode(), None)
    assert isinstance(key, rsa.RSAPrivateKey)
    signature = key.sign(f"{head}.{body}".encode(), padding.PKCS1v15(), SHA256())
    return f"{head}.{body}.{encoded(signature)}"


def sign_in(org: Org, signed: str) -> httpx.Response:
    form = {"grant_type": BEARER, "assertion": signed}
    return org.http.post("/services/oauth2/token", data=form)


def test_a_signed_assertion_is_answered_with_a_token_that_works(org: Org) -> None:
    told = sign_in(org, assertion(org.store.jwt_private_key_pem))
    assert told.status_code == 200, told.text
    answer = told.json()
    assert answer["id"].endswith(f"/{ROBOT}")
    assert "refresh_token" not in answer
    headers = {"Authorization": f"Bearer {answer['access_token']}"}
    assert org.http.get(f"{ROOT}/limits", headers=headers).status_code == 200


def test_the_key_stays_the_same_while_the_org_lives(org: Org) -> None:
    assert org.store.jwt_private_key_pem == org.store.jwt_private_key_pem


@pytest.mark.parametrize("audience", ["https://test.salesforce.com"])
def test_the_audience_of_a_sandbox_org_is_taken(org: Org, audience: str) -> None:
    signed = assertion(org.store.jwt_private_key_pem, aud=audience)
    assert sign_in(org, signed).status_code == 200


@pytest.mark.parametrize(
    ("claims", "error", "words"),
    [
        ({"iss": "other"}, "invalid_client_id", "client identifier invalid"),
        ({"sub": "ava@x.example"}, "invalid_grant", "user hasn't approved this consumer"),
        ({"aud": "https://corp.my.salesforce.com"}, "invalid_grant", "audience is invalid"),
        ({"exp": 1_000_000_000}, "invalid_grant", "expired authorization code"),
        ({"exp": "soon"}, "invalid_grant", "invalid assertion"),
    ],
)
def test_a_wrong_claim_is_refused(org: Org, claims: Any, error: str, words: str) -> None:
    answer = sign_in(org, assertion(org.store.jwt_private_key_pem, **claims))
    assert answer.status_code == 400
    assert answer.json() == {"error": error, "error_description": words}


def test_only_rs256_signed_with_the_clients_key_counts(org: Org) -> None:
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    assert sign_in(org, assertion(other.decode())).json()["error"] == "invalid_grant"
    unsigned = assertion(org.store.jwt_private_key_pem, {"alg": "none"})
    assert sign_in(org, unsigned).json()["error"] == "invalid_grant"
    assert sign_in(org, "not.an.assertion").json()["error"] == "invalid_grant"
    assert sign_in(org, "").json()["error"] == "invalid_grant"


def test_a_session_can_end_in_the_middle_of_a_pull(org: Org) -> None:
    org.store.page_size = 1
    for _ in range(2):
        org.lead()
    following = org.query("SELECT Id FROM Lead")["nextRecordsUrl"]
    org.store.expire_sessions()
    assert org.http.get(following).status_code == 401
    fresh = sign_in(org, assertion(org.store.jwt_private_key_pem)).json()["access_token"]
    answer = org.http.get(following, headers={"Authorization": f"Bearer {fresh}"})
    assert (answer.status_code, answer.json()["done"]) == (200, True)
