"""A mail server with scripted lines: which replies are final, which may pass, which are neither."""

from __future__ import annotations

import email
import socketserver
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import default
from typing import Any

import pytest

from flows.connectors.base import Receipt
from flows.connectors.smtp import Smtp
from flows.errors import Unauthorised, Unreachable

AT = datetime(2026, 11, 20, 12, tzinfo=UTC)
ROW = {
    "message_key": "k/1",
    "to_email": "george.patel@lumenfold.example",
    "subject": "New lead",
    "body_text": "Call Ada.",
    "body_html": "<p>Call Ada.</p>",
}
HANG_UP = ""


class Server(socketserver.ThreadingTCPServer):
    """Answers each verb from ``says``, a list per verb; the usual reply when the list is empty."""

    daemon_threads = True
    usual = {"DATA": "354 go on", "QUIT": "221 bye", ".": "250 kept", "AUTH": "235 welcome"}  # noqa: RUF012

    def __init__(self) -> None:
        self.says: dict[str, list[str]] = {}
        self.mails: list[bytes] = []
        self.sessions = 0
        super().__init__(("127.0.0.1", 0), Session)

    def reply(self, verb: str) -> str:
        scripted = self.says.get(verb)
        return scripted.pop(0) if scripted else self.usual.get(verb, "250 fine")


class Session(socketserver.StreamRequestHandler):
    server: Server

    def say(self, line: str) -> bool:
        if line:
            self.wfile.write(line.encode() + b"\r\n")
        return bool(line) and not line.startswith(("221", "421"))

    def handle(self) -> None:
        self.server.sessions += 1
        if not self.say(self.server.reply("HELLO") if "HELLO" in self.server.says else "220 hi"):
            return
        for line in self.rfile:
            verb = line.split()[0].decode().upper() if line.split() else ""
            if verb == "EHLO":
                self.wfile.write(b"250-box\r\n250 AUTH PLAIN\r\n")
                continue
            said = self.server.reply(verb)
            if not self.say(said):
                return
            if said.startswith("354"):
                mail = b""
                while (part := self.rfile.readline()) != b".\r\n":
                    mail += part
                self.server.mails.append(mail)
                if not self.say(self.server.reply(".")):
                    return


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture
def smtp(server: Server) -> Iterator[Smtp]:
    connector = Smtp(
        host="127.0.0.1",
        port=server.server_address[1],
        sender="baton@lumenfold.example",
        username="baton",
        password="p4ssw0rd",
        security="none",
        timeout=2,
        clock=lambda: AT,
    )
    yield connector
    connector.close()


def send(smtp: Smtp, *rows: dict[str, Any]) -> list[Receipt]:
    return list(smtp.push("message", "message_key", rows))


def test_a_mail_has_both_bodies_and_an_id_that_stays_the_same(smtp: Smtp, server: Server) -> None:
    first, second = send(smtp, ROW, {**ROW, "subject": "Ada\r\nBcc: all@acme.example  x"})
    assert first == second
    assert first == Receipt("k/1", "accepted", "<k-1@lumenfold.example>", returned={"code": 250})
    mails = [email.message_from_bytes(raw, policy=default) for raw in server.mails]
    assert isinstance(mails[0], EmailMessage)
    assert mails[0]["Message-ID"] == "<k-1@lumenfold.example>"
    assert mails[0]["Auto-Submitted"] == "auto-generated"
    assert mails[0]["Date"] == "Fri, 20 Nov 2026 12:00:00 +0000"
    assert [part.get_content_type() for part in mails[0].walk()] == [
        "multipart/alternative",
        "text/plain",
        "text/html",
    ]
    assert mails[1]["Subject"] == "Ada Bcc: all@acme.example x"
    assert mails[1]["Bcc"] is None
    assert server.sessions == 1


@pytest.mark.parametrize(
    ("verb", "line"),
    [
        ("MAIL", "451 try later"),
        ("RCPT", "450 greylisted george.patel@lumenfold.example"),
        ("RCPT", "550 no such mailbox"),
        ("DATA", "554 no"),
        (".", "552 too big"),
        (".", "451 disk full"),
        ("RCPT", "421 closing"),
    ],
)
def test_a_refusal_is_told_with_its_code_and_the_next_row_goes_out(
    smtp: Smtp, server: Server, verb: str, line: str
) -> None:
    server.says[verb] = [line]
    refused, fine = send(smtp, ROW, {**ROW, "message_key": "k2"})
    assert refused.status == "rejected"
    assert (refused.reason or "").startswith(line[:3])
    assert "george" not in str(refused)
    assert fine.status == "accepted"


def test_a_connection_lost_after_the_mail_was_handed_over_is_unknown(
    smtp: Smtp, server: Server
) -> None:
    server.says["."] = [HANG_UP]
    lost, fine = send(smtp, ROW, {**ROW, "message_key": "k2"})
    assert (lost.status, fine.status) == ("unknown", "accepted")
    assert len(server.mails) == 2


def test_a_connection_lost_before_it_leaves_nothing_unknown(smtp: Smtp, server: Server) -> None:
    server.says["RCPT"] = [HANG_UP]
    lost, unsent = send(smtp, ROW, {**ROW, "message_key": "k2"})
    assert (lost.status, unsent.status) == ("rejected", "rejected")
    assert (unsent.reason or "").startswith("not sent: ")
    assert send(smtp, ROW)[0].status == "accepted"


def test_a_server_that_hung_up_on_an_idle_session_is_called_again(
    smtp: Smtp, server: Server
) -> None:
    send(smtp, ROW)
    server.says["NOOP"] = [HANG_UP]
    assert send(smtp, ROW)[0].status == "accepted"
    assert server.sessions == 2
    server.says["NOOP"] = [HANG_UP]
    smtp.check()
    assert server.sessions == 3


@pytest.mark.parametrize(
    "address", ["", None, "a b@c", "jürgen@acme.example", "x\r\nRCPT TO:<y@z>"]
)
def test_what_is_no_address_stops_only_its_own_row(
    smtp: Smtp, server: Server, address: str | None
) -> None:
    bad, fine = send(smtp, {**ROW, "to_email": address}, {**ROW, "message_key": "k2"})
    assert bad.status == "rejected"
    assert fine.status == "accepted"
    assert len(server.mails) == 1


def test_a_refused_login_is_a_credential_problem(smtp: Smtp, server: Server) -> None:
    server.says["AUTH"] = ["535 no entry for p4ssw0rd"]
    with pytest.raises(Unauthorised) as caught:
        smtp.check()
    assert "p4ssw0rd" not in str(caught.value)


def test_no_server_is_unreachable(server: Server) -> None:
    smtp = Smtp(host="127.0.0.1", port=1, sender="a@b.example", security="none", timeout=1)
    with pytest.raises(Unreachable):
        smtp.check()
    assert send(smtp, ROW)[0].status == "rejected"
