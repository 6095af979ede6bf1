"""A published copy with one lead told whole."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from flows.warehouse import Reader, published
from tests.flows.story.one_lead import DRAWN, publish


@pytest.fixture
def reader(baton_home: Path) -> Iterator[Reader]:
    publish(baton_home, DRAWN.credits_after)
    with published(baton_home) as opened:
        yield opened
