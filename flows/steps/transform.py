"""Build the rooms, and test what was touched before anyone sees it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flows.warehouse import DBT_PROJECT, Warehouse

WHO = "+leads_touched"
ON_DEMAND = "tag:on_demand"


def build_staging(warehouse: Warehouse, names: Sequence[str] = ()) -> None:
    """Bring staging up to the journal: the models whose stream holds something newer.

    ``names`` limits it to some models, for whoever pulls some streams only.
    """
    behind = [
        node["name"]
        for node in warehouse.nodes("staging")
        if (not names or node["name"] in names)
        and (not warehouse.is_built or _is_behind(warehouse, node))
    ]
    if behind:
        _run(warehouse, *behind)


def find_touched(warehouse: Warehouse) -> int:
    """Build people as far as the leads this run touches; returns how many there are."""
    _run(warehouse, f"{WHO},path:models/people")
    return int(warehouse.value("select count(*) from people.leads_touched"))


def build_facts(warehouse: Warehouse) -> None:
    """Build the rest of people: what is known of the touched leads."""
    rooms = ("--select", "path:models/people", "--exclude", WHO, ON_DEMAND)
    if warehouse.is_built:
        warehouse.dbt("run", *rooms, "config.materialized:view")
    else:
        warehouse.dbt("run", *rooms, "--full-refresh")


def build_candidates(warehouse: Warehouse) -> None:
    """Build the list of who is worth a paid call, as of now."""
    warehouse.dbt("run", "--select", "enrichment_candidates")


def find_enriched(warehouse: Warehouse) -> int:
    """Add those of whom something was learnt in this run to the leads it touches.

    Returns how many there are now. The facts of all of them are to be built (again) after it.
    """
    _run(warehouse, "leads_touched")
    return int(warehouse.value("select count(*) from people.leads_touched"))


def build_proposals(warehouse: Warehouse) -> None:
    """Build scoring and routing: who should be handed over, and who may get it."""
    _run(warehouse, "scoring", "routing")


def build_published(warehouse: Warehouse) -> None:
    """Build what is read from outside, out of what is recorded by now."""
    _run(warehouse, "lifecycle", "write_back", "reporting")


def _run(warehouse: Warehouse, *select: str) -> None:
    """Run models: tables only, as views stay right by themselves; all anew by changed models."""
    if warehouse.is_built:
        warehouse.dbt("run", "--select", *select, "--exclude", "config.materialized:view")
    else:
        warehouse.dbt("run", "--select", *select, "--full-refresh")


def _is_behind(warehouse: Warehouse, node: dict[str, Any]) -> bool:
    table = f"{node['schema']}.{node['name']}"
    # A view of the ledger has nothing to catch up with.
    return any(
        warehouse.value(
            f"select coalesce((select max(_seq) from {source}), 0) "
            f"> coalesce((select max(_seq) from {table}), 0)"
        )
        for source in node["sources"]
        if '"raw"' in source
    )


def test_touched(warehouse: Warehouse) -> None:
    """Run the gate: tests of our own tables whose failure must stop every write.

    Raises: WarehouseError naming the tests that failed.
    """
    warehouse.dbt("test", "--select", "tag:gate")


# Pytest would take the name for a test of its own.
test_touched.__test__ = False  # type: ignore[attr-defined]


def policy_tables() -> list[str]:
    """Name the decision tables."""
    return sorted(path.stem for path in (DBT_PROJECT / "seeds" / "policy").glob("*.csv"))


def seams(warehouse: Warehouse) -> dict[str, float]:
    """Return the median seconds of each seam over the leads handed over in the last 24 hours."""
    rows = warehouse.rows(
        "select seam, median(seconds)::double as seconds from reporting.rpt_seams "
        "where handed_over_at > (select max(as_of) from ledger.ops.runs) - interval 1 day "
        "group by seam, seam_number order by seam_number"
    )
    return {row["seam"]: round(row["seconds"], 1) for row in rows}
