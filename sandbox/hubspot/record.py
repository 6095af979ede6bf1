"""One version of a record, and its set properties in a third of a dictionary's memory.

A million contacts have a few thousand different sets of property names between them: the names
live once per set, a record holds its values only.
"""

from __future__ import annotations

from collections.abc import ItemsView, Iterator, Mapping
from typing import Any, overload


class Record:
    """One version of one CRM record; a change makes a new one, so the index can keep the old.

    ``props`` is a dictionary until the record is put into its collection, ``Props`` from then on.
    """

    __slots__ = ("archived", "created", "id", "modified", "props")

    def __init__(
        self,
        id: int,
        props: Any,
        created: int,
        modified: int,
        archived: int | None = None,
    ) -> None:
        self.id = id
        self.props = props
        self.created = created
        self.modified = modified
        self.archived = archived


Shape = dict[str, int]
_SHAPES: dict[tuple[str, ...], Shape] = {}


class Props(Mapping[str, str]):
    """An unchanging mapping of property names to values; what is not set is not in it."""

    __slots__ = ("shape", "values_of")

    def __init__(self, given: Mapping[str, str | None]) -> None:
        if None in given.values():
            given = {name: value for name, value in given.items() if value is not None}
        names = tuple(given)
        shape = _SHAPES.get(names)
        if shape is None:
            shape = _SHAPES[names] = {name: at for at, name in enumerate(names)}
        self.shape = shape
        # The last value is the one of every property that is not set.
        self.values_of = (*given.values(), None)

    @overload
    def get(self, name: str) -> str | None: ...
    @overload
    def get(self, name: str, default: str) -> str: ...
    def get(self, name: str, default: str | None = None) -> str | None:
        at = self.shape.get(name)
        return default if at is None else self.values_of[at]

    def __getitem__(self, name: str) -> str:
        value = self.values_of[self.shape[name]]
        assert value is not None
        return value

    def __iter__(self) -> Iterator[str]:
        return iter(self.shape)

    def __len__(self) -> int:
        return len(self.shape)

    def __contains__(self, name: object) -> bool:
        return name in self.shape

    def items(self) -> ItemsView[str, str]:
        return self.as_dict().items()

    def as_dict(self) -> dict[str, str]:
        """A copy that may be changed."""
        return dict(zip(self.shape, self.values_of, strict=False))  # type: ignore[arg-type]


class Projection:
    """The same properties of many records: where each stands is looked up once per shape."""

    __slots__ = ("_places", "names")

    def __init__(self, names: list[str]) -> None:
        self.names = names
        self._places: dict[int, list[tuple[str, int]]] = {}

    def of(self, props: Props) -> dict[str, str | None]:
        places = self._places.get(id(props.shape))
        if places is None:
            find = props.shape.get
            places = [(name, find(name, -1)) for name in self.names]
            self._places[id(props.shape)] = places
        values = props.values_of
        return {name: values[at] for name, at in places}
