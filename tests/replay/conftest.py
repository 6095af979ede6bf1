"""A player of recordings, and one sandbox per module to compare them with."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from flows.connectors.salesforce import Salesforce
from sandbox.server import Sandbox
from tests.flows.connectors.vendor import QUICK, Vendor
from tests.replay.wire import SECRET


@pytest.fixture
def player() -> Iterator[Vendor]:
    """A server that plays what it is told to whoever asks."""
    server = Vendor()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    """A small world with limits on, so that its rate headers are there to be compared."""
    with Sandbox(leads=60, seed=7) as sandbox:
        yield sandbox


@pytest.fixture
def salesforce(player: Vendor) -> Iterator[Salesforce]:
    """Our connector, pointed at the player."""
    connector = Salesforce(
        login_url=player.url,
        client_id="client",
        client_secret=SECRET,
        timeout=5,
        patience=QUICK,
    )
    yield connector
    connector.close()
