"""Signing in: client credentials, and JWT bearer assertions signed with the client's key.

Neither flow gives a refresh token or says how long the token lives: it lives while it is used.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from time import time
from typing import Any
from urllib.parse import parse_qsl

import orjson
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.hashes import SHA256
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from sandbox.salesforce.gate import as_json
from sandbox.salesforce.store import SalesforceStore
from sandbox.world import World

JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
# An assertion is for the login service, never for the org's own host.
AUDIENCES = ("https://login.salesforce.com", "https://test.salesforce.com")


class SignInError(Exception):
    """A refusal of the token endpoint: ``error`` and ``error_description``."""

    def __init__(self, error: str, description: str) -> None:
        super().__init__(f"{error}: {description}")
        self.error = error
        self.description = description


class SignIn:
    """The OAuth endpoints of one world's org."""

    def __init__(self, world: World) -> None:
        self.world = world

    async def token(self, request: Request) -> Response:
        """Answer a grant with an access token."""
        form = dict(parse_qsl((await request.body()).decode("utf-8", "replace")))
        with self.world.lock:
            store = self.world.salesforce
            try:
                grant = form.get("grant_type")
                if grant == "client_credentials":
                    _check_client(store, *_credentials(request, form))
                elif grant == JWT_BEARER:
                    _check_assertion(store, form.get("assertion", ""))
                else:
                    raise SignInError("unsupported_grant_type", "grant type not supported")
                user = store.find(store.integration_user_id)
                if user is not None and not user["IsActive"]:
                    raise SignInError("inactive_user", "user is inactive")
            except SignInError as refusal:
                return as_json(
                    400, {"error": refusal.error, "error_description": refusal.description}
                )
            return as_json(200, self._signed_in(request, store))

    def _signed_in(self, request: Request, store: SalesforceStore) -> dict[str, Any]:
        issued = str(int(store.clock.now().timestamp() * 1000))
        identity = _identity_url(request, store)
        secret = store.client_secret.encode()
        signed = hmac.digest(secret, (identity + issued).encode(), hashlib.sha256)
        return {
            "access_token": store.open_session(),
            "signature": base64.b64encode(signed).decode(),
            "scope": "api",
            "instance_url": _base(request),
            "id": identity,
            "token_type": "Bearer",
            "issued_at": issued,
            "api_instance_url": _base(request),
        }

    async def userinfo(self, request: Request) -> Response:
        """Tell who the bearer of a token is."""
        with self.world.lock:
            store = self.world.salesforce
            token = request.headers.get("authorization", "").partition(" ")[2]
            if not store.knows_session(token.strip()):
                return PlainTextResponse("Bad_OAuth_Token", 403)
            user = store.find(store.integration_user_id) or {}
            return as_json(
                200,
                {
                    "sub": _identity_url(request, store),
                    "user_id": store.integration_user_id,
                    "organization_id": store.organization_id,
                    "preferred_username": user.get("Username"),
                    "name": user.get("Name"),
                    "email": user.get("Email"),
                    "zoneinfo": user.get("TimeZoneSidKey"),
                    "active": user.get("IsActive", True),
                    "user_type": "STANDARD",
                    "urls": {"rest": f"{_base(request)}/services/data/v{{version}}/"},
                },
            )

    async def versions(self, request: Request) -> Response:
        """List the API versions; the one call that needs no session."""
        return as_json(
            200,
            [
                {"label": _release(v), "url": f"/services/data/v{v}", "version": v}
                for v in self.world.salesforce.api_versions
            ],
        )


def _base(request: Request) -> str:
    return str(request.base_url).rstrip("/")


def _identity_url(request: Request, store: SalesforceStore) -> str:
    return f"{_base(request)}/id/{store.organization_id}/{store.integration_user_id}"


def _credentials(request: Request, form: dict[str, str]) -> tuple[str, str]:
    scheme, _, packed = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return form.get("client_id", ""), form.get("client_secret", "")
    try:
        client_id, _, secret = base64.b64decode(packed).decode().partition(":")
    except ValueError:
        raise SignInError("invalid_client", "invalid client credentials") from None
    return client_id, secret


def _check_client(store: SalesforceStore, client_id: str, secret: str) -> None:
    if not hmac.compare_digest(client_id.encode(), store.client_id.encode()):
        raise SignInError("invalid_client_id", "client identifier invalid")
    if not hmac.compare_digest(secret.encode(), store.client_secret.encode()):
        raise SignInError("invalid_client", "invalid client credentials")


def _check_assertion(store: SalesforceStore, assertion: str) -> None:
    try:
        head, body, signature = assertion.split(".")
        header, claims = orjson.loads(_decoded(head)), orjson.loads(_decoded(body))
        algorithm, issuer = header["alg"], str(claims["iss"])
        subject, audience, ends = claims["sub"], claims["aud"], float(claims["exp"])
    except (ValueError, KeyError, TypeError):
        raise SignInError("invalid_grant", "invalid assertion") from None
    if not hmac.compare_digest(issuer.encode(), store.client_id.encode()):
        raise SignInError("invalid_client_id", "client identifier invalid")
    if algorithm != "RS256":
        raise SignInError("invalid_grant", "algorithm not supported, must be RS256")
    try:
        store.jwt_key.public_key().verify(
            _decoded(signature), f"{head}.{body}".encode(), padding.PKCS1v15(), SHA256()
        )
    except (InvalidSignature, ValueError):
        raise SignInError("invalid_grant", "invalid assertion") from None
    if audience not in AUDIENCES:
        raise SignInError("invalid_grant", "audience is invalid")
    # Whoever signed may live in the real present while the sandbox's clock stands elsewhere.
    if ends <= time() and ends <= store.clock.now().timestamp():
        raise SignInError("invalid_grant", "expired authorization code")
    user = store.find(store.integration_user_id) or {}
    if not user.get("Username") or subject != user["Username"]:
        raise SignInError("invalid_grant", "user hasn't approved this consumer")


def _decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def _release(version: str) -> str:
    season = ("Winter", "Spring", "Summer")[(int(float(version)) - 62) % 3]
    year = 25 + (int(float(version)) - 62) // 3
    return f"{season} '{year:02d}"
