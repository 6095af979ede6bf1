"""Slack on loopback: the few Web API methods a notifier needs, and what they refuse.

HTTP is 200 even when ``ok`` is false; only the rate limit answers 429. Posting knows no
idempotency key, so messages keep their metadata and ``conversations.history`` can be asked.
Limits: one message a second per channel, with bursts of three.
Source: Slack Web API methods, Block Kit reference, rate limits.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

if TYPE_CHECKING:
    from sandbox.clock import Clock
    from sandbox.world import World

BURST = 3
PER_SECOND = 1.0
MAX_TEXT = 40_000
MAX_BLOCKS = 50
MAX_ATTACHMENTS = 100
MAX_METADATA = 16_384
TEAM = "T0LUMENFOLD"
BOT_USER = "U0BATON0000"
BOT = "B0BATON0000"
APP = "A0BATON0000"
# What each method asks for; the deepest one, where several are needed.
SCOPES = {
    "chat.postMessage": "chat:write",
    "conversations.open": "im:write",
    "conversations.history": "im:history",
    "users.lookupByEmail": "users:read.email",
    "users.info": "users:read",
}
MEDIA_BLOCKS = ("call", "file", "image", "video")
BLOCK_TYPES = frozenset(
    ("actions", "context", "divider", "header", "input", "markdown", "rich_text", "section")
).union(MEDIA_BLOCKS)

Answer = dict[str, Any]


class SlackError(Exception):
    """An answer with ``ok`` false; ``more`` are further fields of it."""

    def __init__(self, error: str, *reasons: str, **more: str) -> None:
        super().__init__(error)
        self.error = error
        self.reasons = list(reasons)
        self.more = more


class RateLimitedError(Exception):
    """An answer with status 429."""

    def __init__(self, seconds: int) -> None:
        super().__init__(f"retry after {seconds} s")
        self.seconds = seconds


@dataclass
class Channel:
    """A channel (C…) or the bot's direct messages with one person (D…)."""

    id: str
    name: str = ""
    user: str | None = None
    is_member: bool = True
    is_archived: bool = False
    tokens: float = BURST
    filled_at: float = field(default_factory=time.monotonic)

    def take(self) -> float:
        """Use up one message; return 0, or the seconds until there is one to use.

        Real time, not the sandbox's clock: a client waits in real time even when that stands still.
        """
        now = time.monotonic()
        self.tokens = min(BURST, self.tokens + (now - self.filled_at) * PER_SECOND)
        self.filled_at = now
        if self.tokens >= 1:
            self.tokens -= 1
            return 0.0
        return (1 - self.tokens) / PER_SECOND


class SlackStore:
    """People, channels and messages of one workspace. Callers hold the world's lock."""

    def __init__(self, clock: Clock, token: str, *, limits: bool = True) -> None:
        self.clock = clock
        self.token = token
        self.limits = limits
        self.scopes = {*SCOPES.values()}
        self.users: dict[str, dict[str, Any]] = {}
        self.channels: dict[str, Channel] = {}
        self.messages: list[dict[str, Any]] = []
        self.effects: list[dict[str, Any]] = []
        self._direct: dict[str, str] = {}
        self._last = (0, 0)

    def add_user(
        self,
        id: str,
        email: str,
        name: str = "",
        dm_id: str | None = None,
        *,
        zone: str = "UTC",
        is_deleted: bool = False,
    ) -> None:
        """Add a person and the channel the bot would talk to them in."""
        channel_id = dm_id or "D" + id[1:]
        self.users[id] = {
            "id": id,
            "team_id": TEAM,
            "name": email.partition("@")[0],
            "deleted": is_deleted,
            "real_name": name,
            "tz": zone,
            "is_bot": False,
            "is_app_user": False,
            "updated": int(self.clock.now().timestamp()),
            "profile": _profile(email, name),
        }
        self.channels[channel_id] = Channel(channel_id, user=id)
        self._direct[id] = channel_id

    def add_channel(
        self, id: str, name: str, *, is_member: bool = True, is_archived: bool = False
    ) -> None:
        """Add a public channel."""
        self.channels[id] = Channel(id, name, is_member=is_member, is_archived=is_archived)

    def user_by_email(self, email: str) -> dict[str, Any] | None:
        """Return the active person with this address; aliases do not match."""
        wanted = email.strip().lower()
        for user in self.users.values():
            if user["profile"]["email"].lower() == wanted and not user["deleted"]:
                return user
        return None

    def open_direct(self, user_id: str) -> str:
        """Return the channel of the direct messages with a person."""
        if user_id not in self.users:
            raise SlackError("user_not_found")
        return self._direct[user_id]

    def post(self, channel_id: str, content: dict[str, Any]) -> dict[str, Any]:
        """Keep one message and return it."""
        second = int(self.clock.now().timestamp())
        # A ts is the message's id within its channel: it only ever grows.
        last_second, last_number = self._last
        second, number = max((second, 100), (last_second, last_number + 100))
        self._last = (second, number)
        message = {
            "channel": channel_id,
            "ts": f"{second}.{number:06d}",
            "user": BOT_USER,
            "type": "message",
            "bot_id": BOT,
            "app_id": APP,
            "team": TEAM,
            **content,
        }
        self.messages.append(message)
        at = self.clock.now().isoformat(timespec="seconds").replace("+00:00", "Z")
        self.effects.append(
            {
                "system": "slack",
                "object": "message",
                "id": message["ts"],
                "action": "message",
                "fields": {"channel": channel_id, **content},
                "at": at,
                "by": BOT_USER,
            }
        )
        return message


# --- what a message may hold -------------------------------------------------------------------


def _profile(email: str, name: str) -> dict[str, Any]:
    """A profile its person has not filled in: every key the vendor always sends, mostly empty."""
    empty = ("title", "phone", "skype", "status_text", "status_emoji")
    return {
        **dict.fromkeys(empty, ""),
        "real_name": name,
        "real_name_normalized": name,
        "display_name": "",
        "display_name_normalized": "",
        "avatar_hash": "g" + hashlib.sha256(email.encode()).hexdigest()[:11],
        "fields": {},
        "email": email,
    }


def _text_faults(where: str, text: Any, most: int, kinds: tuple[str, ...]) -> Iterator[str]:
    if not isinstance(text, dict) or not isinstance(text.get("text"), str):
        yield f"[ERROR] missing required field: text [json-pointer:{where}]"
    elif text.get("type") not in kinds:
        yield f"[ERROR] unsupported type: {text.get('type')} [json-pointer:{where}/type]"
    elif not text["text"]:
        yield f"[ERROR] must be more than 0 characters [json-pointer:{where}/text]"
    elif len(text["text"]) > most:
        yield f"[ERROR] must be less than {most + 1} characters [json-pointer:{where}/text]"


def _element_faults(where: str, element: Any) -> Iterator[str]:
    if not isinstance(element, dict) or "type" not in element:
        yield f"[ERROR] missing required field: type [json-pointer:{where}]"
        return
    if element["type"] == "button":
        yield from _text_faults(f"{where}/text", element.get("text"), 75, ("plain_text",))
    for name, most in (("url", 3000), ("value", 2000), ("action_id", 255)):
        if len(str(element.get(name) or "")) > most:
            yield f"[ERROR] must be less than {most + 1} characters [json-pointer:{where}/{name}]"


def _block_faults(where: str, block: Any) -> Iterator[str]:
    both = ("mrkdwn", "plain_text")
    kind = block.get("type") if isinstance(block, dict) else None
    if kind not in BLOCK_TYPES:
        yield f"[ERROR] unsupported type: {kind} [json-pointer:{where}/type]"
        return
    if len(str(block.get("block_id") or "")) > 255:
        yield f"[ERROR] must be less than 256 characters [json-pointer:{where}/block_id]"
    if kind == "header":
        yield from _text_faults(f"{where}/text", block.get("text"), 150, ("plain_text",))
    elif kind == "section":
        fields = block.get("fields") or []
        if block.get("text") is not None or not fields:
            yield from _text_faults(f"{where}/text", block.get("text"), 3000, both)
        if len(fields) > 10:
            yield f"[ERROR] no more than 10 items allowed [json-pointer:{where}/fields]"
        for number, text in enumerate(fields):
            yield from _text_faults(f"{where}/fields/{number}", text, 2000, both)
    elif kind in ("actions", "context"):
        elements = block.get("elements") or []
        most = 25 if kind == "actions" else 10
        if not elements or len(elements) > most:
            yield f"[ERROR] between 1 and {most} items allowed [json-pointer:{where}/elements]"
        for number, element in enumerate(elements):
            yield from _element_faults(f"{where}/elements/{number}", element)
    elif kind == "markdown" and not 0 < len(str(block.get("text") or "")) <= 12_000:
        yield f"[ERROR] must be less than 12001 characters [json-pointer:{where}/text]"


def _decoded(arguments: Answer, name: str, error: str) -> Any:
    """Return a structured argument; in a form it comes as JSON text."""
    value = arguments.get(name)
    if not isinstance(value, str):
        return value
    try:
        return orjson.loads(value) if value else None
    except orjson.JSONDecodeError:
        raise SlackError(error) from None


def _blocks(arguments: Answer) -> list[Any]:
    blocks = _decoded(arguments, "blocks", "invalid_blocks_format")
    if blocks is None:
        return []
    if not isinstance(blocks, list):
        raise SlackError("invalid_blocks_format")
    if len(blocks) > MAX_BLOCKS:
        raise SlackError(
            "invalid_blocks",
            f"[ERROR] no more than {MAX_BLOCKS} items allowed [json-pointer:/blocks]",
        )
    faults = [
        fault
        for number, block in enumerate(blocks)
        for fault in _block_faults(f"/blocks/{number}", block)
    ]
    if faults:
        raise SlackError("invalid_blocks", *faults)
    return blocks


def _metadata(arguments: Answer) -> dict[str, Any] | None:
    metadata = _decoded(arguments, "metadata", "invalid_metadata_format")
    if metadata is None:
        return None
    if (
        not isinstance(metadata, dict)
        or not isinstance(metadata.get("event_type"), str)
        or not isinstance(metadata.get("event_payload"), dict)
    ):
        raise SlackError("invalid_metadata_format")
    if len(orjson.dumps(metadata)) > MAX_METADATA:
        raise SlackError("metadata_too_large")
    return metadata


# --- the Web API -------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Call:
    """One request's arguments, and how they came."""

    arguments: Answer
    token: str
    is_json: bool
    lacks_charset: bool


class _Methods:
    """The methods by name; each takes the call and returns the answer without ``ok``."""

    def __init__(self, store: SlackStore) -> None:
        self.store = store

    def auth_test(self, call: _Call) -> Answer:
        return {
            "url": "https://lumenfold.slack.example/",
            "team": "Lumenfold",
            "user": "baton",
            "team_id": TEAM,
            "user_id": BOT_USER,
            "bot_id": BOT,
            "is_enterprise_install": False,
        }

    def chat_post_message(self, call: _Call) -> Answer:
        arguments = call.arguments
        channel = self._channel(arguments)
        text = str(arguments.get("text") or "")
        blocks, metadata = _blocks(arguments), _metadata(arguments)
        attachments = _decoded(arguments, "attachments", "invalid_attachments_format") or []
        if len(attachments) > MAX_ATTACHMENTS:
            raise SlackError("too_many_attachments")
        if not text and not blocks and not attachments:
            raise SlackError("no_text")
        wait = channel.take() if self.store.limits else 0.0
        if wait:
            raise RateLimitedError(max(1, round(wait + 0.5)))
        content: dict[str, Any] = {"text": text[:MAX_TEXT]}
        content |= {"blocks": blocks} if blocks else {}
        content |= {"attachments": attachments} if attachments else {}
        content |= {"metadata": metadata} if metadata else {}
        content |= {"thread_ts": arguments["thread_ts"]} if arguments.get("thread_ts") else {}
        posted = self.store.post(channel.id, content)
        shown = {name: value for name, value in posted.items() if name != "channel"}
        answer: Answer = {"channel": channel.id, "ts": posted["ts"], "message": shown}
        if not text and not attachments:
            answer["warning"] = "missing_text_in_message"
        return answer

    def conversations_open(self, call: _Call) -> Answer:
        if call.arguments.get("channel"):
            channel = self._channel(call.arguments)
            return {"no_op": True, "already_open": True, "channel": {"id": channel.id}}
        users = [user.strip() for user in str(call.arguments.get("users") or "").split(",")]
        if users == [""]:
            raise SlackError("users_list_not_supplied")
        if len(users) > 1:
            raise SlackError("not_enough_users")  # group messages are not part of this sandbox
        return {"channel": {"id": self.store.open_direct(users[0])}}

    def conversations_history(self, call: _Call) -> Answer:
        arguments = call.arguments
        channel = self._channel(arguments)
        oldest, latest = str(arguments.get("oldest") or "0"), str(arguments.get("latest") or "")
        cursor = str(arguments.get("cursor") or "")
        try:
            most = min(999, max(1, int(arguments.get("limit") or 100)))
            bounds = float(oldest), float(latest or "inf"), int(cursor or "0")
        except ValueError:
            raise SlackError("invalid_cursor" if cursor else "invalid_arguments") from None
        is_inclusive = _truth(arguments.get("inclusive"))
        found = [
            message
            for message in reversed(self.store.messages)
            if message["channel"] == channel.id
            and (
                bounds[0] < float(message["ts"]) < bounds[1]
                or (is_inclusive and float(message["ts"]) in bounds[:2])
            )
        ]
        start = bounds[2]
        with_metadata = _truth(arguments.get("include_all_metadata"))
        dropped = {"channel"} if with_metadata else {"channel", "metadata"}
        has_more = len(found) > start + most
        answer: Answer = {
            "messages": [
                {name: value for name, value in message.items() if name not in dropped}
                for message in found[start : start + most]
            ],
            "has_more": has_more,
            "pin_count": 0,
            "channel_actions_ts": None,
            "channel_actions_count": 0,
        }
        if has_more:
            answer["response_metadata"] = {"next_cursor": str(start + most)}
        return answer

    def users_lookup_by_email(self, call: _Call) -> Answer:
        # A method of the older kind: a JSON body is read by nobody, so the argument is missing.
        email = "" if call.is_json else str(call.arguments.get("email") or "")
        if not email:
            raise SlackError("invalid_arguments", "[ERROR] missing required field: email")
        user = self.store.user_by_email(email)
        if user is None:
            raise SlackError("users_not_found")
        return {"user": user}

    def users_info(self, call: _Call) -> Answer:
        user = self.store.users.get(str(call.arguments.get("user") or ""))
        if user is None:
            raise SlackError("user_not_found")
        return {"user": user}

    def _channel(self, arguments: Answer) -> Channel:
        """Return the channel meant. A person's id is none: their D… has to be opened first."""
        wanted = str(arguments.get("channel") or "")
        channel = self.store.channels.get(wanted)
        if channel is None:
            raise SlackError("channel_not_found")
        if channel.is_archived:
            raise SlackError("is_archived")
        if not channel.is_member:
            raise SlackError("not_in_channel")
        return channel

    def named(self) -> dict[str, Callable[[_Call], Answer]]:
        return {
            "auth.test": self.auth_test,
            "chat.postMessage": self.chat_post_message,
            "conversations.open": self.conversations_open,
            "conversations.history": self.conversations_history,
            "users.lookupByEmail": self.users_lookup_by_email,
            "users.info": self.users_info,
        }


def _truth(value: Any) -> bool:
    return str(value).lower() in ("true", "1")


async def _call(request: Request) -> _Call:
    kind = request.headers.get("content-type", "")
    arguments: Answer = dict(request.query_params)
    is_json = request.method == "POST" and kind.startswith("application/json")
    if is_json:
        try:
            body = orjson.loads(await request.body() or b"{}")
        except orjson.JSONDecodeError:
            raise SlackError("invalid_json") from None
        if not isinstance(body, dict):
            raise SlackError("json_not_object")
        arguments |= body
    elif request.method == "POST":
        arguments |= parse_qsl((await request.body()).decode("utf-8", "replace"))
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        # A token inside a JSON body is not looked at.
        token = "" if is_json else str(arguments.get("token") or "")
    return _Call(arguments, token.strip(), is_json, is_json and "charset" not in kind.lower())


def _refusal(error: SlackError) -> Answer:
    answer: Answer = {"ok": False, "error": error.error, **error.more}
    if error.reasons:
        answer["response_metadata"] = {"messages": error.reasons}
    return answer


def slack_app(world: World) -> Starlette:
    """Return the Web API of this world's workspace; clients use ``<address>/api`` as base."""

    def run(name: str, call: _Call) -> Answer:
        store = world.slack
        if not call.token:
            raise SlackError("not_authed")
        if call.token != store.token:
            raise SlackError("invalid_auth")
        method = _Methods(store).named().get(name)
        if method is None:
            raise SlackError("unknown_method")
        needed = SCOPES.get(name)
        if needed is not None and needed not in store.scopes:
            provided = ",".join(sorted(store.scopes))
            raise SlackError("missing_scope", needed=needed, provided=provided)
        return {"ok": True} | method(call)

    async def endpoint(request: Request) -> Response:
        name = request.path_params["method"]
        lacks_charset = False
        try:
            call = await _call(request)
            lacks_charset = call.lacks_charset
            with world.lock:
                answer = run(name, call)
        except SlackError as error:
            answer = _refusal(error)
            if error.error == "unknown_method":
                answer["req_method"] = name
        except RateLimitedError as limit:
            return Response(
                orjson.dumps({"ok": False, "error": "ratelimited"}),
                429,
                {"Retry-After": str(limit.seconds)},
                media_type="application/json",
            )
        if lacks_charset:
            warnings = [answer.pop("warning", ""), "missing_charset"]
            answer["warning"] = ",".join(filter(None, warnings))
            told = answer.setdefault("response_metadata", {})
            told["warnings"] = [warning for warning in warnings if warning]
        # Who holds a token is told what it may do, with every answer.
        granted = (
            "" if answer.get("error") in ("not_authed", "invalid_auth") else world.slack.scopes
        )
        headers = {"x-oauth-scopes": ",".join(sorted(granted))} if granted else {}
        return Response(orjson.dumps(answer), headers=headers, media_type="application/json")

    return Starlette(routes=[Route("/api/{method}", endpoint, methods=["GET", "POST"])])
