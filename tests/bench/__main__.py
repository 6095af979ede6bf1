"""Time a first pull beside a bare loop, scoring and routing from scratch beside one query, the
draw, and a warm sync on a small and on a large warehouse.

Each size runs in a process of its own, against a sandbox in another one with its limits off, so
that neither the vendor's pace nor its memory is measured. Figures are medians of the repeats.
Usage: python -m tests.bench [--only pull|sync|scoring|draws] [--sizes 10000,200000] [--changed 500]
[--repeats 3] [--json]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from tests.bench import extraction, scoring
from tests.bench.children import ROOT, figures_of

# The index of the vendor's search lags, and what it does not show yet cannot be pulled.
INDEX_LAG_SECONDS = 2.0


def main() -> int:
    """Run every size and print the figures beside each other."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--sizes", help="default: 10000,200000, and 1000000 for scoring")
    parser.add_argument("--changed", type=int, default=500)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--only", choices=("pull", "sync", "scoring", "draws"))
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--child", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child is not None:
        print(json.dumps(measure(options.child, options.changed, options.repeats)))
        return 0
    sizes = [int(size) for size in (options.sizes or "10000,200000").split(",")]
    # What is done from scratch is asked at the size at which it hurts.
    large = sizes if options.sizes else [1_000_000]
    found: dict[str, Any] = {}
    if options.only in (None, "pull"):
        found["pull"] = extraction.run(sizes, options.repeats)
        tell(options, extraction.table(found["pull"]))
    if options.only in (None, "scoring", "draws"):
        found["scoring"] = scoring.run(large) if options.only != "draws" else []
        found["draws"] = scoring.draws()
        tell(options, scoring.table(found["scoring"], found["draws"]))
    if options.only in (None, "sync"):
        found["sync"] = [in_child(size, options.changed, options.repeats) for size in sizes]
        tell(options, table(found["sync"], options.changed))
    if options.json:
        print(json.dumps(found, indent=2))
    return 0


def tell(options: argparse.Namespace, lines: str) -> None:
    """Print figures as soon as they are there, where they are for people."""
    if not options.json:
        print(lines, flush=True)


def in_child(size: int, changed: int, repeats: int) -> dict[str, Any]:
    """Measure one size in a fresh process and return its figures."""
    print(f"bench: {size:,} leads …", file=sys.stderr, flush=True)
    words = ["--child", str(size), "--changed", str(changed), "--repeats", str(repeats)]
    return figures_of("tests.bench", *words)


def measure(size: int, changed: int, repeats: int) -> dict[str, Any]:
    """Sync a sandbox of ``size`` leads once, then ``repeats`` times with ``changed`` new ones.

    Units: seconds, MiB.
    """
    from flows.settings import Settings
    from flows.sync import sync_once

    with tempfile.TemporaryDirectory(prefix="baton-bench-") as directory:
        env_file = Path(directory) / "sandbox.env"
        words = ["--leads", str(size), "--seed", "7", "--no-limits", "--env", str(env_file)]
        sandbox = subprocess.Popen(
            [sys.executable, "-m", "sandbox", *words], cwd=ROOT, stdout=subprocess.DEVNULL
        )
        try:
            control = wait_for(env_file, sandbox)
            settings = Settings.load(env_file).model_copy(
                update={
                    "home": Path(directory) / "home",
                    "go_live_at": datetime.now(UTC) - timedelta(days=1),
                    "hubspot_requests_per_10s": 0,
                    "hubspot_searches_per_second": 0,
                    "slack_seconds_between_messages": 0.0,
                }
            )
            first = asyncio.run(sync_once(settings))
            idle = [asyncio.run(sync_once(settings)) for _ in range(2)][-1]
            runs = []
            for _ in range(repeats):
                httpx.post(
                    f"{control}/arrive", json={"count": changed}, timeout=600
                ).raise_for_status()
                time.sleep(INDEX_LAG_SECONDS)
                runs.append(asyncio.run(sync_once(settings)))
                asyncio.run(sync_once(settings))  # what we wrote comes back, and is no change
        finally:
            sandbox.terminate()
            sandbox.wait(30)
    steps = {
        step: round(statistics.median(run.seconds.get(step, 0.0) for run in runs), 3)
        for step in runs[0].seconds
    }
    return {
        "leads": size,
        "first_sync": round(sum(first.seconds.values()), 2),
        "idle_sync": round(sum(idle.seconds.values()), 2),
        "sync": round(statistics.median(sum(run.seconds.values()) for run in runs), 2),
        "steps": steps,
        "touched": [run.touched for run in runs],
        "handed_over": [run.assigned for run in runs],
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


def wait_for(env_file: Path, sandbox: subprocess.Popen[bytes]) -> str:
    """Wait until the sandbox wrote its addresses; returns that of its control server."""
    while sandbox.poll() is None:
        if env_file.exists():
            lines = dict(line.split("=", 1) for line in env_file.read_text().split() if "=" in line)
            if "SANDBOX_CONTROL_URL" in lines:
                os.environ.update({k: v for k, v in lines.items() if k.startswith("BATON_")})
                return lines["SANDBOX_CONTROL_URL"]
        time.sleep(0.2)
    raise SystemExit("bench: the sandbox ended before it was ready")


def table(figures: list[dict[str, Any]], changed: int) -> str:
    """Lay the figures of all sizes out beside each other, with the ratio of last to first."""
    heads = [f"{figure['leads']:,} leads" for figure in figures] + ["ratio"]
    lines = [
        f"{f'seconds, {changed} changed leads, warm':<38}" + "".join(f"{h:>16}" for h in heads)
    ]

    def line(name: str, values: list[float]) -> None:
        ratio = f"{values[-1] / values[0]:.2f}" if values[0] else "-"
        cells = [f"{value:,.2f}" for value in values] + [ratio]
        lines.append(f"{name:<38}" + "".join(f"{cell:>16}" for cell in cells))

    line("whole sync", [figure["sync"] for figure in figures])
    for step in figures[0]["steps"]:
        line(f"  {step}", [figure["steps"].get(step, 0.0) for figure in figures])
    line("sync with nothing new", [figure["idle_sync"] for figure in figures])
    line("first sync (cold, everything)", [figure["first_sync"] for figure in figures])
    line("peak memory, MiB", [figure["peak_mib"] for figure in figures])
    line("leads handed over", [statistics.median(figure["handed_over"]) for figure in figures])
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
