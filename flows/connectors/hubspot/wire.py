"""HTTP to HubSpot: paths by version, one page style, one count of the day's calls."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any

import httpx

from flows.connectors.base import text_id
from flows.connectors.budget import rate
from flows.connectors.http import Answer, Http, Patience
from flows.connectors.hubspot.streams import OBJECTS
from flows.errors import SchemaChanged, VendorError

# The dated path on the left, what it was called until September 2027 on the right.
OLD_PATHS = (
    ("/crm/objects/{version}/", "/crm/v3/objects/"),
    ("/crm/owners/{version}", "/crm/v3/owners"),
    ("/crm/properties/{version}/", "/crm/v3/properties/"),
    ("/crm/associations/{version}/", "/crm/v4/associations/"),
    ("/marketing/forms/{version}", "/marketing/v3/forms"),
    ("/events/event-occurrences/{version}", "/events/v3/events"),
    ("/account-info/{version}", "/account-info/v3"),
)
LIST_LIMIT, SEARCH_LIMIT = 100, 200


class Wire:
    """HTTP to HubSpot: paths by version, one page style, one error for a strange shape.

    Calls come in four classes: ``read`` and ``search`` stop at ``daily_share`` of the day's calls;
    ``write`` and ``doctor`` (looking at the account, and setting it up) go on to the last one.
    """

    def __init__(
        self,
        *,
        base_url: str,
        token: str,
        version: str,
        timeout: float,
        requests_per_10s: int,
        searches_per_second: int,
        daily_share: float,
        client: httpx.Client | None,
        patience: Patience | None,
    ) -> None:
        self.version = version
        self._at_old_path: set[str] = set()
        self._headers = {"Authorization": f"Bearer {token}"}
        # Zero means no limiter of our own; the vendor's still holds. HubSpot counts all calls of
        # an app together, so one rate serves three classes; search has one of its own.
        calls = rate(requests_per_10s, 10) if requests_per_10s else None
        searches = rate(searches_per_second, 1) if searches_per_second else None
        self._http = Http(
            "hubspot",
            base_url,
            timeout=timeout,
            client=client,
            lanes={"read": calls, "write": calls, "doctor": calls, "search": searches},
            shares={"read": daily_share, "search": daily_share},
            secrets=lambda: (token,),
            patience=patience,
        )
        self.close = self._http.close
        self.budget = self._http.budget
        endless = float("inf")
        self._calls_per_second = requests_per_10s / 10 if requests_per_10s else endless
        self._searches_per_second = float(searches_per_second) if searches_per_second else endless

    def list_is_faster(self, calls_beside: int) -> bool:
        """Say which door brings more records a second under our limits, the list or search.

        ``calls_beside`` are made for each page of either. With 190 calls in ten seconds and five
        searches a second that is 1,900 records against 1,000; with two more calls for each page,
        633 against 1,000. Without limits search has the larger page.
        """
        listed = LIST_LIMIT * self._calls_per_second / (1 + calls_beside)
        searched = self._searches_per_second
        if calls_beside:
            searched = min(searched, self._calls_per_second / calls_beside)
        return listed >= searched * SEARCH_LIMIT and searched != float("inf")

    def at(self, version: str) -> Wire:
        """Return the same wire speaking another version of the API."""
        other = copy.copy(self)
        other.version = version
        other._at_old_path = set()
        return other

    def path(self, path: str) -> str:
        """Write the API version into a path; ``v3`` moves it where it used to stand."""
        for dated, old in OLD_PATHS:
            if self.version == "v3" or dated in self._at_old_path:
                path = path.replace(dated, old)
        return path.replace("{version}", self.version)

    def url_length(self, path: str, params: Mapping[str, Any]) -> int:
        """Count the characters of an address as it goes over the wire."""
        return len(str(httpx.URL(self._http.base_url + self.path(path), params=params)))

    def call(
        self,
        method: str,
        path: str,
        doing: str,
        *,
        body: Any = None,
        params: Any = None,
        lane: str = "read",
    ) -> dict[str, Any]:
        """Send one call. All of ours may be repeated: reads, and writes of the same values."""
        try:
            answer = self._send(method, path, doing, body, params, lane)
        except VendorError as error:
            moved = self._may_be_at_old_path(path) if error.status == 404 else None
            if moved is None:
                raise
            # Not every interface was dated at once. Only an answer proves that it is over there.
            self._at_old_path.add(moved)
            try:
                answer = self._send(method, path, doing, body, params, lane)
            except VendorError as other:
                self._at_old_path.discard(moved)
                raise (other if other.retryable else error) from None
        self._learn(answer.headers)
        if not isinstance(answer.body, dict):
            raise self.strange(None, f"no JSON object while {doing}")
        return answer.body

    def _send(
        self, method: str, path: str, doing: str, body: Any, params: Any, lane: str
    ) -> Answer:
        return self._http.call(
            method,
            self.path(path),
            doing=doing,
            repeatable=True,
            lane=lane,
            headers=self._headers,
            params=params,
            json_body=body,
        )

    def _may_be_at_old_path(self, path: str) -> str | None:
        # The objects say whether a version is offered at all, and answer 404 for single records.
        if self.version == "v3":
            return None
        places = (dated for dated, _ in OLD_PATHS if dated != OBJECTS and path.startswith(dated))
        return next((dated for dated in places if dated not in self._at_old_path), None)

    def get(self, path: str, doing: str, *, lane: str = "read", **params: Any) -> dict[str, Any]:
        """Read one answer."""
        return self.call("GET", path, doing, params=params, lane=lane)

    def search(self, path: str, doing: str, body: dict[str, Any]) -> dict[str, Any]:
        """Search one object."""
        return self.call("POST", f"{path}/search", doing, body=body, lane="search")

    def listed(self, path: str, doing: str, **params: Any) -> Iterator[list[Any]]:
        """Turn the pages of a list, all of which carry ``paging.next.after``."""
        for items, _ in self.marked(path, doing, **params):
            yield items

    def marked(
        self, path: str, doing: str, **params: Any
    ) -> Iterator[tuple[list[Any], str | None]]:
        """Turn the pages of a list; with each comes the mark behind which the next one begins."""
        asked = {"limit": LIST_LIMIT, **params}
        while True:
            body = self.get(path, doing, **asked)
            after = next_page(body)
            # The same token twice would turn one page for ever.
            after = None if after == asked.get("after") else after
            yield self.items(body, doing), after
            if after is None:
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

    def _learn(self, headers: Mapping[str, str]) -> None:
        # Stated where a key of the account is used; OAuth apps have no quota of the day.
        allowed = headers.get("x-hubspot-ratelimit-daily", "")
        left = headers.get("x-hubspot-ratelimit-daily-remaining", "")
        if allowed.isdecimal() and left.isdecimal():
            self.budget.learn(int(allowed) - int(left), int(allowed))


def next_page(body: dict[str, Any]) -> str | None:
    """Return the token of the next page, None on the last one."""
    paging = body.get("paging")
    following = paging.get("next") if isinstance(paging, dict) else None
    return text_id(following.get("after")) if isinstance(following, dict) else None
