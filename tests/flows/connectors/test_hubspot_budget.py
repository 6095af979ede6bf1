"""How many calls the account leaves us, and what we do when it answers with a pause."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from flows.connectors.hubspot import HubSpot
from flows.errors import RateLimited, VendorError
from tests.flows.connectors.hubspot_account import Account, connect, hours_ago, pull, thing
from tests.flows.connectors.vendor import QUICK, Reply, Vendor


@pytest.fixture
def hubspot(vendor: Vendor) -> Iterator[HubSpot]:
    """A connector that leaves half of the day's calls to others."""
    with closing(connect(vendor, daily_share=0.5)) as connector:
        yield connector


def daily(left: Any) -> dict[str, str]:
    return {
        "X-HubSpot-RateLimit-Daily": "1000",
        "X-HubSpot-RateLimit-Daily-Remaining": str(left),
    }


def test_reading_stops_at_its_share_of_the_day_and_writing_goes_on(
    hubspot: HubSpot, vendor: Vendor
) -> None:
    done = {"results": [{"id": "1", "properties": {}}]}
    vendor.script = lambda call: Reply(done, 200, daily(499))
    hubspot.check()
    before = len(vendor.calls)
    for name in ("owners", "contacts"):
        with pytest.raises(RateLimited) as told:
            pull(hubspot, name)
        assert told.value.exhausted
    assert len(vendor.calls) == before
    (receipt,) = hubspot.push("contact", "id", [{"id": "1", "baton_score": 7}])
    assert receipt.status == "accepted"
    assert hubspot.budget.spent["write"] == 1


@pytest.mark.parametrize("left", ["", "many", "-1"])
def test_headers_that_say_nothing_stop_nothing(hubspot: HubSpot, vendor: Vendor, left: str) -> None:
    vendor.script = lambda call: Reply({"results": []}, 200, daily(left))
    pull(hubspot, "owners")
    pull(hubspot, "owners")
    assert hubspot.budget.usage is None


def test_calls_are_counted_by_class(hubspot: HubSpot, vendor: Vendor) -> None:
    account = vendor.script = Account()
    account.things["deals"] = [thing(1, hours_ago(1))]
    pull(hubspot, "deals")
    list(hubspot.examine())
    assert hubspot.budget.spent["search"] == 1
    assert hubspot.budget.spent["read"] == 3  # two kinds of associations, one list of archived
    assert hubspot.budget.spent["doctor"] == len(vendor.calls) - 4


def test_reading_and_writing_share_one_pace(vendor: Vendor) -> None:
    vendor.replies(Reply({"results": []}))
    hubspot = HubSpot(base_url=vendor.url, token="x", requests_per_10s=5, patience=QUICK)
    limiters = hubspot.budget._limiters
    assert limiters["read"] is limiters["write"] is limiters["doctor"]
    assert limiters["search"] is not limiters["read"]
    hubspot.close()


def test_a_quota_of_the_day_is_not_waited_for(hubspot: HubSpot, vendor: Vendor) -> None:
    body = {"errorType": "RATE_LIMIT", "policyName": "DAILY", "message": "daily limit"}
    vendor.replies(Reply(body, 429))
    with pytest.raises(RateLimited) as told:
        pull(hubspot, "owners")
    assert told.value.exhausted
    assert len(vendor.calls) == 1


@pytest.mark.parametrize("status", [502, 503, 504, 524])
def test_a_server_that_stumbles_is_asked_again(
    hubspot: HubSpot, vendor: Vendor, status: int
) -> None:
    vendor.replies(Reply({"message": "x"}, status), Reply({"results": []}))
    pull(hubspot, "forms")
    assert len(vendor.calls) == 2


def test_a_migrating_account_is_left_alone_for_as_long_as_it_says(
    hubspot: HubSpot, vendor: Vendor
) -> None:
    vendor.replies(Reply({"message": "migrating"}, 477, {"Retry-After": "86400"}))
    with pytest.raises(VendorError) as told:
        pull(hubspot, "owners")
    assert told.value.retry_after == 86_400
    assert len(vendor.calls) == 1
    soon = Reply({"message": "migrating"}, 477, {"Retry-After": "0.2"})
    vendor.replies(soon, Reply({"results": []}))
    pull(hubspot, "owners")
