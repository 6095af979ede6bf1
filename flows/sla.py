"""First-touch clocks: a reminder before one runs out, a backup and a note to the owner after it.

Afterwards whoever has to hear of a clock has heard of it, each once, whatever was killed. Only what
sales did is read, no room is built and nobody is decided upon: the next sync sees what was landed
here as if it had landed it itself. A second run with nothing due tells nobody.

Nobody is reminded or coached on an old reading, nor on half of a new one. While Salesforce cannot
be read to the end, what is due waits, the run says so, and the first that can read again makes up
for it: the call may have been made and stand there.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from flows.settings import Settings, telemetry_off

telemetry_off()

from prefect import flow  # noqa: E402

from flows.connectors.base import Connector  # noqa: E402
from flows.errors import PipelineError, is_refused, mask  # noqa: E402
from flows.ledger import Ledger  # noqa: E402
from flows.running import Do, RunSummary, as_task, end_flow, plainly  # noqa: E402
from flows.steps import clocks, extract, transform, write_back  # noqa: E402
from flows.warehouse import Lease, Warehouse  # noqa: E402

SYSTEMS = ("salesforce", "slack", "smtp")
# Who is who, and what was done with whom; the rest of the CRM is the sync's.
STREAMS = ("users", "tasks", "events")
STAGED = tuple(f"stg_salesforce__{name}" for name in STREAMS)
KINDS = ("remind", "escalate", "coach")
UNSENT = "select count(*) from write_back.int_messages__addressed where list_contains(?, kind)"
NEVER_BUILT = "Nothing is built here yet; the first sync builds it"
NOT_BUILT = (
    "The rooms are not built by the models as they are, so nobody is told of any clock. "
    "The next sync that succeeds builds them: see `baton status`."
)


@dataclass(slots=True)
class Summary(RunSummary):
    """What one run did, in counts. Units: records, actions, messages."""

    flow: str = "sla"
    actions: dict[str, int] = field(default_factory=dict)
    waiting: int = 0

    @property
    def name(self) -> str:
        """The run in a few words, for the list of runs."""
        told = ", ".join(f"{count} {name}" for name, count in sorted(self.actions.items()))
        return f"{told or 'nothing due'}, {self.messages} messages"


async def sla_once(settings: Settings, *, do: Do = plainly) -> Summary:
    """Tell whoever has to hear of a clock, once. Safe to repeat: what was told is not told again.

    Raises: PipelineError where nobody can be told; then nothing is recorded but what was read.
    """
    connectors = {name: extract.open_connector(settings, name) for name in SYSTEMS}
    try:
        with Lease(settings.home, settings.sla_lease_wait), Warehouse(settings.home) as warehouse:
            await do("stores", warehouse.prepare)
            if warehouse.is_built:
                return await run(settings, warehouse, connectors, do)
            if not warehouse.value("select count(*) from raw.builds"):
                return Summary(skipped={"everything": NEVER_BUILT})
            return _shut(settings, warehouse)
    finally:
        for system in connectors.values():
            system.close()


def _shut(settings: Settings, warehouse: Warehouse) -> Summary:
    """Record that clocks run and nobody can be told: a deploy whose syncs fail ends like this."""
    summary, ledger = Summary(troubles=[NOT_BUILT]), Ledger(warehouse)
    ledger.begin(settings.as_of or datetime.now(UTC), settings.go_live_at, summary.flow)
    summary.run_id = ledger.run_id
    ledger.end("done", summary.as_dict())
    return summary


async def run(
    settings: Settings, warehouse: Warehouse, connectors: dict[str, Connector], do: Do
) -> Summary:
    """Tell of the clocks of an open warehouse, whose rooms are built."""
    summary, ledger = Summary(), Ledger(warehouse)
    ledger.begin(settings.as_of or datetime.now(UTC), settings.go_live_at, summary.flow)
    summary.run_id = ledger.run_id
    try:
        is_read = await _read(connectors["salesforce"], warehouse, ledger, summary, do)
        await do("staging", transform.build_staging, warehouse, STAGED)
        acted = await do("clocks", clocks.record_actions, warehouse, ledger, is_read)
        summary.actions, summary.waiting = acted.actions, acted.waiting
        if is_read:
            await _tell(connectors, warehouse, ledger, summary, do)
        else:
            # Recorded on an earlier reading: by now the call may stand there, of these too.
            summary.waiting += warehouse.value(UNSENT, [list(KINDS)])
    except BaseException as error:
        ledger.end("failed", {"error": mask(str(error))[:1000], **summary.as_dict()})
        raise
    finally:
        for system in connectors.values():
            ledger.count_calls(system.system, system.budget)
    ledger.end("done", summary.as_dict())
    return summary


async def _read(
    salesforce: Connector, warehouse: Warehouse, ledger: Ledger, summary: Summary, do: Do
) -> bool:
    """Land what sales did; returns whether all of it was read. What cannot be read is told.

    A call stands among the tasks, a meeting among the events: half of it is an old reading. What
    the account has not granted is not waited for.
    """
    for stream in salesforce.streams:
        if stream.name not in STREAMS:
            continue
        address = f"{salesforce.system}.{stream.name}"
        try:
            pulled = await do(address, extract.pull_stream, salesforce, stream, warehouse, ledger)
        except PipelineError as error:
            if stream.is_optional and is_refused(error):
                summary.skipped[address] = str(error)
                continue
            summary.troubles.append(str(error))
            return False
        summary.extracted[address] = pulled.landed
        # A record is put into quarantine once, so no other run is going to tell of it.
        summary.quarantined += pulled.quarantined
    return True


async def _tell(
    connectors: dict[str, Connector],
    warehouse: Warehouse,
    ledger: Ledger,
    summary: Summary,
    do: Do,
) -> None:
    """Send what is recorded and was not sent, also by a run that died before it could."""
    written = await write_back.send_tables(
        connectors, warehouse, ledger, do, only=write_back.MESSAGES, kinds=KINDS
    )
    summary.messages, summary.rejected = written.messages, written.rejected
    summary.unknown = written.unknown
    summary.troubles += written.troubles


def summary_lines(summary: dict[str, Any]) -> list[str]:
    """Tell one run in a few lines."""
    if not summary["run_id"]:
        return [f"  waits      {reason}." for reason in summary["skipped"].values()]
    landed = sum(summary["extracted"].values())
    actions = ", ".join(f"{name} {count}" for name, count in sorted(summary["actions"].items()))
    aside = f"; {summary['quarantined']} put in quarantine" if summary["quarantined"] else ""
    lines = [
        f"  came       {landed} new versions from salesforce{aside}",
        f"  clocks     {actions or 'nothing is due'}",
        f"  told       {summary['messages']} messages sent; run {summary['run_id']}",
    ]
    if summary["waiting"]:
        lines.append(
            f"  waits      {summary['waiting']} actions for a newer reading of Salesforce: "
            "the call may stand there"
        )
    return lines + [f"  to mend    {trouble}" for trouble in summary["troubles"]]


@flow(name="sla", persist_result=False)
async def sla(env_file: str | None = None) -> dict[str, Any]:
    """Remind, escalate and coach by the first-touch clocks, each once."""
    settings = Settings.load(Path(env_file) if env_file else None)
    return await end_flow(await sla_once(settings, do=as_task), "Everything else was told")
