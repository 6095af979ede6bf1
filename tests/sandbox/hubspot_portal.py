"""A HubSpot account on loopback, and shorthands for the tests about it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from threading import RLock
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from sandbox.clock import Clock
from sandbox.hubspot import HubSpotStore, hubspot_app
from sandbox.server import Server

NOW = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
LONG_AGO = NOW - timedelta(days=30)
CONTACTS = "/crm/objects/2026-09/contacts"
FORM = "11111111-0000-4000-8000-000000000001"
PORTAL = 48_000_001


@dataclass
class Portal:
    """A store, the client that speaks to it, and shorthands for the tests."""

    store: HubSpotStore
    http: httpx.Client
    clock: Clock

    def contact(self, email: str | None = None, at: datetime = LONG_AGO, **props: Any) -> str:
        if email is not None:
            props["email"] = email
        return self.store.create("contacts", props, at=at)

    def search(self, path: str = CONTACTS, **body: Any) -> dict[str, Any]:
        answer = self.http.post(f"{path}/search", json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def found(self, *filters: dict[str, Any], path: str = CONTACTS) -> list[str]:
        groups = [{"filters": list(filters)}] if filters else []
        return [row["id"] for row in self.search(path, filterGroups=groups, limit=200)["results"]]


def where(name: str, operator: str, value: Any = None, **more: Any) -> dict[str, Any]:
    given = {} if value is None else {"value": value}
    return {"propertyName": name, "operator": operator, **given, **more}


def ms(moment: datetime) -> str:
    return str(int(moment.timestamp() * 1000))


@pytest.fixture(scope="module")
def portal_server() -> Iterator[tuple[SimpleNamespace, str]]:
    """One server for the file; each test puts a fresh store into its world."""
    world = SimpleNamespace(hubspot=None, lock=RLock())
    served = Server("hubspot", hubspot_app(world), 0)
    served.start()
    yield world, served.url
    served.stop()


@pytest.fixture
def portal(portal_server: tuple[SimpleNamespace, str]) -> Iterator[Portal]:
    world, address = portal_server
    clock = Clock(NOW)
    world.hubspot = HubSpotStore(clock, PORTAL, "pat-test", limits=False, index_lag=0)
    world.hubspot.add_owner("7001", "ava.morgan@lumenfold.example", "Ava", "Morgan", 4001)
    world.hubspot.add_owner("7009", "ivan.petrov@lumenfold.example", "Ivan", "Petrov", 4009, True)
    world.hubspot.add_form(FORM, "Request a demo", created_at=LONG_AGO)
    headers = {"Authorization": "Bearer pat-test"}
    with httpx.Client(base_url=address, headers=headers, timeout=10) as http:
        yield Portal(world.hubspot, http, clock)
