"""What is promised on paper holds: settings, deployments, locks, and every word of the README."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.house import (
    MADE_BY_TOOLS,
    ROOT,
    module_of,
    must_exist,
    name_of,
    no,
    text_files,
    yaml_of,
)

# Spelt in halves, so that this file does not contain what it forbids.
REGISTRY_HOSTS = tuple(
    left + right
    for left, right in (
        ("pypi", ".org"),
        ("files.python", "hosted.org"),
        ("registry.npm", "js.org"),
        ("deb.debian", ".org"),
        ("archive.ubuntu", ".com"),
        ("proxy.gol", "ang.org"),
    )
)


def test_the_example_of_settings_names_every_field_and_no_other() -> None:
    from flows.settings import Settings

    lines = must_exist(ROOT / ".env.example").read_text(encoding="utf-8").splitlines()
    named = [m.group(1) for line in lines if (m := re.match(r"#?\s*(BATON_[A-Z0-9_]+)=", line))]
    # A field called baton_home would still be BATON_HOME to whoever sets it.
    fields = {f"BATON_{name.upper().removeprefix('BATON_')}" for name in Settings.model_fields}
    assert len(named) == len(set(named)), ".env.example names a setting twice"
    assert set(named) == fields, f"Only one side has {sorted(set(named) ^ fields)}"


def test_every_deployment_is_a_flow_of_the_same_name_that_says_what_it_does() -> None:
    from prefect import Flow

    deployments = yaml_of(ROOT / "prefect.yaml")["deployments"]
    assert deployments, "prefect.yaml has no deployment"
    for deployment in deployments:
        file, name = deployment["entrypoint"].split(":")
        module = importlib.import_module(module_of(must_exist(ROOT / file)))
        found = getattr(module, name, None)
        assert isinstance(found, Flow), f"{deployment['entrypoint']} is not a flow"
        names = {deployment["name"], name, Path(file).stem, found.name}
        assert len(names) == 1, f"One flow goes by several names: {sorted(names)}"
        assert deployment.get("description"), f"prefect.yaml does not say what {name} does"
        assert found.fn.__doc__, f"{file} does not say what {name} does"


LOCKS = ("requirements.lock", "requirements-dev.lock", "requirements-bootstrap.lock")


def pins_of(name: str) -> set[str]:
    """The pins of a lock; every one is exact and carries a hash."""
    text = must_exist(ROOT / name).read_text(encoding="utf-8")
    assert "://" not in text, f"{name} records an address; write it with `make lock`"
    assert "-index" not in text, f"{name} records a package index; write it with `make lock`"
    blocks = re.split(r"\n(?=[A-Za-z0-9])", re.sub(r"(?m)^\s*#.*\n?", "", text).strip())
    for block in blocks:
        assert re.match(r"[\w.-]+(\[[^\]]+\])?==[\w.!+-]+", block), (
            f"{name}: {block[:60]!r} is no pin"
        )
        assert "--hash=sha256:" in block, f"{name}: {block.splitlines()[0]} has no hash"
    return {block.splitlines()[0].rstrip(" \\") for block in blocks}


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_has_exact_pins_with_hashes_and_no_address(name: str) -> None:
    assert pins_of(name)


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-bootstrap.lock"])
def test_the_development_lock_holds_every_other_lock(name: str) -> None:
    missing = pins_of(name) - pins_of("requirements-dev.lock")
    assert not missing, f"requirements-dev.lock lacks {sorted(missing)}; run `make lock`"


def test_no_file_names_a_registry_or_a_place_on_this_machine() -> None:
    forbidden = (*REGISTRY_HOSTS, f"{ROOT}/", *(f"{Path.home()}/",) * (Path.home() != Path("/")))
    no(
        (
            f"{name_of(path)} contains {word}"
            for path, text in text_files()
            for word in forbidden
            if word in text
        ),
        "The project names no package registry and no path of one machine:",
    )


def test_ci_runs_the_recipes_that_developers_run() -> None:
    path = must_exist(ROOT / ".ci/run")
    assert path.stat().st_mode & 0o100, ".ci/run cannot be executed"
    text = path.read_text(encoding="utf-8")
    assert "set -euo pipefail" in text, ".ci/run would go on after a failure"
    assert "make" in text, ".ci/run has recipes of its own"


# The README: every path, recipe and command in it exists


def make_targets() -> set[str]:
    text = must_exist(ROOT / "Makefile").read_text(encoding="utf-8")
    return set(re.findall(r"(?m)^([a-z][a-z-]*):(?!=)", text))


def baton_commands() -> set[str]:
    import typer.main

    from flows.cli import commands

    command = typer.main.get_command(commands)
    return set(getattr(command, "commands", {}))


def code_in(markdown: str) -> Iterator[str]:
    """Every line of a fenced block and every piece between backticks."""
    fence = re.compile(r"^```[^\n]*\n(.*?)^```", re.DOTALL | re.MULTILINE)
    for block in fence.findall(markdown):
        yield from block.splitlines()
    yield from re.findall(r"`([^`\n]+)`", fence.sub("", markdown))


def test_the_makefile_has_every_agreed_target() -> None:
    agreed = {"setup", "demo", "test", "lint", "bench", "faults", "clean", "help"}
    missing = agreed - make_targets()
    assert not missing, f"The Makefile lacks {sorted(missing)}"


def test_every_recipe_and_command_in_the_readme_exists() -> None:
    text = must_exist(ROOT / "README.md").read_text(encoding="utf-8")
    recipes, commands = make_targets(), baton_commands()
    found = []
    for code in code_in(text):
        for word in re.findall(r"(?:^|[\s$;&])make ([a-z][a-z-]*)", code):
            if word not in recipes:
                found.append(f"make {word}")
        for word in re.findall(r"(?:^|[\s$;&/])baton (?:--env-file \S+ )?([a-z][a-z-]*)", code):
            if word not in commands:
                found.append(f"baton {word}")
    no(found, "The README names what does not exist:")


def test_every_path_in_the_readme_exists() -> None:
    text = must_exist(ROOT / "README.md").read_text(encoding="utf-8")
    suffixes = r"py|sql|csv|yml|yaml|toml|md|lock|cfg"
    links = [link for link in re.findall(r"\]\(([^)#\s]+)", text) if "://" not in link]
    words = {word for code in code_in(text) for word in re.findall(r"[\w.*<>/-]+", code)}
    agreed = {"flows", "dbt_project", "expectations", "deployments", "sandbox", "tests", "docs"}
    top = agreed | {path.name for path in ROOT.iterdir()} - MADE_BY_TOOLS
    paths = {
        word.rstrip("/.")
        for word in words
        if word.split("/")[0] in top or re.search(rf"\w\.({suffixes})$", word)
    }
    made = {"sandbox.env"}
    no(
        (
            path
            for path in {*links, *paths} - made
            if not any(ROOT.glob(pattern := re.sub(r"<\w+>", "*", path)))
            and not any(files_named(pattern))
        ),
        "The README names files that do not exist:",
    )


def files_named(pattern: str) -> Iterator[Path]:
    for path in ROOT.rglob(pattern):
        if not MADE_BY_TOOLS & set(path.relative_to(ROOT).parts):
            yield path
