"""Slack: one direct message per row, found again by the key in its metadata.

API: Web API, bot token (chat:write, im:write, im:history, users:read.email).
Limits: about one message a second per channel; 429 names its Retry-After, mostly
(https://docs.slack.dev/apis/web-api/rate-limits). HTTP 200 says nothing: look at ``ok``.
Slack has no idempotency key, so a post is sent once and never repeated after a lost answer.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import httpx
import orjson

from flows.connectors.base import Field, Finding, Page, Receipt, Row, Stream, deliver
from flows.connectors.http import Answer, Http, Patience
from flows.errors import (
    Forbidden,
    RateLimited,
    SchemaChanged,
    SourceError,
    Unauthorised,
    Unreachable,
    VendorError,
)

EVENT_TYPE = "baton_handover"
# One lost answer is bad luck and the other reps still want their leads; three in a row are not.
LOST_IN_A_ROW = 3
TEXT_LIMIT = 39_000  # longer text is cut by Slack, without a word, at 40,000
HISTORY_PAGE, HISTORY_PAGES = 200, 10

_RATE = {"ratelimited", "rate_limited"}
_AUTH = {"not_authed", "invalid_auth", "account_inactive", "token_revoked", "token_expired"}
_PERMISSION = {"missing_scope", "not_allowed_token_type", "no_permission", "restricted_action"}
_AMBIGUOUS = {"internal_error", "fatal_error", "service_unavailable", "request_timeout"}
_NOBODY = {"users_not_found", "user_not_found", "user_disabled"}
SCOPES = {
    "chat:write": "send messages",
    "im:write": "open a conversation with a rep",
    "im:history": "look whether a message was sent",
    "users:read": "read who is who",
    "users:read.email": "find a rep by e-mail",
}
_NEW_TOKEN = "Put the bot token of an installed app into BATON_SLACK_TOKEN"
_LAYOUT = {"invalid_blocks", "invalid_blocks_format", "too_many_attachments", "msg_too_long"}


class Slack:
    """The workspace behind one bot token."""

    system = "slack"
    streams: tuple[Stream, ...] = ()
    bulk_writes_from: int | None = None

    def __init__(
        self,
        *,
        base_url: str = "https://slack.com/api",
        token: str,
        timeout: float = 30.0,
        seconds_between_messages: float = 1.0,
        client: httpx.Client | None = None,
        patience: Patience | None = None,
    ) -> None:
        self._headers = {"Authorization": f"Bearer {token}"}
        self._pause = seconds_between_messages
        self._users: dict[str, str] = {}
        self._channels: dict[str, str] = {}
        self._posted_at: dict[str, float] = {}
        self._lost = 0
        self._http = Http(
            self.system,
            base_url,
            timeout=timeout,
            client=client,
            secrets=lambda: (token,),
            patience=patience,
        )
        self.budget = self._http.budget

    def check(self) -> None:
        """Ask Slack who the token is."""
        self._call("auth.test", "checking the credential", form={})

    def describe(self) -> dict[str, list[Field]]:
        """Describe nothing: a message has no fields that could change."""
        return {}

    def examine(self) -> Iterator[Finding]:
        """Look at the token and at each scope it was granted."""
        try:
            answer = self._answer("auth.test", "checking the credential", form={})
        except SourceError as error:
            yield Finding("slack.token", "broken", error.message, error.next_step or _NEW_TOKEN)
            return
        yield Finding("slack.token", "ok", "accepted")
        granted = answer.headers.get("x-oauth-scopes")
        if granted is None:
            yield Finding("slack.scopes", "warning", "Slack did not say what the token may do")
            return
        held = {scope.strip() for scope in granted.split(",")}
        for scope, purpose in SCOPES.items():
            if scope in held:
                yield Finding(f"slack.scope {scope}", "ok", "granted")
            else:
                yield Finding(
                    f"slack.scope {scope}",
                    "broken",
                    f"not granted: the token cannot {purpose}",
                    f"Add {scope} under OAuth & Permissions of the app and reinstall it",
                )

    def pull(self, stream: Stream, cursor: str | None, now: datetime) -> Iterator[Page]:
        """Read nothing: Slack is only written to."""
        return iter(())

    def close(self) -> None:
        """Give back connections."""
        self._http.close()

    def push(self, object_name: str, key: str, rows: Sequence[Row]) -> Iterator[Receipt]:
        """Send one direct message per row: ``message_key, user_email, text, blocks``.

        Second run: would send again, so the caller settles ``unknown`` with ``find`` first.
        """
        return deliver([[row] for row in rows], key, lambda call: [self._post(call[0], key)])

    def find(self, message_key: str, user_email: str) -> Receipt | None:
        """Look for a message of ours in the conversation; None if it is not there."""
        try:
            channel = self._channel(user_email)
        except VendorError as error:
            if error.code not in _NOBODY:
                raise
            return None  # no such user: it cannot have been posted
        following = ""
        for _ in range(HISTORY_PAGES):
            form = {"channel": channel, "limit": str(HISTORY_PAGE), "include_all_metadata": "true"}
            body = self._call(
                "conversations.history",
                "looking for a message",
                form={**form, **({"cursor": following} if following else {})},
            )
            for message in body.get("messages") or []:
                metadata = message.get("metadata") or {}
                if (metadata.get("event_payload") or {}).get("key") == message_key:
                    return _accepted(message_key, channel, message.get("ts"))
            following = (body.get("response_metadata") or {}).get("next_cursor") or ""
            if not following:
                break
        return None

    def _post(self, row: Row, key: str) -> Receipt:
        name = str(row[key])
        text = str(row.get("text") or "")[:TEXT_LIMIT]
        message: dict[str, Any] = {
            "text": text,
            "unfurl_links": False,
            "unfurl_media": False,
            "metadata": {"event_type": EVENT_TYPE, "event_payload": {"key": name}},
        }
        try:
            message["channel"] = self._channel(str(row.get("user_email") or ""))
            blocks = _blocks(row.get("blocks"))
            try:
                body = self._send({**message, **({"blocks": blocks} if blocks else {})})
            except VendorError as error:
                if error.code not in _LAYOUT or not blocks:
                    raise
                # Refused, so not posted: the same words without the layout still reach the rep.
                body = self._send(message)
                told = f"sent as plain text: {error.code}"
                return _accepted(name, message["channel"], body.get("ts"), told)
        except SourceError as error:
            self._lost = self._lost + 1 if error.ambiguous else 0
            if error.ambiguous and self._lost < LOST_IN_A_ROW:
                return Receipt(name, "unknown", reason=str(error))
            if not isinstance(error, VendorError) or error.retryable:
                raise
            return Receipt(name, "rejected", reason=error.code or str(error))
        self._lost = 0
        return _accepted(name, message["channel"], body.get("ts"))

    def _send(self, message: dict[str, Any]) -> dict[str, Any]:
        channel = message["channel"]
        # One a second per channel, kept here: asking for a refusal first helps nobody.
        wait = self._posted_at.get(channel, -self._pause) + self._pause - time.monotonic()
        if wait > 0:
            time.sleep(min(wait, self._pause))
        try:
            return self._call("chat.postMessage", "posting a message", json_body=message)
        finally:
            self._posted_at[channel] = time.monotonic()

    def _channel(self, email: str) -> str:
        """Return the direct conversation: posting to a user id lands elsewhere, or nowhere."""
        address = email.strip().lower()
        if address not in self._users:
            # A form, not a query string: addresses in URLs end up in access logs.
            body = self._call("users.lookupByEmail", "finding a user", form={"email": address})
            self._users[address] = self._id(body.get("user"), "user")
        user = self._users[address]
        if user not in self._channels:
            body = self._call("conversations.open", "opening a conversation", form={"users": user})
            self._channels[user] = self._id(body.get("channel"), "channel")
        return self._channels[user]

    def _id(self, thing: Any, what: str) -> str:
        name = thing.get("id") if isinstance(thing, dict) else None
        if not isinstance(name, str):
            raise self._http.error(SchemaChanged, f"an answer without {what} id")
        return name

    def _call(
        self,
        method: str,
        doing: str,
        *,
        form: dict[str, str] | None = None,
        json_body: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        return dict(self._answer(method, doing, form=form, json_body=json_body).body)

    def _answer(
        self,
        method: str,
        doing: str,
        *,
        form: dict[str, str] | None = None,
        json_body: dict[str, Any] | None = None,
    ) -> Answer:
        return self._http.call(
            "POST",
            f"/{method}",
            doing=doing,
            repeatable=json_body is None,  # the only call with a JSON body is the post itself
            headers=self._headers,
            form=form,
            json_body=json_body,
            judge=lambda given: self._judge(given, doing),
        )

    def _judge(self, answer: Answer, doing: str) -> SourceError | None:
        """Read ``ok`` and ``error``, the real status of every Slack answer."""
        body = answer.body
        if not isinstance(body, dict) or "ok" not in body:
            return self._error(Unreachable, doing, "no Slack answer", ambiguous=True)
        if body["ok"] is True:
            return None
        code = str(body.get("error"))
        kind: type[SourceError] = VendorError
        if code in _RATE:
            kind = RateLimited
        elif code in _AUTH:
            kind = Unauthorised
        elif code in _PERMISSION:
            kind = Forbidden
        elif code in _AMBIGUOUS:
            return self._error(Unreachable, doing, code, ambiguous=True)
        return self._error(kind, doing, code)

    def _error(
        self, kind: type[SourceError], doing: str, code: str, ambiguous: bool = False
    ) -> SourceError:
        error: SourceError = self._http.error(
            kind, f"refused while {doing}", code=code, answer=code, ambiguous=ambiguous
        )
        return error


def _accepted(name: str, channel: str, ts: Any, reason: str | None = None) -> Receipt:
    returned = {"channel": channel, "ts": ts}
    return Receipt(name, "accepted", f"{channel}:{ts}", reason, returned)


def _blocks(value: Any) -> list[Any] | None:
    """Read the row's JSON text. Unreadable blocks are left out; the text says the same."""
    if isinstance(value, str | bytes) and value:
        try:
            value = orjson.loads(value)
        except orjson.JSONDecodeError:
            return None
    return value if isinstance(value, list) and value else None
