"""Write ``docs/tables.md`` from dbt's YAML, and ``docs/ownership.md`` from the policy's owners.

The YAML and ``policy_owners.csv`` are the one home of these words; the pages exist because nobody
reads those for pleasure. ``make docs`` runs it, and a test fails when a page is not what it would
write.
"""

from __future__ import annotations

import csv
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

DOCS = Path(__file__).resolve().parent
DBT = DOCS.parent / "dbt_project"
PAGE = DOCS / "tables.md"
OWNERSHIP = DOCS / "ownership.md"
POLICY = DBT / "seeds" / "policy"
ROOMS = (
    "staging",
    "people",
    "scoring",
    "routing",
    "lifecycle",
    "attribution",
    "write_back",
    "reporting",
)
LEDGER = "ledger"
_ACCESS = re.compile(r"""access\s*=\s*["'](\w+)["']""")


def page() -> str:
    """Return the whole page."""
    parts = [
        "# Tables",
        "Generated from dbt's YAML by `make docs`; do not edit it. A room's public tables are its "
        "doors. `baton sql` reads them, as `room.table`, in the copy published by the last run; "
        "staging and policy stay in the warehouse. Every time is UTC.",
        _contents(),
    ]
    for room in ROOMS:
        tables = list(_doors(room))
        if tables:
            parts.append(f"## {room}")
            parts += [_section(table) for table in tables]
    for source in _ledger():
        parts += [f"## {source['name']}", _words(source)]
        parts += [_section(table) for table in source["tables"]]
    parts += [
        "## policy",
        "One decision table per question: the CSVs in `dbt_project/seeds/policy/`.",
    ]
    parts += [_section(seed) for seed in _seeds()]
    return "\n\n".join(parts) + "\n"


def ownership() -> str:
    """Return the page of who owns which decision, in order of owner and table."""
    words = {seed["name"]: _words(seed) for seed in _seeds()}
    with (POLICY / "policy_owners.csv").open(encoding="utf-8", newline="") as file:
        owned = sorted(csv.DictReader(file), key=lambda row: (row["owner"], row["policy_table"]))
    parts = [
        "# Who owns which decision",
        "Generated from `policy_owners.csv` by `make docs`; do not edit it. A decision is a table "
        "in `dbt_project/seeds/policy/`. Its owner proposes a change as a pull request, and "
        "whoever approves it reviews that; nothing takes effect any other way.",
    ]
    for owner in dict.fromkeys(row["owner"] for row in owned):
        lines = [
            "| decision | what one row is | approved by | why theirs |",
            "| --- |" + " --- |" * 3,
        ]
        lines += [
            f"| [{row['policy_table']}](tables.md#{row['policy_table']}) | "
            f"{_first_sentence(words[row['policy_table']])} | {row['approves']} | {row['reason']} |"
            for row in owned
            if row["owner"] == owner
        ]
        parts += [f"## {owner[0].upper()}{owner[1:]}", "\n".join(lines)]
    return "\n\n".join(parts) + "\n"


def _contents() -> str:
    """List every table with its grain, room by room."""
    rows = ["| room | table | what one row is |", "| --- | --- | --- |"]
    for room in ROOMS:
        rows += [_line(room, table) for table in _doors(room)]
    for source in _ledger():
        rows += [_line(source["name"], table) for table in source["tables"]]
    rows += [_line("policy", seed) for seed in _seeds()]
    return "\n".join(rows)


def _line(room: str, table: dict[str, Any]) -> str:
    name = table["name"]
    return f"| {room} | [{name}](#{name}) | {_first_sentence(_words(table))} |"


def _section(table: dict[str, Any]) -> str:
    rows = ["| column | type | meaning |", "| --- | --- | --- |"]
    types = table.get("config", {}).get("column_types", {})
    for column in table.get("columns", []):
        kind = column.get("data_type") or types.get(column["name"]) or ""
        rows.append(f"| `{column['name']}` | {kind} | {_words(column)} |")
    return "\n\n".join([f"### {table['name']}", _words(table), "\n".join(rows)])


def _words(entry: dict[str, Any]) -> str:
    return " ".join(str(entry.get("description") or "").split()).replace("|", "\\|")


def _first_sentence(text: str) -> str:
    return re.split(r"(?<=[.:;]) (?=[A-Z])", text, maxsplit=1)[0]


def _doors(room: str) -> Iterator[dict[str, Any]]:
    """Yield the described public models of a room; the lists of changes are among them."""
    folder = DBT / "models" / room
    described = {
        entry["name"]: entry
        for path in sorted(folder.rglob("*.yml"))
        for entry in _read(path).get("models", [])
    }
    for path in sorted(folder.rglob("*.sql")):
        entry = described.get(path.stem)
        if entry is not None and _access(room, path, entry) == "public":
            yield entry


def _access(room: str, path: Path, entry: dict[str, Any]) -> str:
    in_model = _ACCESS.search(path.read_text(encoding="utf-8"))
    for found in (entry.get("access"), entry.get("config", {}).get("access")):
        if found:
            return str(found)
    if in_model:
        return in_model.group(1)
    return str(_read(DBT / "dbt_project.yml")["models"]["baton"].get(room, {}).get("+access"))


def _ledger() -> list[dict[str, Any]]:
    return [
        source
        for path in sorted((DBT / "models").rglob("_*__sources.yml"))
        for source in _read(path).get("sources", [])
        if source.get("database") == LEDGER
    ]


def _seeds() -> list[dict[str, Any]]:
    return sorted(
        (seed for path in POLICY.glob("_*.yml") for seed in _read(path)["seeds"]),
        key=lambda seed: str(seed["name"]),
    )


def _read(path: Path) -> dict[str, Any]:
    return yaml.safe_load(path.read_text(encoding="utf-8")) or {}


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    OWNERSHIP.write_text(ownership(), encoding="utf-8")
    sys.stdout.write("docs/tables.md and docs/ownership.md are written\n")
