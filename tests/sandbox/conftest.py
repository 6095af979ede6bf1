"""One running sandbox per module, with a fixed present, and a client for its control app."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import httpx
import pytest

from sandbox.server import Sandbox
from tests.sandbox.hubspot_portal import portal, portal_server
from tests.sandbox.salesforce_org import org, org_server

# Fixtures that live beside what they serve.
__all__ = ["org", "org_server", "portal", "portal_server"]

NOW = datetime(2026, 3, 18, 15, 30, tzinfo=UTC)


@pytest.fixture(scope="module")
def now() -> datetime:
    return NOW


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    with Sandbox(leads=150, seed=7, now=NOW, limits=False) as running:
        yield running


@pytest.fixture
def control(box: Sandbox) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=box.control_url, timeout=20) as client:
        yield client
        client.delete("/faults")
