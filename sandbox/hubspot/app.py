"""HubSpot on loopback: the public API's paths, limits, refusals and habits, over HTTP.

Both path families are served: dated (``/crm/objects/2026-09/contacts``) and numbered
(``/crm/v3/objects/contacts``). Written from developers.hubspot.com and the official OpenAPI, plus
what recorded traffic shows and the documents do not say (429 without Retry-After, null values).
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.hubspot import (
    account,
    associations,
    batches,
    lists,
    marketing,
    objects,
    pipelines,
    properties,
)
from sandbox.hubspot.call import Call, Handler
from sandbox.hubspot.schema import ApiError, not_found
from sandbox.hubspot.tokens import issue_token, of_object, of_schema, only

if TYPE_CHECKING:
    from sandbox.world import World

DATED_VERSIONS = frozenset({"2025-09", "2026-03", "2026-09"})
JSON = "application/json;charset=utf-8"
# A list of some hundred properties in a query string is longer than the front door lets in.
MAX_ADDRESS = 16_384

READ, WRITE = of_object("read"), of_object("write")
SCHEMA, DEFINE = of_schema("read"), of_schema("write")
LISTS_READ, LISTS_WRITE = only("crm.lists.read"), only("crm.lists.write")
OWNERS, FORMS = only("crm.objects.owners.read"), only("forms")
CONTENT, EVENTS = only("content"), only("business-intelligence")
NOTHING = only()

# (method, path, handler, the scopes of which one is needed)
Row = tuple[str, str, Handler, Callable[[Call], tuple[str, ...]]]
OBJECT_CALLS: tuple[Row, ...] = (
    ("GET", "/{object}", objects.list_objects, READ),
    ("POST", "/{object}", objects.create_object, WRITE),
    ("POST", "/{object}/search", objects.search_objects, READ),
    ("POST", "/{object}/merge", objects.merge_objects, WRITE),
    ("POST", "/{object}/gdpr-delete", objects.gdpr_delete, WRITE),
    ("POST", "/{object}/batch/read", batches.batch_read, READ),
    ("POST", "/{object}/batch/create", batches.batch_create, WRITE),
    ("POST", "/{object}/batch/update", batches.batch_update, WRITE),
    ("POST", "/{object}/batch/upsert", batches.batch_upsert, WRITE),
    ("POST", "/{object}/batch/archive", batches.batch_archive, WRITE),
    ("GET", "/{object}/{id}", objects.get_object, READ),
    ("PATCH", "/{object}/{id}", objects.update_object, WRITE),
    ("DELETE", "/{object}/{id}", objects.archive_object, WRITE),
)
LINK_CALLS: tuple[Row, ...] = (
    ("GET", "/{object}/{id}/associations/{other}", associations.get_associations, READ),
    ("PUT", "/{object}/{id}/associations/{other}/{to}", associations.put_association, WRITE),
    ("DELETE", "/{object}/{id}/associations/{other}/{to}", associations.drop_association, WRITE),
    (
        "PUT",
        "/{object}/{id}/associations/default/{other}/{to}",
        associations.put_association,
        WRITE,
    ),
)
ASSOCIATION_CALLS: tuple[Row, ...] = (
    ("GET", "/{object}/{other}/labels", associations.list_labels, READ),
    ("POST", "/{object}/{other}/batch/read", associations.read_associations, READ),
    ("POST", "/{object}/{other}/batch/create", associations.create_associations, WRITE),
    ("POST", "/{object}/{other}/batch/associate/default", associations.associate_default, WRITE),
    ("POST", "/{object}/{other}/batch/archive", associations.archive_associations, WRITE),
    ("POST", "/{object}/{other}/batch/labels/archive", associations.archive_labels, WRITE),
)
PROPERTY_CALLS: tuple[Row, ...] = (
    ("GET", "/{object}", properties.list_properties, SCHEMA),
    ("POST", "/{object}", properties.create_property, DEFINE),
    ("POST", "/{object}/batch/create", properties.create_properties, DEFINE),
    ("POST", "/{object}/batch/read", properties.read_properties, SCHEMA),
    ("POST", "/{object}/batch/archive", properties.archive_properties, DEFINE),
    ("GET", "/{object}/groups", properties.list_groups, SCHEMA),
    ("POST", "/{object}/groups", properties.create_group, DEFINE),
    ("GET", "/{object}/groups/{name}", properties.get_group, SCHEMA),
    ("GET", "/{object}/{name}", properties.get_property, SCHEMA),
    ("PATCH", "/{object}/{name}", properties.update_property, DEFINE),
    ("DELETE", "/{object}/{name}", properties.archive_property, DEFINE),
)
PIPELINE_CALLS: tuple[Row, ...] = (
    ("GET", "/{object}", pipelines.list_pipelines, READ),
    ("GET", "/{object}/{id}", pipelines.get_pipeline, READ),
    ("GET", "/{object}/{id}/stages", pipelines.list_stages, READ),
)
LIST_CALLS: tuple[Row, ...] = (
    ("POST", "", lists.create_list, LISTS_WRITE),
    ("POST", "/search", lists.search_lists, LISTS_READ),
    ("GET", "/{id}", lists.get_list, LISTS_READ),
    ("GET", "/{id}/memberships/join-order", lists.members_in_join_order, LISTS_READ),
    ("PUT", "/{id}/memberships/add", lists.add_members, LISTS_WRITE),
    ("PUT", "/{id}/memberships/remove", lists.remove_members, LISTS_WRITE),
)
# (numbered prefix, dated prefix, calls below it)
FAMILIES: tuple[tuple[str, str, tuple[Row, ...]], ...] = (
    ("/crm/v3/objects", "/crm/objects/{version}", OBJECT_CALLS),
    ("/crm/v4/objects", "/crm/objects/{version}", LINK_CALLS),
    ("/crm/v4/associations", "/crm/associations/{version}", ASSOCIATION_CALLS),
    ("/crm/v3/properties", "/crm/properties/{version}", PROPERTY_CALLS),
    ("/crm/v3/pipelines", "/crm/pipelines/{version}", PIPELINE_CALLS),
    ("/crm/v3/lists", "/crm/lists/{version}", LIST_CALLS),
    (
        "/crm/v3/owners",
        "/crm/owners/{version}",
        (("GET", "", account.list_owners, OWNERS), ("GET", "/{id}", account.get_owner, OWNERS)),
    ),
    (
        "/marketing/v3/forms",
        "/marketing/forms/{version}",
        (("GET", "", marketing.list_forms, FORMS), ("GET", "/{id}", marketing.get_form, FORMS)),
    ),
    (
        "/events/v3/events",
        "/events/event-occurrences/{version}",
        (
            ("GET", "", marketing.list_events, EVENTS),
            ("GET", "/event-types", marketing.list_event_types, EVENTS),
        ),
    ),
    (
        "/account-info/v3",
        "/account-info/{version}",
        (
            ("GET", "/details", account.account_details, NOTHING),
            ("GET", "/api-usage/daily", account.api_usage, NOTHING),
            ("GET", "/api-usage/daily/private-apps", account.api_usage, NOTHING),
        ),
    ),
)
# These never got a dated path.
SINGLE_CALLS: tuple[Row, ...] = (
    ("GET", "/form-integrations/v1/submissions/forms/{id}", marketing.list_submissions, FORMS),
    ("GET", "/email/public/v1/events", marketing.list_email_events, CONTENT),
    ("GET", "/email/public/v1/campaigns/{id:int}", marketing.get_campaign, CONTENT),
    (
        "POST",
        "/submissions/v3/integration/secure/submit/{portal}/{id}",
        marketing.submit_form,
        FORMS,
    ),
)
PUBLIC_SUBMIT = "/submissions/v3/integration/submit/{portal}/{id}"
TOKEN_PATHS = ("/oauth/v1/token", "/oauth/v3/token", "/oauth/{version}/token")


def hubspot_app(world: World) -> Starlette:
    """The vendor's side of the wire for ``world.hubspot``."""

    def route(row: Row, *, prefix: str = "", public: bool = False) -> Route:
        method, path, handler, scopes = row

        async def endpoint(request: Request) -> Response:
            raw = await request.body()
            with world.lock:
                admit = _count_public if public else _admit
                status, answer, headers = _handle(
                    Call(world.hubspot, request, raw), handler, admit, scopes
                )
                content = b"" if answer is None else orjson.dumps(answer)
            return Response(content, status, headers, JSON if content else None)

        return Route(prefix + path, endpoint, methods=[method])

    routes = [
        route(row, prefix=prefix)
        for numbered, dated, calls in FAMILIES
        for prefix in (numbered, dated)
        for row in calls
    ]
    routes += [route(row) for row in SINGLE_CALLS]
    routes.append(route(("POST", PUBLIC_SUBMIT, marketing.submit_form, NOTHING), public=True))
    routes += [route(("POST", path, issue_token, NOTHING), public=True) for path in TOKEN_PATHS]

    async def nothing_here(request: Request, error: Exception) -> Response:
        missing = not_found()
        status = getattr(error, "status_code", 404)
        return Response(orjson.dumps(missing.body), status, media_type=JSON)

    return Starlette(routes=routes, exception_handlers={404: nothing_here, 405: nothing_here})


Admit = Callable[[Call, Handler], dict[str, str]]


def _handle(
    call: Call, handler: Handler, admit: Admit, scopes: Callable[[Call], tuple[str, ...]]
) -> tuple[int, Any, dict[str, str]]:
    headers: dict[str, str] = {}
    try:
        if len(str(call.request.url)) > MAX_ADDRESS:
            raise ApiError(414, "URI Too Long")
        headers = admit(call, handler)
        if call.version and call.version not in DATED_VERSIONS:
            raise not_found()
        is_object = scopes is READ or scopes is WRITE
        call.store.tokens.require(*scopes(call), nested=not is_object)
        status, answer = handler(call)
    except ApiError as error:
        headers |= error.headers
        headers["X-HubSpot-Correlation-Id"] = error.body["correlationId"]
        return error.status, error.body, headers
    headers["X-HubSpot-Correlation-Id"] = str(uuid.uuid4())
    return status, answer, headers


def _admit(call: Call, handler: Handler) -> dict[str, str]:
    """Look at the credentials, count the request. Raises: ApiError 401, 429."""
    oauth = call.store.tokens.admit(call.request.headers.get("authorization", ""))
    return call.store.throttle.take(search=handler is objects.search_objects, oauth=oauth)


def _count_public(call: Call, handler: Handler) -> dict[str, str]:
    if handler is marketing.submit_form:
        call.store.throttle.take_form_post()
    return {}
