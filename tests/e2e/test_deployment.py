"""The deployment as it is written: registered from prefect.yaml, run by a real worker."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.slow


def prefect(*words: str, api: str, home: Path, **environment: str) -> str:
    """Run the ``prefect`` command against the test's server and return what it printed."""
    done = subprocess.run(
        [sys.executable, "-m", "prefect", *words],
        cwd=ROOT,
        env={**os.environ, **environment, "PREFECT_API_URL": api, "PREFECT_HOME": str(home)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


def test_the_deployment_is_registered_and_a_worker_runs_it(
    prefect_api: str, sandbox_box: Callable[..., Any], tmp_path: Path
) -> None:
    box, home = sandbox_box(leads=60), tmp_path / "prefect"
    home.mkdir()
    pool = ["work-pool", "create", "baton", "--type", "process"]
    template = ["--base-job-template", "deployments/process_pool.json"]
    prefect(*pool, *template, api=prefect_api, home=home)
    prefect("--no-prompt", "deploy", "--all", api=prefect_api, home=home)

    with httpx.Client(base_url=prefect_api, timeout=30) as client:
        deployment = client.get("/deployments/name/sync/sync").raise_for_status().json()
        assert [one["schedule"]["cron"] for one in deployment["schedules"]] == ["*/2 * * * *"]
        assert deployment["global_concurrency_limit"]["limit"] == 1
        clocks = client.get("/deployments/name/sla/sla").raise_for_status().json()
        assert [one["schedule"]["cron"] for one in clocks["schedules"]] == ["*/5 * * * *"]
        assert clocks["work_pool_name"] == deployment["work_pool_name"] == "baton"
        # The worker must find this run and not those of the schedules.
        for one in (deployment, clocks):
            client.patch(f"/deployments/{one['id']}", json={"paused": True}).raise_for_status()
        run = (
            client.post(
                f"/deployments/{deployment['id']}/create_flow_run",
                json={"state": {"type": "SCHEDULED"}},
            )
            .raise_for_status()
            .json()
        )
        settings = {
            **box.env,
            "BATON_HOME": str(tmp_path / "baton"),
            "BATON_GO_LIVE_AT": (datetime.now(UTC) - timedelta(days=1)).isoformat(),
        }
        worker = ["worker", "start", "--pool", "baton", "--run-once", "--limit", "1"]
        prefect(*worker, api=prefect_api, home=home, **settings)
        ended = client.get(f"/flow_runs/{run['id']}").raise_for_status().json()

    assert ended["state_type"] == "COMPLETED", ended["state"]["message"]
    assert ended["name"].startswith("9 handed over"), ended["name"]
