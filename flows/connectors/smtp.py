"""E-mail by SMTP: one message per row, with a Message-ID that stays the same on every attempt.

Ports: 587 with STARTTLS, 465 with TLS from the start, 25 for a relay inside the house. Replies of
4xx may pass, 5xx will not; both are told, and whether to try again is the caller's business.
Login is user and password; a provider that demands XOAUTH2 needs a relay in between.
"""

from __future__ import annotations

import re
import smtplib
import ssl
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP as WIRE
from email.utils import format_datetime
from typing import Literal

from flows.connectors.base import Field, Finding, Page, Receipt, Row, Stream, deliver
from flows.connectors.budget import Budget
from flows.errors import (
    Forbidden,
    SourceError,
    Unauthorised,
    Unreachable,
    VendorError,
    mask,
    shorten,
)

Security = Literal["none", "starttls", "tls"]


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Smtp:
    """One mail server and one sender."""

    system = "smtp"
    streams: tuple[Stream, ...] = ()
    bulk_writes_from: int | None = None

    def __init__(
        self,
        *,
        host: str,
        port: int,
        sender: str,
        username: str | None = None,
        password: str | None = None,
        security: Security = "starttls",
        timeout: float = 30.0,
        clock: Callable[[], datetime] = _utc_now,
    ) -> None:
        self._host, self._port, self._security = host, port, security
        self._sender = sender
        self._username, self._password = username, password
        self._timeout = timeout
        # Only for the Date header, which a message must have.
        self._clock = clock
        self._open: smtplib.SMTP | None = None
        self.budget = Budget(self.system)

    def check(self) -> None:
        """Connect and log in, anew where the server has hung up on us. Raises: SourceError."""
        self._ready()

    def describe(self) -> dict[str, list[Field]]:
        """Describe nothing: a message has no fields that could change."""
        return {}

    def examine(self) -> Iterator[Finding]:
        """Look at the server, its login and whether mail travels in the open."""
        try:
            self.check()
        except (SourceError, smtplib.SMTPException, OSError) as problem:
            error = problem if isinstance(problem, SourceError) else self._refused(problem)
            yield Finding(
                "smtp.server",
                "broken",
                self._words(str(error)),
                getattr(error, "next_step", None)
                or "Check BATON_SMTP_HOST, BATON_SMTP_PORT and BATON_SMTP_SECURITY",
            )
            return
        yield Finding("smtp.server", "ok", "accepts the session")
        if self._security == "none" and not _is_loopback(self._host):
            yield Finding(
                "smtp.security",
                "warning",
                "mails and the login travel unencrypted",
                "Set BATON_SMTP_SECURITY to starttls (port 587) or tls (port 465)",
            )
        else:
            yield Finding("smtp.security", "ok", self._security)

    def pull(self, stream: Stream, cursor: str | None, now: datetime) -> Iterator[Page]:
        """Read nothing: mail is only sent."""
        return iter(())

    def push(self, object_name: str, key: str, rows: Sequence[Row]) -> Iterator[Receipt]:
        """Send one mail per row: ``message_key, to_email, subject, body_text, body_html``.

        Second run: the mail goes out again under the same Message-ID, by which mail programs can
        recognise the repeat.
        """
        return deliver([[row] for row in rows], key, lambda call: [self._send(call[0], key)])

    def close(self) -> None:
        """Say goodbye, if anybody is listening."""
        server, self._open = self._open, None
        if server is not None:
            try:
                server.quit()
            except (smtplib.SMTPException, OSError):
                server.close()

    def _send(self, row: Row, key: str) -> Receipt:
        name = str(row[key])
        try:
            message = self._message(name, row)
            data = message.as_bytes(policy=WIRE)
            recipient = _recipient(row.get("to_email"))
        except ValueError as problem:
            return Receipt(name, "rejected", reason=f"not a mail: {mask(str(problem))}")
        server = self._ready()
        try:
            _expect(server.mail(self._sender), "MAIL")
            _expect(server.rcpt(recipient), "RCPT")
        except _Refused as refused:
            self._after_refusal(refused.code)
            return Receipt(name, "rejected", reason=str(refused))
        except (smtplib.SMTPException, OSError) as problem:
            self.close()
            raise self._lost(problem, ambiguous=False) from None
        try:
            code, reply = server.data(data)
        except smtplib.SMTPDataError as refused_data:
            reason = _reason(refused_data.smtp_code, refused_data.smtp_error)
            self._after_refusal(refused_data.smtp_code)
            return Receipt(name, "rejected", reason=reason)
        except (smtplib.SMTPException, OSError) as problem:
            # After the final dot nobody can say whether it was taken. The next row tries a new
            # connection: one lost answer is no reason to keep silent to the other reps.
            self.close()
            told = shorten(mask(f"connection lost while sending ({problem})"))
            return Receipt(name, "unknown", reason=told)
        if code != 250:
            self._after_refusal(code)
            return Receipt(name, "rejected", reason=_reason(code, reply))
        return Receipt(name, "accepted", message["Message-ID"], returned={"code": code})

    def _message(self, name: str, row: Row) -> EmailMessage:
        message = EmailMessage()
        domain = self._sender.rpartition("@")[2].strip("> ") or "localhost"
        message["Message-ID"] = f"<{re.sub(r'[^A-Za-z0-9._-]', '-', name)}@{domain}>"
        message["Date"] = format_datetime(self._clock())
        message["From"] = self._sender
        message["To"] = _recipient(row.get("to_email"))
        # CRM names reach the subject: a line break in one would start a header of its own.
        message["Subject"] = _one_line(row.get("subject"))
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(str(row.get("body_text") or ""))
        if row.get("body_html"):
            message.add_alternative(str(row["body_html"]), subtype="html")
        return message

    def _ready(self) -> smtplib.SMTP:
        """Return a connection that still answers: servers hang up on the idle."""
        if self._open is not None:
            try:
                if self._open.noop()[0] == 250:
                    self._open.rset()
                    return self._open
            except (smtplib.SMTPException, OSError):
                pass
            self.close()
        return self._server()

    def _server(self) -> smtplib.SMTP:
        if self._open is not None:
            return self._open
        server: smtplib.SMTP | None = None
        try:
            if self._security == "tls":
                tls = ssl.create_default_context()
                server = smtplib.SMTP_SSL(
                    self._host, self._port, timeout=self._timeout, context=tls
                )
            else:
                server = smtplib.SMTP(self._host, self._port, timeout=self._timeout)
                if self._security == "starttls":
                    server.starttls(context=ssl.create_default_context())
            if self._username and self._password:
                server.login(self._username, self._password)
        except (smtplib.SMTPException, OSError) as problem:
            if server is not None:
                server.close()
            raise self._refused(problem) from None
        self._open = server
        return server

    def _refused(self, problem: Exception) -> Exception:
        """Name what stood between us and the mail server."""
        if isinstance(problem, smtplib.SMTPResponseException):
            code = problem.smtp_code
            answer = self._words(_reason(code, problem.smtp_error))
            # 454 is a login that could not be checked just now.
            wrong = isinstance(problem, smtplib.SMTPAuthenticationError) and code != 454
            kind = Unauthorised if wrong else VendorError
            return kind("the session was refused", address=self.system, status=code, answer=answer)
        if isinstance(problem, smtplib.SMTPNotSupportedError):
            return Forbidden(
                "the server does not offer what the settings ask for",
                address=self.system,
                answer=self._words(str(problem)),
                next_step="Check BATON_SMTP_SECURITY and the login against the server",
            )
        return self._lost(problem, ambiguous=False)

    def _lost(self, problem: Exception, *, ambiguous: bool) -> Unreachable:
        told = self._words(f"{type(problem).__name__}: {problem}")
        return Unreachable(
            f"no connection to the mail server ({told})", address=self.system, ambiguous=ambiguous
        )

    def _words(self, text: str) -> str:
        return shorten(mask(text, (self._password,) if self._password else ()))

    def _after_refusal(self, code: int) -> None:
        # 421 means the server hangs up; anything else leaves the session usable.
        if code == 421:
            self.close()


def _is_loopback(host: str) -> bool:
    return host == "localhost" or host.startswith("127.") or host == "::1"


class _Refused(Exception):  # noqa: N818 - an event between two functions, not an error
    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code


def _expect(reply: tuple[int, bytes], step: str) -> None:
    code, words = reply
    if code not in (250, 251):
        raise _Refused(code, f"{_reason(code, words)} ({step})")


def _reason(code: int, words: bytes | str) -> str:
    text = words.decode("utf-8", "replace") if isinstance(words, bytes) else words
    return shorten(mask(f"{code} {text}"))


def _recipient(value: object) -> str:
    # Nothing that could end the RCPT line and start another; an address outside ASCII would need
    # SMTPUTF8, which few servers offer.
    address = str(value or "").strip()
    if not address.isascii() or not re.fullmatch(r"[^\s<>@,;]+@[^\s<>@,;]+", address):
        raise ValueError("no address to send to")
    return address


def _one_line(text: object) -> str:
    return " ".join(str(text or "").split())
