"""``query`` and ``queryAll``: SOQL in, pages out."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from sandbox.salesforce.call import Answer, Call
from sandbox.salesforce.conditions import View
from sandbox.salesforce.errors import SalesforceError
from sandbox.salesforce.plan import Plan, compile_query
from sandbox.salesforce.projection import builder, grouped
from sandbox.salesforce.values import Row

if TYPE_CHECKING:
    from sandbox.salesforce.store import SalesforceStore

SMALLEST_PAGE = 200


def query(call: Call) -> Answer:
    """Answer the first page of a query."""
    return answered(call, planned(call.store, call.query.get("q", ""), call.store.access.view))


def planned(store: SalesforceStore, text: str, view: View) -> Plan:
    """Compile a query over what ``view`` shows. Raises SoqlError."""
    return compile_query(text, view=view, find=store.find, now=store.clock.now())


def answered(call: Call, plan: Plan, *, root: str = "sobjects") -> Answer:
    """Run a plan and answer its first page."""
    store = call.store
    rows = store.select(plan, include_deleted="/queryAll" in call.path)
    if plan.counts_rows:
        return 200, {"totalSize": len(rows), "done": True, "records": []}
    if plan.aggregates or plan.grouped:
        end = None if plan.limit is None else plan.offset + plan.limit
        records = grouped(rows, plan, store.find)[plan.offset : end]
        return 200, {"totalSize": len(records), "done": True, "records": records}
    size = _page_size(call)
    build = builder(plan, call.version, store.find, root=root)
    locator = store.open_cursor(rows, build, size) if len(rows) > size else ""
    return 200, _page(call, rows, build, size, locator, 0)


def more(call: Call) -> Answer:
    """Answer a later page. Raises SalesforceError when the locator leads nowhere any more."""
    locator, _, place = call.params["locator"].rpartition("-")
    cursor = call.store.cursor(locator)
    if cursor is None or not place.isdigit() or int(place) >= len(cursor.rows):
        raise SalesforceError("INVALID_QUERY_LOCATOR", "invalid query locator")
    return 200, _page(call, cursor.rows, cursor.build, cursor.page_size, locator, int(place))


def _page_size(call: Call) -> int:
    """Return the page size: the header is a hint between 200 and the most a page holds."""
    most = call.store.page_size
    hint = re.search(r"batchSize\s*=\s*(\d+)", call.headers.get("sforce-query-options", ""))
    if hint is None:
        return most
    return min(most, max(min(SMALLEST_PAGE, most), int(hint.group(1))))


def _page(
    call: Call,
    rows: list[Row],
    build: Callable[[Row], Row],
    size: int,
    locator: str,
    start: int,
) -> Row:
    end = start + size
    page: Row = {"totalSize": len(rows), "done": end >= len(rows)}
    if not page["done"]:
        page["nextRecordsUrl"] = f"{call.root}/query/{locator}-{end}"
    page["records"] = [build(row) for row in rows[start:end]]
    return page
