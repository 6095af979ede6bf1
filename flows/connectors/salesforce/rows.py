"""Rows of a Bulk result in the form REST gives them, so that both doors bring the same version."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from flows.connectors.base import Stream

NUMBERS = frozenset({"double", "currency", "percent"})


def shaper(
    stream: Stream, header: Sequence[str], kinds: Mapping[str, str], root: str
) -> Callable[[Iterable[list[str]]], list[dict[str, Any]]]:
    """Return a function that turns rows of text into the objects REST answers.

    ``kinds`` are the types of the columns as described; a column of unknown type stays text.
    An empty cell is null. Columns keep the order of the query, as they do in REST.
    """
    known = [kinds.get(name, "") for name in header]
    changes = [(at, _READ[kind]) for at, kind in enumerate(known) if kind in _READ]
    place, names = header.index("Id"), tuple(header)
    address = f"{root}/sobjects/{stream.path}/"

    def shape(rows: Iterable[list[str]]) -> list[dict[str, Any]]:
        shaped = []
        for row in rows:
            cells: list[Any] = [cell or None for cell in row]
            for at, read in changes:
                cell = cells[at]
                if cell is not None:
                    cells[at] = read(cell)
            about = {"type": stream.path, "url": f"{address}{row[place]}"}
            shaped.append({"attributes": about, **dict(zip(names, cells, strict=True))})
        return shaped

    return shape


def _boolean(cell: str) -> Any:
    return {"true": True, "false": False}.get(cell.lower(), cell)


def _whole(cell: str) -> Any:
    number = _decimal(cell)
    return int(number) if isinstance(number, float) and number.is_integer() else number


def _decimal(cell: str) -> Any:
    try:
        number = float(cell)
    except ValueError:
        return cell
    # JSON has no word for the others, and Salesforce no such number.
    return number if math.isfinite(number) else cell


def _time(cell: str) -> str:
    return f"{cell[:-1]}+0000" if cell[-1] == "Z" else cell


_READ: dict[str, Callable[[str], Any]] = {
    "boolean": _boolean,
    "int": _whole,
    "long": _whole,
    "datetime": _time,
    **dict.fromkeys(NUMBERS, _decimal),
}
