"""How a session is asked for: client credentials, or a JWT signed with a key of ours.

Neither flow has a refresh token or says how long a session lives
(https://help.salesforce.com/s/articleView?id=xcloud.remoteaccess_oauth_jwt_flow.htm).
"""

from __future__ import annotations

import base64
import time
from collections.abc import Mapping
from pathlib import Path

import orjson
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key

JWT_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
# Three minutes are what the vendor allows at most; the clocks of two machines differ.
JWT_SECONDS = 180

_CURES = (
    # (what the answer says, what mends it), the most telling words first
    (
        "hasn't approved this consumer",
        "In Salesforce, open the app's policies, let admin-approved users be pre-authorised, and "
        "give the user in BATON_SALESFORCE_USERNAME a permission set that the app names",
    ),
    (
        "audience is invalid",
        "Set BATON_SALESFORCE_AUDIENCE to https://login.salesforce.com, or for a sandbox to "
        "https://test.salesforce.com; it is never the address of the org",
    ),
    (
        "no client credentials user",
        "In the app's policies, choose the user the client credentials flow runs as",
    ),
    (
        "not supported on this domain",
        "Set BATON_SALESFORCE_LOGIN_URL to the My Domain address of the org",
    ),
    (
        "assertion",
        "Compare the certificate uploaded to the app with BATON_SALESFORCE_PRIVATE_KEY, and the "
        "clock of this machine with the real time",
    ),
    (
        "inactive_user",
        "Activate the integration user in Salesforce, or name another one",
    ),
    (
        "inactive user",
        "Activate the integration user in Salesforce, or name another one",
    ),
    (
        "invalid_app_access",
        "Allow the integration user to use the app: a profile or permission set of the user must "
        "be named in the app's policies",
    ),
    (
        "unsupported_grant_type",
        "Enable this flow in the settings of the app (client credentials, or JWT bearer)",
    ),
    (
        "invalid_client",
        "Compare BATON_SALESFORCE_CLIENT_ID, and the client secret or the certificate, with the "
        "app in Salesforce",
    ),
    (
        "invalid_grant",
        "Check that the user in BATON_SALESFORCE_USERNAME exists in this org, is active and may "
        "use the app",
    ),
)


class UnusableKey(ValueError):  # noqa: N818 - says what is wrong with it
    """The private key cannot be read; the text never repeats what stands in it."""


class Login:
    """One way into an org: who asks, and what is sent to the token address."""

    def __init__(
        self,
        client_id: str,
        client_secret: str,
        private_key: str | None = None,
        username: str | None = None,
        audience: str = "https://login.salesforce.com",
    ) -> None:
        self._client_id, self._client_secret = client_id, client_secret
        self._private_key, self._username = private_key, username
        self._audience = audience

    @property
    def flow(self) -> str:
        """The flow in use, in the vendor's words. A key and its user come before a secret."""
        return "JWT bearer" if self._private_key and self._username else "client credentials"

    @property
    def secrets(self) -> list[str]:
        """What no text may repeat."""
        return [secret for secret in (self._client_secret, self._private_key) if secret]

    def form(self) -> dict[str, str]:
        """Return the fields of a token request. Raises: UnusableKey."""
        if self._private_key and self._username:
            return {"grant_type": JWT_GRANT, "assertion": self._assertion()}
        return {
            "grant_type": "client_credentials",
            "client_id": self._client_id,
            "client_secret": self._client_secret,
        }

    def _assertion(self) -> str:
        claims = {
            "iss": self._client_id,
            "sub": self._username,
            # Literally the login address; the org's own address is refused.
            "aud": self._audience,
            "exp": int(time.time()) + JWT_SECONDS,
        }
        signed = f"{_part({'alg': 'RS256'})}.{_part(claims)}"
        key = _load(self._private_key or "")
        signature = key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        return f"{signed}.{_base64(signature)}"


def cure(code: str | None, words: str | None) -> str | None:
    """Say what mends a refused token request; None where the answer tells too little."""
    said = f"{code} {words}".lower().replace("\u2019", "'")
    return next((mending for telling, mending in _CURES if telling in said), None)


def _load(text: str) -> rsa.RSAPrivateKey:
    """Open a key given as PEM text, or as the path of a file that holds it."""
    # An environment variable holds one line; its \n are two letters there.
    pem = text.replace("\\n", "\n") if "-----BEGIN" in text else ""
    if not pem:
        try:
            pem = Path(text).expanduser().read_text(encoding="ascii")
        except (OSError, ValueError):
            raise UnusableKey(
                "the private key is neither PEM text nor a readable file that holds it"
            ) from None
    try:
        key = load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise UnusableKey("the private key is no unencrypted PEM key") from None
    if not isinstance(key, rsa.RSAPrivateKey):
        raise UnusableKey("the private key is no RSA key, and Salesforce takes RS256 only")
    return key


def _part(value: Mapping[str, object]) -> str:
    return _base64(orjson.dumps(value))


def _base64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
