"""What JSON looks like, apart from its values: keys, types and nulls of many answers, merged."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Self

ANY_KEY = "*"


@dataclass
class Shape:
    """The merged shape of several values at one place.

    ``objects`` is how many of them were objects, ``keys`` the shape below each key with how often
    the key was there; ``items`` is the merged shape of everything in the lists.
    """

    types: set[str] = field(default_factory=set)
    objects: int = 0
    keys: dict[str, tuple[int, Shape]] = field(default_factory=dict)
    items: Shape | None = None

    def learn(self, value: Any, maps: Collection[str] = (), path: str = "") -> Self:
        """Take one more value into account. At the paths in ``maps`` keys are data, not shape."""
        self.types.add(type_of(value))
        if isinstance(value, dict):
            self.objects += 1
            for name, below in value.items():
                key = ANY_KEY if path in maps else name
                seen, shape = self.keys.get(key, (0, Shape()))
                self.keys[key] = (seen + 1, shape.learn(below, maps, f"{path}.{key}"))
        elif isinstance(value, list):
            self.items = self.items or Shape()
            for below in value:
                self.items.learn(below, maps, f"{path}[]")
        return self

    def always(self, key: str) -> bool:
        return key == ANY_KEY or self.keys[key][0] == self.objects


def shape_of(values: Iterable[Any], maps: Collection[str] = ()) -> Shape:
    """The merged shape of all values. Paths look like ``.results[].properties``."""
    shape = Shape()
    for value in values:
        shape.learn(value, maps)
    return shape


def type_of(value: Any) -> str:
    """JSON's word for the type; a whole number is an integer however it was written."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "integer" if isinstance(value, int) else "number"
    words: dict[type, str] = {str: "string", list: "list", dict: "object"}
    return words[type(value)]


def differences(
    recorded: Shape, ours: Shape, *, documented: Collection[str] = (), path: str = ""
) -> Iterator[str]:
    """Say, as sentences, where ours is no answer the vendor could have given.

    A key the vendor always sends must always be there; a type must be one it has shown; a key it
    never sent must stand in ``documented`` (a path, or ``*.key`` for that key anywhere).
    """
    place = path or "the answer"
    known = recorded.types | ({"integer"} if "number" in recorded.types else set())
    if not path_in(path, documented):
        # A null where the vendor showed values only is the one thing a reader cannot foresee.
        for odd in sorted(ours.types - known):
            yield f"{place} is {odd}, recorded: {', '.join(sorted(recorded.types)) or 'nothing'}"
    if ours.objects:
        yield from _missing(recorded, ours, place)
    for key, (_, below) in ours.keys.items():
        there = f"{path}.{key}"
        if key in recorded.keys:
            yield from differences(recorded.keys[key][1], below, documented=documented, path=there)
        elif not path_in(there, documented):
            yield f"{there} is a key the vendor never sent"
    if ours.items and recorded.items and recorded.items.types:
        yield from differences(recorded.items, ours.items, documented=documented, path=f"{path}[]")


def _missing(recorded: Shape, ours: Shape, place: str) -> Iterator[str]:
    for key in recorded.keys:
        if recorded.always(key) and (key not in ours.keys or not ours.always(key)):
            where = "missing" if key not in ours.keys else "sometimes missing"
            yield f"{key} is {where} in {place}; the vendor always sends it"


def path_in(path: str, patterns: Collection[str]) -> bool:
    """Whether a path is named, or its last key is named for any place (``*.key``)."""
    return path in patterns or f"*.{path.rsplit('.', 1)[-1]}" in patterns
