"""Look at everything a sync depends on, and name the cure for what is not well. Reads only.

Each part is looked at for itself: one that is broken hides no other. A sync tells what stopped
it; the doctor tells everything that would, before it does.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, Literal

import httpx

from flows.connectors.base import Connector, Finding
from flows.connectors.http import open_client
from flows.errors import PipelineError, WarehouseBusy, mask, shorten
from flows.settings import REQUIRED, Settings, prefect_address

LEAST_FREE = 2 * 1024**3
# A token's lifetime and a signature's window are minutes; business clocks are right to the minute.
MOST_SKEW = 60.0
ANSWER_SECONDS = 10.0

Open = Callable[[Settings, str], Connector]


def examine(settings: Settings, open_connector: Open) -> Iterator[Finding]:
    """Yield a finding for each thing looked at, in the order a person would set things up.

    Never raises for what it looks at: what cannot be looked at is a finding.
    """
    for system in REQUIRED:
        yield from _system(settings, system, open_connector)
    yield _clearbit(settings)
    yield from _clock(settings)
    yield from _stores(settings.home)
    yield from _prefect()


def _system(settings: Settings, system: str, open_connector: Open) -> Iterator[Finding]:
    """Ask one system's connector, which knows what it needs there."""
    try:
        connector = open_connector(settings, system)
    except PipelineError as error:
        yield _broken(f"{system}.settings", error)
        return
    try:
        yield from connector.examine()
    finally:
        connector.close()


def _clearbit(settings: Settings) -> Finding:
    """Ask Clearbit for nobody: whoever is let in is told that a parameter is missing."""
    check, key = "clearbit.key", settings.clearbit_key
    if key is None:
        return Finding(check, "ok", "BATON_CLEARBIT_KEY is not set: nobody is looked up there")
    try:
        with open_client(min(settings.clearbit_timeout, ANSWER_SECONDS)) as client:
            status = client.get(
                f"{settings.clearbit_person_base_url}/v2/combined/find",
                auth=(key.get_secret_value(), ""),
            ).status_code
    except (httpx.HTTPError, httpx.InvalidURL) as problem:
        return Finding(
            check,
            "warning",
            f"no answer ({type(problem).__name__}): leads go on without what it knows",
            "Check BATON_CLEARBIT_PERSON_BASE_URL and the way there",
        )
    if status in (400, 422):
        return Finding(check, "ok", "the key is known; no credit was spent to ask")
    cures = {
        401: "Put a secret key of the account into BATON_CLEARBIT_KEY, or unset it",
        402: "Wait for the plan's next month, or raise it",
        403: "Ask Clearbit why the account is blocked, or unset BATON_CLEARBIT_KEY",
    }
    cure = cures.get(status, "Check BATON_CLEARBIT_PERSON_BASE_URL")
    kind: Literal["broken", "warning"] = "broken" if status in cures else "warning"
    return Finding(check, kind, f"status {status}: nobody is looked up there", cure)


def _clock(settings: Settings) -> Iterator[Finding]:
    """Compare our clock with the one of a vendor: tokens, windows and due times depend on it."""
    if settings.as_of is not None:
        yield Finding(
            "clock.as_of",
            "warning",
            f"BATON_AS_OF fixes the now of every run at {settings.as_of.isoformat()}",
            "Unset BATON_AS_OF unless you replay the past",
        )
    address = settings.hubspot_base_url
    try:
        with open_client(ANSWER_SECONDS) as client:
            before = datetime.now(UTC)
            date = client.get(address).headers.get("date", "")
            ours = before + (datetime.now(UTC) - before) / 2
            theirs = parsedate_to_datetime(date)
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, TypeError) as problem:
        yield Finding(
            "clock.skew",
            "warning",
            f"hubspot's clock could not be read ({type(problem).__name__})",
            "Cure the finding about hubspot first, then ask again",
        )
        return
    skew = (ours - theirs.astimezone(UTC)).total_seconds()
    if abs(skew) <= MOST_SKEW:
        yield Finding("clock.skew", "ok", "within a minute of hubspot's")
        return
    yield Finding(
        "clock.skew",
        "broken",
        f"this machine's clock is {abs(skew):.0f} s {'ahead of' if skew > 0 else 'behind'} "
        "hubspot's: windows are read wrong and tokens refused",
        "Switch on time synchronisation (`timedatectl set-ntp true`, or chrony)",
    )


def _stores(home: Path) -> Iterator[Finding]:
    """Look at the directory, the two stores and the copy readers use."""
    existing = next(path for path in (home, *home.absolute().parents) if path.exists())
    try:
        probe = existing / f".baton-doctor-{datetime.now(UTC):%H%M%S%f}"
        probe.touch()
        probe.unlink()
    except OSError as problem:
        yield Finding(
            "stores.home",
            "broken",
            f"{home} cannot be written to ({problem.strerror})",
            "Give this user the right to write there, or set BATON_HOME to another directory",
        )
        return
    free = shutil.disk_usage(existing).free
    if free < LEAST_FREE:
        yield Finding(
            "stores.disk",
            "broken" if free < LEAST_FREE // 10 else "warning",
            f"{free / 1024**3:.1f} GiB are free where {home} lies",
            "Make room, or move the directory and set BATON_HOME; `baton` never deletes a store",
        )
    else:
        yield Finding("stores.disk", "ok", f"{free / 1024**3:.0f} GiB free")
    if not (home / "ledger.duckdb").exists() and not (home / "warehouse.duckdb").exists():
        yield Finding("stores.stores", "ok", f"none in {home} yet: the first sync makes them")
        return
    yield from _opened(home)


def _opened(home: Path) -> Iterator[Finding]:
    """Open what is there, the way each is opened in daily life."""
    from flows.warehouse import Lease, Warehouse, published

    if not (home / "ledger.duckdb").exists():
        yield Finding(
            "stores.ledger",
            "broken",
            "the warehouse is there and the ledger is not: what was decided and sent is lost, and "
            "the next sync would send it again",
            "Put ledger.duckdb back from a backup before any sync runs",
        )
        return
    try:
        with Lease(home, 0), Warehouse(home) as warehouse:
            runs = warehouse.value(
                "select count(*) from duckdb_tables() "
                "where database_name = 'ledger' and schema_name = 'ops'"
            )
            newest = runs and warehouse.value("select max(as_of) from ledger.ops.runs")
    except WarehouseBusy as error:
        yield Finding("stores.ledger", "ok", f"in use: {shorten(error.message)}")
        return
    except Exception as problem:  # noqa: BLE001 - whatever DuckDB says of a damaged file is the finding
        yield Finding(
            "stores.ledger",
            "broken",
            f"the stores cannot be opened ({shorten(mask(str(problem)), 160)})",
            "Keep the files, put ledger.duckdb back from a backup; the warehouse can be rebuilt",
        )
        return
    if newest is not None and newest > datetime.now(UTC).replace(tzinfo=None):
        yield Finding(
            "stores.ledger",
            "broken",
            f"the last run's now ({newest:%Y-%m-%d %H:%M} UTC) lies ahead of this machine's clock",
            "Set the clock right; until it has caught up, each run is dated just behind that one",
        )
    else:
        yield Finding("stores.ledger", "ok", "warehouse and ledger open")
    try:
        with published(home) as reader:
            reader.rows("select 1")
        yield Finding("stores.published", "ok", "the copy for readers opens")
    except PipelineError as error:
        yield Finding(
            "stores.published", "warning", shorten(error.message), "Run `baton sync` once"
        )


def _prefect() -> Iterator[Finding]:
    """Ask the Prefect server, where one is named, whether anything runs the sync."""
    address = prefect_address()
    if address is None:
        yield Finding(
            "prefect.server",
            "warning",
            "PREFECT_API_URL is not set: runs are not recorded and nothing starts them",
            "Start `prefect server start`, set PREFECT_API_URL, then `prefect deploy --all`",
        )
        return
    try:
        with open_client(ANSWER_SECONDS) as client:
            client.get(f"{address}/health").raise_for_status()
            deployed = client.get(f"{address}/deployments/name/sync/sync")
            pools = client.post(f"{address}/work_pools/filter", json={}).raise_for_status().json()
            workers = {
                pool["name"]: client.post(
                    f"{address}/work_pools/{pool['name']}/workers/filter", json={}
                )
                .raise_for_status()
                .json()
                for pool in pools
            }
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, LookupError, TypeError) as problem:
        yield Finding(
            "prefect.server",
            "broken",
            f"the Prefect server does not answer as one ({type(problem).__name__})",
            "Start it, or set PREFECT_API_URL to where it is",
        )
        return
    yield Finding("prefect.server", "ok", "the server answers")
    yield from _deployment(deployed, workers)


def _deployment(deployed: httpx.Response, workers: dict[str, Any]) -> Iterator[Finding]:
    """Look at the deployment of the sync and at the workers of its pool."""
    if deployed.status_code != httpx.codes.OK:
        yield Finding(
            "prefect.deployment",
            "warning",
            "no deployment sync/sync: nothing starts the sync by itself",
            "Run `prefect deploy --all` in the project's directory",
        )
        return
    found = deployed.json()
    if found.get("paused"):
        yield Finding(
            "prefect.deployment",
            "warning",
            "the deployment sync/sync is paused",
            "Run `prefect deployment schedule resume`, or resume it in the server's pages",
        )
    else:
        yield Finding("prefect.deployment", "ok", "sync/sync is deployed")
    pool = found.get("work_pool_name")
    online = [one for one in workers.get(pool, []) if one.get("status") == "ONLINE"]
    if pool and not online:
        yield Finding(
            "prefect.worker",
            "broken",
            f"no worker of the pool {pool} is online: scheduled runs wait for ever",
            f"Run `prefect worker start --pool {pool}`",
        )
    elif pool:
        yield Finding("prefect.worker", "ok", f"{len(online)} online in the pool {pool}")


def _broken(check: str, error: PipelineError) -> Finding:
    return Finding(check, "broken", shorten(error.message), error.next_step)
