"""Salesforce's session and calls; the one place that holds its token."""

from __future__ import annotations

import re
import threading
import time
from typing import Any
from urllib.parse import urlsplit

import httpx

from flows.connectors.http import Answer, Http, Patience, explain
from flows.connectors.salesforce.auth import Login, UnusableKey, cure
from flows.errors import (
    Forbidden,
    RateLimited,
    SchemaChanged,
    SourceError,
    Unauthorised,
    VendorError,
    shorten,
)

# The lifetime of a session is the org's choice and not in the answer; two hours is the default.
TOKEN_SECONDS = 25 * 60
# Of the org: "per-app-api-usage" ends in the same words, and counts something else.
_USAGE = re.compile(r"(?<![\w-])api-usage=(\d+)/(\d+)")
_TAGS = re.compile(rb"<(script|style)\b.*?</\1\s*>|<[^>]*>", re.DOTALL | re.IGNORECASE)
# So that change events and logs of the org name us.
CLIENT = {"Sforce-Call-Options": "client=baton"}


class _OrgHttp(Http):
    """Reads a refusal of Salesforce's the way Salesforce means it."""

    def _refusal(self, response: httpx.Response, raw: bytes, body: Any, doing: str) -> SourceError:
        error = super()._refusal(response, raw, body, doing)
        if isinstance(error, RateLimited) and not error.exhausted and error.retry_after is None:
            # Too many long calls at once, anybody's: half a minute clears it, half a second
            # only brings the next refusal.
            error.retry_after = self._patience.total / 4
        if response.status_code in (501, 505):
            # What the other side does not know it will not learn while we wait.
            error.retryable = error.ambiguous = False
        if body is None and raw.lstrip().startswith(b"<"):
            # Under maintenance the org answers with a page, which nobody wants to read as tags.
            text = _TAGS.sub(b" ", raw[:20_000]).decode("utf-8", "replace")
            error.answer = shorten(text, 120)
        return error


class Wire:
    """HTTP to one org: a token minted when needed, and calls that survive its end.

    Lanes of the budget: ``read`` and ``bulk`` stop at their share of the day, ``write`` goes on.
    """

    def __init__(
        self,
        *,
        login_url: str,
        login: Login,
        api_version: str,
        timeout: float,
        daily_share: float,
        client: httpx.Client | None,
        patience: Patience | None,
    ) -> None:
        self.version = api_version.removeprefix("v")
        self.root = f"/services/data/v{self.version}"
        self.login = login
        self.patience = patience or Patience()
        self._token, self._instance, self._identity = "", "", ""
        self._minted_at: float | None = None
        self._minting = threading.Lock()
        self._http = _OrgHttp(
            "salesforce",
            login_url,
            timeout=timeout,
            client=client,
            shares={"read": daily_share, "bulk": daily_share},
            secrets=lambda: [*login.secrets, *filter(None, (self._token,))],
            patience=self.patience,
        )
        self.budget = self._http.budget
        self.close = self._http.close
        self.error = self._http.error

    def call(
        self,
        method: str,
        path: str,
        doing: str,
        *,
        lane: str = "",
        params: Any = None,
        body: Any = None,
        headers: dict[str, str] | None = None,
        content: bytes | None = None,
        as_bytes: bool = False,
        repeatable: bool = True,
    ) -> Answer:
        """Call the org. A dead session is renewed once, and only once.

        Nearly all of ours may be repeated: reads, updates by id and upserts by external id.
        Raises: SourceError.
        """
        for renewed in (False, True):
            token = self._session()
            try:
                answer = self._http.call(
                    method,
                    self._instance + path,
                    doing=doing,
                    repeatable=repeatable,
                    lane=lane,
                    headers={"Authorization": f"Bearer {token}", **CLIENT, **(headers or {})},
                    params=params,
                    json_body=body,
                    content=content,
                    as_bytes=as_bytes,
                )
            except (Unauthorised, VendorError) as error:
                if renewed or not _is_dead_session(error):
                    raise self._told(error) from None
                self._forget(token)
                continue
            self._learn(answer)
            return answer
        raise AssertionError("unreachable")

    def object(self, method: str, path: str, doing: str, **how: Any) -> dict[str, Any]:
        """Call the org and return the JSON object it answers. Raises: SourceError."""
        body = self.call(method, path, doing, **how).body
        if not isinstance(body, dict):
            raise self.strange(f"no JSON object while {doing}")
        return body

    def identity(self) -> tuple[str, str]:
        """Return user id and organization id, which stand at the end of the token's ``id``.

        Where that is not among what the token comes with, userinfo says it. Raises: SourceError.
        """
        self._session()
        parts = [part for part in urlsplit(self._identity).path.split("/") if part]
        if len(parts) >= 2 and parts[-1].startswith("005"):
            return parts[-1], parts[-2]
        try:
            about = self.object("GET", "/services/oauth2/userinfo", "asking who we are")
        except (VendorError, Forbidden):
            about = {}
        if not str(about.get("user_id")).startswith("005"):
            raise self.strange("the token answer names no user")
        return str(about["user_id"]), str(about.get("organization_id") or "")

    @property
    def instance(self) -> str:
        """Address of the org's own host, where people open records too."""
        self._session()
        return self._instance

    def strange(self, what: str) -> SchemaChanged:
        """Name an answer whose shape we do not know."""
        error: SchemaChanged = self.error(SchemaChanged, what)
        return error

    def _learn(self, answer: Answer) -> None:
        # Not anchored: "; per-app-api-usage=17/250(appName=x)" may follow.
        used = _USAGE.search(answer.headers.get("sforce-limit-info", ""))
        if used:
            self.budget.learn(int(used[1]), int(used[2]))

    def _told(self, error: SourceError) -> SourceError:
        """Say what mends a refusal that only a setting can mend."""
        if error.status == 410 or error.code in ("UNSUPPORTED_API_VERSION", "InvalidVersion"):
            error.message = f"version {self.version} of the API is retired: {error.message}"
            error.next_step = (
                "Set BATON_SALESFORCE_API_VERSION to a version that `baton doctor` lists"
            )
        return error

    def _session(self) -> str:
        with self._minting:
            if self._minted_at is None or time.monotonic() - self._minted_at > TOKEN_SECONDS:
                self._mint()
            return self._token

    def _forget(self, token: str) -> None:
        # Another thread may have renewed it already; that token is not the dead one.
        with self._minting:
            if token == self._token:
                self._minted_at = None

    def _mint(self) -> None:
        doing = f"asking for a token ({self.login.flow})"
        try:
            answer = self._http.call(
                "POST",
                "/services/oauth2/token",
                doing=doing,
                repeatable=True,
                form=self.login.form(),
            )
        except UnusableKey as problem:
            raise self.error(
                Unauthorised,
                f"not {doing}: {problem}",
                next_step="Set BATON_SALESFORCE_PRIVATE_KEY to the key, or to the path of its file",
            ) from None
        except (Unauthorised, VendorError) as error:
            if error.status not in (400, 401):
                raise
            # Wrong credentials answer 400 here, and 401 everywhere else.
            raise self.error(
                Unauthorised,
                f"status {error.status} while {doing}",
                status=error.status,
                code=error.code,
                answer=error.answer,
                next_step=cure(error.code, explain(error.body)[1]),
            ) from None
        body = answer.body if isinstance(answer.body, dict) else {}
        token, instance = body.get("access_token"), body.get("instance_url")
        if not isinstance(token, str) or not isinstance(instance, str):
            raise self.strange("a token answer without access_token or instance_url")
        self._token, self._instance = token, instance.rstrip("/")
        self._identity, self._minted_at = str(body.get("id") or ""), time.monotonic()


def _is_dead_session(error: SourceError) -> bool:
    # Bulk says it with a 400 and a word of its own (singer-io/tap-salesforce#222).
    said = f"{error.code} {error.answer}" if error.status == 400 else ""
    return isinstance(error, Unauthorised) or "InvalidSessionId" in said
