"""HubSpot on loopback: the public API's paths, limits, refusals and habits, over HTTP.

Both path families are served: dated (``/crm/objects/2026-09/contacts``) and numbered
(``/crm/v3/objects/contacts``). Written from developers.hubspot.com and the official OpenAPI, plus
what recorded traffic shows and the documents do not say (429 without Retry-After, null values).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.hubspot import account, associations, marketing, objects
from sandbox.hubspot.call import Call, Handler
from sandbox.hubspot.schema import ApiError, not_found
from sandbox.hubspot.store import HubSpotStore

if TYPE_CHECKING:
    from sandbox.world import World

DATED_VERSIONS = frozenset({"2025-09", "2026-03", "2026-09"})
JSON = "application/json;charset=utf-8"
UNAUTHORISED = (
    "Authentication credentials not found. This API supports OAuth 2.0 authentication and you can "
    "find more details at https://developers.hubspot.com/docs/methods/auth/oauth-overview"
)

OBJECT_CALLS: tuple[tuple[str, str, Handler], ...] = (
    ("GET", "/{object}", objects.list_objects),
    ("POST", "/{object}", objects.create_object),
    ("POST", "/{object}/search", objects.search_objects),
    ("POST", "/{object}/merge", objects.merge_objects),
    ("POST", "/{object}/gdpr-delete", objects.gdpr_delete),
    ("POST", "/{object}/batch/read", objects.batch_read),
    ("POST", "/{object}/batch/create", objects.batch_create),
    ("POST", "/{object}/batch/update", objects.batch_update),
    ("POST", "/{object}/batch/upsert", objects.batch_upsert),
    ("POST", "/{object}/batch/archive", objects.batch_archive),
    ("GET", "/{object}/{id}", objects.get_object),
    ("PATCH", "/{object}/{id}", objects.update_object),
    ("DELETE", "/{object}/{id}", objects.archive_object),
)
LINK_CALLS: tuple[tuple[str, str, Handler], ...] = (
    ("GET", "/{object}/{id}/associations/{other}", associations.get_associations),
    ("PUT", "/{object}/{id}/associations/{other}/{to}", associations.put_association),
    ("PUT", "/{object}/{id}/associations/default/{other}/{to}", associations.put_association),
)
ASSOCIATION_CALLS: tuple[tuple[str, str, Handler], ...] = (
    ("POST", "/{object}/{other}/batch/read", associations.read_associations),
    ("POST", "/{object}/{other}/batch/create", associations.create_associations),
    ("POST", "/{object}/{other}/batch/associate/default", associations.associate_default),
    ("POST", "/{object}/{other}/batch/archive", associations.archive_associations),
)
PROPERTY_CALLS: tuple[tuple[str, str, Handler], ...] = (
    ("GET", "/{object}", account.list_properties),
    ("POST", "/{object}", account.create_property),
    ("POST", "/{object}/batch/create", account.create_properties),
    ("GET", "/{object}/groups", account.list_groups),
    ("POST", "/{object}/groups", account.create_group),
    ("GET", "/{object}/{name}", account.get_property),
    ("PATCH", "/{object}/{name}", account.update_property),
)
# (numbered prefix, dated prefix, calls below it)
FAMILIES: tuple[tuple[str, str, tuple[tuple[str, str, Handler], ...]], ...] = (
    ("/crm/v3/objects", "/crm/objects/{version}", OBJECT_CALLS),
    ("/crm/v4/objects", "/crm/objects/{version}", LINK_CALLS),
    ("/crm/v4/associations", "/crm/associations/{version}", ASSOCIATION_CALLS),
    ("/crm/v3/properties", "/crm/properties/{version}", PROPERTY_CALLS),
    (
        "/crm/v3/pipelines",
        "/crm/pipelines/{version}",
        (("GET", "/{object}", account.list_pipelines),),
    ),
    (
        "/crm/v3/owners",
        "/crm/owners/{version}",
        (("GET", "", account.list_owners), ("GET", "/{id}", account.get_owner)),
    ),
    (
        "/marketing/v3/forms",
        "/marketing/forms/{version}",
        (("GET", "", marketing.list_forms), ("GET", "/{id}", marketing.get_form)),
    ),
    (
        "/events/v3/events",
        "/events/event-occurrences/{version}",
        (("GET", "", marketing.list_events), ("GET", "/event-types", marketing.list_event_types)),
    ),
    (
        "/account-info/v3",
        "/account-info/{version}",
        (
            ("GET", "/details", account.account_details),
            ("GET", "/api-usage/daily", account.api_usage),
            ("GET", "/api-usage/daily/private-apps", account.api_usage),
        ),
    ),
)
# These never got a dated path.
SINGLE_CALLS: tuple[tuple[str, str, Handler], ...] = (
    ("GET", "/form-integrations/v1/submissions/forms/{id}", marketing.list_submissions),
    ("GET", "/email/public/v1/events", marketing.list_email_events),
    ("GET", "/email/public/v1/campaigns/{id:int}", marketing.get_campaign),
    ("POST", "/submissions/v3/integration/secure/submit/{portal}/{id}", marketing.submit_form),
)
PUBLIC_SUBMIT = "/submissions/v3/integration/submit/{portal}/{id}"


def hubspot_app(world: World) -> Starlette:
    """The vendor's side of the wire for ``world.hubspot``."""

    def route(method: str, path: str, handler: Handler, *, public: bool = False) -> Route:
        async def endpoint(request: Request) -> Response:
            raw = await request.body()
            with world.lock:
                status, answer, headers = _handle(world.hubspot, request, raw, handler, public)
                content = b"" if answer is None else orjson.dumps(answer)
            return Response(content, status, headers, JSON if content else None)

        return Route(path, endpoint, methods=[method])

    routes = [
        route(method, prefix + path, handler)
        for numbered, dated, calls in FAMILIES
        for prefix in (numbered, dated)
        for method, path, handler in calls
    ]
    routes += [route(method, path, handler) for method, path, handler in SINGLE_CALLS]
    routes.append(route("POST", PUBLIC_SUBMIT, marketing.submit_form, public=True))

    async def nothing_here(request: Request, error: Exception) -> Response:
        missing = not_found()
        status = getattr(error, "status_code", 404)
        return Response(orjson.dumps(missing.body), status, media_type=JSON)

    return Starlette(routes=routes, exception_handlers={404: nothing_here, 405: nothing_here})


def _handle(
    store: HubSpotStore, request: Request, raw: bytes, handler: Handler, public: bool
) -> tuple[int, Any, dict[str, str]]:
    headers: dict[str, str] = {}
    try:
        if public:
            store.throttle.take_form_post()
        else:
            _authorise(store, request)
            headers = store.throttle.take(search=handler is objects.search_objects)
        version = request.path_params.get("version")
        if version is not None and version.removesuffix("-beta") not in DATED_VERSIONS:
            raise not_found()
        status, answer = handler(Call(store, request, raw))
    except ApiError as error:
        return error.status, error.body, headers | error.headers
    return status, answer, headers


def _authorise(store: HubSpotStore, request: Request) -> None:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or token.strip() != store.token:
        raise ApiError(401, UNAUTHORISED, "INVALID_AUTHENTICATION")
