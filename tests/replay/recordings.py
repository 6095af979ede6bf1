"""Recorded answers of the real services: read where they lie beside this repository.

They are not part of it. A test module that needs them says ``pytestmark = needs_recordings``.
"""

from __future__ import annotations

import functools
import gzip
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.house import ROOT

DATA = next((folder.parent for folder in ROOT.parent.glob("*/data/fixtures")), None)

needs_recordings = pytest.mark.skipif(
    DATA is None, reason="the recordings (data/fixtures) are not beside this repository"
)

# What belongs to one connection, not to the answer.
OF_THE_CONNECTION = frozenset(
    ("connection", "content-encoding", "content-length", "keep-alive", "transfer-encoding")
)


@dataclass(frozen=True)
class Recording:
    """One recorded answer; ``name`` is its address for people, ``body`` its JSON, None if empty."""

    name: str
    method: str
    path: str
    status: int
    raw: bytes
    headers: tuple[tuple[str, str], ...] = ()
    request: Any = None
    body: Any = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "body", json.loads(self.raw) if self.raw.strip() else None)

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    @property
    def sent_headers(self) -> list[tuple[str, str]]:
        return [(k, v) for k, v in self.headers if k.lower() not in OF_THE_CONNECTION]


def folder(name: str) -> Path:
    assert DATA is not None, "a test that reads recordings carries the mark needs_recordings"
    return DATA / "fixtures" / name


def files_in(name: str) -> set[str]:
    """Every file below a folder, by its path inside it."""
    top = folder(name)
    return {path.relative_to(top).as_posix() for path in top.rglob("*") if path.is_file()}


def load(name: str, path: str) -> Any:
    """The JSON of one file of a folder."""
    return json.loads((folder(name) / path).read_bytes())


@functools.cache
def traffic(name: str, path: str) -> tuple[Recording, ...]:
    """The interactions of one file of recorded traffic, in the order they happened."""
    with gzip.open(folder(name) / path) as file:
        items = json.load(file)
    return tuple(_interaction(f"{path}[{number}]", item) for number, item in enumerate(items))


def _interaction(name: str, item: dict[str, Any]) -> Recording:
    body = item.get("responseBody")
    return Recording(
        name=f"{name} {item['method']} {item['path']}",
        method=item["method"],
        path=item["path"],
        status=item["status"],
        raw=b"" if body in ("", None) else json.dumps(body).encode(),
        headers=tuple((key, value) for key, value in item["responseHeaders"]),
        request=item.get("requestBody"),
    )


def single(name: str, path: str, method: str, url: str, status: int) -> Recording:
    """One file that holds the body of one answer; what was asked is known from its home."""
    return Recording(path, method, url, status, (folder(name) / path).read_bytes().strip())
