"""Reading the tree, for the tests that hold it to the rules of the house."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent
FLOWS = ROOT / "flows"
DBT = ROOT / "dbt_project"
POLICY = DBT / "seeds" / "policy"
MADE_BY_TOOLS = {
    ".git", ".venv", ".baton", ".hypothesis", ".mypy_cache", ".pytest_cache", ".ruff_cache",
    "__pycache__", "dbt_packages", "logs", "target",
}  # fmt: skip


def must_exist(path: Path) -> Path:
    assert path.exists(), f"{path.relative_to(ROOT)} is missing; design and README promise it."
    return path


def files(folder: Path, pattern: str) -> list[Path]:
    """All files of a folder that match; an empty answer would make a rule pass by accident."""
    must_exist(folder)
    found = sorted(
        path
        for path in folder.rglob(pattern)
        if path.is_file() and not MADE_BY_TOOLS & set(path.relative_to(ROOT).parts)
    )
    assert found, f"{folder.relative_to(ROOT)} holds no {pattern}, so this rule has nothing to read"
    return found


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=name_of(path))


def imports_of(path: Path) -> set[str]:
    """Every module a file imports, wherever in it; `from a import b` counts as `a` and `a.b`."""
    package = module_of(path).split(".")
    if path.name != "__init__.py":
        package = package[:-1]
    found = set()
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            start = ".".join([*base, *([node.module] if node.module else [])])
            found |= {start} | {f"{start}.{alias.name}" for alias in node.names}
    return found


def within(module: str, package: str) -> bool:
    return module == package or module.startswith(f"{package}.")


def dotted(node: ast.AST) -> str:
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else "?"


def sql_without_comments(path: Path) -> str:
    text = re.sub(r"\{#.*?#\}", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    return re.sub(r"--[^\n]*|/\*.*?\*/", "", text, flags=re.DOTALL)


def yaml_of(path: Path) -> dict[str, Any]:
    loaded = yaml.safe_load(must_exist(path).read_text(encoding="utf-8"))
    assert isinstance(loaded, dict), f"{name_of(path)} is not a mapping"
    return loaded


def text_files() -> Iterator[tuple[Path, str]]:
    for path in files(ROOT, "*"):
        content = path.read_bytes()
        if b"\0" not in content:
            yield path, content.decode("utf-8", errors="replace")


def no(violations: Iterable[str], rule: str) -> None:
    found = sorted(set(violations))
    assert not found, f"{rule}\n  " + "\n  ".join(found)
