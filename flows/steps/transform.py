"""Build the rooms, and test what was touched before anyone sees it."""

from __future__ import annotations

from flows.warehouse import DBT_PROJECT, Warehouse



def build_staging(warehouse: Warehouse) -> None:
    """Bring staging up to the journal."""
    warehouse.dbt("run", "--select", "staging")


def build_facts(warehouse: Warehouse) -> int:
    """Build people; returns how many leads this run touches."""
    warehouse.dbt("run", "--select", "people")
    return int(warehouse.value("select count(*) from people.leads_touched"))


def build_proposals(warehouse: Warehouse) -> None:
    """Build scoring and routing: who should be handed over, and who may get it."""
    warehouse.dbt("run", "--select", "scoring", "routing")


def build_published(warehouse: Warehouse) -> None:
    """Build what is read from outside, out of what is recorded by now."""
    warehouse.dbt("run", "--select", "lifecycle", "write_back", "reporting")


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
