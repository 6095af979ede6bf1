"""The recorded answers of Salesforce by name, and an org that plays them."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from flows.connectors.base import Page, Stream
from flows.connectors.salesforce import Salesforce
from tests.flows.connectors.vendor import Call, Reply, Vendor
from tests.replay.recordings import Recording, single
from tests.replay.wire import play

NOW = datetime(2026, 1, 5, 10, tzinfo=UTC)
RESTFORCE, HULL = "salesforce-restforce", "salesforce-hull"
DATA = "/services/data/v62.0"
TOKEN = "/services/oauth2/token"
OBJECT = f"{DATA}/sobjects/Whizbang"
# Bodies only: address and status are those under which the client library's own tests use them.
ANSWERS = {
    "auth_success_response.json": ("POST", TOKEN, 200),
    "reauth_success_response.json": ("POST", TOKEN, 200),
    "refresh_success_response.json": ("POST", TOKEN, 200),
    "auth_error_response.json": ("POST", TOKEN, 400),
    "refresh_error_response.json": ("POST", TOKEN, 400),
    "expired_session_response.json": ("GET", f"{DATA}/query", 401),
    "services_data_success_response.json": ("GET", "/services/data", 200),
    "sobject/create_success_response.json": ("POST", OBJECT, 201),
    "sobject/delete_error_response.json": ("DELETE", f"{OBJECT}/rid/1", 404),
    "sobject/describe_sobjects_success_response.json": ("GET", f"{DATA}/sobjects", 200),
    "sobject/get_deleted_success_response.json": ("GET", f"{OBJECT}/deleted", 200),
    "sobject/get_updated_success_response.json": ("GET", f"{OBJECT}/updated", 200),
    "sobject/list_sobjects_success_response.json": ("GET", f"{DATA}/sobjects", 200),
    "sobject/list_view_results_success_response.json": ("GET", f"{OBJECT}/listviews/1", 200),
    "sobject/org_query_response.json": ("GET", f"{DATA}/query", 200),
    "sobject/query_aggregate_success_response.json": ("GET", f"{DATA}/query", 200),
    "sobject/query_empty_response.json": ("GET", f"{DATA}/query", 200),
    "sobject/query_error_response.json": ("GET", f"{DATA}/query", 400),
    "sobject/query_paginated_first_page_response.json": ("GET", f"{DATA}/query", 200),
    "sobject/query_paginated_last_page_response.json": ("GET", f"{DATA}/query/01gD", 200),
    "sobject/query_success_response.json": ("GET", f"{DATA}/query", 200),
    "sobject/recent_success_response.json": ("GET", f"{DATA}/recent", 200),
    "sobject/search_error_response.json": ("GET", f"{DATA}/search", 400),
    "sobject/search_success_response.json": ("GET", f"{DATA}/search", 200),
    "sobject/sobject_describe_error_response.json": ("GET", f"{OBJECT}/describe", 404),
    "sobject/sobject_describe_success_response.json": ("GET", f"{OBJECT}/describe", 200),
    "sobject/sobject_find_error_response.json": ("GET", f"{OBJECT}/23foo", 404),
    "sobject/sobject_find_success_response.json": ("GET", f"{OBJECT}/23foo", 200),
    "sobject/sobject_select_success_response.json": ("GET", f"{OBJECT}/23foo", 200),
    "sobject/upsert_created_success_response.json": ("PATCH", f"{OBJECT}/Name/foo", 201),
    "sobject/upsert_error_response.json": ("PATCH", f"{OBJECT}/Namez/foo", 404),
    "sobject/upsert_multiple_error_response.json": ("PATCH", f"{OBJECT}/Name/foo", 300),
    "sobject/upsert_updated_success_response.json": ("PATCH", f"{OBJECT}/Name/foo", 204),
    "sobject/write_error_response.json": ("POST", OBJECT, 400),
}
HULL_ANSWERS = {
    "fixtures__api_responses__deletedcontacts.json": (
        *("GET", f"{DATA}/sobjects/Contact/deleted"),
        200,
    ),
    "fixtures__api_responses__findcontacts.json": ("GET", f"{DATA}/query", 200),
    "fixtures__api_responses__findleads.json": ("GET", f"{DATA}/query", 200),
}
NO_ANSWERS = {
    f"{RESTFORCE}/LICENSE": "a licence",
    f"{HULL}/unit__mocks__connector.json": "Hull's description of its own connector",
    **{
        f"{HULL}/fixtures__smartnotifier_payloads__{name}.json": "what Hull sends to its connector"
        for name in (
            "accountupdate",
            "accountupdate_account_attributes",
            "base-user-contact-update",
            "message",
            "userupdate_account",
            "userupdate_noaccount",
        )
    },
}


def recorded(name: str) -> Recording:
    if name in HULL_ANSWERS:
        return single(HULL, name, *HULL_ANSWERS[name])
    full = next(path for path in ANSWERS if path.split("/")[-1] == f"{name}_response.json")
    return single(RESTFORCE, full, *ANSWERS[full])


def stream_of(salesforce: Salesforce, name: str) -> Stream:
    return next(stream for stream in salesforce.streams if stream.name == name)


def pull(salesforce: Salesforce, name: str = "leads") -> list[Page]:
    """A first pull of one stream."""
    return list(salesforce.pull(stream_of(salesforce, name), None, NOW))


def org(player: Vendor, script: Callable[[Call], Reply]) -> Callable[[Call], Reply]:
    """An org that logs in as recorded, has nothing else, and leaves the rest to the script."""
    token = {**recorded("auth_success").body, "instance_url": player.url}

    def answer_to(call: Call) -> Reply:
        question = (call.query.get("q") or [""])[0].upper()
        if call.path == TOKEN:
            return Reply(token)
        if call.path.rstrip("/").endswith("/deleted"):
            return Reply(
                {
                    "deletedRecords": [],
                    "earliestDateAvailable": "2025-12-05T18:58:00.000+0000",
                    "latestDateCovered": "2026-01-05T09:31:00.000+0000",
                }
            )
        if question.startswith("SELECT COUNT()"):
            return Reply({"totalSize": 2, "done": True, "records": []})
        if "WHERE ID IN (" in question:
            return play(recorded("query_empty"))
        return script(call)

    return answer_to


def landed(pages: list[Page]) -> list[Any]:
    """Everything that was kept: records, and what lies in quarantine for want of an Id."""
    kept = [row.payload for page in pages for row in page.records]
    kept += [row.payload for page in pages for row in page.rejects]
    return [json.loads(payload) for payload in kept]
