"""The mail server on loopback, spoken to with Python's own SMTP client."""

from __future__ import annotations

import smtplib
import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from email.message import EmailMessage

import pytest

from sandbox.clock import Clock
from sandbox.smtp import MailBox

NOW = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
SENDER, GEORGE, FARAH = "baton@x.example", "george@x.example", "farah@x.example"


@pytest.fixture
def box() -> Iterator[MailBox]:
    made = MailBox(Clock(NOW, frozen=True), "baton", "geheim")
    made.start()
    yield made
    made.stop()


@pytest.fixture
def client(box: MailBox) -> Iterator[smtplib.SMTP]:
    made = smtplib.SMTP(box.host, box.port, timeout=5)
    made.login("baton", "geheim")
    yield made
    made.close()


def mail(to: str = GEORGE, subject: str = "Heißer Lead") -> EmailMessage:
    made = EmailMessage()
    made["From"], made["To"], made["Subject"] = SENDER, to, subject
    made["Message-ID"] = "<lead-1@x.example>"
    made["Auto-Submitted"] = "auto-generated"
    made.set_content("Call Jürgen.\n")
    made.add_alternative("<p>Call Jürgen.</p>\n", subtype="html")
    return made


def test_a_mail_is_kept_parsed(box: MailBox, client: smtplib.SMTP) -> None:
    client.send_message(mail())
    (kept,) = box.messages
    assert (kept["from"], kept["to"], kept["subject"]) == (SENDER, [GEORGE], "Heißer Lead")
    assert (kept["text"].strip(), kept["html"].strip()) == ("Call Jürgen.", "<p>Call Jürgen.</p>")
    assert kept["message_id"] == "<lead-1@x.example>"
    assert kept["headers"]["Auto-Submitted"] == "auto-generated"
    assert kept["at"] == "2026-11-02T09:00:00Z"
    (effect,) = box.effects
    assert (effect["system"], effect["action"]) == ("smtp", "message")


@pytest.mark.parametrize("mechanism", ["auth_login", "auth_plain"])
def test_login_and_plain_are_both_taken(box: MailBox, mechanism: str) -> None:
    with smtplib.SMTP(box.host, box.port, timeout=5) as client:
        client.ehlo()
        client.user, client.password = "baton", "geheim"
        name = mechanism.removeprefix("auth_").upper()
        code, _ = client.auth(name, getattr(client, mechanism))
        assert code == 235


def test_a_wrong_password_answers_535(box: MailBox) -> None:
    with smtplib.SMTP(box.host, box.port, timeout=5) as client:
        with pytest.raises(smtplib.SMTPAuthenticationError) as caught:
            client.login("baton", "falsch")
        assert caught.value.smtp_code == 535


def test_without_a_login_nothing_is_taken(box: MailBox) -> None:
    with smtplib.SMTP(box.host, box.port, timeout=5) as client:
        with pytest.raises(smtplib.SMTPSenderRefused) as caught:
            client.send_message(mail())
        assert caught.value.smtp_code == 530
    assert box.messages == []


@pytest.mark.parametrize("code", [450, 451, 550, 553])
def test_a_recipient_is_refused_as_scripted_and_then_taken(
    box: MailBox, client: smtplib.SMTP, code: int
) -> None:
    box.script(GEORGE.upper(), code)
    with pytest.raises(smtplib.SMTPRecipientsRefused) as caught:
        client.send_message(mail())
    assert caught.value.recipients[GEORGE][0] == code
    client.send_message(mail())
    assert len(box.messages) == 1


def test_one_of_two_recipients_may_be_refused(box: MailBox, client: smtplib.SMTP) -> None:
    box.script(GEORGE, 550, text="5.1.1 who?")
    refused = client.send_message(mail(f"{GEORGE}, {FARAH}"))
    assert refused == {GEORGE: (550, b"5.1.1 who?")}
    assert box.messages[0]["to"] == [FARAH]


def test_a_refusal_after_data_keeps_nothing(box: MailBox, client: smtplib.SMTP) -> None:
    box.script("*", 554, stage="data")
    with pytest.raises(smtplib.SMTPDataError) as caught:
        client.send_message(mail())
    assert caught.value.smtp_code == 554
    assert box.messages == []


def test_after_421_the_server_hangs_up(box: MailBox, client: smtplib.SMTP) -> None:
    box.script(GEORGE, 421)
    with pytest.raises(smtplib.SMTPException):
        client.send_message(mail())
    with smtplib.SMTP(box.host, box.port, timeout=5) as again:
        again.login("baton", "geheim")
        again.send_message(mail())
    assert len(box.messages) == 1


def test_a_scripted_535_refuses_a_right_password_for_one_connection(box: MailBox) -> None:
    box.script(GEORGE, 535)
    with smtplib.SMTP(box.host, box.port, timeout=5) as client:
        for _ in range(2):
            with pytest.raises(smtplib.SMTPAuthenticationError):
                client.login("baton", "geheim")
    with smtplib.SMTP(box.host, box.port, timeout=5) as client:
        client.login("baton", "geheim")


def test_a_connection_may_break_after_the_mail_was_taken(
    box: MailBox, client: smtplib.SMTP
) -> None:
    box.script(GEORGE, stage="drop_after_data")
    with pytest.raises(smtplib.SMTPServerDisconnected):
        client.send_message(mail())
    assert len(box.messages) == 1


def test_a_bounce_is_taken_and_comes_back_as_a_delivery_report(
    box: MailBox, client: smtplib.SMTP
) -> None:
    box.script(GEORGE, 550, stage="bounce")
    assert client.send_message(mail()) == {}, "a bounce is no refusal: the sender is told later"
    (report,) = box.messages
    assert (report["from"], report["to"]) == ("", [SENDER])
    assert report["headers"]["References"] == "<lead-1@x.example>"
    assert report["headers"]["Content-Type"].startswith("multipart/report")
    assert "550 5.1.1 No such user here" in report["text"]
    client.send_message(mail())
    assert box.messages[-1]["to"] == [GEORGE]


def test_scripts_can_be_forgotten(box: MailBox, client: smtplib.SMTP) -> None:
    box.script(times=5)
    box.clear_scripts()
    client.send_message(mail())
    assert len(box.messages) == 1


def test_stop_closes_the_port_even_with_a_client_on_it(box: MailBox, client: smtplib.SMTP) -> None:
    box.stop()
    box.stop()
    with socket.socket() as visitor:
        assert visitor.connect_ex((box.host, box.port)) != 0
