"""A bad policy scores nobody: each guard finds the row it was written for, and says so in words."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from flows import warehouse as doors
from flows.errors import PolicyError
from flows.warehouse import Warehouse
from tests.house import DBT, MADE_BY_TOOLS

pytestmark = pytest.mark.timeout(300)

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
DECISIONS = ("lead_scores", "lead_routes", "lead_candidates")


def broken() -> list[dict[str, str]]:
    """One broken row per line: the guard, the statement that breaks it, the file and row it must
    name, and a word of the problem.
    """
    with (Path(__file__).parent / "broken_policies.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A copy of the dbt project that may be broken."""
    copy = tmp_path_factory.mktemp("project") / "dbt_project"
    shutil.copytree(DBT, copy, ignore=shutil.ignore_patterns(*MADE_BY_TOOLS))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(doors, "DBT_PROJECT", copy)
        yield copy


@pytest.fixture(scope="module")
def warehouse(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    """A home whose CRM users are staged and whose policy is not loaded yet."""
    with Warehouse(tmp_path_factory.mktemp("home")) as opened:
        opened.prepare()
        opened.dbt("run", "--select", "staging")
        opened.execute(
            "insert into staging.stg_salesforce__users by name "
            "select '00500000000000' || number || 'AAA' as user_id, "
            "'salesforce:user:' || number as record_key, true as is_active "
            "from range(1, 9) as numbers (number)"
        )
        yield opened


@pytest.fixture
def edit(project: Path) -> Iterator[Any]:
    """Change a policy file; it is put back after the test."""
    before: dict[Path, str] = {}

    def change(file: str, old: str, new: str) -> None:
        path = project / "seeds" / "policy" / file
        text = path.read_text()
        before.setdefault(path, text)
        assert old in text, f"{file} no longer holds {old}"
        path.write_text(text.replace(old, new, 1))

    yield change
    for path, text in before.items():
        path.write_text(text)


def compiled(warehouse: Warehouse) -> dict[str, str]:
    """The query of every guard, by name."""
    results = warehouse.dbt("compile", "--select", "path:tests/policy").results
    return {one.node.name: one.node.compiled_code for one in results}


def test_a_policy_is_refused_by_row_and_the_last_good_one_stays(
    warehouse: Warehouse, edit: Any
) -> None:
    edit("score_bands.csv", "band_6,44,49", "band_6,45,49")
    with pytest.raises(PolicyError, match="no earlier one") as refused:
        warehouse.take_over_policy(NOW)
    assert "score_bands.csv, row band_6: covers 45 to 49" in str(refused.value)
    assert "Nobody was scored" in str(refused.value)

    edit("score_bands.csv", "band_6,45,49", "band_6,44,49")
    assert warehouse.take_over_policy(NOW) is None
    version = warehouse.value("select policy_version from policy.policy_version")

    edit("routing_rules.csv", "hot_inbound,90", "hot_inbound,99")
    message = warehouse.take_over_policy(NOW)
    assert message is not None
    assert "routing_rules.csv, row hot_inbound: priority 99 is there more than once" in message
    assert warehouse.value("select policy_version from policy.policy_version") == version
    assert warehouse.value("select count(*) from policy.routing_rules where priority = 99") == 1

    edit("scoring_rules.csv", "between,20|99,8", "between,20|99,eight")
    message = warehouse.take_over_policy(NOW)
    assert message is not None
    assert "seeds/policy/scoring_rules.csv" in message
    assert "between,20|99,eight" in message
    assert "points" in message
    assert warehouse.value("select policy_version from policy.policy_version") == version


def test_each_guard_names_the_file_the_row_and_the_cure(warehouse: Warehouse) -> None:
    guards = compiled(warehouse)
    assert warehouse.value("select count(*) from policy.scoring_rules"), "run the module as a whole"
    silent = {name for name, query in guards.items() if warehouse.rows(query)}
    assert not silent, f"These guards refuse the default policy: {sorted(silent)}"
    wrong = []
    for row in broken():
        warehouse.execute("begin")
        try:
            warehouse.execute(row["statement"])
            found = warehouse.rows(guards[row["guard"]])
        finally:
            warehouse.execute("rollback")
        if not any(
            (one["file"], one["row_id"]) == (row["file"], row["row_id"])
            and row["problem"] in one["problem"]
            and one["cure"]
            for one in found
        ):
            wrong.append(f"{row['guard']} after {row['statement']!r} said {found}")
    assert not wrong, "\n".join(wrong)
    untried = guards.keys() - {row["guard"] for row in broken()}
    assert not untried, f"Break a row for each of these guards: {sorted(untried)}"


def test_before_the_first_pull_nobody_is_known_and_the_policy_passes(warehouse: Warehouse) -> None:
    guards = compiled(warehouse)
    warehouse.execute("begin")
    try:
        warehouse.execute("delete from staging.stg_salesforce__users")
        refusing = {name for name, query in guards.items() if warehouse.rows(query)}
    finally:
        warehouse.execute("rollback")
    assert not refusing


def test_every_guard_and_every_test_of_a_policy_file_stands_before_every_decision(
    warehouse: Warehouse,
) -> None:
    """dbt runs a test before whatever reads all that the test reads: a failure skips it."""
    nodes: dict[str, Any] = warehouse._parse().nodes
    above: dict[str, set[str]] = {}

    def ancestors(key: str) -> set[str]:
        if key not in above:
            parents = getattr(nodes[key].depends_on, "nodes", [])
            parents = [parent for parent in parents if parent in nodes]
            above[key] = set(parents).union(*(ancestors(parent) for parent in parents))
        return above[key]

    of_policy = {
        key: set(node.depends_on.nodes)
        for key, node in nodes.items()
        if key.startswith("test.")
        and node.original_file_path.startswith(("seeds/policy", "models/policy", "tests/policy"))
    }
    assert len(of_policy) > 100
    late = [
        f"{key} is not run before {decision}"
        for decision in DECISIONS
        for key, read in of_policy.items()
        if not read <= ancestors(f"model.baton.{decision}")
    ]
    assert not late, "\n".join(late)


def test_dbt_build_alone_decides_nothing_under_a_bad_policy(
    warehouse: Warehouse, edit: Any
) -> None:
    edit("sla_tiers.csv", "standard,99,,", "standard,99,,5")
    result = warehouse._invoke("build", "--exclude", "resource_type:unit_test")
    assert not result.success
    status = {one.node.name: str(one.status) for one in result.result.results}
    assert status["assert_sla_tiers_end_in_a_catch_all"] == "fail"
    assert {status[decision] for decision in DECISIONS} == {"skipped"}
    assert status["lead_lifecycle"] == status["sync_salesforce__lead"] == "skipped"
