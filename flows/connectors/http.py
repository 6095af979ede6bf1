"""One way to speak HTTP: pace, send, retry what is safe to repeat, and name what failed.

What may be repeated blindly is the caller's knowledge (``repeatable``), never a guess from the
method: a HubSpot search is a POST, and a Slack message sent twice is read twice.
"""

from __future__ import annotations

import contextlib
import functools
import json
import ssl
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import httpx
import orjson
import stamina
from pyrate_limiter import Rate

from flows.connectors.budget import Budget
from flows.errors import (
    Forbidden,
    RateLimited,
    SourceError,
    Unauthorised,
    Unreachable,
    VendorError,
    mask,
    shorten,
)

T = TypeVar("T")

# A page is under a megabyte; this only stops an endless body from filling the memory.
LARGEST_ANSWER = 64 * 1024 * 1024
LOCKED_WAIT = 2.0


@dataclass(frozen=True, slots=True)
class Patience:
    """How long one call may keep trying, in seconds.

    The longest wait exceeds HubSpot's ten-second window on purpose: its 429 carries no
    Retry-After (69 of 69 recorded), so the back-off alone has to outlast the window.
    """

    attempts: int = 7
    total: float = 120.0
    first_wait: float = 0.5
    longest_wait: float = 12.0
    jitter: float = 0.5


@dataclass(frozen=True, slots=True)
class Answer:
    """A parsed 2xx answer."""

    status: int
    body: Any
    headers: Mapping[str, str]


@functools.cache
def _tls() -> ssl.SSLContext:
    # Reading the certificates takes a tenth of a second; one context serves every client.
    return httpx.create_ssl_context()


def open_client(timeout: float) -> httpx.Client:
    """Open a connection pool. Loopback never goes through a proxy, and nothing is redirected."""
    return httpx.Client(
        verify=_tls(),
        timeout=httpx.Timeout(timeout, connect=min(timeout, 10.0)),
        headers={"User-Agent": "baton/1", "Accept": "application/json"},
        mounts={"all://127.0.0.1": None, "all://localhost": None},
        follow_redirects=False,
    )


class Http:
    """The wire to one vendor.

    ``lanes`` are its limits per class of call and ``shares`` what each may use of the day's quota
    (see ``Budget``); a lane that is not named has neither.
    ``secrets`` hands over the current credentials, so that no error text can repeat them.
    """

    def __init__(
        self,
        system: str,
        base_url: str,
        *,
        timeout: float,
        client: httpx.Client | None = None,
        lanes: Mapping[str, Rate | None] | None = None,
        shares: Mapping[str, float] | None = None,
        secrets: Callable[[], Sequence[str]] = tuple,
        patience: Patience | None = None,
    ) -> None:
        self.system = system
        self.base_url = base_url.rstrip("/")
        self._client = client or open_client(timeout)
        self._owns_client = client is None
        self.budget = Budget(system, lanes, shares)
        self._secrets = secrets
        self._patience = patience or Patience()
        # An answer may trickle without ever tripping the idle timeout; this one it cannot outrun.
        self._whole_answer = timeout * 4

    def close(self) -> None:
        """Give back the connections this object opened, and its limiters."""
        self.budget.close()
        if self._owns_client:
            self._client.close()

    def call(
        self,
        method: str,
        path: str,
        *,
        doing: str,
        repeatable: bool,
        lane: str = "",
        headers: Mapping[str, str] | None = None,
        params: Any = None,
        json_body: Any = None,
        form: Mapping[str, str] | None = None,
        content: bytes | None = None,
        as_bytes: bool = False,
        judge: Callable[[Answer], SourceError | None] = lambda _: None,
    ) -> Answer:
        """Send one request until it is answered or cannot be.

        ``doing`` completes the sentence of an error ("searching contacts"). ``judge`` looks at a
        2xx answer, because 200 is not success everywhere. ``content`` is a body that is no JSON
        (name its type in ``headers``); ``as_bytes`` asks for the answer's body as it came.
        Raises: SourceError, with ``ambiguous`` set where the other side may have acted, and
        RateLimited without a call where the lane's share of the day is used up.
        """
        content = content if json_body is None else orjson.dumps(json_body)
        url = path if path.startswith(("http://", "https://")) else self.base_url + path

        def attempt() -> Answer:
            self._stay_within(lane, doing)
            sent = dict(headers or {})
            if json_body is not None:
                sent["Content-Type"] = "application/json; charset=utf-8"
            answer = self._send(method, url, doing, sent, params, content, form, as_bytes)
            refused = judge(answer)
            if refused is not None:
                raise refused
            return answer

        def worth_repeating(error: Exception) -> bool | float:
            if not isinstance(error, SourceError) or not error.retryable:
                return False
            if error.ambiguous and not repeatable:
                return False
            wait = getattr(error, "retry_after", None)
            if wait is None:
                return True
            # A wait longer than our patience is the next run's business.
            return wait if wait <= self._patience.total / 2 else False

        retrying = stamina.RetryingCaller(
            attempts=self._patience.attempts,
            timeout=self._patience.total,
            wait_initial=self._patience.first_wait,
            wait_max=self._patience.longest_wait,
            wait_jitter=self._patience.jitter,
        )
        return retrying(worth_repeating, attempt)

    def _stay_within(self, lane: str, doing: str) -> None:
        reason = self.budget.exhausted(lane)
        if reason is not None:
            raise self.error(RateLimited, f"not {doing}: {reason}", exhausted=True)
        self.budget.take(lane)

    def error(self, kind: type[SourceError], message: str, **where: Any) -> Any:
        """Build an error about this system whose text cannot hold its secrets."""
        if where.get("answer"):
            where["answer"] = mask(str(where["answer"]), self._secrets())
        return kind(mask(message, self._secrets()), address=self.system, **where)

    def _send(
        self,
        method: str,
        url: str,
        doing: str,
        headers: dict[str, str],
        params: Any,
        content: bytes | None,
        form: Mapping[str, str] | None,
        as_bytes: bool,
    ) -> Answer:
        try:
            with self._client.stream(
                method, url, headers=headers, params=params, content=content, data=form
            ) as response:
                raw = self._read(response)
        except (
            httpx.ConnectError,
            httpx.ConnectTimeout,
            httpx.PoolTimeout,
            httpx.UnsupportedProtocol,
        ) as problem:
            raise self.error(
                Unreachable, f"no connection while {doing} ({_words(problem)})"
            ) from None
        except httpx.TransportError as problem:
            # Sent, or partly sent: a lost answer and a lost request look the same from here.
            raise self.error(
                Unreachable, f"connection lost while {doing} ({_words(problem)})", ambiguous=True
            ) from None
        except httpx.InvalidURL:
            raise self.error(Unreachable, f"the address is not a URL while {doing}") from None
        except httpx.DecodingError as problem:
            raise self.error(
                Unreachable, f"half an answer while {doing} ({_words(problem)})", ambiguous=True
            ) from None
        if response.status_code == 204 or (response.is_success and not raw):
            return Answer(response.status_code, b"" if as_bytes else None, response.headers)
        if as_bytes and response.is_success:
            return Answer(response.status_code, raw, response.headers)
        try:
            body = parse(raw)
        except ValueError:
            body = None
            if response.is_success:
                kind = response.headers.get("content-type", "no type")
                # A proxy's login page, a maintenance page, a body cut short: the act may be done.
                raise self.error(
                    Unreachable,
                    f"status {response.status_code} while {doing}, but no JSON ({kind}, "
                    f"{len(raw)} bytes)",
                    ambiguous=True,
                    status=response.status_code,
                ) from None
        if response.is_success:
            return Answer(response.status_code, body, response.headers)
        raise self._refusal(response, raw, body, doing)

    def _read(self, response: httpx.Response) -> bytes:
        deadline = time.monotonic() + self._whole_answer
        chunks: list[bytes] = []
        size = 0
        for chunk in response.iter_bytes():
            chunks.append(chunk)
            size += len(chunk)
            if time.monotonic() > deadline or size > LARGEST_ANSWER:
                raise httpx.ReadTimeout(f"{size} bytes and no end")
        return b"".join(chunks)

    def _refusal(self, response: httpx.Response, raw: bytes, body: Any, doing: str) -> SourceError:
        """Turn an answer that is not 2xx into the error class a caller can branch on."""
        status = response.status_code
        code, words = explain(body)
        where: dict[str, Any] = {
            "status": status,
            "code": code,
            "body": body,
            "answer": words or raw[:200].decode("utf-8", "replace"),
        }
        message = f"status {status} while {doing}"
        if status == 429 or code in {"REQUEST_LIMIT_EXCEEDED", "ratelimited", "rate_limited"}:
            policy = body.get("policyName", "") if isinstance(body, dict) else ""
            error: SourceError = self.error(
                RateLimited,
                message,
                retry_after=retry_after(response.headers),
                # Salesforce says "TotalRequests Limit exceeded." for the day's quota.
                exhausted=policy == "DAILY" or "TotalRequests" in (words or ""),
                **where,
            )
        elif status == 401:
            error = self.error(Unauthorised, message, **where)
        elif status == 403:
            error = self.error(Forbidden, message, **where)
        else:
            wait = retry_after(response.headers)
            if status == 423:
                # HubSpot wants a locked record left alone for two seconds.
                wait = max(wait or 0.0, LOCKED_WAIT)
            error = self.error(
                VendorError, message, ambiguous=status >= 500, retry_after=wait, **where
            )
        return error


def _words(problem: Exception) -> str:
    return shorten(mask(f"{type(problem).__name__}: {problem}"), 160)


def parse(raw: bytes) -> Any:
    """Parse JSON, and survive one bad string in a good page.

    orjson refuses lone surrogates and invalid UTF-8 for the whole text. The standard library lets
    them through as surrogates; the one record that holds them is then refused, not its page.
    Raises: ValueError.
    """
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError:
        return json.loads(raw.decode("utf-8", "surrogateescape"))


def explain(body: Any) -> tuple[str | None, str | None]:
    """Find code and words in an error body of any shape these vendors use."""
    if isinstance(body, list) and body:
        return explain(body[0])
    if not isinstance(body, dict):
        return None, None
    code = body.get("errorCode") or body.get("category") or body.get("errorType")
    words = body.get("message") or body.get("error_description")
    if isinstance(body.get("error"), str):
        code, words = code or body["error"], words or body["error"]
    for part in ("errors", "validationResults", "failureMessages"):
        items = body.get(part)
        first = items[0] if isinstance(items, list) and items else None
        if isinstance(first, dict):
            first = first.get("propertyValidationResult", first)
            said = first.get("message") if isinstance(first, dict) else None
            if isinstance(said, str) and said not in str(words):
                words = f"{words} {said}" if words else said
    return (str(code) if code else None), (str(words) if words else None)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait, or None where the header is missing or absurd."""
    with contextlib.suppress(KeyError, ValueError):
        seconds = float(headers["retry-after"])
        # `not <` also catches nan. A small floor: "0" would only bring the next refusal.
        return max(seconds, 0.2) if 0 <= seconds < 7 * 86_400 else None
    return None


def slices(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """Cut a list of anything into calls of at most ``size``."""
    for start in range(0, len(items), size):
        yield items[start : start + size]
