"""HubSpot's addresses, field lists and page style; the one place that knows its API version."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx

from flows.connectors.base import Stream, text_id
from flows.connectors.http import Answer, Http, Patience, rate
from flows.errors import SchemaChanged

CONTACT_PROPERTIES = (
    *("hs_object_id", "createdate", "lastmodifieddate"),
    *("hs_merged_object_ids", "hs_calculated_merged_vids", "hs_additional_emails"),
    *("email", "firstname", "lastname", "jobtitle", "phone", "hs_seniority", "hs_role"),
    *("company", "website", "industry", "numemployees", "annualrevenue", "associatedcompanyid"),
    *("country", "state", "city", "web_technologies"),
    *("lifecyclestage", "hs_lead_status", "hubspot_owner_id", "hubspot_owner_assigneddate"),
    *("hs_v2_date_entered_lead", "hs_v2_date_entered_marketingqualifiedlead"),
    *("hs_v2_date_entered_salesqualifiedlead", "hs_v2_date_entered_opportunity"),
    *("hs_v2_date_entered_customer", "hs_object_source_label"),
    *("hs_analytics_source", "hs_analytics_source_data_1", "hs_analytics_source_data_2"),
    *("hs_latest_source", "hs_latest_source_data_1", "hs_latest_source_data_2"),
    *("hs_latest_source_timestamp", "hs_analytics_first_url", "hs_analytics_last_url"),
    *("hs_analytics_first_referrer", "hs_analytics_first_timestamp"),
    *("hs_analytics_last_timestamp", "hs_analytics_num_page_views", "hs_analytics_num_visits"),
    *("first_conversion_event_name", "first_conversion_date", "num_conversion_events"),
    *("recent_conversion_event_name", "recent_conversion_date"),
    *("hs_email_open", "hs_email_click", "hs_email_last_open_date", "hs_email_last_click_date"),
    *("hs_email_optout", "hs_email_bounce", "hs_marketable_status"),
    *("notes_last_contacted", "hs_last_sales_activity_timestamp"),
    *("baton_lead_key", "baton_score", "baton_score_reasons", "baton_trigger"),
    *("baton_context_gaps", "baton_policy_version"),
)

STREAMS = (
    Stream("owners", path="/crm/owners/{version}", stamp="updatedAt"),
    Stream("forms", path="/marketing/forms/{version}", stamp="updatedAt"),
    Stream(
        "contacts",
        path="/crm/objects/{version}/contacts",
        stamp="lastmodifieddate",
        fields=CONTACT_PROPERTIES,
    ),
    Stream(
        "form_submissions",
        path="/form-integrations/v1/submissions/forms",
        key="conversionId",
        stamp="submittedAt",
    ),
    Stream("page_events", path="/events/event-occurrences/{version}", stamp="occurredAt"),
    Stream("email_events", path="/email/public/v1/events", stamp="created"),
    # After email_events, which finds the ids; pulled alone it looks for them itself.
    Stream("email_campaigns", path="/email/public/v1/campaigns"),
)

# The dated path on the left, what it was called until September 2027 on the right.
OLD_PATHS = (
    ("/crm/objects/{version}/", "/crm/v3/objects/"),
    ("/crm/owners/{version}", "/crm/v3/owners"),
    ("/marketing/forms/{version}", "/marketing/v3/forms"),
    ("/events/event-occurrences/{version}", "/events/v3/events"),
)
LIST_LIMIT = 100


class Wire:
    """HTTP to HubSpot: paths by version, one page style, one error for a strange shape."""

    def __init__(
        self,
        *,
        base_url: str,
        token: str,
        version: str,
        timeout: float,
        requests_per_10s: int,
        searches_per_second: int,
        client: httpx.Client | None,
        patience: Patience | None,
    ) -> None:
        self._version = version
        self._headers = {"Authorization": f"Bearer {token}"}
        self._http = Http(
            "hubspot",
            base_url,
            timeout=timeout,
            client=client,
            # Zero means no limiter of our own; the vendor's still holds.
            lanes={
                "call": rate(requests_per_10s, 10) if requests_per_10s else None,
                "search": rate(searches_per_second, 1) if searches_per_second else None,
            },
            secrets=lambda: (token,),
            patience=patience,
        )
        self.close = self._http.close

    def stream(self, name: str) -> Stream:
        """Return the stream of that name."""
        return next(stream for stream in STREAMS if stream.name == name)

    def path(self, path: str) -> str:
        """Write the API version into a path; ``v3`` moves it where it used to stand."""
        if self._version == "v3":
            for dated, old in OLD_PATHS:
                path = path.replace(dated, old)
        return path.replace("{version}", self._version)

    def call(
        self,
        method: str,
        path: str,
        doing: str,
        *,
        body: Any = None,
        params: Any = None,
        lane: str = "call",
    ) -> dict[str, Any]:
        """Send one call. All of ours may be repeated: reads, and updates to the same values."""
        answer: Answer = self._http.call(
            method,
            self.path(path),
            doing=doing,
            repeatable=True,
            lane=lane,
            headers=self._headers,
            params=params,
            json_body=body,
        )
        if not isinstance(answer.body, dict):
            raise self.strange(None, f"no JSON object while {doing}")
        return answer.body

    def get(self, path: str, doing: str, **params: Any) -> dict[str, Any]:
        """Read one answer."""
        return self.call("GET", path, doing, params=params)

    def listed(self, path: str, doing: str, **params: Any) -> Iterator[list[Any]]:
        """Turn the pages of a list, all of which carry ``paging.next.after``."""
        asked = {"limit": LIST_LIMIT, **params}
        while True:
            body = self.get(path, doing, **asked)
            yield self.items(body, doing)
            after = next_page(body)
            # The same token twice would turn one page for ever.
            if after is None or after == asked.get("after"):
                return
            asked["after"] = after

    def items(self, body: dict[str, Any], doing: str, part: str = "results") -> list[Any]:
        """Return the list an answer is about. Raises: SchemaChanged where there is none."""
        items = body.get(part)
        if not isinstance(items, list):
            raise self.strange(None, f"an answer without a list of {part} while {doing}")
        return items

    def strange(self, stream: str | None, what: str) -> SchemaChanged:
        """Name an answer whose shape we do not know."""
        error: SchemaChanged = self._http.error(SchemaChanged, what)
        error.address = f"hubspot.{stream}" if stream else "hubspot"
        return error


def next_page(body: dict[str, Any]) -> str | None:
    """Return the token of the next page, None on the last one."""
    paging = body.get("paging")
    following = paging.get("next") if isinstance(paging, dict) else None
    return text_id(following.get("after")) if isinstance(following, dict) else None
