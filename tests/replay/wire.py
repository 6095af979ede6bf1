"""One recorded interaction sent through the wire all connectors share, and what came of it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

import pytest

from flows.connectors.base import Page
from flows.connectors.http import Answer, Http
from flows.errors import (
    Forbidden,
    RateLimited,
    SourceError,
    Unauthorised,
    VendorError,
    mask,
)
from tests.flows.connectors.vendor import QUICK, Reply, Vendor
from tests.replay.recordings import Recording

KINDS: dict[int, type[SourceError]] = {401: Unauthorised, 403: Forbidden, 429: RateLimited}
SECRET = "a-secret-nobody-recorded"


def play(recording: Recording) -> Reply:
    """The recorded answer: its status, its headers, its bytes."""
    return Reply(recording.raw, recording.status, recording.sent_headers)


def http_to(player: Vendor, system: str) -> Http:
    """The shared wire, pointed at the player."""
    return Http(system, player.url, timeout=5, patience=QUICK, secrets=lambda: (SECRET,))


def send(http: Http, recording: Recording) -> Answer:
    """Repeat the recorded request. Raises: SourceError where the recorded answer is a refusal."""
    return http.call(
        recording.method,
        recording.path,
        doing="repeating a recording",
        repeatable=False,
        headers={"Authorization": f"Bearer {SECRET}"},
        json_body=recording.request,
    )


def losses(player: Vendor, http: Http, recordings: Iterable[Recording]) -> list[str]:
    """What got lost between each recorded answer and what the wire hands over, as sentences."""
    return [
        f"{recording.name}: {loss}"
        for recording in recordings
        for loss in _losses(player, http, recording)
    ]


def _losses(player: Vendor, http: Http, recording: Recording) -> Iterator[str]:
    player.script = lambda call: play(recording)
    try:
        answer = send(http, recording)
    except SourceError as error:
        if recording.is_success:
            yield f"a success became {type(error).__name__}: {error}"
        else:
            yield from _wrong_in(error, recording)
        return
    if not recording.is_success:
        yield f"status {recording.status} was taken for a success"
    if answer.status != recording.status:
        yield f"status {answer.status} instead of {recording.status}"
    if not same(answer.body, recording.body):
        yield "the body is not the recorded one"
    for name, value in recording.sent_headers:
        if value.strip() not in answer.headers.get(name, ""):
            yield f"the header {name} is {answer.headers.get(name)!r} instead of {value!r}"


def _wrong_in(error: SourceError, recording: Recording) -> Iterator[str]:
    kind = KINDS.get(recording.status, VendorError)
    if type(error) is not kind:
        yield f"{type(error).__name__} instead of {kind.__name__}"
    if error.status != recording.status:
        yield f"the error says status {error.status}"
    if not same(error.body, recording.body):
        yield "the error lost part of the recorded body"
    if error.retryable != (recording.status == 429 or recording.status >= 500):
        yield f"retryable is {error.retryable}"
    if error.ambiguous != (recording.status >= 500):
        yield f"ambiguous is {error.ambiguous}"
    for code in codes_of(recording.body):
        if error.code != code:
            yield f"the code is {error.code!r}, the vendor said {code!r}"
    for words in words_of(recording.body):
        if " ".join(mask(words).split()) not in str(error):
            yield f"the vendor's words {mask(words)!r} are not in {str(error)!r}"
    if mask(str(error)) != str(error):
        yield "the text shows an address or a secret"


def first_of(body: object) -> dict[str, object]:
    """The part of an error body that speaks: itself, or the first of a list."""
    found = body[0] if isinstance(body, list) and body else body
    return found if isinstance(found, dict) else {}


def codes_of(body: object) -> list[str]:
    """The code an error body names, under the names these two vendors use."""
    told = first_of(body)
    code = told.get("errorCode") or told.get("category") or told.get("error")
    return [str(code)] if code else []


def words_of(body: object) -> list[str]:
    """What an error body says to a person."""
    told = first_of(body)
    errors = told.get("errors")
    said = [told.get("message"), told.get("error_description")]
    if isinstance(errors, list) and errors:
        said.append(first_of(errors).get("message"))
    return [str(words) for words in said if words]


def same(left: object, right: object) -> bool:
    """Equal in every value and in every type: 1, 1.0 and True are three things."""
    return canonical(left) == canonical(right)


def canonical(value: object) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


def payloads(pages: Iterable[Page]) -> list[object]:
    """Everything a pull would land, in order; a page that rejects something fails."""
    landed: list[object] = []
    for page in pages:
        assert page.rejects == [], "nothing recorded belongs in quarantine"
        landed += [json.loads(record.payload) for record in page.records]
    return landed


def assert_same_objects(landed: Iterable[object], recorded: Iterable[object]) -> None:
    """One landed payload per recorded object, each the recorded object whole."""
    left, right = sorted(map(canonical, landed)), sorted(map(canonical, recorded))
    assert len(left) == len(right), f"{len(left)} landed, {len(right)} recorded"
    for ours, theirs in zip(left, right, strict=True):
        if ours != theirs:
            pytest.fail(f"landed {ours[:300]} where {theirs[:300]} was recorded")
