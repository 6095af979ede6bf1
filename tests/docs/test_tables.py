"""The generated page is what the YAML says now, and whoever owns a destination is named."""

from __future__ import annotations

import importlib.util
from types import ModuleType

from tests.house import DBT, ROOT, files, yaml_of


def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "generate_tables", ROOT / "docs/generate_tables.py"
    )
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_of_tables_is_what_the_yaml_says() -> None:
    made = generator()
    assert made.PAGE.read_text(encoding="utf-8") == made.page(), (
        "docs/tables.md is not what dbt's YAML says: run `make docs` and commit both"
    )


def test_the_page_of_owners_is_what_the_policy_says() -> None:
    made = generator()
    assert made.OWNERSHIP.read_text(encoding="utf-8") == made.ownership(), (
        "docs/ownership.md is not what policy_owners.csv says: run `make docs` and commit both"
    )


def test_every_decision_has_its_owner_on_the_page() -> None:
    text = generator().ownership()
    tables = [path.stem for path in files(DBT / "seeds" / "policy", "*.csv")]
    assert tables
    assert [name for name in tables if f"| [{name}](tables.md#{name}) |" not in text] == []


def test_the_page_of_tables_has_doors_and_no_private_table() -> None:
    text = generator().page()
    for door in ("lead_lifecycle", "lead_scores", "lead_candidates", "sync_salesforce__lead"):
        assert f"\n### {door}\n" in text
    private = {path.stem for path in files(DBT / "models", "int_*.sql")}
    assert not [name for name in private if f"\n### {name}\n" in text]


def test_every_list_of_changes_belongs_to_one_destination_with_an_owner() -> None:
    exposures = yaml_of(DBT / "models/write_back/_exposures.yml")["exposures"]
    listed = [
        reference.removeprefix("ref('").removesuffix("')")
        for exposure in exposures
        for reference in exposure["depends_on"]
    ]
    written = [path.stem for path in files(DBT / "models/write_back", "sync_*.sql")]
    assert sorted(listed) == sorted(written)
    for exposure in exposures:
        assert exposure["owner"]["name"], f"{exposure['name']} has no owner"
        assert exposure["description"], f"{exposure['name']} has no description"
        systems = {name.split("__")[0] for name in exposure["depends_on"]}
        assert len(systems) == 1, f"{exposure['name']} is about {len(systems)} systems"
