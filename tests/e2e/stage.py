"""One outside world and one home: what is done in them, and what a test may ask of both."""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import httpx
import stamina

from flows.settings import Settings
from flows.sla import Summary as Ticked
from flows.sla import sla_once
from flows.sync import Summary, sync, sync_once
from sandbox.server import Sandbox
from tests.house import ROOT

if TYPE_CHECKING:
    from flows.running import Do

PROJECT = ROOT / "dbt_project"
ROOMS = ("staging", "policy", "people", "scoring", "routing", "lifecycle", "reporting")
STORES = ("warehouse.duckdb", "ledger.duckdb")
# What a run touches and sends is about the run and not about the leads: the next has others.
OF_THE_RUN = (
    "people.leads_touched",
    "people.int_people__affected",
    "people.int_touched__by_policy",
    "people.int_touched__by_policy_on_evidence",
    "scoring.int_accounts__touched",
    "write_back.int_leads__packed",
    "people.enrichment_candidates",
)
# As often as in earnest, without the waiting: what is tested is the outcome, not the patience.
ATTEMPTS = 7
# Seconds until HubSpot's search shows a change; the sandbox lags as the vendor does.
SEARCH_LAG = 2


class Stage:
    """A running sandbox, a home, and the settings that join them.

    ``more`` are settings for every run; a frozen sandbox's clock is every run's now.
    """

    def __init__(self, box: Sandbox, home: Path, **more: object) -> None:
        self.box, self.home, self.more = box, home, more
        self.world = box.world
        home.mkdir(parents=True, exist_ok=True)

    # --- what is done ---------------------------------------------------------------------------

    def env_file(self, **more: object) -> Path:
        values: dict[str, object] = {**self.box.env, "BATON_HOME": self.home, **self.more, **more}
        if self.world.clock.frozen:
            values.setdefault("BATON_AS_OF", self.world.clock.now().isoformat())
        file = self.home.with_suffix(".env")
        file.write_text("".join(f"{name}={value}\n" for name, value in values.items()))
        return file

    def settings(self, **more: object) -> Settings:
        return Settings.load(self.env_file(**more))

    def sync(self, *, dry_run: bool = False, do: Do | None = None, **more: object) -> Summary:
        """Run ``sync_once`` in this process, without Prefect and without waiting for retries."""
        how = {"do": do} if do else {}
        with stamina.set_testing(True, attempts=ATTEMPTS, cap=True):
            return asyncio.run(sync_once(self.settings(**more), dry_run=dry_run, **how))

    def tick(self, do: Do | None = None, **more: object) -> Ticked:
        """Run ``sla_once`` in this process, without Prefect and without waiting for retries."""
        how = {"do": do} if do else {}
        with stamina.set_testing(True, attempts=ATTEMPTS, cap=True):
            return asyncio.run(sla_once(self.settings(**more), **how))

    def flow(self, **more: object) -> dict[str, Any]:
        """Run the flow as its deployment does."""
        told: dict[str, Any] = asyncio.run(sync(env_file=str(self.env_file(**more))))
        return told

    def advance(self, **by: float) -> None:
        self.control("POST", "/clock", {"advance_seconds": timedelta(**by).total_seconds()})

    def control(self, method: str, path: str, body: Any = None) -> Any:
        answer = httpx.request(method, self.box.control_url + path, json=body, timeout=30)
        assert answer.is_success, answer.text
        return answer.json()

    def trouble(self, kind: str, system: str, path: str = "", **more: Any) -> None:
        """Script a fault."""
        self.control("POST", "/faults", {"kind": kind, "system": system, "path": path, **more})

    def arrive(self, count: int, kind: str | None = None) -> list[dict[str, Any]]:
        """Let people submit forms, and wait until HubSpot's search has heard of them."""
        found: list[dict[str, Any]] = self.control(
            "POST", "/arrive", {"count": count, "kind": kind}
        )["arrived"]
        if self.world.clock.frozen:
            self.advance(seconds=SEARCH_LAG)
        else:
            time.sleep(SEARCH_LAG)
        return found

    def mutate(self, system: str, record: str, id: str | None, by: str = "", **fields: Any) -> str:
        """Change or create a record as a person does."""
        body = {"system": system, "object": record, "id": id, "fields": fields, "by": by}
        return str(self.control("POST", "/mutate", body)["id"])

    # --- what the outside world saw -------------------------------------------------------------

    def writes(self) -> list[tuple[str, str, str]]:
        """Every request so far that changes something: system, method, path."""
        answer = self.control("GET", "/requests?write=true")
        return [(one["system"], one["method"], one["path"]) for one in answer["requests"]]

    def forget_requests(self) -> None:
        self.control("DELETE", "/requests")

    def effects(self, system: str = "") -> list[dict[str, Any]]:
        """Every change made through a vendor's interface."""
        found: list[dict[str, Any]] = self.control(
            "GET", f"/effects?system={system}" if system else "/effects"
        )["effects"]
        return found

    def messages(self) -> dict[str, dict[str, Any]]:
        """Every message to a rep by its key. Fails where one was sent twice."""
        said = self.control("GET", "/messages")
        keyed = [(one["metadata"]["event_payload"]["key"], one) for one in said["slack"]]
        keyed += [
            (one["message_id"].strip("<>").partition("@")[0].replace("-", ":"), one)
            for one in said["mail"]
        ]
        keys = [key for key, _ in keyed]
        assert len(keys) == len(set(keys)), f"told twice: {sorted(keys)}"
        return dict(keyed)

    # --- what the stores hold -------------------------------------------------------------------

    @contextmanager
    def stores(self) -> Iterator[duckdb.DuckDBPyConnection]:
        with duckdb.connect(str(self.home / "warehouse.duckdb"), read_only=True) as connection:
            connection.execute("set TimeZone = 'UTC'")
            connection.execute(f"attach '{self.home}/ledger.duckdb' as ledger (read_only)")
            yield connection

    def rows(self, query: str) -> list[dict[str, Any]]:
        with self.stores() as connection:
            cursor = connection.execute(query)
            names = [column[0] for column in cursor.description]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def value(self, query: str) -> Any:
        return next(iter(self.rows(query)[0].values()))

    def column(self, query: str) -> list[Any]:
        return [next(iter(row.values())) for row in self.rows(query)]

    def lead(self, email: str) -> dict[str, Any]:
        """The one row of ``lead_lifecycle`` of an address."""
        (row,) = self.rows(f"select * from lifecycle.lead_lifecycle where email = '{email}'")
        return row

    def copy(self, to: Path) -> Path:
        """Copy both stores, as a data team copies production."""
        to.mkdir(parents=True, exist_ok=True)
        for name in STORES:
            shutil.copy2(self.home / name, to / name)
        return to


def assert_each_was_served_once(stage: Stage) -> None:
    """Effects equal intents: every lead handed over has one owner, one message, one task."""
    given = stage.rows("select * from ledger.ops.assignments")
    keys = sorted(one["assignment_key"] for one in given)
    assert len(keys) == len({one["lead_key"] for one in given})
    assert sorted(stage.messages()) == keys
    tasks = stage.control("GET", "/records/salesforce/Task")["records"]
    errands = Counter(one["baton_task_key__c"] for one in tasks if one.get("baton_task_key__c"))
    assert errands == Counter(keys)
    records = stage.control("GET", "/records/salesforce/Lead")["records"]
    held = Counter(one["baton_lead_key__c"] for one in records if one.get("baton_lead_key__c"))
    assert not [key for key, times in held.items() if times > 1]
    emails = Counter(one["Email"] for one in records if one.get("baton_lead_key__c"))
    assert not [email for email, times in emails.items() if times > 1]
    owner_of = {one["lead_key"]: one["owner_id"] for one in given}
    for one in records:
        if one.get("baton_lead_key__c"):
            assert one["OwnerId"] == owner_of[one["baton_lead_key__c"]]


def fingerprints(home: Path) -> dict[str, str]:
    """Every file of a home but the dry run's copy, with the hash of its bytes."""
    return {
        str(path.relative_to(home)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(home.rglob("*"))
        if path.is_file() and path.relative_to(home).parts[0] not in ("dry-run", "dbt", "lease")
    }


def differences(
    left: Path, right: Path, *, store: str = STORES[0], ignore: tuple[str, ...] = ()
) -> dict[str, str]:
    """Tables whose rows are not the same in two homes, with examples; duplicates count.

    All schemas of the store; ``ignore`` names tables as ``schema.table``.
    """
    found: dict[str, str] = {}
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        for name, home in (("left_", left), ("right_", right)):
            for file in STORES:
                alias = name if file == store else f"other_{name}"
                connection.execute(f"attach '{home / file}' as {alias} (read_only)")
        tables = {
            side: {
                f"{schema}.{table}"
                for schema, table in connection.execute(
                    "select schema_name, table_name from duckdb_tables() where database_name = ?",
                    [side],
                ).fetchall()
            }
            - set(ignore)
            for side in ("left_", "right_")
        }
        for table in sorted(tables["left_"] ^ tables["right_"]):
            found[table] = "in one of them only"
        for table in sorted(tables["left_"] & tables["right_"]):
            for here, there in (("left_", "right_"), ("right_", "left_")):
                cursor = connection.execute(f"from {here}.{table} except all from {there}.{table}")
                names = [column[0] for column in cursor.description]
                rows = cursor.fetchall()
                if rows:
                    examples = [dict(zip(names, row, strict=True)) for row in rows[:2]]
                    found[table] = f"{found.get(table, '')}{len(rows)} only {here}: {examples}\n"
    return found


def told(found: dict[str, str]) -> str:
    """Say differences so that a failing test can be read."""
    return "\n".join(f"{table}: {rows[:2000]}" for table, rows in found.items())


def run_child(code: str, env_file: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a piece of Python in a process of its own, at the root of the project."""
    return subprocess.run(
        [sys.executable, "-c", code, str(env_file), *arguments],
        cwd=ROOT,
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def run_dbt(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run dbt as the data team does: its own process, in its own folder."""
    return subprocess.run(
        [sys.executable, "-m", "dbt.cli.main", *arguments, "--log-level-file", "none"],
        cwd=PROJECT,
        env={
            **clean_environment(),
            "BATON_HOME": str(home),
            "DBT_TARGET_PATH": str(home / "dbt"),
        },
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


def clean_environment() -> dict[str, str]:
    """The environment of a process that must not inherit where this one keeps its stores."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("BATON_", "DBT_TARGET", "PREFECT_"))
    }
    return {**kept, "PYTHONPATH": str(ROOT)}
