"""What every flow shares: how a piece of work is done, and how a run ends.

A flow is a whole of its own and imports no other; what two of them say stands here, once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from flows.errors import PipelineError

Do = Callable[..., Awaitable[Any]]

FOR_A_PERSON = ("rejected", "unknown", "quarantined", "troubles")


def needs_a_person(summary: Mapping[str, Any]) -> bool:
    """Say whether a run left something that time alone does not cure."""
    return any(summary.get(name) for name in FOR_A_PERSON)


@dataclass(slots=True)
class RunSummary:
    """What every run tells, in counts; a flow adds its own. Units: records, rows, messages."""

    run_id: str = ""
    flow: str = ""
    extracted: dict[str, int] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    quarantined: int = 0
    messages: int = 0
    rejected: int = 0
    unknown: int = 0
    troubles: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The run in a few words, for the list of runs."""
        return f"{self.messages} messages, {self.rejected} rejected"

    @property
    def needs_a_person(self) -> bool:
        """Something happened that time alone does not cure."""
        return needs_a_person(self.as_dict())

    def as_dict(self) -> dict[str, Any]:
        """Return the object that ``--json`` prints and the ledger keeps."""
        return asdict(self)


class NeedsAPerson(PipelineError):  # noqa: N818 - what happened, as in errors.py
    """A run did what it could and left something for a person; ``summary`` says what it did."""

    def __init__(self, message: str, summary: dict[str, Any] | None = None, **where: Any) -> None:
        super().__init__(message, **where)
        self.summary = summary or {}


async def plainly(_address: str, work: Callable[..., Any], *arguments: Any) -> Any:
    """Do a piece of work without recording it anywhere."""
    return await asyncio.to_thread(work, *arguments)


async def as_task(address: str, work: Callable[..., Any], *arguments: Any) -> Any:
    """Do a piece of work as a Prefect task named after what it works on."""
    from prefect import task
    from prefect.cache_policies import NO_CACHE

    verb = getattr(work, "__name__", "work")

    @task(name=verb, task_run_name=address, cache_policy=NO_CACHE, persist_result=False)
    async def run() -> Any:
        return await asyncio.to_thread(work, *arguments)

    return await run()


async def end_flow(summary: RunSummary, state: str, page: str | None = None) -> dict[str, Any]:
    """Say in Prefect what a flow run did, with a page for ops where there is one.

    ``state`` says what was done in spite of what is left.
    Raises: NeedsAPerson where something is left for one, so that no run is green with failures
    inside: what was done stays done, and the run says what was not.
    """
    from prefect import get_run_logger
    from prefect.runtime import flow_run

    get_run_logger().info("%s (run %s)", summary.name, summary.run_id or "none")
    if flow_run.id is not None:
        await _name_run(flow_run.id, summary, page)
    if summary.needs_a_person:
        raise NeedsAPerson(
            f"{summary.name}. " + " ".join(summary.troubles or ["See quarantine."]),
            summary.as_dict(),
            state=state,
            next_step="See `baton status`",
        )
    return summary.as_dict()


async def _name_run(flow_run_id: str, summary: RunSummary, page: str | None) -> None:
    from uuid import UUID

    from prefect import get_client
    from prefect.artifacts import acreate_markdown_artifact

    async with get_client() as client:
        await client.update_flow_run(UUID(flow_run_id), name=summary.name)
    if page is not None:
        await acreate_markdown_artifact(key=summary.flow, markdown=page, description=summary.name)
