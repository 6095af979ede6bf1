"""A mail server on loopback that keeps every mail, parsed, and can be told to refuse.

AUTH (LOGIN or PLAIN) is required before MAIL, and allowed without TLS because nothing leaves this
machine. Replies are scripted per recipient: 421, 450, 550 and their like at RCPT or after DATA, 535
at AUTH, a connection that breaks after the mail was taken, or a bounce: a mail that is taken with
250 and comes back to its sender as a delivery report (RFC 3464), because nobody is there after all.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import threading
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage, Message
from email.mime.base import MIMEBase
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from typing import TYPE_CHECKING, Any, Literal
from weakref import WeakKeyDictionary, WeakSet

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

if TYPE_CHECKING:
    from sandbox.clock import Clock

HOST_NAME = "mail.lumenfold.example"
MAX_SIZE = 10 * 1024 * 1024
ANYONE = "*"
# At every login aiosmtpd warns its own maintainers about an attribute of theirs.
logging.getLogger("mail.log").setLevel(logging.ERROR)
TEXTS = {
    421: "4.3.2 Service closing transmission channel",
    450: "4.2.0 Greylisted, try again later",
    451: "4.3.0 Local error in processing",
    452: "4.5.3 Too many recipients",
    454: "4.7.0 Temporary authentication failure",
    535: "5.7.8 Authentication credentials invalid",
    550: "5.1.1 No such user here",
    552: "5.3.4 Message too big",
    553: "5.1.3 Malformed address",
    554: "5.7.1 Rejected by policy",
}
Stage = Literal["auth", "rcpt", "data", "drop_after_data", "bounce"]


@dataclass
class _Scripted:
    recipient: str
    stage: Stage
    reply: str
    times: int

    def meets(self, stage: str, recipients: list[str]) -> bool:
        named = {recipient.lower() for recipient in recipients}
        return self.stage == stage and (self.recipient == ANYONE or self.recipient in named)


class MailBox:
    """Every mail the server took, and the refusals it was told to give."""

    def __init__(self, clock: Clock, username: str, password: str) -> None:
        self.clock = clock
        self.username = username
        self.password = password
        self.host = ""
        self.port = 0
        self.messages: list[dict[str, Any]] = []
        self.effects: list[dict[str, Any]] = []
        self._scripts: list[_Scripted] = []
        self._lock = threading.Lock()
        self._server: _Server | None = None

    def script(
        self,
        recipient: str = ANYONE,
        code: int = 450,
        *,
        times: int = 1,
        text: str | None = None,
        stage: Stage | None = None,
    ) -> None:
        """Refuse the next ``times`` mails to a recipient (``*``: anyone) with a code.

        At AUTH nobody has been named yet, so there it is the next ``times`` connections.
        ``stage`` is ``rcpt`` unless given, ``auth`` for 535 and 454. ``drop_after_data`` takes the
        mail and then breaks the connection: the sender cannot know. ``bounce`` takes the mail and
        returns it.
        """
        chosen = stage or ("auth" if code in (535, 454) else "rcpt")
        if chosen == "auth":
            recipient = ANYONE
        reply = f"{code} {text or TEXTS.get(code, 'Refused')}"
        with self._lock:
            self._scripts.append(_Scripted(recipient.lower(), chosen, reply, times))

    def clear_scripts(self) -> None:
        """Forget all refusals."""
        with self._lock:
            self._scripts.clear()

    def start(self, host: str = "127.0.0.1", port: int = 0) -> int:
        """Listen, and return the port (0 asks for a free one)."""
        self._server = _Server(self, host, port)
        self.host, self.port = host, self._server.port
        return self.port

    def stop(self) -> None:
        """Close the port; a second call does nothing."""
        if self._server is not None:
            self._server.stop()
            self._server = None

    def due(self, stage: str, recipients: list[str]) -> str | None:
        """Return the reply scripted for this moment and use it up, or None."""
        with self._lock:
            for rule in self._scripts:
                if rule.times > 0 and rule.meets(stage, recipients):
                    rule.times -= 1
                    return rule.reply
        return None

    def bounce(self, sender: str, recipients: list[str], content: bytes, reply: str) -> None:
        """Return a mail that was taken to its sender, with the reason."""
        returned = message_from_bytes(content, policy=policy.default)
        status = reply.split()[1] if len(reply.split()) > 1 else "5.0.0"
        report = MIMEMultipart("report", report_type="delivery-status")
        report["From"] = f"Mail Delivery System <MAILER-DAEMON@{HOST_NAME}>"
        report["To"], report["Subject"] = sender, "Undelivered Mail Returned to Sender"
        report["Auto-Submitted"] = "auto-replied"
        report["Message-ID"] = f"<returned.{len(self.messages)}@{HOST_NAME}>"
        report["References"] = str(returned["Message-ID"] or "")
        report.attach(MIMEText(f"Your mail could not be delivered: {reply}\n"))
        states = MIMEBase("message", "delivery-status")
        for fields in (
            {"Reporting-MTA": f"dns; {HOST_NAME}"},
            *(
                {
                    "Final-Recipient": f"rfc822; {recipient}",
                    "Action": "failed",
                    "Status": status,
                    "Diagnostic-Code": f"smtp; {reply}",
                }
                for recipient in recipients
            ),
        ):
            state = Message()
            for name, value in fields.items():
                state[name] = value
            states.attach(state)
        report.attach(states)
        self.keep("", [sender], report.as_bytes())

    def keep(self, sender: str, recipients: list[str], content: bytes) -> None:
        """Store one mail."""
        mail = message_from_bytes(content, policy=policy.default)
        at = self.clock.now().isoformat(timespec="seconds").replace("+00:00", "Z")
        message = {
            "from": sender,
            "to": recipients,
            "subject": str(mail["Subject"] or ""),
            "message_id": str(mail["Message-ID"] or ""),
            "headers": {name: str(value) for name, value in mail.items()},
            "text": _part(mail, "plain"),
            "html": _part(mail, "html"),
            "at": at,
        }
        with self._lock:
            self.messages.append(message)
            self.effects.append(
                {
                    "system": "smtp",
                    "object": "message",
                    "id": message["message_id"],
                    "action": "message",
                    "fields": message,
                    "at": at,
                    "by": sender,
                }
            )


def _part(mail: EmailMessage, kind: str) -> str:
    body = mail.get_body((kind,))
    return "" if body is None else str(body.get_content())


class _Handler:
    """aiosmtpd's hooks."""

    def __init__(self, box: MailBox) -> None:
        self.box = box

    async def handle_RCPT(  # noqa: N802 - aiosmtpd finds its hooks by this name
        self,
        server: SMTP,
        session: Session,
        envelope: Envelope,
        address: str,
        options: list[str],
    ) -> str:
        reply = self.box.due("rcpt", [address])
        if reply is not None:
            return _last_words(server, reply)
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 2.1.5 OK"

    async def handle_DATA(  # noqa: N802 - aiosmtpd finds its hooks by this name
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        reply = self.box.due("data", envelope.rcpt_tos)
        if reply is not None:
            return _last_words(server, reply)
        content = envelope.content
        assert isinstance(content, bytes)
        sender, recipients = str(envelope.mail_from), list(envelope.rcpt_tos)
        bounced = self.box.due("bounce", recipients)
        if bounced is not None:
            self.box.bounce(sender, recipients, content, bounced)
            return "250 2.0.0 OK: queued"
        self.box.keep(sender, recipients, content)
        if self.box.due("drop_after_data", envelope.rcpt_tos) is not None:
            assert isinstance(server.transport, asyncio.Transport)
            server.transport.abort()
        return "250 2.0.0 OK: queued"


def _last_words(server: SMTP, reply: str) -> str:
    """Return the reply; after a 421 the server hangs up, as it says."""
    if reply.startswith("421") and server.transport is not None:
        server.loop.call_later(0.05, server.transport.close)
    return reply


class _Server:
    """The listening socket, served by its own event loop in its own thread.

    aiosmtpd's Controller cannot be used: it connects to the port it was given to wake the server
    up, which fails for port 0.
    """

    def __init__(self, box: MailBox, host: str, port: int) -> None:
        self.box = box
        self.loop = asyncio.new_event_loop()
        self.port = 0
        self._open: WeakSet[SMTP] = WeakSet()
        self._refused: WeakKeyDictionary[SMTP, str] = WeakKeyDictionary()
        self._listener = self.loop.run_until_complete(
            self.loop.create_server(self._session, host, port)
        )
        self.port = self._listener.sockets[0].getsockname()[1]
        self._thread = threading.Thread(target=self.loop.run_forever, name="smtp", daemon=True)
        self._thread.start()

    def _session(self) -> SMTP:
        made = SMTP(
            _Handler(self.box),
            hostname=HOST_NAME,
            data_size_limit=MAX_SIZE,
            enable_SMTPUTF8=True,
            auth_require_tls=False,
            authenticator=self._authenticate,
            loop=self.loop,
        )
        # Asked for here and not above, where aiosmtpd would warn about AUTH without TLS.
        made._auth_required = True
        self._open.add(made)
        return made

    def _authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, auth_data: Any
    ) -> AuthResult:
        # Clients try their other mechanisms after a refusal: it holds for the whole connection.
        reply = self._refused.get(server) or self.box.due("auth", [])
        if reply is not None:
            self._refused[server] = reply
            return AuthResult(success=False, handled=False, message=reply)
        is_right = isinstance(auth_data, LoginPassword) and (
            hmac.compare_digest(auth_data.login, self.box.username.encode())
            and hmac.compare_digest(auth_data.password, self.box.password.encode())
        )
        return AuthResult(success=is_right, handled=False)

    def stop(self) -> None:
        """Close the listener and every session, then end the thread."""
        asyncio.run_coroutine_threadsafe(self._close(), self.loop).result(timeout=5)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(timeout=5)
        self.loop.close()

    async def _close(self) -> None:
        self._listener.close()
        for session in list(self._open):
            if session.transport is not None:
                session.transport.close()
        await self._listener.wait_closed()
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
