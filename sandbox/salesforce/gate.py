"""What every call passes: address, version, session, quota; and how a refusal leaves."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

import orjson
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route

from sandbox.salesforce.call import Answer, Call, Handler
from sandbox.salesforce.errors import AmbiguousError, SalesforceError, not_found, top_error
from sandbox.salesforce.soql import SoqlError
from sandbox.salesforce.writer import Undo

if TYPE_CHECKING:
    from sandbox.salesforce.store import SalesforceStore
    from sandbox.world import World

RETIRED_BELOW = 31.0
MAX_ADDRESS = 16_384
WITH_BODY = ("POST", "PATCH", "PUT")


@dataclass(frozen=True, slots=True)
class Resource:
    """One address and what may be done there. ``is_bulk`` words a lost session as Bulk does."""

    path: str
    verbs: dict[str, Handler]
    is_bulk: bool = False


def as_json(status: int, body: Any, headers: dict[str, str] | None = None) -> Response:
    """Return an answer with a JSON body, or with none."""
    content = b"" if body is None else orjson.dumps(body)
    return Response(
        content, status, headers, media_type=None if body is None else "application/json"
    )


class Gate:
    """The way in. Each call runs wholly under the world's lock."""

    def __init__(self, world: World, resources: list[Resource]) -> None:
        self.world = world
        self.routes = [
            Route(resource.path, self._endpoint(resource, handler), methods=[verb])
            for resource in resources
            for verb, handler in resource.verbs.items()
        ]
        # The same table once more for the calls inside a composite one.
        self._inner = [
            (Route(resource.path, _unused, methods=[verb]), handler)
            for resource in resources
            for verb, handler in resource.verbs.items()
        ]

    @property
    def store(self) -> SalesforceStore:
        """The org of this world."""
        return self.world.salesforce

    def _endpoint(
        self, resource: Resource, handle: Handler
    ) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            raw = await request.body() if request.method in WITH_BODY else b""
            with self.world.lock:
                headers: dict[str, str] = {}
                try:
                    self._admit(request, headers, is_bulk=resource.is_bulk)
                    answer: Answer = handle(self._call(request, raw))
                except (SoqlError, SalesforceError) as refusal:
                    answer = refused(refusal, request.path_params.get("version", ""))
                if isinstance(answer, Response):
                    answer.headers.update(headers)
                    return answer
                return as_json(*answer, headers)

        return endpoint

    def _call(self, request: Request, raw: bytes) -> Call:
        return Call(
            store=self.store,
            method=request.method,
            path=request.url.path,
            params=request.path_params,
            query=request.query_params,
            headers=request.headers,
            body=_parsed(request.headers.get("content-type", ""), raw, request.method),
            raw=raw,
            gate=self,
            base=str(request.base_url).rstrip("/"),
        )

    def inside(
        self,
        outer: Call,
        method: str,
        url: str,
        body: Any,
        headers: dict[str, str],
        undo: Undo | None,
    ) -> tuple[int, Any]:
        """Carry out one call of a composite one; its refusal is an answer like any other."""
        parts = urlsplit(url)
        scope = {"type": "http", "method": method, "path": parts.path, "root_path": ""}
        for route, handle in self._inner:
            match, found = route.matches(scope)
            if match is not Match.FULL:
                continue
            call = Call(
                store=outer.store,
                method=method,
                path=parts.path,
                params=found["path_params"],
                query=dict(parse_qsl(parts.query, keep_blank_values=True)),
                headers=Headers({**outer.headers, **headers}),
                body=body,
                raw=b"",
                gate=self,
                base=outer.base,
                undo=undo,
            )
            try:
                self._check_version(call.version)
                answer = handle(call)
            except (SoqlError, SalesforceError) as refusal:
                return refused(refusal, outer.version)
            if isinstance(answer, Response):
                break  # what answers with a file cannot stand inside JSON
            return answer
        return refused(not_found(), outer.version)

    def _admit(self, request: Request, headers: dict[str, str], *, is_bulk: bool) -> None:
        size = len(str(request.url)) + sum(len(k) + len(v) + 4 for k, v in request.headers.raw)
        if size > MAX_ADDRESS:
            raise SalesforceError("URI_TOO_LONG", "The URI is longer than allowed.", status=414)
        self._check_version(request.path_params.get("version"), is_bulk=is_bulk)
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme and scheme.lower() not in ("bearer", "oauth"):
            raise SalesforceError("INVALID_AUTH_HEADER", "INVALID_HEADER_TYPE", status=401)
        store = self.store
        if not store.knows_session(token.strip()):
            if is_bulk:
                raise SalesforceError("InvalidSessionId", "Invalid session id", status=400)
            raise SalesforceError("INVALID_SESSION_ID", "Session expired or invalid", status=401)
        if store.limits and store.calls_today >= store.daily_limit:
            headers["Sforce-Limit-Info"] = store.limit_info
            raise SalesforceError(
                "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.", status=403
            )
        store.count_call()
        headers["Sforce-Limit-Info"] = store.limit_info
        refusal = store.next_refusal()
        if refusal is not None:
            raise refusal

    def _check_version(self, version: str | None, *, is_bulk: bool = False) -> None:
        if version is None or version in self.store.api_versions:
            return
        if re.fullmatch(r"\d+\.0", version) and float(version) < RETIRED_BELOW:
            if is_bulk:
                raise SalesforceError("InvalidVersion", f"Invalid API version: {version}")
            raise SalesforceError(
                "UNSUPPORTED_API_VERSION", "The requested API version was retired", status=410
            )
        raise not_found()


def refused(refusal: SoqlError | SalesforceError, version: str) -> tuple[int, Any]:
    """Return the answer of a call that was refused: an array, with one exception."""
    if isinstance(refusal, SoqlError):
        return 400, [{"message": refusal.message, "errorCode": refusal.code}]
    if isinstance(refusal, AmbiguousError):
        root = f"/services/data/v{version}/sobjects/{refusal.object_name}"
        return 300, [f"{root}/{id_}" for id_ in refusal.ids]
    return refusal.status, [top_error(refusal)]


def _parsed(kind: str, raw: bytes, method: str) -> Any:
    """Return the JSON of a body; CSV stays raw."""
    if method not in ("POST", "PATCH"):
        return None
    if "json" not in kind:
        raise SalesforceError(
            "UNSUPPORTED_MEDIA_TYPE",
            "Content type specified in the request is not supported: use application/json",
            status=415,
        )
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError:
        raise SalesforceError(
            "JSON_PARSER_ERROR", "Unexpected character in the JSON body"
        ) from None


async def _unused(request: Request) -> Response:
    raise AssertionError("this route is only ever matched, never called")
