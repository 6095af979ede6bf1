"""The next page is asked for while the one before it is parsed, landed and committed."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Generic, TypeVar

T = TypeVar("T")


class Ahead(Generic[T]):
    """Makes one call at a time in the background; what it raises is raised where it is taken.

    An org answers in tenths of a second, and so does a landing: one after the other, a large
    first pull would take as long as both together.
    """

    def __init__(self) -> None:
        self._pool: ThreadPoolExecutor | None = None
        self._asked: Future[T] | None = None

    def __enter__(self) -> Ahead[T]:
        """Nothing is started before the first question."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Wait for a call under way: its connection must not be closed under it."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def ask(self, call: Callable[[], T]) -> None:
        """Start a call whose answer will be taken next."""
        if self._pool is None:
            self._pool = ThreadPoolExecutor(1, "salesforce-page")
        self._asked = self._pool.submit(call)

    def take(self, call: Callable[[], T]) -> T:
        """Return the answer of what was asked for, or make this call now."""
        asked, self._asked = self._asked, None
        return call() if asked is None else asked.result()
