"""The command line keeps its contract: sentences, JSON, exit statuses, and no process left over."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pytest

from flows.cli import app
from tests.house import ROOT

BATON = (sys.executable, "-m", "flows.cli")


@pytest.fixture
def baton(capfd: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Run a command in this process; returns its status and what it said on both streams."""

    def run(*arguments: object) -> tuple[int, str, str]:
        status = app([str(argument) for argument in arguments])
        said = capfd.readouterr()
        return status, said.out, said.err

    return run


@pytest.fixture
def copy(baton_home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with a published copy of one table."""
    folder = baton_home / "published"
    folder.mkdir()
    with duckdb.connect(str(folder / "b.duckdb")) as store:
        store.execute("create schema ops")
        store.execute(
            "create table ops.runs as select 'r1' as run_id, "
            "timestamp '2026-11-22 07:00' as as_of, 1.50::decimal(9, 2) as amount "
            "union all select 'r2', null, null"
        )
    (folder / "current").write_text("b.duckdb\n")
    monkeypatch.setenv("BATON_HOME", str(baton_home))
    return baton_home


def _environment(**more: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), **more}


def _rest_of(session_marks: Sequence[str]) -> list[str]:
    """Name the processes whose command line or environment holds one of these words."""
    found = []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit() or int(folder.name) == os.getpid():
            continue
        try:
            command = (folder / "cmdline").read_bytes() + (folder / "environ").read_bytes()
        except OSError:
            continue  # it has ended, or is another user's
        if any(mark.encode() in command for mark in session_marks):
            found.append((folder / "cmdline").read_bytes().replace(b"\0", b" ").decode())
    return found


# Usage and errors


def test_help_is_there_without_loading_what_is_slow() -> None:
    probe = (
        "import sys; from flows.cli import app; app(['--help']); "
        "print([m for m in ('prefect', 'dbt', 'great_expectations', 'duckdb', 'pandas') "
        "if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", probe], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"
    for command in ("demo", "sandbox", "sync", "status", "explain", "sql"):
        assert f"  {command} " in done.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["frobnicate"],
        ["sync", "--nope"],
        ["explain"],
        ["explain", "L1", "--as-of", "yesterday"],
        ["explain", "L1", "--not"],
        ["sql"],
        ["demo", "--leads", "zero"],
        ["demo", "--leads", "0"],
        ["sandbox", "--leads", "-3"],
        ["sandbox", "--load", "olist"],
        ["--env-file"],
    ],
)
def test_wrong_usage_is_status_2_and_one_line(
    baton: Callable[..., tuple[int, str, str]], arguments: list[str]
) -> None:
    status, out, err = baton(*arguments)
    assert status == 2
    assert out == ""
    assert "Traceback" not in err
    if arguments:
        assert err.count("\n") == 1


def test_a_missing_credential_is_one_sentence(
    baton: Callable[..., tuple[int, str, str]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    status, out, err = baton("sync")
    assert (status, out) == (1, "")
    assert err.startswith("baton: BATON_HUBSPOT_TOKEN is not set")
    assert err.count("\n") == 1
    assert list(tmp_path.iterdir()) == [], "nothing is made before the settings are known"


@pytest.mark.parametrize(
    "command", [["sync"], ["status"], ["explain", "a@b.example"], ["sql", "x"]]
)
def test_an_error_in_json_is_one_object(
    baton: Callable[..., tuple[int, str, str]], command: list[str]
) -> None:
    status, out, err = baton("--env-file", "/nowhere/at/all", *command, "--json")
    told = json.loads(out)
    assert (status, err) == (1, "")
    assert told["kind"] == "SettingsError"
    assert "does not exist" in told["error"]


def test_a_setting_that_cannot_be_read_is_named_without_its_value(
    baton: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    (tmp_path / "settings").write_text("BATON_LEASE_WAIT=s3cret\n")
    status, _, err = baton("--env-file", tmp_path / "settings", "status")
    assert status == 1
    assert "BATON_LEASE_WAIT" in err
    assert "s3cret" not in err


@pytest.mark.parametrize("command", [["status"], ["explain", "a@b.example"], ["sql", "select 1"]])
def test_readers_say_what_to_do_before_the_first_sync(
    baton: Callable[..., tuple[int, str, str]],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    command: list[str],
) -> None:
    monkeypatch.setenv("BATON_HOME", str(tmp_path / "none"))
    status, _, err = baton(*command)
    assert status == 1
    assert "baton sync" in err
    assert err.count("\n") == 1
    assert not (tmp_path / "none").exists(), "a reader makes nothing"


# sql


def test_sql_prints_a_table_and_json_rows(
    baton: Callable[..., tuple[int, str, str]], copy: Path
) -> None:
    status, out, _ = baton("sql", "select * from ops.runs order by run_id")
    assert status == 0
    assert [line.split() for line in out.splitlines()] == [
        ["run_id", "as_of", "amount"],
        ["------", "-------------------", "------"],
        ["r1", "2026-11-22", "07:00:00", "1.50"],
        ["r2"],
    ]
    status, out, _ = baton("sql", "from ops.runs order by run_id", "--json")
    assert json.loads(out) == [
        {"run_id": "r1", "as_of": "2026-11-22T07:00:00", "amount": 1.5},
        {"run_id": "r2", "as_of": None, "amount": None},
    ]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("delete from ops.runs", 2),
        ("create table x as select 1", 2),
        ("create temp table x as select 1", 2),
        ("copy ops.runs to 'x.csv'", 2),
        ("attach 'x.duckdb'", 2),
        ("set enable_external_access = true", 2),
        ("install httpfs", 2),
        ("select 1; drop table ops.runs", 2),
        ("", 2),
        ("selec", 1),
        ("select nope from ops.runs", 1),
        ("select * from read_text('/etc/hostname')", 1),
        ("select * from '/etc/hostname'", 1),
        ("from query('delete from ops.runs')", 1),
    ],
)
def test_sql_reads_the_tables_and_nothing_else(
    baton: Callable[..., tuple[int, str, str]],
    copy: Path,
    monkeypatch: pytest.MonkeyPatch,
    query: str,
    expected: int,
) -> None:
    monkeypatch.chdir(copy)
    before = sorted(copy.rglob("*"))
    status, out, err = baton("sql", query)
    assert status == expected
    assert out == ""
    assert err.count("\n") == 1
    assert err.startswith("baton: ")
    assert sorted(copy.rglob("*")) == before


# Children


def test_the_sandbox_writes_where_the_caller_stands_and_ends_when_told(tmp_path: Path) -> None:
    child = subprocess.Popen(
        [*BATON, "sandbox", "--leads", "5", "--env", "box.env"],
        cwd=tmp_path,
        env=_environment(),
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert child.stdout is not None
        assert child.stdout.readline().startswith("Sandbox: HubSpot http://127.0.0.1:")
        assert "BATON_HUBSPOT_TOKEN" in (tmp_path / "box.env").read_text()
        child.send_signal(signal.SIGTERM)
        assert child.wait(timeout=20) == 0
    finally:
        child.kill()
        child.communicate()
    assert _rest_of([str(tmp_path)]) == []


def test_the_sandbox_hands_on_how_it_ended(tmp_path: Path) -> None:
    done = subprocess.run(
        [*BATON, "sandbox", "--load", "tea", "."], cwd=tmp_path, env=_environment(),
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "knows olist" in done.stderr


def test_a_demo_empties_no_directory_that_it_did_not_make(
    baton: Callable[..., tuple[int, str, str]], baton_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BATON_HOME", str(baton_home))
    (baton_home / "demo").mkdir()
    (baton_home / "demo" / "thesis.txt").write_text("years of work")
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        status, _, err = baton("demo", "--exit")
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    assert status == 1
    assert "no demo made" in err
    assert (baton_home / "demo" / "thesis.txt").read_text() == "years of work"


def test_two_demos_in_one_place_do_not_disturb_each_other(
    baton: Callable[..., tuple[int, str, str]], baton_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from flows.warehouse import Lease

    monkeypatch.setenv("BATON_HOME", str(baton_home))
    with Lease(baton_home / "demo" / "running", 0):
        status, _, err = baton("demo", "--exit")
    assert status == 1
    assert f"another demo is running here (process {os.getpid()})" in err


# The whole of it


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any], str]:
    """One demo, with the settings of real accounts exported that it must not touch."""
    home = tmp_path_factory.mktemp("shown")
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        nowhere = f"http://127.0.0.1:{closed.getsockname()[1]}"
        done = subprocess.run(
            [*BATON, "demo", "--exit", "--leads", "60", "--json"],
            cwd=home,
            env=_environment(
                BATON_HUBSPOT_BASE_URL=nowhere,
                BATON_HUBSPOT_TOKEN="somebody's own",
                BATON_AS_OF="2020-01-01",
                PREFECT_API_URL=f"{nowhere}/api",
                PREFECT_API_KEY="somebody's own",
            ),
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    return home, json.loads(done.stdout), done.stderr


@pytest.mark.slow
def test_a_demo_hands_leads_over_once_and_then_has_nothing_to_write(
    shown: tuple[Path, dict[str, Any], str],
) -> None:
    _, told, _ = shown
    first, second, third = told["syncs"]
    assert first["assigned"] >= 8
    assert first["messages"] == first["assigned"]
    assert second["extracted"]["hubspot.form_submissions"] == 20
    assert (third["assigned"], third["messages"], third["written"]) == (0, 0, {})
    assert "is yours" in told["message"]


@pytest.mark.slow
def test_a_demo_is_tidy(shown: tuple[Path, dict[str, Any], str]) -> None:
    home, told, said = shown
    assert len(said.splitlines()) < 70
    for noise in ("Traceback", "WARNING", "ERROR", " | INFO"):
        assert noise not in said
    assert [path.name for path in home.iterdir()] == [".baton"], "nothing outside BATON_HOME"
    deadline = time.monotonic() + 10
    while _rest_of([str(home)]) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert _rest_of([str(home)]) == []
    assert told["prefect"].startswith("http://127.0.0.1:")


@pytest.mark.slow
def test_after_a_demo_the_readers_tell_what_happened(
    shown: tuple[Path, dict[str, Any], str], baton: Callable[..., tuple[int, str, str]]
) -> None:
    home, told, _ = shown
    before = ("--env-file", home / ".baton" / "demo" / "sandbox.env")
    status, out, _ = baton(*before, "status", "--json")
    state = json.loads(out)
    assert (status, state["unsettled"], state["rejected"]) == (0, [], [])
    assert state["run"]["run_id"] == told["syncs"][-1]["run_id"]
    assert state["submissions_not_reconciled"] == 0
    status, out, _ = baton(*before, "status")
    assert "Nothing needs a person." in out
    status, out, _ = baton(*before, "explain", "carla.gomez@meridiantrust.example")
    assert status == 0
    assert "done again just now: the same answer" in out
    assert "Carla Gomez is yours" in out
    for key in told["syncs"][0]["handed_over"]:
        status, out, _ = baton(*before, "explain", key, "--json")
        story = json.loads(out)
        assert status == 0
        assert story["assignments"][0]["owner"]
        assert story["assignments"][0]["clock"]["counted_again"] is True
        points = {"fit": 0, "intent": 0}
        for rule in story["score"]["rules"]:
            points[rule["dimension"]] += rule["points"]
        assert points["fit"] >= story["score"]["fit_points"]
        assert points["intent"] >= story["score"]["intent_points"]
    status, out, _ = baton(*before, "sql", "select count(*) as n from ops.assignments", "--json")
    assert json.loads(out)[0]["n"] == sum(sync["assigned"] for sync in told["syncs"])


@pytest.mark.slow
def test_a_sync_of_systems_that_do_not_answer_is_one_sentence(
    shown: tuple[Path, dict[str, Any], str],
) -> None:
    home, _, _ = shown
    done = subprocess.run(
        [*BATON, "--env-file", ".baton/demo/sandbox.env", "sync"],
        cwd=home,
        env=_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("baton: ")
    assert done.stderr.count("\n") == 1


def test_a_prefect_server_that_does_not_answer_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    names = ("HUBSPOT_TOKEN", "SALESFORCE_LOGIN_URL", "SALESFORCE_CLIENT_ID", "SLACK_TOKEN")
    names += ("SALESFORCE_CLIENT_SECRET", "SMTP_HOST", "SMTP_SENDER")
    given = {f"BATON_{name}": "http://127.0.0.1:1" for name in names}
    done = subprocess.run(
        [*BATON, "sync"],
        cwd=tmp_path,
        env=_environment(PREFECT_API_URL="http://127.0.0.1:1/api", **given),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert "the Prefect server does not answer" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_demo_told_to_end_in_the_middle_leaves_nothing_running(
    tmp_path: Path, number: signal.Signals
) -> None:
    child = subprocess.Popen(
        [*BATON, "demo", "--leads", "5"],
        cwd=tmp_path,
        env=_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert child.stdout is not None
    for line in child.stdout:
        if line.startswith("1 "):
            break
    time.sleep(3)
    child.send_signal(number)
    rest, _ = child.communicate(timeout=120)
    assert child.returncode == 130
    assert rest.strip() == "Stopping."
    assert _rest_of([str(tmp_path)]) == []
