"""Who is who does not depend on who arrives first, nor on how often we look.

Hypothesis invents small worlds: contacts and leads with addresses (some read by several people,
some blank, some no address at all), merges, conversions, and all of these taken back. Every world
lives twice, its changes arriving in two orders. All of them travel through the journal and the dbt
models together, since a run costs the same for one world as for two hundred; after every run each
must be what a union-find says it is.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from flows.connectors.base import Page, Record
from flows.ledger import Ledger
from flows.warehouse import Warehouse

pytestmark = pytest.mark.timeout(300)

WORLDS = 200
RUNS = 3
NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
WHO = ("int_people__records", "int_people__links", "int_people__affected", "people")
MODELS = [f"path:models/people/{name}.sql" for name in WHO]
STREAMS = {
    "hubspot:contact": "hubspot.contacts",
    "salesforce:lead": "salesforce.leads",
    "salesforce:contact": "salesforce.contacts",
}
# As a form, a rep or an import writes it; the second is how it is compared.
ADDRESSES = {
    "": None,
    "ann@{w}.example": "ann@{w}.example",
    " Ann@{W}.Example ": "ann@{w}.example",
    "bob@{w}.example": "bob@{w}.example",
    "bob+news@{w}.example": "bob+news@{w}.example",
    "Info@{w}.example": "info@{w}.example",
    "info+{w}@{w}.example": "info+{w}@{w}.example",
    "unknown-{w}": "unknown-{w}",
    "ann @{w}.example": "ann @{w}.example",
}
# Some of it oftener, so that worlds hang together by it without being all one person.
OFTEN = (*sorted(ADDRESSES), "Info@{w}.example", "Info@{w}.example", "bob@{w}.example")
SELDOM = (False, False, False, True)
SHARED = frozenset({"info"})
SHARED_LATER = frozenset({"bob"})


@dataclass(frozen=True)
class Version:
    """What a system says of a record. ``links`` are numbers of records of the same world."""

    email: str
    links: frozenset[int]
    is_deleted: bool


@dataclass(frozen=True)
class World:
    """Records by kind, their versions, and two orders in which these arrive, run by run."""

    kinds: tuple[str, ...]
    versions: tuple[tuple[Version, ...], ...]
    orders: tuple[tuple[tuple[int, int], ...], ...]


@st.composite
def worlds(draw: st.DrawFn) -> World:
    kinds = tuple(draw(st.lists(st.sampled_from(sorted(STREAMS)), min_size=2, max_size=6)))
    several = st.frozensets(st.integers(0, len(kinds)), min_size=1, max_size=2)
    others = st.sampled_from(SELDOM).flatmap(
        lambda links: several if links else st.just(frozenset())
    )
    version = st.builds(Version, st.sampled_from(OFTEN), others, st.sampled_from(SELDOM))
    versions = tuple(
        tuple(draw(st.lists(version, min_size=1, max_size=3))) for _ in range(len(kinds))
    )
    events = [number for number, all_of_it in enumerate(versions) for _ in all_of_it]
    orders = []
    for _ in range(2):
        order = draw(st.permutations(events))
        runs = st.lists(st.integers(0, RUNS - 1), min_size=len(order), max_size=len(order))
        orders.append(tuple(zip(order, sorted(draw(runs)), strict=True)))
    return World(kinds, versions, tuple(orders))


@dataclass
class Life:
    """A world in one order of arrival: what has arrived of it so far."""

    name: str
    world: World
    order: tuple[tuple[int, int], ...]
    now: dict[str, dict[str, Any]] = field(default_factory=dict)

    def key(self, number: int) -> str:
        """The record key; a number past the records is one that never arrives."""
        kinds = self.world.kinds
        kind = kinds[number] if number < len(kinds) else "hubspot:contact"
        return f"{kind}:{self.name}{number}"

    def arrivals(self) -> Iterator[tuple[int, str, dict[str, Any]]]:
        """Run, record key and state, in the order in which they arrive."""
        seen = [0] * len(self.world.kinds)
        for number, run in self.order:
            version = self.world.versions[number][seen[number]]
            seen[number] += 1
            yield run, self.key(number), self.state(number, version)

    def state(self, number: int, version: Version) -> dict[str, Any]:
        kind = self.world.kinds[number]
        named = [
            self.key(other)
            for other in sorted(version.links - {number})
            if linkable(kind, self.key(other))
        ]
        # Salesforce names one record of each kind, HubSpot all that were merged.
        if kind != "hubspot:contact":
            named = list({key.rpartition(":")[0]: key for key in named}.values())
        texts = {"w": self.name, "W": self.name.upper()}
        return {
            "email": version.email.format(**texts),
            "address": (ADDRESSES[version.email] or "").format(**texts) or None,
            "links": named,
            "is_deleted": version.is_deleted,
        }


def linkable(kind: str, other: str) -> bool:
    """HubSpot merges contacts; a lead is merged into a lead or becomes a contact."""
    same = other.startswith(kind + ":")
    return same or (kind == "salesforce:lead" and other.startswith("salesforce:contact:"))


def payload(kind: str, state: dict[str, Any]) -> bytes:
    """The record as its system shows it."""
    ids = {key.rpartition(":")[0]: key.rpartition(":")[2] for key in state["links"]}
    if kind == "hubspot:contact":
        merged = ";".join(key.rpartition(":")[2] for key in state["links"])
        properties = {"email": state["email"], "hs_merged_object_ids": merged}
        return json.dumps({"properties": properties, "archived": state["is_deleted"]}).encode()
    fields = {
        "Email": state["email"],
        "MasterRecordId": ids.get(kind),
        "ConvertedContactId": ids.get("salesforce:contact") if kind.endswith("lead") else None,
        "IsDeleted": state["is_deleted"],
    }
    return json.dumps(fields).encode()


# --- what must come of it -------------------------------------------------------------------------


def joins(address: str, shared: frozenset[str]) -> bool:
    mailbox, at, host = address.partition("@")
    return bool(at) and " " not in address and "." in host and mailbox.split("+")[0] not in shared


def components(now: dict[str, dict[str, Any]], shared: frozenset[str]) -> dict[str, str]:
    """Union-find over records and what they name: returns the root of each record."""
    root: dict[str, str] = {}

    def find(one: str) -> str:
        root.setdefault(one, one)
        while root[one] != one:
            one = root[one]
        return one

    for key, state in now.items():
        links = list(state["links"])
        if state["address"] and joins(state["address"], shared):
            links.append("email:" + state["address"])
        for link in [key, *links]:
            root[find(link)] = find(key)
    return {key: find(key) for key in now}


def expected(
    now: dict[str, dict[str, Any]], minted: dict[str, int], shared: frozenset[str]
) -> dict[str, tuple[str, bool, bool]]:
    """Per record: its lead key, whether it is deleted, whether it stands for its address."""
    root = components(now, shared)
    first: dict[str, int] = {}
    for key, one in root.items():
        first[one] = min(minted[key], first.get(one, minted[key]))
    merged_away = {
        link
        for key, state in now.items()
        if key.startswith("hubspot:") and not state["is_deleted"]
        for link in state["links"]
    }
    deleted = {key: state["is_deleted"] or key in merged_away for key, state in now.items()}
    stands: dict[str, tuple[bool, int, int, str]] = {}
    for key, state in now.items():
        if state["address"]:
            rank = (deleted[key], first[root[key]], minted[key], key)
            stands[state["address"]] = min(rank, stands.get(state["address"], rank))
    standing = {rank[-1] for rank in stands.values()}
    return {key: (f"L{first[root[key]]:08d}", deleted[key], key in standing) for key in now}


# --- the real thing -------------------------------------------------------------------------------


class Journey:
    """All lives in one warehouse, run by run."""

    def __init__(self, warehouse: Warehouse, lives: list[Life]) -> None:
        self.warehouse, self.lives, self.ledger = warehouse, lives, Ledger(warehouse)
        self.minted: dict[str, int] = {}
        self.belonged: dict[str, str] = {}

    def run(self, number: int, shared: frozenset[str], *, is_published: bool) -> int:
        """One run: land, mint, build, look. Returns the memberships recorded in it."""
        self.ledger.begin(NOW + timedelta(minutes=number), NOW)
        self.land(number)
        self.ledger.mint_lead_keys()
        self.build()
        kept = self.ledger.keep_memberships()
        assert self.ledger.keep_memberships() == 0
        if is_published:
            self.warehouse.mark_built(self.ledger.run_id, self.ledger.as_of, "none")
        self.look(shared)
        return kept

    def land(self, number: int) -> None:
        arriving = [
            (life, key, state)
            for life in self.lives
            for run, key, state in life.arrivals()
            if run == number
        ]
        # One stream after the other, another first in each run.
        kinds = sorted(STREAMS)
        for kind in kinds[number % 3 :] + kinds[: number % 3]:
            records = []
            for life, key, state in arriving:
                if key.startswith(kind + ":"):
                    life.now[key] = state
                    self.minted.setdefault(key, len(self.minted) + 1)
                    body = payload(kind, state)
                    records.append(Record(key.rpartition(":")[2], NOW, body, state["is_deleted"]))
            pages = [Page(records, None)]
            self.warehouse.journal.land(STREAMS[kind], pages, self.ledger.run_id, self.ledger.as_of)

    def build(self, *how: str) -> None:
        staged = [f"stg_{address.replace('.', '__')}" for address in STREAMS.values()]
        self.warehouse.dbt("run", "--select", *staged, "stg_salesforce__identity", *MODELS, *how)

    def look(self, shared: frozenset[str]) -> None:
        """Compare every life with what must come of it, and name the smallest that is wrong."""
        found = {
            row["record_key"]: (row["lead_key"], row["is_deleted"], row["is_of_address"])
            for row in self.warehouse.rows("select * from people.people")
        }
        wrong = []
        for life in self.lives:
            wanted = expected(life.now, self.minted, shared)
            differing = {
                key: (found.get(key), wanted[key])
                for key in wanted
                if found.get(key) != wanted[key]
            }
            if differing:
                wrong.append((len(life.order), life, differing))
        assert not wrong, "found and wanted of {1}: {2}".format(*min(wrong, key=lambda one: one[0]))
        assert len(found) == sum(len(life.now) for life in self.lives)
        self.remember({key: lead for key, (lead, _, _) in found.items()})

    def remember(self, belongs: dict[str, str]) -> None:
        """What the ledger holds last of every record is where it belongs now."""
        last = {
            row["record_key"]: row["lead_key"]
            for row in self.warehouse.rows(
                "select record_key, arg_max(lead_key, as_of) as lead_key "
                "from ledger.ops.memberships group by record_key"
            )
        }
        assert last == belongs
        moved = sum(self.belonged.get(key) != lead for key, lead in belongs.items())
        assert moved == self.warehouse.value(
            "select count(*) from ledger.ops.memberships where run_id = ?", [self.ledger.run_id]
        )
        self.belonged = belongs


@pytest.fixture(scope="module")
def lives() -> list[Life]:
    found: list[World] = []

    @settings(
        max_examples=WORLDS,
        phases=[Phase.generate],
        database=None,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
    )
    @given(worlds())
    def invent(world: World) -> None:
        found.append(world)

    invent()
    return [
        Life(f"w{number}{letter}", world, order)
        for number, world in enumerate(found)
        for letter, order in zip("ab", world.orders, strict=True)
    ]


def test_the_same_people_come_of_any_order_of_arrival_and_of_any_number_of_runs(
    tmp_path: Path, lives: list[Life]
) -> None:
    with Warehouse(tmp_path) as warehouse:
        warehouse.prepare()
        warehouse.dbt("seed", "--select", "path:seeds/policy")
        warehouse.dbt("run", "--select", "+policy_version")
        warehouse.execute("delete from policy.shared_mailboxes")
        warehouse.execute("insert into policy.shared_mailboxes values ('info', 'x')")
        warehouse.dbt("run", "--select", "+policy_version")
        journey = Journey(warehouse, lives)
        for number in range(RUNS):
            # The run in the middle dies before it is published: the next takes its work over.
            journey.run(number, SHARED, is_published=number != 1)

        # Whichever order it was, the same records hang together in the end.
        for one, other in zip(lives[::2], lives[1::2], strict=True):
            assert partition(warehouse, one) == partition(warehouse, other), one.world

        # Nothing arrives; another mailbox is read by several people from now on.
        warehouse.execute("update policy.shared_mailboxes set local_part = 'bob'")
        warehouse.dbt("run", "--select", "+policy_version")
        assert journey.run(RUNS, SHARED_LATER, is_published=True) > 0
        assert journey.run(RUNS + 1, SHARED_LATER, is_published=True) == 0
        assert warehouse.value("select count(*) from people.int_people__affected") == 0

        # And all at once it is the same as step by step.
        for name in WHO:
            if name != "int_people__affected":
                warehouse.execute(f"create table main.{name}__before as from people.{name}")
        journey.build("--full-refresh")
        journey.look(SHARED_LATER)
        for name in WHO:
            if name != "int_people__affected":
                for query in (
                    f"from main.{name}__before except all from people.{name}",
                    f"from people.{name} except all from main.{name}__before",
                ):
                    assert warehouse.rows(query) == []


def partition(warehouse: Warehouse, life: Life) -> set[frozenset[str]]:
    """The people of a life, as sets of records without the name of the life."""
    by_lead: dict[str, set[str]] = {}
    for row in warehouse.rows(
        "select record_key, lead_key from people.people where record_key in (select unnest(?))",
        [list(life.now)],
    ):
        name = row["record_key"].replace(f":{life.name}", ":")
        by_lead.setdefault(row["lead_key"], set()).add(name)
    return {frozenset(records) for records in by_lead.values()}
