"""A scripted vendor per test, and the connectors that speak to it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from flows.connectors.hubspot import HubSpot
from flows.connectors.salesforce import Salesforce
from tests.flows.connectors.hubspot_account import connect
from tests.flows.connectors.salesforce_org import SECRET, Org
from tests.flows.connectors.vendor import QUICK, Vendor


@pytest.fixture
def vendor() -> Iterator[Vendor]:
    server = Vendor()
    yield server
    server.stop()


@pytest.fixture
def hubspot(vendor: Vendor) -> Iterator[HubSpot]:
    with closing(connect(vendor)) as connector:
        yield connector


@pytest.fixture
def org(vendor: Vendor) -> Org:
    return Org(vendor)


@pytest.fixture
def salesforce(vendor: Vendor, org: Org) -> Iterator[Salesforce]:
    connector = Salesforce(
        login_url=vendor.url,
        client_id="app",
        client_secret=SECRET,
        timeout=2,
        bulk_from=5,
        patience=QUICK,
    )
    with closing(connector):
        yield connector
