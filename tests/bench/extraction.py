"""Time a first pull beside a bare loop that asks the same server for the same pages and drops them.

The sandbox runs in a process of its own with its limits off; each measurement runs in a fresh
process too, so that peak memory belongs to one pull. Bare loop and pull take turns, and figures
are medians of the repeats: only the ratio inside one run means anything on a shared machine.
"""

from __future__ import annotations

import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import orjson

from tests.bench.children import ROOT, figures_of

DOORS = ("hubspot.contacts", "salesforce.leads")
PAGE = {"hubspot.contacts": 200, "salesforce.leads": 2000}
# The index of the vendor's search lags, and what it does not show yet cannot be pulled.
INDEX_LAG_SECONDS = 3.0


def run(sizes: list[int], repeats: int) -> list[dict[str, Any]]:
    """Measure both doors at every size. Units: seconds, records per second, MiB, requests."""
    figures = []
    for size in sizes:
        print(f"bench: pulling {size:,} …", file=sys.stderr, flush=True)
        with sandbox(size) as env_file:
            for door in DOORS:
                figures.append({"leads": size, "door": door, **_compared(door, env_file, repeats)})
    return figures


def _compared(door: str, env_file: Path, repeats: int) -> dict[str, Any]:
    bare, ours = [], []
    for _ in range(repeats):
        bare.append(figures_of("tests.bench.extraction", "bare", door, env_file))
        ours.append(figures_of("tests.bench.extraction", "pull", door, env_file))
    bare_rate = statistics.median(one["records"] / one["seconds"] for one in bare)
    rate = statistics.median(one["records"] / one["seconds"] for one in ours)
    if {one["records"] for one in bare} != {one["records"] for one in ours}:
        raise SystemExit(f"bench: {door}: bare loop and pull did not bring the same records")
    return {
        "records": ours[0]["records"],
        "bare_per_second": round(bare_rate),
        "per_second": round(rate),
        "ratio": round(rate / bare_rate, 2),
        "requests": ours[0]["requests"],
        "least_requests": -(-ours[0]["records"] // PAGE[door]),
        "peak_mib": max(one["peak_mib"] for one in ours),
    }


@contextmanager
def sandbox(size: int) -> Iterator[Path]:
    """Run a sandbox of ``size`` people without limits; yields the file of its settings."""
    with tempfile.TemporaryDirectory(prefix="baton-bench-") as directory:
        env_file = Path(directory) / "sandbox.env"
        words = ["--leads", str(size), "--seed", "7", "--no-limits", "--env", str(env_file)]
        process = subprocess.Popen(
            [sys.executable, "-m", "sandbox", *words], cwd=ROOT, stdout=subprocess.DEVNULL
        )
        try:
            while not env_file.exists():
                if process.poll() is not None:
                    raise SystemExit("bench: the sandbox ended before it was ready")
                time.sleep(0.2)
            time.sleep(INDEX_LAG_SECONDS)
            yield env_file
        finally:
            process.terminate()
            process.wait(60)


def _settings(env_file: Path) -> dict[str, str]:
    return dict(line.split("=", 1) for line in env_file.read_text().splitlines() if "=" in line)


def pull(door: str, env_file: Path) -> dict[str, Any]:
    """Pull one stream from the beginning into a fresh journal, the way a sync does."""
    from flows.ledger import Ledger
    from flows.settings import Settings
    from flows.steps import extract
    from flows.warehouse import Warehouse

    settings = Settings.load(env_file).model_copy(
        update={"hubspot_requests_per_10s": 0, "hubspot_searches_per_second": 0}
    )
    told = _settings(env_file)
    system, name = door.split(".")
    connector = extract.open_connector(settings, system)
    stream = next(stream for stream in connector.streams if stream.name == name)
    with tempfile.TemporaryDirectory(prefix="baton-bench-") as home, Warehouse(Path(home)) as store:
        store.prepare()
        ledger = Ledger(store)
        ledger.begin(datetime.now(UTC), None)
        connector.check()
        asked = _asked(told, system)
        began = time.perf_counter()
        pulled = extract.pull_stream(connector, stream, store, ledger)
        seconds = time.perf_counter() - began
        requests = _asked(told, system) - asked
        records = int(store.value(f"select count(distinct _key) from raw.{system}__{name}"))
    connector.close()
    return {
        "records": records,
        "answered": pulled.pulled,
        "seconds": seconds,
        "requests": requests,
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


def bare(door: str, env_file: Path) -> dict[str, Any]:
    """Ask for the same pages, follow them to the end, and throw the rows away."""
    told = _settings(env_file)
    began, records, requests = time.perf_counter(), 0, 0
    with httpx.Client(timeout=120) as client:
        for body in BARE[door](client, told):
            records += len(body.get("results") or body.get("records") or ())
            requests += 1
    return {
        "records": records,
        "seconds": time.perf_counter() - began,
        "requests": requests,
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


def _bare_search(client: httpx.Client, told: dict[str, str]) -> Iterator[dict[str, Any]]:
    from flows.connectors.hubspot import STREAMS

    fields = next(stream.fields for stream in STREAMS if stream.name == "contacts")
    base, version = told["BATON_HUBSPOT_BASE_URL"], told["BATON_HUBSPOT_API_VERSION"]
    last = 0
    while True:
        body = client.post(
            f"{base}/crm/objects/{version}/contacts/search",
            headers={"Authorization": f"Bearer {told['BATON_HUBSPOT_TOKEN']}"},
            json={
                "filterGroups": [
                    {
                        "filters": [
                            {"propertyName": "hs_object_id", "operator": "GT", "value": str(last)}
                        ]
                    }
                ],
                "sorts": [{"propertyName": "hs_object_id", "direction": "ASCENDING"}],
                "properties": list(fields),
                "limit": PAGE["hubspot.contacts"],
            },
        ).content
        page = orjson.loads(body)
        if not page["results"]:
            return
        last = page["results"][-1]["id"]
        yield page


def _bare_query(client: httpx.Client, told: dict[str, str]) -> Iterator[dict[str, Any]]:
    from flows.connectors.salesforce import STREAMS

    fields = next(stream.fields for stream in STREAMS if stream.name == "leads")
    token = client.post(
        f"{told['BATON_SALESFORCE_LOGIN_URL']}/services/oauth2/token",
        data={
            "grant_type": "client_credentials",
            "client_id": told["BATON_SALESFORCE_CLIENT_ID"],
            "client_secret": told["BATON_SALESFORCE_CLIENT_SECRET"],
        },
    ).json()
    headers = {
        "Authorization": f"Bearer {token['access_token']}",
        "Sforce-Query-Options": "batchSize=2000",
    }
    path: str | None = f"/services/data/v{told['BATON_SALESFORCE_API_VERSION']}/queryAll"
    query = f"SELECT {', '.join(fields)} FROM Lead ORDER BY SystemModstamp, Id"
    params: dict[str, str] | None = {"q": query}
    while path:
        answer = client.get(token["instance_url"] + path, params=params, headers=headers)
        page = orjson.loads(answer.content)
        path, params = page.get("nextRecordsUrl"), None
        yield page


BARE: dict[str, Callable[[httpx.Client, dict[str, str]], Iterator[dict[str, Any]]]] = {
    "hubspot.contacts": _bare_search,
    "salesforce.leads": _bare_query,
}


def _asked(told: dict[str, str], system: str) -> int:
    """Count the requests the vendor has seen so far."""
    answer = httpx.get(
        f"{told['SANDBOX_CONTROL_URL']}/requests", params={"system": system}, timeout=60
    )
    return int(answer.json()["count"])


def table(figures: list[dict[str, Any]]) -> str:
    """Lay the figures out, one line per door and size."""
    heads = ("records", "bare/s", "ours/s", "ratio", "requests", "least", "peak MiB")
    names = (
        "records",
        "bare_per_second",
        "per_second",
        "ratio",
        "requests",
        "least_requests",
        "peak_mib",
    )
    lines = [f"{'first pull':<28}" + "".join(f"{head:>12}" for head in heads)]
    for one in figures:
        cells = "".join(f"{one[name]:>12,}" for name in names)
        lines.append(f"{one['door']:<20}{one['leads']:>8,}" + cells)
    return "\n".join(lines)


if __name__ == "__main__":
    what, door, file = sys.argv[1:]
    print(json.dumps({"bare": bare, "pull": pull}[what](door, Path(file))))
