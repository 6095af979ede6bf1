"""A scripted Salesforce org: it mints tokens, answers queries and jobs, and notes what is asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

from flows.connectors.base import Page, Receipt
from flows.connectors.salesforce import Salesforce
from tests.flows.connectors.vendor import Call, Reply, Script, Vendor

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
KEY = "baton_lead_key__c"
SECRET = "s3cr3t-of-the-client"
ROOT = "/services/data/v62.0"
LOCKED = {"statusCode": "UNABLE_TO_LOCK_ROW", "message": "unable to obtain exclusive access"}


class Org:
    """Mints a numbered token per request and passes everything else to a script."""

    def __init__(self, vendor: Vendor) -> None:
        self.minted = 0
        self.vendor = vendor
        self.script: Script = lambda call: page()
        vendor.script = self

    def __call__(self, call: Call) -> Reply:
        if call.path != "/services/oauth2/token":
            return self.script(call)
        self.minted += 1
        return Reply(
            {
                "access_token": f"00Dxx0000001gPL!token{self.minted}",
                "instance_url": self.vendor.url,
                "id": "https://login.salesforce.example/id/00Dxx0000001gPLEAY/00500000000000zAAA",
            }
        )

    def replies(self, *replies: Reply) -> None:
        queue = list(replies)
        self.script = lambda call: queue.pop(0) if len(queue) > 1 else queue[0]

    def routes(self, **routes: Callable[[Call], Reply] | Reply) -> None:
        """Answer by the end of the path; a path no route is for answers an empty page."""

        def script(call: Call) -> Reply:
            last = call.path.rstrip("/").split("/")[-1]
            route = routes.get(last, routes.get("other", page()))
            return route(call) if callable(route) else route

        self.script = script

    @property
    def asked(self) -> list[Call]:
        return [call for call in self.vendor.calls if "oauth2" not in call.path]

    @property
    def paths(self) -> list[str]:
        return [call.path.removeprefix(ROOT) for call in self.asked]


def pull(
    salesforce: Salesforce, name: str, cursor: str | None = None, now: datetime = NOW
) -> Iterator[Page]:
    return salesforce.pull(next(s for s in salesforce.streams if s.name == name), cursor, now)


def push(salesforce: Salesforce, *rows: dict[str, Any]) -> dict[str, Receipt]:
    """Write leads; one receipt for every row, by key."""
    receipts = list(salesforce.push("lead", KEY, rows))
    assert sorted(receipt.key for receipt in receipts) == sorted(row[KEY] for row in rows)
    return {receipt.key: receipt for receipt in receipts}


def wire_time(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S.000+0000")


def lead_id(number: int) -> str:
    return f"00Q{number:012d}AAA"


def lead(number: int, at: datetime, **more: Any) -> dict[str, Any]:
    return {
        "attributes": {"type": "Lead", "url": f"{ROOT}/sobjects/Lead/{lead_id(number)}"},
        "Id": lead_id(number),
        "SystemModstamp": wire_time(at),
        "IsDeleted": False,
        **more,
    }


def page(*rows: dict[str, Any], following: str | None = None, total: int | None = None) -> Reply:
    body = {
        "records": rows,
        "done": following is None,
        "totalSize": len(rows) if total is None else total,
    }
    return Reply({**body, **({"nextRecordsUrl": following} if following else {})})


def refusal(code: str, message: str, status: int = 400) -> Reply:
    return Reply([{"errorCode": code, "message": message}], status)


def soql(call: Call) -> str:
    return call.query["q"][0]
