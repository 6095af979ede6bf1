"""What stands in the stores, told to a person: one run, the state of everything, any table."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from flows.connectors.enrichment import FREE
from flows.errors import PipelineError, WarehouseBusy, WarehouseError, shorten
from flows.policy import policy_at
from flows.sales import read_sales, sales_lines
from flows.warehouse import Lease, Reader, published
from flows.watch import read_watch, watch_for_a_person, watch_lines

CELL = 100  # a document in a cell would push every other column off the screen
FEW = 8
# One row per flow: they fail, and stand still, each on its own.
LAST_RUNS = """
with
    named as (
        select *, coalesce(max(summary ->> '$.flow') over (partition by run_id), 'sync') as flow
        from ops.runs
    )
select
    flow,
    run_id,
    min(as_of) as as_of,
    arg_max(phase, recorded_at) as phase,
    arg_max(summary, recorded_at) filter (where summary is not null) as summary,
    max(recorded_at) as recorded_at,
    max(max(as_of) filter (where phase = 'done')) over (partition by flow) as ended_at
from named
group by flow, run_id
qualify row_number() over (partition by flow order by min(as_of) desc) = 1
"""
# A person without an account in Slack is told by mail: that refusal is an answer, not a trouble.
LAST_RECEIPTS = """
select target, row_key, lead_key, status, reason, recorded_at
from ops.receipts
qualify
    row_number() over (partition by target, row_key order by receipt_seq desc) = 1
    and (target <> 'slack.message' or coalesce(reason, '') <> 'users_not_found')
"""


SCHEMA_OF_THE_WEEK = """
select address, field, change, before, after, needs_a_person, cure, as_of
from ops.schema_events
where as_of > (select max(as_of) from ops.runs) - interval 7 day
order by needs_a_person desc, as_of desc, address, field
"""
QUOTAS = """
select system, max(used) as used, max(allowed) as allowed, max(as_of) as as_of
from ops.quotas
where used is not null
group by system, as_of
qualify row_number() over (partition by system order by as_of desc) = 1
order by system
"""

BOUGHT_NOTHING = ", ".join(f"'{status}'" for status in FREE)
ENRICHMENT = f"""
with
    calls as (
        select provider, period, status, reason, as_of
        from ops.enrichment_calls
        qualify row_number() over (partition by call_id order by call_seq desc) = 1
    ),
    this_month as (select strftime(max(as_of), '%Y-%m') as period from ops.runs),
    budgets as (
        select
            policy_row ->> '$.provider' as provider,
            (policy_row ->> '$.monthly_budget')::bigint as monthly_budget
        from ops.policy_versions
        where policy_table = 'enrichment_providers' and policy_version = ?
    )
select
    budgets.provider,
    budgets.monthly_budget,
    count(*) filter (
        where
            calls.period = this_month.period
            and calls.status not in ({BOUGHT_NOTHING})
    ) as used,
    count(*) filter (where calls.status = 'pending') as pending,
    count(*) filter (
        where calls.status in ('unknown', 'intent') and calls.period = this_month.period
    ) as lost,
    arg_max(calls.status, calls.as_of) as last_status,
    arg_max(calls.reason, calls.as_of) as last_reason,
    max(calls.as_of) as last_asked_at
from budgets
cross join this_month
inner join calls on budgets.provider = calls.provider
group by budgets.provider, budgets.monthly_budget
order by budgets.provider
"""


# One run


def names_of_reps(home: Path, dry_run: bool = False) -> dict[str, str]:
    """Return the reps' names by CRM user id; an id without a name stays an id."""
    with contextlib.suppress(PipelineError):
        if dry_run:
            with Reader(home / "dry-run" / "ledger.duckdb") as reader:
                return reps_of(reader)
        with published(home) as reader:
            return reps_of(reader)
    return {}


def reps_of(reader: Reader) -> dict[str, str]:
    """Return the names of all reps that were ever considered for a lead."""
    return {
        row["rep"]: row["name"]
        for row in reader.rows(
            "select one->>'rep' as rep, arg_max(one->>'name', as_of) as name "
            "from (select unnest(candidates::json[]) as one, as_of from ops.assignments) "
            "where one->>'name' is not null group by rep"
        )
    }


def summary_lines(summary: Mapping[str, Any], names: Mapping[str, str]) -> list[str]:
    """Tell one run in a few lines."""
    by_system: dict[str, int] = {}
    for address, count in summary["extracted"].items():
        system = address.partition(".")[0]
        by_system[system] = by_system.get(system, 0) + count
    owners = {names.get(rep, rep): count for rep, count in summary["owners"].items()}
    held = summary["waiting"]
    fields = _counts(summary["gaps_by_field"], sort=True)
    lines = [
        _line(
            "came",
            _counts(by_system, "new versions from ") or "nothing",
            f"{summary['quarantined']} put in quarantine" if summary["quarantined"] else "",
        ),
        _line("leads", f"{summary['touched']} touched, {summary['checked']} checked for context"),
        _line(
            "flagged",
            f"{summary['gaps']} missing fields new" if summary["gaps"] else "no missing field new",
            f"missing in the leads checked: {fields}" if fields else "",
        ),
        *_enriched(summary.get("enriched") or {}),
        _line(
            "qualified",
            f"{summary['mql']} became MQL",
            f"{summary['adopted']} adopted as the CRM has them" if summary["adopted"] else "",
            f"{held} waiting for their context check" if held else "",
        ),
        _line("owned", f"{summary['assigned']}", _counts(owners, sort=True)),
        _line(
            "written",
            _counts(summary["written"]) or "nothing differs from the CRM",
            f"{summary['messages']} messages sent" if summary["messages"] else "",
        ),
    ]
    if summary["seams"]:
        told = (f"{name} {duration(s)}" for name, s in summary["seams"].items())
        lines.append(_line("seams", "median of today: " + ", ".join(told)))
    lines.append(
        _line("took", f"{sum(summary['seconds'].values()):.1f} s, run {summary['run_id']}")
    )
    if summary["dry_run"]:
        lines.append(_line("dry run", "nothing of this was written or told to anybody"))
    skipped = summary.get("skipped") or {}
    lines += [_line("skipped", f"{address}: {why}") for address, why in skipped.items()]
    refused, open_ones = summary["rejected"], summary["unknown"]
    if refused or open_ones:
        lines.append(_line("to mend", f"{refused} rows rejected, {open_ones} without an answer"))
    return lines + [_line("to mend", trouble) for trouble in summary["troubles"]]


def _enriched(counts: Mapping[str, int]) -> list[str]:
    """Tell what was looked up, where anything was."""
    if not any(counts.values()):
        return []
    found, missing, pending = (counts.get(name, 0) for name in ("found", "missing", "pending"))
    return [
        _line(
            "enriched",
            f"{found} found, {missing} not known",
            f"{pending} to be asked again" if pending else "",
            f"{counts.get('spent', 0)} credits spent",
        )
    ]


def duration(seconds: float) -> str:
    """Say a number of seconds the way a person does."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.1f} s"


def _line(label: str, *parts: str) -> str:
    return f"  {label:<10} " + "; ".join(part for part in parts if part)


def _counts(counts: Mapping[str, int], words: str = "", *, sort: bool = False) -> str:
    items: Iterable[tuple[str, int]] = counts.items()
    if sort:
        items = sorted(items, key=lambda item: (-item[1], item[0]))
    if words:
        return ", ".join(f"{count} {words}{name}" for name, count in items if count)
    return ", ".join(f"{name} {count}" for name, count in items if count)


# The state of everything


def read_status(home: Path, now: datetime | None = None) -> dict[str, Any]:
    """Read what stands; ``needs_a_person`` says whether time alone cures it.

    ``now`` is that of the last run where it is not given.
    Raises: WarehouseError where no run has published anything.
    """
    runs, busy = _runs(home)
    try:
        reader = published(home)
    except WarehouseError as none:
        last = runs.get("sync", {})
        if last.get("phase") == "failed":
            summary = json.loads(last["summary"] or "{}")
            raise WarehouseError(
                f"nothing has been published in {home} yet: the last run failed",
                answer=summary.get("error"),
                next_step="Mend that, then run `baton sync`",
            ) from none
        raise
    with reader:
        found = _read(reader, runs or _last_runs(reader), now)
    found["running"] = busy
    return found


def _runs(home: Path) -> tuple[dict[str, dict[str, Any]], str | None]:
    """Ask the ledger itself, where no run holds it: a run that failed has published nothing."""
    if not (home / "ledger.duckdb").is_file():
        return {}, None
    try:
        with Lease(home, 0), Reader(home / "ledger.duckdb") as ledger:
            return _last_runs(ledger), None
    except WarehouseBusy as busy:
        return {}, busy.holder
    except (WarehouseError, OSError):
        return {}, None


def _last_runs(reader: Reader) -> dict[str, dict[str, Any]]:
    return {row.pop("flow"): row for row in reader.rows(LAST_RUNS)}


def _read(
    reader: Reader, runs: Mapping[str, dict[str, Any]], now: datetime | None
) -> dict[str, Any]:
    published_at = reader.rows("select max(as_of) as as_of from main.published_runs")[0]["as_of"]
    last = dict(runs.get("sync", {}))
    newest = max((run["as_of"] for run in runs.values()), default=published_at)
    if last.get("phase") == "begun" and last["as_of"] == published_at:
        last["phase"] = "done"  # it had published when it wrote how it ended
    summary = json.loads(last.pop("summary", None) or "{}")
    submissions = {
        row["state"]: row["submissions"]
        for row in reader.rows(
            "select coalesce(state, 'in no state') as state, count(*) as submissions "
            "from reporting.rpt_submissions group by state order by submissions desc"
        )
    }
    doubled = reader.rows(
        "select count(*) - count(distinct submission_id) as n from reporting.rpt_submissions"
    )[0]["n"]
    receipts = f"({LAST_RECEIPTS})"
    found: dict[str, Any] = {
        "run": {
            **last,
            "error": summary.get("error"),
            "troubles": summary.get("troubles", []),
            "quarantined": summary.get("quarantined", 0),
        },
        "published_at": published_at,
        "streams": reader.rows(
            "select address, max(as_of) as pulled_at, sum(landed)::bigint as landed, "
            "max(as_of) filter (where landed > 0) as new_at "
            "from ops.stream_counts group by address order by address"
        ),
        "submissions": submissions,
        "submissions_not_reconciled": submissions.get("in no state", 0) + doubled,
        "quarantine": reader.rows(
            "select address, reason, count(*) as records from ops.quarantine "
            "group by address, reason order by records desc, address"
        ),
        "flagged": reader.rows(
            "select reason, count(*) as records from reporting.rpt_flagged_records "
            "group by reason order by records desc, reason"
        ),
        "clocks": {
            row["sla_status"]: row["leads"]
            for row in reader.rows(
                "select sla_status, count(*) as leads from lifecycle.lead_lifecycle "
                "where sla_status is not null group by sla_status order by sla_status"
            )
        },
        "clocks_flow": read_watch(reader, runs.get("sla"), max(newest, now or newest)),
        "unsettled": reader.rows(
            f"select target, row_key, lead_key, status, recorded_at from {receipts} "
            "where status in ('intent', 'unknown') order by target, row_key"
        ),
        "rejected": reader.rows(
            "select target, count(*) as rows, any_value(reason) as reason, "
            f"any_value(row_key) as first_key from {receipts} "
            "where status = 'rejected' group by target, reason order by rows desc, target"
        ),
        "schema": reader.rows(SCHEMA_OF_THE_WEEK) if reader.holds("ops.schema_events") else [],
        "quotas": reader.rows(QUOTAS) if reader.holds("ops.quotas") else [],
        "enrichment": read_enrichment(reader),
        "sales": read_sales(reader, reps_of(reader)),
    }
    found["needs_a_person"] = bool(
        last.get("phase") == "failed"
        or found["run"]["troubles"]
        or found["run"]["quarantined"]
        or found["submissions_not_reconciled"]
        or found["unsettled"]
        or found["rejected"]
        or found["clocks_flow"]["needs_a_person"]
    )
    return found


def read_enrichment(reader: Reader) -> list[dict[str, Any]]:
    """Return what each provider was asked, against the budget of the policy in force.

    Units: credits and calls of this month.
    """
    if not reader.holds("ops.enrichment_calls"):
        return []
    return reader.rows(ENRICHMENT, [policy_at(reader).version])


def status_lines(found: Mapping[str, Any]) -> list[str]:
    """Tell the state of everything, what needs a person last, where the eye ends."""
    run = found["run"]
    lines = [
        f"Last run   {_when(run.get('as_of'))} UTC, {run.get('phase', 'unknown')} "
        f"({run.get('run_id', 'no run')}); tables as of {_when(found['published_at'])} UTC",
    ]
    if found["running"]:
        lines.append(f"Now        a run is in progress ({found['running']})")
    lines += ["", "Streams"]
    lines += table_lines(
        ["stream", "last pulled", "last new", "versions"],
        [
            (row["address"], _when(row["pulled_at"]), _when(row["new_at"]), row["landed"])
            for row in found["streams"]
        ],
        indent="  ",
    )
    total = sum(found["submissions"].values())
    left = found["submissions_not_reconciled"]
    state = f"{left} of them in no state or in two" if left else "each in one state"
    lines += ["", f"Submissions: {total}, {state}"]
    lines += [f"  {count:>7}  {state}" for state, count in found["submissions"].items()]
    lines += ["", "Quarantine: records that cannot be read"]
    lines += [
        f"  {row['records']:>7}  {row['address']}: {row['reason']}"
        for row in found["quarantine"][:FEW]
    ] or ["  none"]
    lines += ["", "Flagged: records that can be read but not believed"]
    lines += [f"  {row['records']:>7}  {row['reason']}" for row in found["flagged"][:FEW]] or [
        "  none"
    ]
    if found["schema"]:
        lines += ["", "Schema: what changed at the vendors in seven days"]
        lines += [
            f"  {_when(row['as_of'])}  {row['address']}: {row['field']} {row['change']}. "
            f"{row['cure']}."
            for row in found["schema"][:FEW]
        ]
    if found["quotas"]:
        lines += ["", "Calls of the day, by everyone who calls"]
        lines += [
            f"  {row['used']:>9,} of {row['allowed']:,}  {row['system']}" for row in found["quotas"]
        ]
    if found["enrichment"]:
        lines += ["", "Enrichment: calls of the month"]
        lines += [_enrichment_line(row) for row in found["enrichment"]]
    clocks = ", ".join(f"{color} {count}" for color, count in found["clocks"].items())
    lines += ["", f"First-touch clocks: {clocks or 'none'}", *watch_lines(found["clocks_flow"]), ""]
    lines += [*sales_lines(found["sales"]), ""]
    lines.append("For a person" if found["needs_a_person"] else "Nothing needs a person.")
    return lines + [f"  {sentence}" for sentence in _for_a_person(found)]


def _for_a_person(found: Mapping[str, Any]) -> list[str]:
    run = found["run"]
    told = []
    if run.get("phase") == "failed":
        told.append(f"The last run failed: {run['error'] or 'no reason recorded'}")
    told += run["troubles"]
    if run["quarantined"]:
        told.append(f"{run['quarantined']} records were put in quarantine by the last run.")
    if found["submissions_not_reconciled"]:
        told.append(f"{found['submissions_not_reconciled']} submissions are in no state or in two.")
    # Both flows may have met the same trouble: it is told once.
    told += [said for said in watch_for_a_person(found["clocks_flow"]) if said not in told]
    told += [
        f"{row['target']}: {row['rows']} rows rejected (first: {row['first_key']}, "
        f'"{shorten(row["reason"] or "no reason")}"). Tried again in every run.'
        for row in found["rejected"]
    ]
    for target, rows in _by_target(found["unsettled"]).items():
        told.append(
            f"{target}: {len(rows)} may or may not have arrived (first: {rows[0]['row_key']}). "
            "Look there; `baton explain` shows what was sent."
        )
    return told


def _enrichment_line(row: Mapping[str, Any]) -> str:
    left = max(0, row["monthly_budget"] - row["used"])
    told = [f"{row['used']} used, {left} left"]
    if row["pending"]:
        told.append(f"{row['pending']} pending")
    if row["lost"]:
        told.append(f"{row['lost']} lost without an answer")
    if row["last_status"] in ("refused", "throttled", "unreached", "unknown"):
        told.append(f"last call {row['last_status']} ({row['last_reason']})")
    return f"  {row['provider']:<9} {', '.join(told)}; asked last {_when(row['last_asked_at'])}"


def _by_target(rows: Iterable[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    grouped: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        grouped.setdefault(row["target"], []).append(row)
    return grouped


def _when(moment: Any) -> str:
    return f"{moment:%Y-%m-%d %H:%M}" if moment else "never"


# Any table


def table_lines(names: Sequence[str], rows: Sequence[Sequence[Any]], indent: str = "") -> list[str]:
    """Lay rows out under their names, numbers to the right; long cells are cut."""
    cells = [["" if value is None else _cell(value) for value in row] for row in rows]
    widths = [max(len(name), *(len(row[at]) for row in cells), 0) for at, name in enumerate(names)]
    right = [
        bool(rows) and all(isinstance(row[at], (int, float, type(None))) for row in rows)
        for at in range(len(names))
    ]

    def laid(row: Sequence[str]) -> str:
        padded = (
            text.rjust(width) if to_the_right else text.ljust(width)
            for text, width, to_the_right in zip(row, widths, right, strict=True)
        )
        return (indent + "  ".join(padded)).rstrip()

    rule = [("-" * width) for width in widths]
    return [laid(names), laid(rule), *(laid(row) for row in cells)]


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return shorten(str(value), CELL)
