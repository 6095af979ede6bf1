"""Who is linked to whom: associations with their types, in both directions."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

# (from, to) -> unlabelled type id, as in HubSpot's table of association types.
ASSOCIATION_TYPES = {
    ("contacts", "companies"): 279,
    ("companies", "contacts"): 280,
    ("contacts", "deals"): 4,
    ("deals", "contacts"): 3,
    ("deals", "companies"): 341,
    ("companies", "deals"): 342,
    ("contacts", "contacts"): 449,
    ("companies", "companies"): 450,
    ("deals", "deals"): 451,
    ("contacts", "tickets"): 15,
    ("tickets", "contacts"): 16,
    ("tickets", "companies"): 339,
    ("companies", "tickets"): 340,
    ("notes", "contacts"): 202,
    ("contacts", "notes"): 201,
    ("notes", "companies"): 190,
    ("companies", "notes"): 189,
    ("notes", "deals"): 214,
    ("deals", "notes"): 213,
    ("tasks", "contacts"): 204,
    ("contacts", "tasks"): 203,
    ("tasks", "companies"): 192,
    ("companies", "tasks"): 191,
    ("tasks", "deals"): 216,
    ("deals", "tasks"): 215,
    ("emails", "contacts"): 198,
    ("contacts", "emails"): 197,
    ("emails", "companies"): 186,
    ("companies", "emails"): 185,
    ("emails", "deals"): 210,
    ("deals", "emails"): 209,
    ("calls", "contacts"): 194,
    ("contacts", "calls"): 193,
    ("calls", "companies"): 182,
    ("companies", "calls"): 181,
    ("calls", "deals"): 206,
    ("deals", "calls"): 205,
    ("meetings", "contacts"): 200,
    ("contacts", "meetings"): 199,
    ("meetings", "companies"): 188,
    ("companies", "meetings"): 187,
    ("meetings", "deals"): 212,
    ("deals", "meetings"): 211,
    ("leads", "contacts"): 608,
    ("contacts", "leads"): 609,
    ("leads", "companies"): 610,
    ("companies", "leads"): 611,
}
# The labelled "primary" types; the other direction carries its own id.
PRIMARY_TYPES = {
    ("contacts", "companies"): 1,
    ("companies", "contacts"): 2,
    ("deals", "companies"): 5,
    ("companies", "deals"): 6,
    ("leads", "contacts"): 578,
    ("contacts", "leads"): 579,
    ("tickets", "companies"): 26,
    ("companies", "tickets"): 25,
}
_PRIMARY_IDS = frozenset(PRIMARY_TYPES.values())
_BACK = {
    forth: PRIMARY_TYPES[two, one]
    for (one, two), forth in PRIMARY_TYPES.items()
    if (two, one) in PRIMARY_TYPES
}

Types = tuple[int, ...]
NONE: dict[int, Types] = {}


def label_of(type_id: int) -> str | None:
    return "Primary" if type_id in _PRIMARY_IDS else None


def types_between(one: str, other: str) -> list[int]:
    """Every type id a link in this direction may carry, the primary one first."""
    found = (PRIMARY_TYPES.get((one, other)), ASSOCIATION_TYPES.get((one, other)))
    return [type_id for type_id in found if type_id is not None]


@lru_cache(maxsize=4096)
def _kept(types: frozenset[int]) -> Types:
    # A million links carry one of a few dozen combinations: each exists once.
    return tuple(sorted(types))


# Most records have one link of a kind: a pair is a quarter of a dictionary's size.
Held = tuple[int, Types] | dict[int, Types]


class Links:
    """Association types by (from object, to object), from id and to id."""

    def __init__(self) -> None:
        self._held: dict[tuple[str, str], dict[int, Held]] = {}

    def of(self, one: str, id: int, other: str) -> dict[int, Types]:
        """What a record is linked to, by id; not to be changed."""
        held = self._held.get((one, other), {}).get(id)
        if held is None:
            return NONE
        return {held[0]: held[1]} if isinstance(held, tuple) else held

    def add(self, one: str, id: int, other: str, to: int, types: Iterable[int] = ()) -> None:
        """Link two records both ways; without types the unlabelled type of the pair."""
        given = frozenset(types)
        self._put(one, id, other, to, given)
        self._put(other, to, one, id, _backwards(given))

    def remove(self, one: str, id: int, other: str, to: int) -> None:
        for start, first, end, last in ((one, id, other, to), (other, to, one, id)):
            left = dict(self.of(start, first, end))
            if left.pop(last, None) is not None:
                self._held[start, end][first] = left

    def unlabel(self, one: str, id: int, other: str, to: int, types: Iterable[int]) -> None:
        """Take only these labels off a link; the link itself stays."""
        gone = frozenset(types)
        for start, first, end, last, less in (
            (one, id, other, to, gone),
            (other, to, one, id, _backwards(gone)),
        ):
            held = self.of(start, first, end)
            if last in held:
                plain = ASSOCIATION_TYPES.get((start, end), 0)
                kept = _kept(frozenset(held[last]) - less | {plain})
                self._held[start, end][first] = {**held, last: kept}

    def forget(self, one: str, id: int) -> None:
        for start, other in list(self._held):
            if start == one:
                for to in list(self.of(one, id, other)):
                    self.remove(one, id, other, to)

    def move(self, one: str, old: int, new: int) -> None:
        """After a merge the survivor holds the links of both."""
        for start, other in list(self._held):
            if start == one:
                for to, types in list(self.of(one, old, other).items()):
                    self.remove(one, old, other, to)
                    self.add(one, new, other, to, types)

    def _put(self, one: str, id: int, other: str, to: int, types: frozenset[int]) -> None:
        pair = self._held.setdefault((one, other), {})
        plain, held = ASSOCIATION_TYPES.get((one, other), 0), pair.get(id)
        if held is None:
            pair[id] = (to, _kept(types | {plain}))
            return
        if isinstance(held, tuple):
            held = pair[id] = {held[0]: held[1]}
        held[to] = _kept(frozenset(held.get(to, ())) | types | {plain})


def _backwards(types: frozenset[int]) -> frozenset[int]:
    return frozenset(_BACK[type_id] for type_id in types if type_id in _BACK)
