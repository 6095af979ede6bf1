"""Rules of the house that no tool knows: each test reads the tree and fails with a sentence."""

from __future__ import annotations

import ast
import csv
import importlib
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.house import (
    DBT,
    FLOWS,
    POLICY,
    ROOT,
    dotted,
    files,
    imports_of,
    module_of,
    must_exist,
    name_of,
    no,
    sql_without_comments,
    text_files,
    tree_of,
    within,
    yaml_of,
)

# A module may import from its own layer and from those before it; what is not named here is a
# flow or a command, which may import everything except the command line.
LAYERS = {
    "flows.errors": 0,
    "flows.settings": 1,
    "flows.connectors": 2,
    "flows.warehouse": 2,
    "flows.ledger": 2,
    "flows.landing": 2,
    "flows.publishing": 2,
    "flows.draw": 2,
    "flows.running": 2,
    "flows.steps": 3,
    "flows.cli": 5,
}
FLOW_LAYER = 4
ROOMS = (
    "policy",
    "staging",
    "people",
    "scoring",
    "routing",
    "lifecycle",
    "write_back",
    "reporting",
)
# Public data whose licence keeps it out of this repository: read where it lies beside it.
READS_DATA_OF_OTHERS = {
    "tests/e2e/test_olist.py",
    "tests/replay/recordings.py",
}
CLOCK = re.compile(
    r"\b(current_timestamp|current_date|current_time|localtimestamp|getdate|transaction_timestamp"
    r"|get_current_timestamp|get_current_time|run_started_at|modules\.datetime)\b"
    r"|\b(now|today)\s*\(",
    re.IGNORECASE,
)
SIZES = {".sql": 120, ".py": 400}


# Python: who may import, open, read and swallow what


def test_connectors_know_neither_prefect_nor_a_store_nor_settings() -> None:
    foreign = ("prefect", "duckdb", "dbt", "pandas", "great_expectations")
    no(
        (
            f"{name_of(path)} imports {module}"
            for path in files(FLOWS / "connectors", "*.py")
            for module in imports_of(path)
            if any(within(module, package) for package in foreign)
            or (
                within(module, "flows")
                and module != "flows"
                and not within(module, "flows.connectors")
                and not within(module, "flows.errors")
            )
        ),
        "A connector could be lifted into another project unchanged:",
    )


def test_the_sandbox_imports_nothing_from_flows() -> None:
    no(
        (
            f"{name_of(path)} imports {module}"
            for path in files(ROOT / "sandbox", "*.py")
            for module in imports_of(path)
            if within(module, "flows")
        ),
        "The sandbox is the other side of the wire and speaks only HTTP and SMTP:",
    )


def layer_of(module: str) -> int:
    return next((n for name, n in LAYERS.items() if within(module, name)), FLOW_LAYER)


def test_every_module_imports_only_its_own_layer_and_those_before_it() -> None:
    for name in LAYERS:
        path = ROOT / name.replace(".", "/")
        assert path.is_dir() or path.with_suffix(".py").is_file(), f"{name} is missing"
    no(
        (
            f"{name_of(path)} imports {module}"
            for path in files(FLOWS, "*.py")
            if module_of(path) != "flows"
            for module in imports_of(path)
            if module.startswith("flows.") and layer_of(module) > layer_of(module_of(path))
        ),
        "sync → steps → {connectors, warehouse, ledger, draw} → {settings, errors}, never back:",
    )


def test_steps_never_import_each_other() -> None:
    no(
        (
            f"{name_of(path)} imports {module}"
            for path in files(FLOWS / "steps", "*.py")
            if path.name != "__init__.py"
            for module in imports_of(path)
            if module.startswith("flows.steps.") and not within(module, module_of(path))
        ),
        "What two steps need belongs in the warehouse, the ledger or a connector:",
    )


def is_flow(path: Path) -> bool:
    return any(
        isinstance(node, ast.Call) and dotted(node.func) == "flow"
        for node in ast.walk(tree_of(path))
    )


def test_no_flow_imports_another_flow() -> None:
    flows = {module_of(path): path for path in files(FLOWS, "*.py") if is_flow(path)}
    assert flows.keys() >= {"flows.sync", "flows.sla"}
    no(
        (
            f"{name_of(path)} imports {module}"
            for name, path in flows.items()
            for module in imports_of(path)
            if module != name and module in flows
        ),
        "What two flows say stands in flows/running.py or in a step:",
    )


def test_only_warehouse_and_ledger_open_a_store() -> None:
    doors = {FLOWS / "warehouse.py", FLOWS / "ledger.py"}
    for door in doors:
        must_exist(door)
    no(
        (
            f"{name_of(path)}:{node.lineno} calls duckdb.connect"
            for path in files(FLOWS, "*.py")
            if path not in doors
            for node in ast.walk(tree_of(path))
            if (isinstance(node, ast.Attribute) and dotted(node) == "duckdb.connect")
            or (
                isinstance(node, ast.ImportFrom)
                and node.module == "duckdb"
                and any(alias.name == "connect" for alias in node.names)
            )
        ),
        "One process, one owner of a DuckDB file; the doors are warehouse.py and ledger.py:",
    )


def test_only_settings_reads_the_environment() -> None:
    must_exist(FLOWS / "settings.py")
    reads = {"os.environ", "os.getenv", "os.environb"}
    no(
        (
            f"{name_of(path)}:{node.lineno}"
            for path in files(FLOWS, "*.py")
            if path != FLOWS / "settings.py"
            for node in ast.walk(tree_of(path))
            if (isinstance(node, ast.Attribute) and dotted(node) in reads)
            or (
                isinstance(node, ast.ImportFrom)
                and node.module == "os"
                and any(f"os.{alias.name}" in reads for alias in node.names)
            )
        ),
        "Only flows/settings.py reads the environment; ask it:",
    )


def test_only_the_draw_gives_a_lead_to_one_of_several_reps() -> None:
    must_exist(FLOWS / "draw.py")
    no(
        (
            f"{name_of(path)} imports {module}"
            for path in files(FLOWS, "*.py")
            if not within(module_of(path), "flows.connectors")
            for module in imports_of(path)
            if within(module, "random") or within(module, "numpy.random")
        ),
        "No owner is found by chance; flows/draw.py is fair and can be recomputed:",
    )


WIDE = {"Exception", "BaseException"}


def swallows(node: ast.AST) -> bool:
    """Catches everything and does nothing about it."""
    if isinstance(node, ast.ExceptHandler):
        caught = {dotted(part) for part in ast.walk(node.type)} if node.type else WIDE
        empty = all(isinstance(line, ast.Pass | ast.Continue | ast.Expr) for line in node.body)
        calls = any(isinstance(part, ast.Call) for line in node.body for part in ast.walk(line))
        return bool(caught & WIDE) and empty and not calls
    return isinstance(node, ast.Call) and (
        dotted(node.func).split(".")[-1] == "suppress"
        and bool({dotted(argument) for argument in node.args} & WIDE)
    )


def test_no_exception_is_swallowed() -> None:
    no(
        (
            f"{name_of(path)}:{getattr(node, 'lineno', 0)}"
            for folder in ("flows", "sandbox", "tests")
            for path in files(ROOT / folder, "*.py")
            for node in ast.walk(tree_of(path))
            if swallows(node)
        ),
        "An exception of any kind is handled or let through, never passed over:",
    )


def test_no_test_is_skipped() -> None:
    never = {"pytest.skip", "pytest.xfail", "pytest.importorskip"}
    marks = {"pytest.mark.skip", "pytest.mark.skipif", "pytest.mark.xfail"}
    no(
        (
            f"{name_of(path)}:{node.lineno} {dotted(node)}"
            for path in files(ROOT / "tests", "*.py")
            for node in ast.walk(tree_of(path))
            if isinstance(node, ast.Attribute)
            and dotted(node) in never | marks
            and name_of(path) not in READS_DATA_OF_OTHERS
        ),
        "A test that never runs proves nothing:",
    )


# SQL and policy


def test_no_model_calls_the_clock() -> None:
    no(
        (
            f"{name_of(path)} calls {match.group(0)}"
            for folder in ("models", "tests", "macros")
            for path in files(DBT / folder, "*.sql")
            for match in CLOCK.finditer(sql_without_comments(path))
        ),
        "Now is as_of(), which the run fixed; a model that asks the clock cannot be rebuilt:",
    )


def room_of(path: Path) -> str:
    return path.relative_to(DBT / "models").parts[0]


def test_each_room_reads_only_rooms_before_it() -> None:
    models = {path.stem: room_of(path) for path in files(DBT / "models", "*.sql")}
    assert set(models.values()) == set(ROOMS), (
        f"models/ has the rooms {sorted(set(models.values()))}, the design has {sorted(ROOMS)}"
    )
    no(
        (
            f"{name_of(path)} reads {name} ({models[name]})"
            for path in files(DBT / "models", "*.sql")
            for name in re.findall(r"""ref\(\s*["'](\w+)["']\s*\)""", path.read_text())
            if name in models and ROOMS.index(models[name]) > ROOMS.index(room_of(path))
        ),
        "Each room reads only rooms before it:",
    )


def test_models_are_named_after_their_room() -> None:
    prefixes = {"staging": "stg_{system}__", "write_back": "sync_{system}__", "reporting": "rpt_"}
    no(
        (
            f"{name_of(path)} should begin with {prefix}"
            for path in files(DBT / "models", "*.sql")
            if room_of(path) in prefixes
            for prefix in [prefixes[room_of(path)].format(system=path.parent.name)]
            if not path.stem.startswith((prefix, "int_"))
        ),
        "Names are addresses:",
    )


def test_every_policy_row_has_an_id_of_its_own_and_a_reason() -> None:
    found = []
    for path in files(POLICY, "*.csv"):
        with path.open(encoding="utf-8", newline="") as file:
            header, *rows = list(csv.reader(file))
        if "reason" not in header:
            found.append(f"{name_of(path)} has no column reason")
            continue
        seen: set[str] = set()
        for number, row in enumerate(rows, start=2):
            if len(row) != len(header):
                found.append(f"{name_of(path)}:{number} has {len(row)} cells of {len(header)}")
                continue
            if not row[header.index("reason")].strip():
                found.append(f"{name_of(path)}:{number} has no reason")
            if not row[0].strip() or row[0] in seen:
                found.append(f"{name_of(path)}:{number} repeats or lacks its id {row[0]!r}")
            seen.add(row[0])
    no(found, "A policy row that nobody can argue for is not policy:")


def described(entry: dict[str, Any], where: str) -> Iterator[str]:
    if not str(entry.get("description") or "").strip():
        yield f"{where} has no description"
    for column in entry.get("columns", []):
        if not str(column.get("description") or "").strip():
            yield f"{where}.{column['name']} has no description"


def test_every_model_seed_source_and_column_is_described() -> None:
    found, entries = [], {}
    for path in [*files(DBT / "models", "*.yml"), *files(DBT / "seeds", "*.yml")]:
        document = yaml_of(path)
        for source in document.get("sources", []):
            found += described(source, f"{name_of(path)}: {source['name']}")
            for table in source["tables"]:
                found += described(table, f"{name_of(path)}: {source['name']}.{table['name']}")
                if not table.get("columns"):
                    found.append(f"{name_of(path)}: {table['name']} lists no columns")
        for entry in [*document.get("models", []), *document.get("seeds", [])]:
            entries[entry["name"]] = {column["name"] for column in entry.get("columns", [])}
            found += described(entry, f"{name_of(path)}: {entry['name']}")
    for path in files(DBT / "models", "*.sql"):
        if not entries.get(path.stem):
            found.append(f"{name_of(path)} has no columns in YAML")
    for path in files(POLICY, "*.csv"):
        header = set(path.read_text(encoding="utf-8").splitlines()[0].split(","))
        for column in sorted(header ^ entries.get(path.stem, set())):
            found.append(f"{name_of(path)}: {column} stands in the CSV or in its YAML, not in both")
    no(found, "A column nobody described is a column nobody can trust:")


def streams_of(system: str) -> set[str]:
    module = importlib.import_module(f"flows.connectors.{system}")
    classes = [item for item in vars(module).values() if isinstance(item, type)]
    connectors = [item for item in classes if getattr(item, "system", None) == system]
    assert connectors, f"flows/connectors/{system}.py has no class whose system is {system!r}"
    return {stream.name for stream in getattr(connectors[0], "streams", ())}


def test_every_lead_source_has_a_connector_a_staging_folder_and_its_sources_of_one_name() -> None:
    listed = set(yaml_of(DBT / "dbt_project.yml")["vars"]["lead_sources"])
    plumbing = {"__init__", "base", "budget", "enrichment", "http"}
    systems = {
        module_of(path).split(".")[2]
        for path in files(FLOWS / "connectors", "*.py")
        if module_of(path) != "flows.connectors"
    } - plumbing
    with_streams = {system for system in systems if streams_of(system)}
    folders = {path.name for path in must_exist(DBT / "models/staging").iterdir() if path.is_dir()}
    assert listed == with_streams, (
        f"lead_sources names {sorted(listed)}, connectors with streams are {sorted(with_streams)}"
    )
    # A provider's answers are staged too, out of the ledger: they were paid for.
    assert listed <= folders <= systems, (
        f"lead_sources names {sorted(listed)}, staging folders are {sorted(folders)}, "
        f"connectors are {sorted(systems)}"
    )
    for system in listed:
        document = yaml_of(DBT / f"models/staging/{system}/_{system}__sources.yml")
        tables = {table["name"] for source in document["sources"] for table in source["tables"]}
        wanted = {f"{system}__{stream}" for stream in streams_of(system)}
        assert tables == wanted, f"{system}: only one side has {sorted(tables ^ wanted)}"


# A compass, not a rule


def test_long_files_are_listed(remark: Callable[[str], None]) -> None:
    for path, text in text_files():
        lines = text.count("\n")
        if lines > SIZES.get(path.suffix, lines):
            remark(f"long file: {name_of(path)} has {lines} lines (ask at {SIZES[path.suffix]})")
