"""The table of addresses, and the ASGI app that serves them."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.salesforce import composite, describe, jobs, many, querying, single, tooling
from sandbox.salesforce.auth import SignIn
from sandbox.salesforce.call import Handler
from sandbox.salesforce.errors import SalesforceError, not_found, top_error
from sandbox.salesforce.gate import Gate, Resource, as_json
from sandbox.world import World

ROOT = "/services/data/v{version}"


def _at(path: str, **verbs: Handler) -> list[Resource]:
    """Return a resource that also answers with a slash behind its name."""
    return [Resource(f"{ROOT}{path}", verbs), Resource(f"{ROOT}{path}/", verbs)]


def _job(path: str, **verbs: Handler) -> list[Resource]:
    return [
        Resource(f"{ROOT}/jobs{path}", verbs, is_bulk=True),
        Resource(f"{ROOT}/jobs{path}/", verbs, is_bulk=True),
    ]


def _queries() -> list[Resource]:
    return [
        *_at("", GET=describe.resources),
        *_at("/query", GET=querying.query),
        *_at("/queryAll", GET=querying.query),
        *_at("/query/{locator}", GET=querying.more),
        *_at("/queryAll/{locator}", GET=querying.more),
        *_at("/limits", GET=describe.limits),
        *_at("/tooling/query", GET=tooling.tooling_query),
        *_at("/tooling/sobjects/CustomField", POST=tooling.create_field),
        *_at(
            "/tooling/sobjects/CustomField/{id}",
            GET=tooling.get_field,
            PATCH=tooling.update_field,
            DELETE=tooling.delete_field,
        ),
    ]


def _composites() -> list[Resource]:
    return [
        *_at("/composite", POST=composite.composite),
        *_at("/composite/batch", POST=composite.batch),
        *_at(
            "/composite/sobjects",
            POST=many.create_many,
            PATCH=many.update_many,
            DELETE=many.delete_many,
        ),
        *_at("/composite/sobjects/{object}", GET=single.retrieve, POST=single.retrieve),
        *_at("/composite/sobjects/{object}/{field}", PATCH=many.upsert_many),
    ]


def _objects() -> list[Resource]:
    return [
        *_at("/sobjects", GET=describe.list_objects),
        *_at("/sobjects/{object}", POST=single.create_row, GET=describe.basic),
        *_at("/sobjects/{object}/describe", GET=describe.describe),
        *_at("/sobjects/{object}/deleted", GET=single.deleted),
        *_at("/sobjects/{object}/updated", GET=single.updated),
        *_at(
            "/sobjects/{object}/{id}",
            GET=single.get_row,
            PATCH=single.update_row,
            DELETE=single.delete_row,
        ),
        Resource(
            f"{ROOT}/sobjects/{{object}}/{{field}}/{{value:path}}",
            {
                "GET": single.get_by_key,
                "PATCH": single.upsert_row,
                "DELETE": single.delete_by_key,
            },
        ),
    ]


def _jobs() -> list[Resource]:
    return [
        *_job("/query", POST=jobs.create_query, GET=jobs.list_jobs),
        *_job("/query/{job}", GET=jobs.info, PATCH=jobs.change, DELETE=jobs.drop),
        *_job("/query/{job}/results", GET=jobs.query_results),
        *_job("/ingest", POST=jobs.create_ingest, GET=jobs.list_jobs),
        *_job("/ingest/{job}", GET=jobs.info, PATCH=jobs.change, DELETE=jobs.drop),
        *_job("/ingest/{job}/batches", PUT=jobs.upload),
        *_job("/ingest/{job}/successfulResults", GET=jobs.successful),
        *_job("/ingest/{job}/failedResults", GET=jobs.failed),
        *_job("/ingest/{job}/unprocessedrecords", GET=jobs.unprocessed),
    ]


def salesforce_app(world: World) -> Starlette:
    """Return the org of this world as an ASGI app; its address is the ``instance_url``."""
    with world.lock:
        world.salesforce.settle()
    sign_in = SignIn(world)
    gate = Gate(world, [*_queries(), *_composites(), *_objects(), *_jobs()])

    async def is_not_found(request: Request, _: Exception) -> Response:
        return as_json(404, [top_error(not_found())])

    async def is_not_allowed(request: Request, _: Exception) -> Response:
        message = f"HTTP Method '{request.method}' not allowed. Allowed are the documented ones."
        return as_json(405, [top_error(SalesforceError("METHOD_NOT_ALLOWED", message))])

    return Starlette(
        routes=[
            Route("/services/oauth2/token", sign_in.token, methods=["POST"]),
            Route("/services/oauth2/userinfo", sign_in.userinfo, methods=["GET", "POST"]),
            Route("/id/{organization}/{user}", sign_in.userinfo),
            Route("/services/data", sign_in.versions),
            Route("/services/data/", sign_in.versions),
            *gate.routes,
        ],
        exception_handlers={404: is_not_found, 405: is_not_allowed},
    )
