"""What the pages say is so: commands, paths, links, settings, fields, queries and error classes."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from tests.house import DBT, MADE_BY_TOOLS, ROOT, files, must_exist, name_of, no, yaml_of

DOCS = ROOT / "docs"
README = ROOT / "README.md"
GENERATED = DOCS / "tables.md"
DEMO = re.compile(r"<!-- demo: begin -->.*?<!-- demo: end -->", re.DOTALL)
FENCE = re.compile(r"^```[^\n]*\n(.*?)^```", re.DOTALL | re.MULTILINE)


def text_of(path: Path) -> str:
    """A page without what a program printed into it."""
    return DEMO.sub("", must_exist(path).read_text(encoding="utf-8"))


def pages() -> dict[str, str]:
    """Every page a person wrote."""
    paths = [README, *files(DOCS, "*.md")]
    return {name_of(path): text_of(path) for path in paths if path != GENERATED}


def code_in(text: str) -> Iterator[str]:
    for block in FENCE.findall(text):
        yield from block.splitlines()
    # A piece of code may be broken over two lines where the paragraph is.
    for piece in re.findall(r"`([^`]+)`", FENCE.sub("", text)):
        yield " ".join(piece.split())


def commands() -> set[str]:
    import typer.main

    from flows.cli import commands as typed

    return set(getattr(typer.main.get_command(typed), "commands", {}))


def recipes() -> set[str]:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    return set(re.findall(r"(?m)^([a-z][a-z-]*):(?!=)", makefile))


def test_every_recipe_and_command_on_a_page_exists() -> None:
    recipe, command = recipes(), commands()
    found = []
    for page, text in pages().items():
        for code in code_in(text):
            made = re.findall(r"(?:^|[\s;&])make ([a-z][a-z-]*)", code)
            said = re.findall(r"(?:^|[\s;&/])baton (?:--env-file \S+ )?([a-z][a-z-]*)", code)
            found += [f"{page}: make {word}" for word in made if word not in recipe]
            found += [f"{page}: baton {word}" for word in said if word not in command]
    no(found, "The pages name what does not exist:")


def test_every_option_on_a_page_exists() -> None:
    import typer.main

    from flows.cli import commands as typed

    named = getattr(typer.main.get_command(typed), "commands", {})
    known = {"--env-file", "--help"}
    for command in named.values():
        known |= {option for param in command.params for option in param.opts}
    no(
        (
            f"{page}: {option}"
            for page, text in pages().items()
            for code in code_in(text)
            for said in re.findall(r"(?:^|[\s/])baton( .*)", code.split("#")[0])
            if set(said.split()) & set(named)
            for option in re.findall(r"(?<=\s)--[a-z][a-z-]*", said)
            if option not in known
        ),
        "No command of baton has these options:",
    )


def test_every_link_leads_somewhere() -> None:
    no(
        (
            f"{page} → {link}"
            for page, text in pages().items()
            for link in re.findall(r"\]\(([^)#\s]+)", text)
            if "://" not in link and not (ROOT / page).parent.joinpath(link).exists()
        ),
        "Links that lead nowhere:",
    )


def test_every_file_named_on_a_page_exists() -> None:
    top = {path.name for path in ROOT.iterdir()} - MADE_BY_TOOLS
    names = {
        path.name
        for path in ROOT.rglob("*")
        if not MADE_BY_TOOLS & set(path.relative_to(ROOT).parts)
    }
    found = []
    for page, text in pages().items():
        for code in code_in(text):
            # dbt's paths begin in its project.
            for word in re.findall(r"[\w.*<>/-]+", code.replace("path:", "dbt_project/")):
                named = re.search(r"\w\.(py|sql|csv|ya?ml|toml|md|lock)$", word)
                if word.split("/")[0] in top and "/" in word:
                    pattern = re.sub(r"<\w+>", "*", word.strip("/."))
                    if not any(ROOT.glob(pattern)):
                        found.append(f"{page}: {word}")
                elif named and "/" not in word and word not in names:
                    found.append(f"{page}: {word}")
    no(found, "The pages name files that do not exist:")


def test_every_setting_named_on_a_page_exists() -> None:
    from flows.settings import Settings

    fields = {f"BATON_{name.upper()}" for name in Settings.model_fields}
    no(
        (
            f"{page}: {name}"
            for page, text in pages().items()
            for name in re.findall(r"BATON_[A-Z0-9_]+", text)
            if name not in fields
        ),
        "Settings that nothing reads:",
    )


# The runbook and the decisions


def error_classes() -> set[str]:
    from flows import errors

    return {
        item.__name__
        for item in vars(errors).values()
        if inspect.isclass(item) and issubclass(item, errors.PipelineError)
    }


def test_the_runbook_has_one_heading_for_each_error_class() -> None:
    headings = re.findall(r"(?m)^## (.+)$", text_of(DOCS / "runbook.md"))
    assert len(headings) == len(set(headings)), "The runbook has one heading twice"
    assert set(headings) == error_classes(), (
        f"Only one side has {sorted(set(headings) ^ error_classes())}"
    )


def test_each_entry_of_the_runbook_says_symptom_cause_and_cure() -> None:
    sections = re.split(r"(?m)^## ", text_of(DOCS / "runbook.md"))[1:]
    no(
        (
            f"{section.splitlines()[0]} does not say its {word.lower()}"
            for section in sections
            for word in ("Symptom", "Cause", "Cure")
            if f"*{word}:*" not in section
        ),
        "Whoever opens the runbook at night wants all three:",
    )


def test_each_decision_is_half_a_page_and_names_what_lost() -> None:
    found = []
    for path in files(DOCS / "decisions", "*.md"):
        text = path.read_text(encoding="utf-8")
        if "**Chosen:**" not in text or "**Lost:**" not in text:
            found.append(f"{name_of(path)} does not say what was chosen and what lost")
        if len(text.splitlines()) > 40:
            found.append(f"{name_of(path)} is longer than half a page")
    no(found, "A decision without a loser is an opinion:")


# What the README promises to whoever connects their own systems


def test_the_readme_names_every_list_of_changes_and_no_other() -> None:
    written = {path.stem for path in files(DBT / "models/write_back", "sync_*.sql")}
    named = set(re.findall(r"`(sync_\w+__\w+)`", text_of(README)))
    assert named == written, f"Only one side has {sorted(named ^ written)}"


def test_setup_crm_makes_every_field_that_is_written_and_no_other() -> None:
    from flows.connectors import hubspot, salesforce

    folder = DBT / "models/write_back"
    theirs = "".join(path.read_text() for path in files(folder / "salesforce", "*.sql"))
    ours = "".join(path.read_text() for path in files(folder / "hubspot", "*.sql"))
    needed = set(re.findall(r'"(baton_\w+__c)"', theirs))
    needed |= set(re.findall(r'"name": "(baton_\w+)"', ours))
    made = {field.name for field in (*hubspot.CUSTOM_FIELDS, *salesforce.CUSTOM_FIELDS)}
    assert made == needed, f"Only one side has {sorted(made ^ needed)}"
    assert "setup-crm" in text_of(README)


def test_the_scopes_of_slack_are_the_same_in_every_place() -> None:
    pattern = r"\b(?:chat|im|users):[a-z.]*[a-z]"
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    assert set(re.findall(pattern, text_of(README))) == set(re.findall(pattern, example))


def test_every_lead_table_called_a_door_in_the_readme_is_one() -> None:
    public = set(re.findall(r"(?m)^### (\w+)$", GENERATED.read_text(encoding="utf-8")))
    section = text_of(README).split("## What it keeps")[1].split("\n## ")[0]
    named = {name for name in re.findall(r"`(\w+)`", section) if not name.startswith("sync_")}
    no(named - public, "These are not doors:")


# Queries on the pages


@pytest.fixture(scope="module")
def tables() -> Iterator[duckdb.DuckDBPyConnection]:
    """Empty tables as the YAML describes them: the ledger, and doors whose types are said."""
    with duckdb.connect() as connection:
        for path in files(DBT / "models", "*.yml"):
            document = yaml_of(path)
            room = path.relative_to(DBT / "models").parts[0]
            entries = [(room, model) for model in document.get("models", [])]
            for source in document.get("sources", []):
                entries += [(source["schema"], table) for table in source["tables"]]
            for schema, entry in entries:
                columns = ", ".join(
                    f'"{column["name"]}" {column.get("data_type", "varchar")}'
                    for column in entry.get("columns", [])
                )
                connection.execute(f"create schema if not exists {schema}")
                connection.execute(f"create or replace table {schema}.{entry['name']} ({columns})")
        yield connection


def queries() -> list[str]:
    # Quotes end a query; it may run over lines.
    return [
        " ".join(query.split())
        for text in pages().values()
        for query in re.findall(r'baton sql "([^"]+)"', text)
    ]


def test_there_are_queries_to_try() -> None:
    assert len(queries()) >= 4


@pytest.mark.parametrize("query", queries())
def test_every_query_on_a_page_runs(query: str, tables: duckdb.DuckDBPyConnection) -> None:
    assert tables.execute(query).fetchall() is not None
