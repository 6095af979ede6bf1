"""The command line: ``baton``. Each command prints for a person, or one JSON object for a program.

Exit status: 0 done, 1 something needs a person, 2 wrong usage. What can be expected to go wrong is
told in a sentence; a traceback is a mistake of ours.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

from flows.settings import Settings, prefect_address, telemetry_off

telemetry_off()

import typer  # noqa: E402

from flows.errors import PipelineError, Unreachable  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent
WRONG_USAGE = 2
INTERRUPTED = 130

commands = typer.Typer(
    name="baton",
    help="Pass every lead from marketing to sales without dropping it.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object instead of text.")]


@dataclass(frozen=True)
class Told:
    """What comes before the command."""

    env_file: Path | None

    @property
    def settings(self) -> Settings:
        """The settings, read when a command asks for them. Raises: SettingsError."""
        return Settings.load(self.env_file)


@commands.callback(invoke_without_command=True)
def before(
    context: typer.Context,
    env_file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Settings, as .env.example lists them; what is exported wins."
        ),
    ] = None,
) -> None:
    """Pass every lead from marketing to sales without dropping it."""
    context.obj = Told(env_file)
    if context.invoked_subcommand is None:
        _to_stderr(context.get_help())
        raise typer.Exit(WRONG_USAGE)


@commands.command()
def demo(
    context: typer.Context,
    end: Annotated[bool, typer.Option("--exit", help="Stop everything after the syncs.")] = False,
    leads: Annotated[int, typer.Option(min=1, metavar="N", help="People to invent.")] = 500,
    as_json: AsJson = False,
) -> None:
    """Show the whole of it on this machine: an invented outside world, Prefect, three syncs."""
    from flows.demo import Demo

    home = context.obj.settings.home
    shown = Demo(home, leads, _to_stderr if as_json else _say).run(
        stay=not end, result=_print_json if as_json else None
    )
    raise typer.Exit(shown)


@commands.command()
def sandbox(
    leads: Annotated[int | None, typer.Option(min=0, metavar="N", help="People to invent.")] = None,
    seed: Annotated[int | None, typer.Option(metavar="S", help="Same seed, same people.")] = None,
    load: Annotated[
        tuple[str, Path] | None,
        typer.Option(metavar="KIND DIR", help="A data set instead of inventions: olist DIR."),
    ] = None,
    env: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write addresses and tokens here, as settings."),
    ] = None,
    truth: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write what was planted here, as JSON.")
    ] = None,
    no_limits: Annotated[bool, typer.Option("--no-limits", help="No rate limits.")] = False,
    bare_crm: Annotated[
        bool, typer.Option("--bare-crm", help="CRMs without the fields Baton writes to.")
    ] = False,
    now: Annotated[
        str | None, typer.Option(metavar="ISO", help="The sandbox's present instead of real time.")
    ] = None,
    arrivals: Annotated[
        float | None, typer.Option(min=0, metavar="PER_MINUTE", help="Submissions a minute.")
    ] = None,
    ports_from: Annotated[
        int | None, typer.Option(metavar="P", help="Ports P to P+6 instead of free ones.")
    ] = None,
) -> None:
    """Run the outside world alone until Ctrl-C: HubSpot, Salesforce, Slack, mail on loopback."""
    given: dict[str, object] = {
        "--leads": leads,
        "--seed": seed,
        "--env": env and env.resolve(),
        "--truth": truth and truth.resolve(),
        "--now": now,
        "--arrivals": arrivals,
        "--ports-from": ports_from,
    }
    arguments = [
        text for name, value in given.items() if value is not None for text in (name, str(value))
    ]
    if load:
        arguments += ["--load", load[0], str(load[1].resolve())]
    if no_limits:
        arguments.append("--no-limits")
    if bare_crm:
        arguments.append("--bare-crm")
    raise typer.Exit(_run_sandbox(arguments))


def _run_sandbox(arguments: Sequence[str]) -> int:
    """Run it as a child; what we are told to do by a signal, it is told too."""
    import signal
    import subprocess

    child = subprocess.Popen([sys.executable, "-m", "sandbox", *arguments], cwd=ROOT)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # The terminal may have told the child already: being told twice changes nothing.
        signal.signal(number, lambda told, _frame: child.send_signal(told))
    status = child.wait()
    return 128 - status if status < 0 else status


@commands.command()
def sync(
    context: typer.Context,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Work on copies; write and tell nothing.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Bring every lead from source to owner once. Run again, it changes nothing."""
    settings: Settings = context.obj.settings
    settings.require()
    from flows.running import needs_a_person
    from flows.sync import sync as sync_flow
    from flows.sync import sync_once

    file = _env_file(context)
    summary = _as_flow(
        lambda: sync_once(settings, dry_run=dry_run),
        lambda: sync_flow(dry_run=dry_run, env_file=file),
    )
    if as_json:
        _print_json(summary)
    else:
        from flows.status import names_of_reps, summary_lines

        _say(*summary_lines(summary, names_of_reps(settings.home, dry_run)))
    raise typer.Exit(1 if needs_a_person(summary) else 0)


@commands.command()
def sla(context: typer.Context, as_json: AsJson = False) -> None:
    """Remind, escalate and coach by the first-touch clocks. Run again, it tells nobody twice."""
    from flows.running import needs_a_person
    from flows.sla import SYSTEMS, sla_once, summary_lines
    from flows.sla import sla as sla_flow

    settings: Settings = context.obj.settings
    settings.require(SYSTEMS)
    file = _env_file(context)
    summary = _as_flow(lambda: sla_once(settings), lambda: sla_flow(env_file=file))
    if as_json:
        _print_json(summary)
    else:
        _say(*summary_lines(summary))
    raise typer.Exit(1 if needs_a_person(summary) else 0)


def _env_file(context: typer.Context) -> str | None:
    """Name the file of settings to a flow, which may run in another folder."""
    file: Path | None = context.obj.env_file
    return str(file.resolve()) if file else None


def _as_flow(
    plainly: Callable[[], Coroutine[Any, Any, Any]],
    as_flow: Callable[[], Coroutine[Any, Any, dict[str, Any]]],
) -> dict[str, Any]:
    """Run it as a flow where a Prefect server is named, else plainly."""
    import asyncio

    from prefect.exceptions import TerminationSignal

    from flows.demo import quiet_console
    from flows.running import NeedsAPerson

    quiet_console()
    if prefect_address() is None:
        told: dict[str, Any] = asyncio.run(plainly()).as_dict()
        return told
    try:
        return asyncio.run(as_flow())
    except NeedsAPerson as left:
        return left.summary
    except TerminationSignal:  # while a flow runs, Prefect turns SIGTERM into this
        raise KeyboardInterrupt from None
    except RuntimeError as error:
        if "Failed to reach API" not in str(error):
            raise
        raise Unreachable(
            "the Prefect server does not answer",
            answer=str(error),
            next_step="Start it, or unset PREFECT_API_URL to run without one",
        ) from None


@commands.command()
def status(context: typer.Context, as_json: AsJson = False) -> None:
    """Show freshness, reconciliation, quarantine, clocks, and what needs a person."""
    from flows.status import read_status, status_lines

    settings: Settings = context.obj.settings
    now = (settings.as_of or datetime.now(UTC)).astimezone(UTC).replace(tzinfo=None)
    found = read_status(settings.home, now)
    if as_json:
        _print_json(found)
    else:
        _say(*status_lines(found))
    raise typer.Exit(1 if found["needs_a_person"] else 0)


@commands.command()
def doctor(context: typer.Context, as_json: AsJson = False) -> None:
    """Look at credentials, scopes, fields, limits, clock, stores, Prefect; name each cure."""
    from dataclasses import asdict

    from flows.doctor import examine
    from flows.steps.extract import open_connector

    findings = []
    for finding in examine(context.obj.settings, open_connector):
        findings.append(finding)
        if not as_json:
            # Each as soon as it is known: a system that does not answer takes its time.
            _say(f"{finding.status:<8} {finding.check}: {finding.detail}")
            if finding.cure:
                _say(f"         cure: {finding.cure}")
    counts = {
        status: sum(finding.status == status for finding in findings)
        for status in ("ok", "warning", "broken")
    }
    if as_json:
        _print_json({**counts, "findings": [asdict(finding) for finding in findings]})
    else:
        _say(", ".join(f"{count} {status}" for status, count in counts.items()))
    raise typer.Exit(1 if counts["broken"] else 0)


@commands.command("setup-crm")
def setup_crm(context: typer.Context, as_json: AsJson = False) -> None:
    """Make the fields Baton writes, in HubSpot and Salesforce. Run again, it changes nothing."""
    from dataclasses import asdict

    from flows.setup_crm import set_up

    changes = []
    for system, change in set_up(context.obj.settings):
        changes.append({"system": system, **asdict(change)})
        if not as_json:
            detail = f": {change.detail}" if change.detail else ""
            _say(f"{change.status:<8} {system} {change.what}{detail}")
    counts = {
        status: sum(change["status"] == status for change in changes)
        for status in ("created", "granted", "present", "refused")
    }
    if as_json:
        _print_json({**counts, "changes": changes})
    else:
        _say(", ".join(f"{count} {status}" for status, count in counts.items()))
    raise typer.Exit(1 if counts["refused"] else 0)


@commands.command()
def explain(
    context: typer.Context,
    who: Annotated[str, typer.Argument(metavar="EMAIL|LEAD_KEY", help="The person.")],
    rival: Annotated[
        str | None,
        typer.Option("--not", metavar="REP", help="Why it is not this one's: a name or CRM id."),
    ] = None,
    as_of: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%d"],
            metavar="YYYY-MM-DD",
            help="As it was known at the end of that day, UTC.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Tell one lead's story: why this score, why this owner and not her, why this due time."""
    from flows.story import read_story, story_lines
    from flows.warehouse import published

    with published(context.obj.settings.home) as reader:
        story = read_story(reader, who, rival, as_of.date() if as_of else None)
    if as_json:
        _print_json(story)
    else:
        _say(*story_lines(story))


@commands.command(
    epilog="Schemas: people, scoring, routing, lifecycle, write_back and reporting hold what is "
    'computed; ops and quality what is recorded. `baton sql "show all tables"` lists them; '
    "lifecycle.lead_lifecycle is the one to begin with."
)
def sql(
    context: typer.Context,
    query: Annotated[str, typer.Argument(metavar="SELECT", help="One select, in DuckDB's SQL.")],
    as_json: AsJson = False,
) -> None:
    """Ask the published copy of the tables. Read only: nothing can be written or reached."""
    from flows.status import table_lines
    from flows.warehouse import published

    with published(context.obj.settings.home) as reader:
        kinds = reader.statements(query)
        if len(kinds) != 1 or kinds[0] not in ("SELECT", "EXPLAIN"):
            found = f", not {' and '.join(kinds).lower()}" if kinds else ""
            raise typer.BadParameter(
                f"the tables are read only: give one select{found}", param_hint="SELECT"
            )
        names, rows = reader.table(query)
    if as_json:
        _print_json([dict(zip(names, row, strict=True)) for row in rows])
    else:
        _say(*table_lines(names, rows))


def _say(*lines: str) -> None:
    for line in lines:
        print(line, flush=True)


def _to_stderr(*lines: str) -> None:
    for line in lines:
        print(line, file=sys.stderr, flush=True)


def _print_json(value: Any) -> None:
    print(json.dumps(value, default=_plain, ensure_ascii=False), flush=True)


def _plain(value: Any) -> Any:
    if isinstance(value, datetime | date):
        return value.isoformat()
    return float(value) if isinstance(value, Decimal) else str(value)


def app(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit status. Errors are one sentence, or one JSON object."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    wants_json = "--json" in given
    try:
        answer = typer.main.get_command(commands).main(given, "baton", standalone_mode=False)
        return answer if isinstance(answer, int) else 0
    except typer.TyperException as wrong:
        sentence = wrong.format_message()
        if wants_json:
            _print_json({"error": sentence, "kind": "wrong usage"})
        else:
            _to_stderr(f"baton: {sentence.rstrip('.')}. Try `baton --help`.")
        return WRONG_USAGE
    except PipelineError as error:
        if wants_json:
            _print_json({"error": str(error), "kind": type(error).__name__})
        else:
            _to_stderr(f"baton: {error}")
        return 1
    except (typer.Abort, KeyboardInterrupt):
        _to_stderr("baton: stopped")
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read us (`| head`) has enough; the interpreter would complain when it flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


if __name__ == "__main__":
    sys.exit(app())
