"""Every way a run can fail, as one tree.

PipelineError
├── SettingsError            a credential or address is missing or unreadable
├── SourceError              the other side of the wire
│   ├── RateLimited          too many calls; time cures it
│   ├── Unauthorised         the token is wrong, expired or revoked
│   ├── Forbidden            the token is right, the permission is missing
│   ├── Unreachable          no answer, or half of one; time cures it
│   ├── VendorError          an answer that says no (5xx is retryable, the rest is not)
│   └── SchemaChanged        an answer in a shape we do not know
├── WarehouseError
│   └── WarehouseBusy        another process holds the store
├── ContextError             the expectation suite itself could not run
├── PolicyError              a decision table contradicts itself
└── WriteBackError
    └── RowsRejected         some rows were refused; the others were written
"""
# The names say what happened, not that it is an error: the tree above is the reason.
# ruff: noqa: N818

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

ANSWER_LENGTH = 300

_SECRETS: tuple[tuple[re.Pattern[str], str], ...] = (
    # key=value and "key": "value"; the value is what must not be read
    (
        re.compile(
            r"""(?ix) \b (access_token|refresh_token|client_secret|client_id|api[_-]?key|hapikey
            |assertion|password|passwd|secret|token) (["']?\s*[:=]\s*["']?)
            (?!\*\*\*)[^\s"'&,;}]{3,}"""
        ),
        r"\1\2***",
    ),
    (re.compile(r"(?i)\b(bearer|basic)\s+(?!\*\*\*)[A-Za-z0-9._~+/!=-]{8,}"), r"\1 ***"),
    (re.compile(r"\bpat-[a-z]{2}\d-[A-Za-z0-9-]{6,}"), "***"),  # HubSpot private app, service key
    (re.compile(r"\bxox[a-z]-[A-Za-z0-9-]{6,}"), "***"),  # Slack
    (re.compile(r"\b00D[A-Za-z0-9]{12,15}![A-Za-z0-9._]+"), "***"),  # Salesforce session
    (re.compile(r"\beyJ[A-Za-z0-9_-]{6,}\.[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]*)?"), "***"),  # JWT
    (re.compile(r"/services/T[A-Z0-9]+/B[A-Z0-9]+/[A-Za-z0-9]+"), "/services/***"),
    (re.compile(r"(://[^/\s:@]+:)[^/\s@]+@"), r"\1***@"),
)
# `%40` too: addresses are quoted in the query strings that vendors repeat back. The bounds are
# those of the RFC; without them a 40 KB word costs a minute.
_EMAIL = re.compile(
    r"(?P<first>[^\W_])[\w.!#$'*+^`{|}~-]{0,63}(?P<at>@|%40)(?P<domain>[\w-]{1,63}(\.[\w-]{1,63}){1,9})"
)


def mask(text: str, secrets: Iterable[str] = ()) -> str:
    """Hide e-mail addresses (``a***@acme.example``) and whatever looks like a credential.

    ``secrets`` are values known to be secret: they are removed even where they look harmless.
    Second run: masking a masked text changes nothing.
    """
    for secret in secrets:
        if len(secret) >= 4:
            text = text.replace(secret, "***")
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return _EMAIL.sub(r"\g<first>***\g<at>\g<domain>", text)


def shorten(text: str, length: int = ANSWER_LENGTH) -> str:
    """Put a vendor's words on one line and cut them; the rest is in the vendor's own log."""
    flat = " ".join(text.split())
    return flat if len(flat) <= length else flat[: length - 1].rstrip() + "…"


def _sentence(text: str) -> str:
    text = text.strip()
    return text if not text or text[-1] in ".!?…" else text + "."


class PipelineError(Exception):
    """Something a run could not do, told in one or two sentences and as attributes.

    ``message`` what was being done and what went wrong, ``address`` where (``hubspot.contacts``),
    ``key`` which record, ``answer`` the other side's words, ``state`` what was left,
    ``next_step`` what to do now. All are masked here, once, so that no caller can forget it.
    """

    # Of the class; narrowed on an instance only where the answer's status decides.
    retryable: bool = False
    default_next_step: ClassVar[str | None] = None

    def __init__(
        self,
        message: str,
        *,
        address: str | None = None,
        key: str | None = None,
        answer: str | None = None,
        state: str | None = None,
        next_step: str | None = None,
    ) -> None:
        self.message = mask(message)
        # Only the message is positional: Prefect pickles exceptions, and pickle calls the class
        # with `args` before it restores the attributes.
        super().__init__(self.message)
        self.address = address
        self.key = mask(key) if key is not None else None
        self.answer = shorten(mask(answer)) if answer else None
        self.state = mask(state) if state else None
        self.next_step = mask(next_step) if next_step else self.default_next_step

    def __str__(self) -> str:
        """Return the sentences in the order a person asks for them."""
        head = f"{self.address}: {self.message}" if self.address else self.message
        if self.key and self.key not in head:
            head = f"{head.rstrip('.')} (record {self.key})"
        if self.answer:
            head = f'{head.rstrip(".")}: the answer was "{self.answer}"'
        parts = (head, self.state, self.next_step)
        return " ".join(_sentence(part) for part in parts if part)


class SettingsError(PipelineError):
    """A setting is missing or cannot be read; nothing was started."""


class SourceError(PipelineError):
    """A vendor's side of the wire failed us.

    ``ambiguous`` is the question that decides every retry of a write: could the other side have
    done what we asked, although we hold no answer?
    """

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        code: str | None = None,
        ambiguous: bool = False,
        body: Any = None,
        **where: Any,
    ) -> None:
        super().__init__(message, **where)
        self.status = status
        self.code = code
        self.ambiguous = ambiguous
        self._body = body

    @property
    def body(self) -> Any:
        """The parsed answer, for the connector that knows its shape; never part of the text."""
        return self._body

    def __getstate__(self) -> dict[str, Any]:
        """Leave the body behind: a pickled error may be stored, and the body is not masked."""
        return {**self.__dict__, "_body": None}

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle without the body."""
        return type(self), self.args, self.__getstate__()


class RateLimited(SourceError):
    """Too many calls. ``retry_after`` is in seconds, where the vendor named it.

    ``exhausted`` marks a daily quota: waiting inside a run does not help.
    """

    retryable = True
    default_next_step = "Nothing needs doing unless it lasts: the next run continues from here"

    def __init__(
        self,
        message: str,
        *,
        retry_after: float | None = None,
        exhausted: bool = False,
        **where: Any,
    ) -> None:
        super().__init__(message, **where)
        self.retry_after = retry_after
        self.exhausted = exhausted
        self.retryable = not exhausted


class Unauthorised(SourceError):
    """The credential is wrong, expired or revoked."""

    default_next_step = "Renew the credential in the settings, then run again"


class Forbidden(SourceError):
    """The credential is known and may not do this."""

    default_next_step = "Grant the missing permission or scope to the integration, then run again"


class Unreachable(SourceError):
    """No connection, no answer in time, or half an answer."""

    retryable = True
    default_next_step = "The next run tries again; if it lasts, check the address and the network"


class VendorError(SourceError):
    """An answer that says no. Server errors, locks and timeouts may pass; a refusal will not.

    ``retry_after`` is in seconds, where the vendor named it.
    """

    def __init__(self, message: str, *, retry_after: float | None = None, **where: Any) -> None:
        super().__init__(message, **where)
        self.retry_after = retry_after
        self.retryable = self.status is not None and (
            (self.status >= 500 and self.status not in NEVER_STATUSES)
            or self.status in TRANSIENT_STATUSES
        )


def is_refused(error: PipelineError) -> bool:
    """Say whether the account has not bought, or not granted, what was asked for."""
    return isinstance(error, Forbidden) or (isinstance(error, VendorError) and error.status == 404)


# 406 was seen by singer-io/tap-salesforce 2.1.1; 423 is HubSpot's record lock, 477 its account
# migration (https://developers.hubspot.com/docs/api-reference/error-handling).
TRANSIENT_STATUSES = frozenset({406, 408, 423, 425, 477})
# Not implemented, and not in this version of HTTP: time does not teach a server either.
NEVER_STATUSES = frozenset({501, 505})


class SchemaChanged(SourceError):
    """The answer has a shape this connector does not know."""

    default_next_step = "Compare the connector with the vendor's changelog before running again"


class WarehouseError(PipelineError):
    """One of the two stores could not be opened, read or written."""


class WarehouseBusy(WarehouseError):
    """Another process holds the store; ``holder`` says who."""

    retryable = True

    def __init__(self, message: str, *, holder: str | None = None, **where: Any) -> None:
        super().__init__(message, **where)
        self.holder = holder


class ContextError(PipelineError):
    """The context check could not run; no lead is handed over unchecked."""


class PolicyError(PipelineError):
    """A policy table is wrong; the last good policy stays in force."""


class WriteBackError(PipelineError):
    """Something could not be written back."""


class RowsRejected(WriteBackError):
    """Single rows were refused. ``receipts`` holds them; every other row was written."""

    def __init__(self, message: str, *, receipts: Sequence[Any] = (), **where: Any) -> None:
        super().__init__(message, **where)
        self.receipts = tuple(receipts)
