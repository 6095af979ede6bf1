"""Credentials on the wire: the static token, OAuth tokens that expire, and scopes."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from sandbox.hubspot.schema import ApiError, to_ms

if TYPE_CHECKING:
    from sandbox.clock import Clock
    from sandbox.hubspot.call import Answer, Call

LIFETIME_SECONDS = 1800
UNAUTHORISED = (
    "Authentication credentials not found. This API supports OAuth 2.0 authentication and you can "
    "find more details at https://developers.hubspot.com/docs/methods/auth/oauth-overview"
)
SCOPE_PAGE = "https://developers.hubspot.com/scopes"
SCOPE_MISSING = "One or more of the following scopes are required."
SCOPED_OBJECTS = ("contacts", "companies", "deals", "leads")
ALL_SCOPES = frozenset(
    {f"crm.objects.{name}.{way}" for name in SCOPED_OBJECTS for way in ("read", "write")}
    | {f"crm.schemas.{name}.{way}" for name in SCOPED_OBJECTS for way in ("read", "write")}
    | {"crm.objects.owners.read", "crm.lists.read", "crm.lists.write", "tickets", "oauth"}
    | {"forms", "content", "business-intelligence"}
)


class Tokens:
    """What opens the door: one static token, and any number issued by OAuth."""

    def __init__(self, clock: Clock, static: str) -> None:
        self.clock = clock
        self.static = static
        self.static_expired = False
        self.scopes = set(ALL_SCOPES)
        # Invented, and the same after a restart with the same static token.
        made = hashlib.sha256(f"oauth/{static}".encode()).hexdigest()
        self.client_id = f"{made[:8]}-{made[8:12]}-{made[12:16]}-{made[16:20]}-{made[20:32]}"
        self.client_secret = hashlib.sha256(made.encode()).hexdigest()[:36]
        self.refresh_token = f"na1-{made[32:]}"
        self._issued: dict[str, int] = {}

    def refresh(self, form: dict[str, str]) -> dict[str, Any]:
        """Issue an access token for the refresh token. Raises: ApiError 400."""
        for field, held, status, message in (
            ("grant_type", "refresh_token", "BAD_GRANT_TYPE", "missing or unknown grant type"),
            ("client_id", self.client_id, "BAD_CLIENT_ID", "missing or unknown client id"),
            ("client_secret", self.client_secret, "BAD_CLIENT_SECRET", "missing or invalid secret"),
            (
                "refresh_token",
                self.refresh_token,
                "BAD_REFRESH_TOKEN",
                "missing or invalid refresh token",
            ),
        ):
            if form.get(field) != held:
                refused = ApiError(400, message)
                refused.body["status"] = status
                raise refused
        now = to_ms(self.clock.now())
        number = len(self._issued) + 1
        token = "CJ" + hashlib.sha256(f"{self.client_secret}/{number}".encode()).hexdigest()
        self._issued[token] = now + LIFETIME_SECONDS * 1000
        return {
            "access_token": token,
            "refresh_token": self.refresh_token,
            "expires_in": LIFETIME_SECONDS,
            "token_type": "bearer",
        }

    def admit(self, header: str) -> bool:
        """Let a request in; return whether OAuth did it. Raises: ApiError 401."""
        scheme, _, token = header.partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token:
            raise ApiError(401, UNAUTHORISED, "INVALID_AUTHENTICATION")
        if token == self.static:
            if self.static_expired:
                raise _expired(0)
            return False
        if token not in self._issued:
            raise ApiError(401, UNAUTHORISED, "INVALID_AUTHENTICATION")
        late = to_ms(self.clock.now()) - self._issued[token]
        if late >= 0:
            raise _expired(late // 60_000)
        return True

    def require(self, *scopes: str, nested: bool) -> None:
        """Refuse a call for want of every one of these scopes. Raises: ApiError 403.

        Any one of them is enough. CRM objects answer with the scopes in ``context``, other
        endpoints with the same inside ``errors``.
        """
        if not scopes or self.scopes.intersection(scopes):
            return
        if nested:
            self.refuse(*scopes)
        wanted = {"requiredGranularScopes": list(scopes), "links": [SCOPE_PAGE]}
        raise ApiError(403, SCOPE_MISSING, "MISSING_SCOPES", context=wanted)

    def refuse(self, *scopes: str) -> None:
        """Raises: ApiError 403, always."""
        raise ApiError(
            403,
            "This app hasn't been granted all required scopes to make this call. "
            f"Read more about required scopes here: {SCOPE_PAGE}.",
            "MISSING_SCOPES",
            errors=[
                {"message": SCOPE_MISSING, "context": {"requiredGranularScopes": list(scopes)}}
            ],
            links={"scopes": SCOPE_PAGE},
        )

    def expire_issued(self) -> None:
        """End every OAuth token now; the refresh token stays good."""
        now = to_ms(self.clock.now())
        self._issued = {token: min(until, now) for token, until in self._issued.items()}


def _expired(minutes: int) -> ApiError:
    message = f"The OAuth token used to make this call expired {minutes} minute(s) ago."
    return ApiError(401, message, "EXPIRED_AUTHENTICATION")


def issue_token(call: Call) -> Answer:
    """``POST /oauth/…/token``: form-encoded, unlike everything else."""
    fields = parse_qs(call.raw.decode("utf-8", "replace"))
    return 200, call.store.tokens.refresh({name: values[-1] for name, values in fields.items()})


def of_object(way: str) -> Any:
    """The scopes of a call about the object its path names."""

    def scopes(call: Call) -> tuple[str, ...]:
        name = call.object
        if name == "tickets":
            return ("tickets",)
        # Activities have no scopes of their own: those of contacts open them.
        held = name if name in SCOPED_OBJECTS else "contacts"
        return (f"crm.objects.{held}.{way}",)

    return scopes


def of_schema(way: str) -> Any:
    """The scopes of a call about properties: reading them goes with reading the records."""

    def scopes(call: Call) -> tuple[str, ...]:
        if call.object == "tickets":
            return ("tickets",)
        held = call.object if call.object in SCOPED_OBJECTS else "contacts"
        schema = f"crm.schemas.{held}.{way}"
        return (f"crm.objects.{held}.read", schema) if way == "read" else (schema,)

    return scopes


def only(*scopes: str) -> Any:
    return lambda call: scopes
