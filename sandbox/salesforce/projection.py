"""From stored rows to answers: records of JSON, lines of CSV, groups.

The function that reads a row is written out as Python source for each query: a page of 2,000 rows
with 40 columns is then one dictionary display per row, and no loop over columns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from sandbox.salesforce.conditions import Path
from sandbox.salesforce.plan import Plan
from sandbox.salesforce.schema import NUMBERS, OBJECT_OF_PREFIX, Field
from sandbox.salesforce.soql import Aggregate
from sandbox.salesforce.values import Find, Row


def builder(
    plan: Plan, version: str, find: Find, *, root: str = "sobjects"
) -> Callable[[Row], Row]:
    """Return the function that turns a stored row into the record of the answer."""
    name = plan.sobject.name
    address = f"/services/data/v{version}/sobjects/"
    own = address if root == "sobjects" else f"/services/data/v{version}/{root}/"
    nested: dict[str, Any] = {}
    parts = [f"'attributes': {{'type': {name!r}, 'url': {f'{own}{name}/'!r} + row['Id']}}"]
    for path in plan.selected:
        if path.through:
            _nest(nested, path.through, path)
        else:
            parts.append(f"{path.field.name!r}: get({path.field.name!r})")
    flat = _compiled("{" + ", ".join(parts) + "}", {})
    if not nested:
        return flat
    parents = _Parents(address, find)

    def build(row: Row) -> Row:
        record: Row = flat(row)
        for relationship, (step, paths, deeper) in nested.items():
            record[relationship] = parents.read(row, step, paths, deeper)
        return record

    return build


def _compiled(expression: str, names: dict[str, Any]) -> Callable[[Row], Any]:
    """Return ``row -> expression``; only names of the schema and literals are ever written in."""
    source = f"def read(row):\n    get = row.get\n    return {expression}\n"
    scope = dict(names)
    exec(compile(source, "<projection>", "exec"), scope)
    read: Callable[[Row], Any] = scope["read"]
    return read


class _Parents:
    """Reads the records a row points at."""

    def __init__(self, address: str, find: Find) -> None:
        self.address = address
        self.find = find

    def read(self, row: Row, step: Field, paths: list[Path], deeper: dict[str, Any]) -> Row | None:
        target = row.get(step.name)
        parent = self.find(target) if target else None
        if parent is None:
            return None
        real = OBJECT_OF_PREFIX[parent["Id"][:3]]
        # A reference to several objects answers with the type "Name", not with the real one.
        shown = "Name" if len(step.refers_to) > 1 else real
        record: Row = {"attributes": {"type": shown, "url": f"{self.address}{real}/{parent['Id']}"}}
        for path in paths:
            is_type = path.field.name == "Type" and shown == "Name"
            record[path.field.name] = real if is_type else parent.get(path.field.name)
        for relationship, (next_step, next_paths, next_deeper) in deeper.items():
            record[relationship] = self.read(parent, next_step, next_paths, next_deeper)
        return record


def _nest(tree: dict[str, Any], steps: tuple[Field, ...], path: Path) -> None:
    step = steps[0]
    entry = tree.setdefault(step.relationship or "", (step, [], {}))
    if len(steps) == 1:
        entry[1].append(path)
    else:
        _nest(entry[2], steps[1:], path)


# --- CSV ---------------------------------------------------------------------------------------


def csv_name(path: Path) -> str:
    """Return the heading of a column: ``Owner.Name`` for what lies behind a reference."""
    return ".".join([*(step.relationship or "" for step in path.through), path.field.name])


def csv_reader(plan: Plan, find: Find) -> Callable[[Row], list[str]]:
    """Return the function that turns a stored row into the texts of a Bulk result."""
    names: dict[str, Any] = {}
    cells = []
    for place, path in enumerate(plan.selected):
        held = f"get({path.field.name!r})"
        if path.through:
            names[f"far{place}"] = path.getter(find)
            held = f"far{place}(row)"
        cells.append(_cell(path.field, held))
    return _compiled("[" + ", ".join(cells) + "]", names)


def _cell(known: Field, held: str) -> str:
    """Return the Python expression of one cell; no function is called for each of them."""
    if known.type == "boolean":
        return f"('true' if {held} else 'false')"
    if known.type == "datetime":
        # Bulk results say Z where the REST API says +0000.
        return f"(v[:-5] + 'Z' if (v := {held}) else '')"
    if known.type in NUMBERS:
        return f"('' if (v := {held}) is None else repr(v))"
    return f"({held} or '')"


def csv_line(cells: Iterable[str]) -> bytes:
    """Return one line of CSV in which every value is quoted."""
    # The separator of units cannot stand in a field, so one search finds a quote in any cell.
    joined = "\x1f".join(cells)
    if '"' in joined:
        joined = joined.replace('"', '""')
    return ('"' + joined.replace("\x1f", '","') + '"\n').encode()


# --- groups ------------------------------------------------------------------------------------


def grouped(rows: list[Row], plan: Plan, find: Find) -> list[Row]:
    """Return the records of an aggregate query, in the order asked for."""
    keys = [path.getter(find) for path in plan.grouped]
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault(tuple(key(row) for key in keys), []).append(row)
    if not keys and not groups:
        groups[()] = []
    records = [_aggregated(plan, key, members, find) for key, members in groups.items()]
    for name, descending, nulls_last in reversed(plan.group_order):
        records.sort(
            key=_group_key(name, 1 if nulls_last is not descending else -1), reverse=descending
        )
    return records


def _group_key(name: str, null_rank: int) -> Callable[[Row], tuple[Any, ...]]:
    return lambda record: (null_rank,) if record.get(name) is None else (0, record[name])


def _aggregated(plan: Plan, key: tuple[Any, ...], members: list[Row], find: Find) -> Row:
    record: Row = {"attributes": {"type": "AggregateResult"}}
    for path, held in zip(plan.grouped, key, strict=True):
        record[path.field.name] = held
    unnamed = 0
    for path, asked in plan.aggregates:
        get = path.getter(find)
        held_values = [held for held in map(get, members) if held is not None]
        name = asked.alias or f"expr{unnamed}"
        unnamed += not asked.alias
        record[name] = _reduced(asked, held_values)
    return record


def _reduced(asked: Aggregate, held: list[Any]) -> Any:
    if asked.function == "COUNT":
        return len(held)
    if asked.function == "COUNT_DISTINCT":
        return len(set(held))
    if not held:
        return None
    if asked.function in ("MIN", "MAX"):
        return min(held) if asked.function == "MIN" else max(held)
    return sum(held) / (1 if asked.function == "SUM" else len(held))
