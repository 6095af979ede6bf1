"""A pull may break off after any page: what one attempt landed is kept, and nothing is lost.

12,000 records that share one timestamp, the connection cut after every page, and records that
change while the pull is under way, through every door a stream is read by.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from flows.connectors.base import Connector, Stream
from flows.connectors.http import Patience
from flows.connectors.hubspot import HubSpot
from flows.connectors.salesforce import Salesforce
from flows.errors import SourceError
from flows.ledger import Ledger
from flows.steps.extract import pull_stream
from flows.warehouse import Warehouse
from sandbox.server import Sandbox

RECORDS = 12_000
MOST_ATTEMPTS = 200
# The same patience as in production, without the waiting: each cut ends the pull at once.
NONE = Patience(attempts=1, total=5, first_wait=0.01, longest_wait=0.01, jitter=0.0)
THEN = datetime(2026, 3, 18, 12, tzinfo=UTC)

pytestmark = pytest.mark.timeout(240)


def hubspot(box: Sandbox) -> Connector:
    return HubSpot(
        base_url=box.env["BATON_HUBSPOT_BASE_URL"],
        token=box.env["BATON_HUBSPOT_TOKEN"],
        requests_per_10s=0,
        searches_per_second=0,
        patience=NONE,
    )


def salesforce(bulk_from: int, page_size: int = 200) -> Callable[[Sandbox], Connector]:
    def build(box: Sandbox) -> Connector:
        return Salesforce(
            login_url=box.env["BATON_SALESFORCE_LOGIN_URL"],
            client_id=box.env["BATON_SALESFORCE_CLIENT_ID"],
            client_secret=box.env["BATON_SALESFORCE_CLIENT_SECRET"],
            page_size=page_size,
            bulk_from=bulk_from,
            patience=NONE,
        )

    return build


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    """12,000 contacts and as many leads, all made in one moment."""
    with Sandbox(leads=0, golden=False, limits=False, now=THEN, frozen=True) as box:
        world = box.world
        with world.lock:
            for number in range(RECORDS):
                email = f"person{number}@many.example"
                world.hubspot.create("contacts", {"email": email, "firstname": "A"})
                world.salesforce.insert(
                    "Lead", {"LastName": "B", "Company": "Many", "Email": email, "FirstName": "A"}
                )
            # Long enough ago for every index lag and look-back.
            world.clock.advance(86_400)
        yield box


def cut_after(box: Sandbox, system: str, path: str, calls: int) -> None:
    """Answer so many more calls of a kind, then hang up on every one."""
    httpx.delete(f"{box.control_url}/faults").raise_for_status()
    fault = {"system": system, "path": path, "kind": "drop", "after": calls, "times": None}
    httpx.post(f"{box.control_url}/faults", json=fault).raise_for_status()


def stream_of(connector: Connector, name: str) -> Stream:
    return next(stream for stream in connector.streams if stream.name == name)


@pytest.mark.parametrize(
    ("build", "system", "name", "path", "pages"),
    [
        (hubspot, "hubspot", "contacts", "/contacts/search$", 60),
        (salesforce(0), "salesforce", "leads", "/query(All)?(/|$)", 60),
        (salesforce(1), "salesforce", "leads", "/results$", 1),
    ],
    ids=["search", "query", "bulk"],
)
def test_a_pull_cut_off_after_every_page_lands_each_version_once(
    box: Sandbox,
    tmp_path: Path,
    build: Callable[[Sandbox], Connector],
    system: str,
    name: str,
    path: str,
    pages: int,
) -> None:
    moved = _ids(box, system)
    attempts = 0
    with Warehouse(tmp_path) as warehouse:
        warehouse.prepare()
        ledger = Ledger(warehouse)
        while True:
            attempts += 1
            assert attempts < MOST_ATTEMPTS, "the pull makes no progress between two cuts"
            # Every attempt gets two pages further; the first call of some only finds its place.
            cut_after(box, system, path, 2)
            ledger.begin(box.world.clock.now(), None)
            connector = build(box)
            try:
                pull_stream(connector, stream_of(connector, name), warehouse, ledger)
                break
            except SourceError:
                if attempts == 3:
                    _change(box, system, moved)
            finally:
                connector.close()
        # What moved behind the pull's back comes with the next one at the latest.
        httpx.delete(f"{box.control_url}/faults").raise_for_status()
        box.world.clock.advance(3600)
        ledger.begin(box.world.clock.now(), None)
        connector = build(box)
        pull_stream(connector, stream_of(connector, name), warehouse, ledger)
        connector.close()
        landed = warehouse.rows(
            f"select count(*) as versions, count(distinct _key) as records, "
            f"count(distinct _key || _hash) as different from raw.{system}__{name}"
        )[0]
        field = "$.properties.firstname" if system == "hubspot" else "$.FirstName"
        newest = warehouse.rows(
            f"select _key, arg_max(payload->>'{field}', _seq) as first_name "
            f"from raw.{system}__{name} where _key in (select unnest(?::varchar[])) group by _key",
            [moved],
        )
    assert attempts >= pages // 2, "nothing was cut off"
    assert landed["records"] == RECORDS
    assert landed["versions"] == landed["different"], "one version was landed twice"
    assert {row["first_name"] for row in newest} == {"Moved"}
    assert len(newest) == len(moved)


def _ids(box: Sandbox, system: str) -> list[str]:
    """Name records of the first and of the last pages."""
    with box.world.lock:
        if system == "hubspot":
            ids = sorted(
                (record["id"] for record in box.world.hubspot.records("contacts")), key=int
            )
        else:
            ids = sorted(row["Id"] for row in box.world.salesforce.all("Lead"))
    return [*ids[:5], *ids[-5:]]


def _change(box: Sandbox, system: str, ids: list[str]) -> None:
    """Let people change records while the pull stands between two pages."""
    world = box.world
    with world.lock:
        world.clock.advance(1)
        for id_ in ids:
            if system == "hubspot":
                world.hubspot.update("contacts", id_, {"firstname": "Moved"})
            else:
                world.salesforce.update("Lead", id_, {"FirstName": "Moved"})


def _versions(warehouse: Warehouse, table: str) -> Any:
    return warehouse.value(f"select count(*) from raw.{table}")


def test_the_second_pull_of_everything_lands_nothing(box: Sandbox, tmp_path: Path) -> None:
    """Through the bulk door and through the other one: a row is the same row by either."""
    httpx.delete(f"{box.control_url}/faults").raise_for_status()
    with Warehouse(tmp_path) as warehouse:
        warehouse.prepare()
        ledger = Ledger(warehouse)
        for bulk_from in (1, 0):
            ledger.begin(box.world.clock.now() + timedelta(seconds=bulk_from), None)
            warehouse.execute("delete from raw.cursors")
            connector = salesforce(bulk_from, 2000)(box)
            pull_stream(connector, stream_of(connector, "leads"), warehouse, ledger)
            connector.close()
            assert _versions(warehouse, "salesforce__leads") == RECORDS
