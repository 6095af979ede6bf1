"""Clearbit's enrichment API, version 2, through the ``clearbit`` package.

Calls: ``GET /v2/combined/find?email=`` on the person host, ``GET /v2/companies/find?domain=`` on
the company host; the key is the user name of Basic authentication. Limit: 600 calls a minute.
The service takes no new accounts; keys from before 2024 still work. 202 means "asked, ask again";
a 429 says when by ``X-RateLimit-Reset`` and never by ``Retry-After``.
Source: https://dashboard.clearbit.com/docs#enrichment-api

The package (0.1.7) has no timeout, reads every 404 as a miss and every other 2xx as nothing, and
keeps options in class attributes that all classes share. So each connector has classes of its
own, and the answer is judged here, as it came, before the package reads it.
"""

from __future__ import annotations

import importlib
import io
import time
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import orjson
import requests  # type: ignore[import-untyped, unused-ignore]
from urllib3.exceptions import NewConnectionError

from flows.connectors.budget import Budget, rate
from flows.connectors.enrichment import Answer, Kind, Status
from flows.errors import SettingsError, mask, shorten

PER_MINUTE = 600
# An answer is a few kilobytes; this only stops an endless one.
LARGEST_ANSWER = 4 * 1024 * 1024
# How much longer than one silence a whole answer may take: it cannot trickle for ever.
WHOLE_ANSWER = 3
LANE = "lookup"
REFUSED = {401: "the key is refused", 402: "the plan is used up", 403: "the account is blocked"}
NO_MISS = ("not_found", "unknown_route")
NEVER_SENT = (
    requests.exceptions.ConnectTimeout,
    requests.exceptions.InvalidURL,
    requests.exceptions.MissingSchema,
    requests.exceptions.InvalidSchema,
    requests.exceptions.ProxyError,
    requests.exceptions.SSLError,
)


class TooMuchError(Exception):
    """An answer that is too long or takes too long to be read to its end."""


class Clearbit:
    """One account. Not for several threads at once: lookups are made one after the other."""

    system = "clearbit"

    def __init__(
        self,
        *,
        key: str,
        person_base_url: str,
        company_base_url: str,
        timeout: float,
    ) -> None:
        """Make the classes of this account. Raises: SettingsError where the package is missing."""
        try:
            package = importlib.import_module("clearbit")
        except ImportError:
            raise SettingsError(
                "the clearbit package is not installed, so people are not looked up there: it can "
                "be built on Python 3.11 only",
                next_step="Run Baton on Python 3.11, or unset BATON_CLEARBIT_KEY",
            ) from None
        self._key, self._timeout = key, timeout
        self.budget = Budget(self.system, {LANE: rate(PER_MINUTE, 60)})
        self._answered: requests.Response | None = None
        self._classes: dict[Kind, Any] = {
            "person": self._own(package.PersonCompany, f"{person_base_url}/v2/combined"),
            "company": self._own(package.Company, f"{company_base_url}/v2/companies"),
        }

    def look_up(self, kind: Kind, lookup: str) -> Answer:
        """Ask once. Units: one call, at most one credit. Never raises for what Clearbit does."""
        named = {"email": lookup} if kind == "person" else {"domain": lookup}
        self.budget.take(LANE)
        self._answered = None
        try:
            self._classes[kind].find(**named, key=self._key)
        except TooMuchError as error:
            return Answer("unknown", reason=str(error))
        except (requests.RequestException, ValueError, TypeError, AttributeError) as error:
            # The package chokes on what it does not expect; its words quote the address asked for.
            if self._answered is None:
                return _lost(error)
        if self._answered is None:
            return Answer("unknown", reason="the package made no call")
        return _judged(self._answered, kind, self._key)

    def close(self) -> None:
        """Give back the limiter."""
        self.budget.close()

    def _own(self, shared: Any, endpoint: str) -> Any:
        """Make a class of the package's whose options belong to this object alone."""
        options: dict[str, Any] = {
            "timeout": (min(self._timeout, 10.0), self._timeout),
            "allow_redirects": False,
            "headers": {"Accept": "application/json", "User-Agent": "baton/1"},
            "hooks": {"response": self._keep},
        }
        if urlsplit(endpoint).hostname in ("127.0.0.1", "localhost"):
            # Loopback never goes through a proxy, whatever the environment says.
            options["proxies"] = {"http": "", "https": ""}
        own = {"endpoint": endpoint, "options": options}
        return type(shared.__name__, (shared,), own)

    def _keep(self, response: requests.Response, *_: Any, **__: Any) -> requests.Response:
        """Read an answer whole, within bounds, and keep it: the package only tells a part."""
        deadline = time.monotonic() + self._timeout * WHOLE_ANSWER
        body = bytearray()
        # What has arrived, not what would fill a chunk: a trickle never does.
        while chunk := response.raw.read1(64 * 1024, decode_content=True):
            body += chunk
            if len(body) > LARGEST_ANSWER or time.monotonic() > deadline:
                response.close()
                raise TooMuchError("the answer did not come to an end")
        whole = requests.Response()
        whole.status_code, whole.headers = response.status_code, response.headers
        whole.url, whole.request, whole.raw = response.url, response.request, io.BytesIO(body)
        self._answered = whole
        return whole


def _lost(error: Exception) -> Answer:
    """Say whether a call without an answer can have arrived."""
    cause = getattr(error.args[0], "reason", None) if error.args else None
    never_sent = isinstance(error, NEVER_SENT) or isinstance(cause, NewConnectionError)
    status: Status = "unreached" if never_sent else "unknown"
    return Answer(status, reason=f"no answer ({type(error).__name__})")


def _judged(response: requests.Response, kind: Kind, key: str) -> Answer:
    """Say what an answer means."""
    status = response.status_code
    try:
        body = orjson.loads(response.content)
    except orjson.JSONDecodeError:
        body = None
    if status == 200:
        return _found(body, kind)
    if status == 202:
        return Answer("pending", reason="202")
    error_type, reason = _words(status, body, key)
    if status == 404 and isinstance(body, dict) and error_type not in NO_MISS:
        return Answer("missing", reason=reason)
    if status in (400, 422):
        return Answer("invalid", reason=reason)
    if status == 429:
        reset = _moment(response.headers.get("X-RateLimit-Reset"))
        return Answer("throttled", reason=reason, again_at=reset)
    if status >= 500 or 200 <= status < 300:
        return Answer("unknown", reason=reason)
    return Answer("refused", reason=reason)


def _found(body: Any, kind: Kind) -> Answer:
    if not isinstance(body, dict):
        # Paid for and not readable: whoever answers a page of HTML with 200 is no enrichment API.
        return Answer("unknown", reason="200, not a JSON object")
    halves = [body.get("person"), body.get("company")] if kind == "person" else [body]
    if not any(isinstance(half, dict) and half for half in halves):
        return Answer("missing", body=body, reason="200, empty")
    return Answer("found", body=body, reason="200")


def _words(status: int, body: Any, key: str) -> tuple[str, str]:
    """Return the error's type, and a reason to show: no address, no key, one line."""
    error = body.get("error") if isinstance(body, dict) else None
    kind = error.get("type") if isinstance(error, dict) else None
    message = error.get("message") if isinstance(error, dict) else error
    said = " ".join(str(part) for part in (kind, message) if isinstance(part, str))
    told = ": ".join(filter(None, (REFUSED.get(status), said or None)))
    return str(kind or ""), shorten(mask(f"{status} {told}".strip(), [key]))


def _moment(epoch_seconds: str | None) -> datetime | None:
    try:
        return datetime.fromtimestamp(float(epoch_seconds or ""), UTC)
    except (ValueError, OverflowError, OSError):
        return None
