"""What the README shows of the demo is what the demo prints, whatever the numbers of the day."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.house import ROOT

BLOCK = re.compile(r"<!-- demo: begin -->\n```text\n(.*?)```\n<!-- demo: end -->", re.DOTALL)


def shown() -> list[str]:
    found = BLOCK.search((ROOT / "README.md").read_text(encoding="utf-8"))
    assert found, "README.md has lost its marked block of the demo's output"
    return [line for line in found.group(1).splitlines() if line.strip(" …")]


def shape(line: str) -> str:
    """Reduce a line to what stays the same every day: its label, without names and numbers."""
    text = line.strip()
    if text.startswith("|"):
        return "| is yours" if " is yours: " in text else text.split(":")[0]
    if text.startswith("What "):
        return re.sub(r"^What .* reads in ", "What … reads in ", text)
    if re.match(r"\d  ", text):
        return re.sub(r"\d+", "0", text.split(".")[0])
    return re.split(r" {2,}", text)[0]


def test_lines_of_two_days_have_one_shape() -> None:
    assert shape("  owned      9; Ava Morgan 2") == shape("  owned      12; Ben Ortiz 1")
    assert shape("   | Oscar Bell is yours: a demo") == shape("   | Ann Lee is yours: a trial")
    assert shape("1  First sync. Baton") != shape("3  Nothing happens. Sync")


@pytest.mark.slow
def test_the_demo_prints_what_the_readme_shows(tmp_path: Path) -> None:
    ended = subprocess.run(
        [Path(sys.executable).with_name("baton"), "demo", "--exit", "--leads", "150"],
        env={**os.environ, "BATON_HOME": str(tmp_path)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=580,
    )
    assert ended.returncode == 0, ended.stderr[-2000:]
    printed = {shape(line) for line in ended.stdout.splitlines()}
    missing = [line for line in shown() if shape(line) not in printed]
    assert not missing, "The demo no longer prints:\n" + "\n".join(missing)
