"""The main job: from a form submission to an owned, explained lead in the CRM.

Read ``sync_once`` top to bottom: it is the whole sentence. Afterwards every lead that was ready has
one owner, its CRM record carries the score and the reasons, and the owner has one message. On a
second run with nothing new, nothing is written and nobody is told; a run that died is taken up
where it stopped, because each step leaves its result behind before the next begins.
"""

from __future__ import annotations

import asyncio
import shutil
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from flows.settings import Settings, telemetry_off

telemetry_off()

from prefect import flow  # noqa: E402

from flows.connectors.base import Connector  # noqa: E402
from flows.errors import (  # noqa: E402
    Forbidden,
    PipelineError,
    RateLimited,
    VendorError,
    is_refused,
    mask,
)
from flows.ledger import Ledger  # noqa: E402
from flows.running import Do, RunSummary, as_task, end_flow, plainly  # noqa: E402
from flows.steps import (  # noqa: E402
    check,
    clocks,
    describe,
    enrich,
    extract,
    group,
    record,
    transform,
    write_back,
)
from flows.warehouse import Lease, Warehouse  # noqa: E402


@dataclass(slots=True)
class Summary(RunSummary):
    """What one run did, in counts. Units: records, leads, rows, messages; seconds per step."""

    flow: str = "sync"
    dry_run: bool = False
    schema_events: int = 0
    touched: int = 0
    checked: int = 0
    gaps: int = 0
    gaps_by_field: dict[str, int] = field(default_factory=dict)
    enriched: dict[str, int] = field(default_factory=dict)
    adopted: int = 0
    mql: int = 0
    assigned: int = 0
    accounts: int = 0
    owners: dict[str, int] = field(default_factory=dict)
    waiting: int = 0
    moved: int = 0
    rerouted: int = 0
    caught: int = 0
    written: dict[str, int] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    seams: dict[str, float] = field(default_factory=dict)
    handed_over: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The run in a few words, for the list of runs."""
        return f"{self.assigned} handed over, {self.gaps} gaps, {self.rejected} rejected"


async def sync_once(settings: Settings, *, dry_run: bool = False, do: Do = plainly) -> Summary:
    """Bring every lead from source to owner once. Safe to repeat: unchanged rows send nothing.

    A dry run works on copies of both stores and pretends that everything sent was accepted: it
    counts exactly what would be written and writes nothing anywhere. It spends no credit either,
    so what an enrichment provider would add is missing to it.
    Raises: PipelineError, with what was landed kept for the next run.
    """
    connectors = extract.open_connectors(settings)
    try:
        with Lease(settings.home, settings.lease_wait):
            home = _copied(settings.home) if dry_run else settings.home
            for system in connectors.values():
                await do(f"{system.system}", _check, system)
            with Warehouse(home) as warehouse:
                return await _run(settings, warehouse, connectors, dry_run, do)
    finally:
        for system in connectors.values():
            system.close()


def _check(system: Connector) -> None:
    """Prove that a system answers before any work is done.

    One whose calls of the day are used up has answered: what is ready elsewhere still goes out.
    """
    try:
        system.check()
    except RateLimited as error:
        if not error.exhausted:
            raise


async def _run(
    settings: Settings,
    warehouse: Warehouse,
    connectors: dict[str, Connector],
    dry_run: bool,
    do: Do,
) -> Summary:
    summary = Summary(dry_run=dry_run)
    clock = _Clock(summary)
    ledger = Ledger(warehouse)
    with clock("prepare"):
        await do("stores", warehouse.prepare)
        ledger.begin(settings.as_of or datetime.now(UTC), settings.go_live_at)
    summary.run_id = ledger.run_id
    try:
        with clock("extract"):
            await _extract(connectors, warehouse, ledger, summary, do)
        with clock("staging"):
            await do("staging", transform.build_staging, warehouse)
            refused = await do("policy", warehouse.take_over_policy, ledger.as_of)
            if refused:
                summary.troubles.append(
                    f"The policy was refused, so the last good one stays in force: {refused}. "
                    "Mend the row in dbt_project/seeds/policy/."
                )
            # Kept before anybody is decided upon: a decision names the version it was taken under.
            ledger.keep_policy(transform.policy_tables())
        with clock("people"):
            summary.touched = await do("who", transform.find_touched, warehouse)
            ledger.keep_memberships()
        if summary.touched or not warehouse.is_built:
            with clock("profiles"):
                await do("people", transform.build_facts, warehouse)
        if not dry_run:
            with clock("enrich"):
                await _enrich(settings, warehouse, ledger, summary, do)
        if summary.touched or not warehouse.is_built:
            await _decide(warehouse, ledger, summary, clock, do)
        warehouse.mark_built(ledger.run_id, ledger.as_of, check.suite().hash)
        with clock("write_back"):
            await _write_back(connectors, warehouse, ledger, summary, dry_run, do)
        with clock("publish"):
            summary.seams = await do("seams", transform.seams, warehouse)
            if not dry_run:
                await do("published copy", warehouse.publish, ledger.as_of)
    except BaseException as error:
        ledger.end("failed", {"error": mask(str(error))[:1000], **summary.as_dict()})
        _count_calls(connectors, ledger)
        raise
    _count_calls(connectors, ledger)
    ledger.end("done", summary.as_dict())
    return summary


def _count_calls(connectors: dict[str, Connector], ledger: Ledger) -> None:
    """Record what the run asked of each vendor: a budget nobody can read is none."""
    for system in connectors.values():
        ledger.count_calls(system.system, system.budget)


async def _decide(
    warehouse: Warehouse, ledger: Ledger, summary: Summary, clock: _Clock, do: Do
) -> None:
    """Take the touched leads through the rooms, from what is known to what is to be written."""
    with clock("check"):
        await do("lead_profiles", _check_context, warehouse, ledger, summary)
    with clock("proposals"):
        await do("scoring, routing", transform.build_proposals, warehouse)
    with clock("record"):
        recorded = await do("decisions", record.record_decisions, warehouse, ledger)
        summary.adopted, summary.mql = recorded.adopted, recorded.mql
        summary.assigned, summary.waiting = len(recorded.owners), recorded.waiting
        summary.owners, summary.handed_over = recorded.by_owner, list(recorded.owners)
        summary.moved = await do("clocks", clocks.move_clocks, warehouse, ledger)
        summary.rerouted, summary.caught = len(recorded.rerouted), recorded.caught
        summary.accounts = await do("buying groups", group.record_groups, warehouse, ledger)
    with clock("published"):
        await do("lifecycle", transform.build_published, warehouse)
    with clock("tests"):
        await do("touched keys", transform.test_touched, warehouse)


async def _enrich(
    settings: Settings, warehouse: Warehouse, ledger: Ledger, summary: Summary, do: Do
) -> None:
    """Ask providers for what is missing; who got an answer is known better before it is judged."""
    providers, closed = enrich.open_providers(settings)
    summary.troubles += closed
    try:
        enriched = await do(
            "enrichment",
            enrich.enrich,
            warehouse,
            ledger,
            providers,
            lambda: transform.build_candidates(warehouse),
        )
    finally:
        for provider in providers:
            provider.close()
    summary.enriched = enriched.counts()
    summary.troubles += enriched.troubles
    if enriched.found:
        summary.touched = await do("who was found", transform.find_enriched, warehouse)
        await do("people again", transform.build_facts, warehouse)


async def _extract(
    connectors: dict[str, Connector],
    warehouse: Warehouse,
    ledger: Ledger,
    summary: Summary,
    do: Do,
) -> None:
    """Pull the systems side by side, each stream after the other; what fails is told at the end."""
    failed: list[PipelineError] = []

    async def pull(system: Connector) -> None:
        await _watch_fields(system, ledger, summary, do)
        for stream in system.streams:
            address = f"{system.system}.{stream.name}"
            try:
                pulled = await do(
                    address, extract.pull_stream, system, stream, warehouse, ledger, _progress
                )
            except PipelineError as error:
                if stream.is_optional and is_refused(error):
                    summary.skipped[address] = str(error)
                    continue
                if isinstance(error, RateLimited) and error.exhausted:
                    # The day's share is used up: what is known already is still handed over.
                    summary.troubles.append(str(error))
                    break
                failed.append(error)
                if isinstance(error, VendorError | Forbidden) and not error.retryable:
                    # This object is refused; the others may well be given.
                    continue
                # The next stream of a system that does not answer would not be answered either.
                break
            summary.extracted[address] = pulled.landed
            summary.quarantined += pulled.quarantined
        for name, reason in getattr(system, "unswept", {}).items():
            summary.skipped[f"{system.system}.{name} deletions"] = reason
        for name, fields in getattr(system, "dropped_fields", {}).items():
            _tell_dropped(f"{system.system}.{name}", fields, summary)

    await asyncio.gather(*(pull(system) for system in extract.sources(connectors)))
    await asyncio.to_thread(ledger.mint_lead_keys)
    if failed:
        raise failed[0]


def _tell_dropped(address: str, fields: list[str], summary: Summary) -> None:
    """Tell which columns an account does not give us: ours are needed, the others good to have."""
    ours = [name for name in fields if name.startswith("baton_")]
    others = [name for name in fields if name not in ours]
    if ours:
        summary.troubles.append(
            f"{address}: {', '.join(ours)} cannot be read by this user. Run `baton setup-crm`, or "
            "grant the field to the integration user."
        )
    if others:
        summary.skipped[f"{address} columns"] = (
            f"{', '.join(others)}: not there, or not granted to the integration user"
        )


async def _watch_fields(system: Connector, ledger: Ledger, summary: Summary, do: Do) -> None:
    """Tell what changed in a system's schema; one that does not describe itself is pulled blind."""
    address = f"{system.system}.fields"
    try:
        events = await do(address, describe.watch_fields, system, ledger)
    except PipelineError as error:
        # A system that is down says so at its first stream; here only the description is lost.
        summary.skipped[address] = str(error)
        return
    summary.schema_events += len(events)
    summary.troubles += describe.troubles(events)


def _check_context(warehouse: Warehouse, ledger: Ledger, summary: Summary) -> None:
    """Check the touched open leads and record what is missing in each."""
    found = check.check_context(warehouse)
    summary.checked = len(found.checks)
    for gap in found.gaps:
        if gap["severity"] != "info":
            name = gap["field"]
            summary.gaps_by_field[name] = summary.gaps_by_field.get(name, 0) + 1
    summary.troubles += [str(alarm) for alarm in found.alarms]
    summary.gaps = ledger.checks(found.checks, found.gaps, found.suite_hash)
    check.write_data_docs(found, check.suite(), warehouse.home / "docs", ledger.as_of)


async def _write_back(
    connectors: dict[str, Connector],
    warehouse: Warehouse,
    ledger: Ledger,
    summary: Summary,
    dry_run: bool,
    do: Do,
) -> None:
    written = await write_back.send_tables(
        connectors,
        warehouse,
        ledger,
        do,
        send=write_back.pretend if dry_run else write_back.push,
    )
    summary.written = {
        target: count for target, count in written.accepted.items() if "message" not in target
    }
    summary.messages, summary.rejected = written.messages, written.rejected
    summary.unknown = written.unknown
    summary.troubles += written.troubles


def _progress(address: str, done: int, total: int | None) -> None:
    """Show how far a long pull is, where a flow run is there to show it."""
    from prefect.artifacts import create_progress_artifact, update_progress_artifact
    from prefect.context import TaskRunContext

    if total is None or TaskRunContext.get() is None:
        return
    percent = min(100.0, 100.0 * done / max(total, 1))
    known = _PROGRESS.get(address)
    if known is None:
        _PROGRESS[address] = create_progress_artifact(
            progress=percent, description=f"{address}: records pulled"
        )
    else:
        update_progress_artifact(artifact_id=known, progress=percent)


_PROGRESS: dict[str, Any] = {}


class _Clock:
    """Times the steps of a run into its summary."""

    def __init__(self, summary: Summary) -> None:
        self._seconds = summary.seconds

    def __call__(self, step: str) -> _Clock:
        self._step = step
        return self

    def __enter__(self) -> None:
        self._began = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        self._seconds[self._step] = round(time.perf_counter() - self._began, 3)


def _copied(home: Path) -> Path:
    """Copy both stores for a dry run; the copy is made anew each time."""
    copy = home / "dry-run"
    shutil.rmtree(copy, ignore_errors=True)
    copy.mkdir(parents=True)
    for path in home.glob("*.duckdb*"):
        shutil.copy2(path, copy / path.name)
    return copy


@flow(name="sync", persist_result=False)
async def sync(dry_run: bool = False, env_file: str | None = None) -> dict[str, Any]:
    """Bring every lead from source to owner once. Safe to repeat: unchanged rows send nothing."""
    settings = Settings.load(Path(env_file) if env_file else None)
    _PROGRESS.clear()
    summary = await sync_once(settings, dry_run=dry_run, do=as_task)
    return await end_flow(summary, "Everything else was written", report(summary))


def report(summary: Summary) -> str:
    """Write a run as a page for ops: counts, gaps by field, hand-overs by key, seams."""

    def table(title: str, left: str, right: str, rows: dict[str, Any]) -> str:
        body = "\n".join(f"| {name} | {value} |" for name, value in rows.items())
        return f"\n## {title}\n\n| {left} | {right} |\n| --- | ---: |\n{body}\n" if rows else ""

    return (
        f"# {summary.name}\n\nRun `{summary.run_id}`, {summary.touched} leads touched, "
        f"{summary.checked} checked, {summary.adopted} adopted, {summary.messages} messages.\n"
        + table("Extracted", "stream", "new versions", summary.extracted)
        + table("Not pulled", "stream", "why", summary.skipped)
        + table("Context gaps", "field", "leads", summary.gaps_by_field)
        + table("Enriched", "outcome", "lookups", summary.enriched)
        + table("Owners", "owner", "leads", summary.owners)
        + table("Written", "target", "rows", summary.written)
        + table("Seams", "seam", "median seconds", summary.seams)
        + table("Steps", "step", "seconds", summary.seconds)
        + ("\n## Handed over\n\n" if summary.handed_over else "")
        + "".join(f"- `{key}`\n" for key in summary.handed_over)
        + ("\n## For a person\n\n" if summary.troubles else "")
        + "".join(f"- {trouble}\n" for trouble in summary.troubles)
    )
