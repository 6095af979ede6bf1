"""What the end-to-end tests share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from sandbox.server import Sandbox
from tests.e2e.stage import Stage

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whatever stands in this folder runs whole syncs."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker("e2e")
            if item.get_closest_marker("timeout") is None:
                item.add_marker(pytest.mark.timeout(600))


@pytest.fixture(scope="module")
def set_up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Stage]]:
    """Make stages (``set_up(leads=150)``); settings are named as the environment names them.

    They went live a day before the sandbox's now, so that the golden leads are handed over and
    the history is adopted; ``lives=False`` leaves that moment to the first sync.
    """
    with ExitStack() as stack:

        def build(box: Sandbox | None = None, *, lives: bool = True, **options: Any) -> Stage:
            more = {name: options.pop(name) for name in list(options) if name.isupper()}
            running = box or stack.enter_context(Sandbox(**{"seed": 7, **options}))
            if lives:
                more["BATON_GO_LIVE_AT"] = running.world.clock.now() - timedelta(days=1)
            return Stage(running, tmp_path_factory.mktemp("home") / "baton", **more)

        yield build
