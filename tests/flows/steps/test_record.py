"""Owners are drawn once, books fill up within a run, and who lost an owner gets another."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import yaml

from flows.draw import ONE_LEAD
from flows.ledger import Ledger
from flows.steps.record import Recorded, record_decisions
from flows.warehouse import DBT_PROJECT, Warehouse

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
ANN, BOB, LAST = "005A", "005B", "005Z"
# The stores hold UTC without saying so.
DUE = NOW.replace(tzinfo=None) + timedelta(hours=2)
MAY_1, MAY_2 = DUE - timedelta(days=31), DUE - timedelta(days=30)
# A pool, then the same pool in spite of full books.
SPITE = [
    {"place": 1, "given_by": "pool", "pool": "inbound", "weight": 1, "has_limit": True},
    {"place": 2, "given_by": "pool", "pool": "inbound", "weight": 3, "has_limit": False},
]
POOL = SPITE[:1]
CATCH_ALL = [{"place": 3, "given_by": "catch_all", "pool": None, "weight": 1, "has_limit": False}]
ROUTES = """
    lead_key varchar, decision varchar, decision_key varchar, icp_score integer,
    fit_points integer, intent_points integer, score_reasons varchar, exception_reason varchar,
    trigger_type varchar, trigger_asset varchar, trigger_url varchar, trigger_at timestamp,
    context_status varchar, context_gaps varchar, is_mql_in_crm boolean, mql_in_crm_at timestamp,
    account_key varchar, cause varchar, previous_owner_id varchar, clock varchar,
    clock_started_at timestamp, previous_warn_at timestamp, previous_due_at timestamp,
    previous_calendar_id varchar, previous_backup_id varchar, routing_rule varchar,
    fixed_owner_id varchar, given_by varchar, sla_tier varchar,
    channels varchar
"""
CANDIDATES = """
    lead_key varchar, user_id varchar, full_name varchar, is_eligible boolean, weight integer,
    why_not varchar, places json, room_left integer, backup_user_id varchar, calendar_id varchar,
    sla_warn_at timestamp, sla_due_at timestamp
"""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    """Stores with the tables that recording reads and writes."""
    with Warehouse(tmp_path_factory.mktemp("home")) as warehouse:
        for statement in (
            *ledger_tables("runs", "decisions", "assignments"),
            "create schema routing",
            "create schema policy",
            f"create table routing.lead_routes ({ROUTES})",
            f"create table routing.lead_candidates ({CANDIDATES})",
            "create table policy.policy_version as select 'p1' as policy_version",
        ):
            warehouse.execute(statement)
        yield warehouse


def ledger_tables(*names: str) -> list[str]:
    """Make the ledger's tables from the one home of their columns; dbt itself takes far longer."""
    text = (DBT_PROJECT / "models" / "people" / "_ledger__sources.yml").read_text(encoding="utf-8")
    (ops,) = (one for one in yaml.safe_load(text)["sources"] if one["name"] == "ops")
    return ["create schema ledger.ops"] + [
        f"create table ledger.ops.{table['name']} ("
        + ", ".join(f"{column['name']} {column['data_type']}" for column in table["columns"])
        + ")"
        for table in ops["tables"]
        if table["name"] in names
    ]


@pytest.fixture
def warehouse(store: Warehouse) -> Warehouse:
    """The same stores, as they were before the test."""
    store.execute("delete from routing.lead_routes")
    store.execute("delete from routing.lead_candidates")
    for table in ("decisions", "assignments", "runs"):
        store.execute(f"delete from ledger.ops.{table}")
    return store


def run(warehouse: Warehouse, hours: int = 0) -> tuple[Recorded, Ledger]:
    """Record what the tables propose, in a run of its own."""
    ledger = Ledger(warehouse)
    ledger.begin(NOW + timedelta(hours=hours), None)
    return record_decisions(warehouse, ledger), ledger


def propose(warehouse: Warehouse, lead: str, score: int = 7, **route: Any) -> None:
    """One lead due for an owner; the hotter it is the earlier it is given."""
    row = {
        "lead_key": lead,
        "decision": "mql",
        "decision_key": f"{lead}:mql",
        "icp_score": score,
        "clock": "restart",
        "routing_rule": "inbound",
        "sla_tier": "demo",
        **route,
    }
    insert(warehouse, "lead_routes", row)


def consider(
    warehouse: Warehouse, lead: str, rep: str, places: list[dict[str, Any]], room: int | None = None
) -> None:
    """One rep beside one lead."""
    row = {
        "lead_key": lead,
        "user_id": rep,
        "full_name": f"Rep {rep}",
        "is_eligible": bool(places),
        "weight": places[0]["weight"] if places else 0,
        "why_not": None if places else "not in pool inbound",
        "places": json.dumps(places),
        "room_left": room,
        "backup_user_id": LAST,
        "calendar_id": f"calendar of {rep}",
        "sla_due_at": DUE,
    }
    insert(warehouse, "lead_candidates", row)


def insert(warehouse: Warehouse, table: str, row: dict[str, Any]) -> None:
    values = ", ".join(f"? as {name}" for name in row)
    warehouse.execute(f"insert into routing.{table} by name select {values}", list(row.values()))


def given(warehouse: Warehouse) -> list[dict[str, Any]]:
    return warehouse.rows("select * from ledger.ops.assignments order by draw_number")


def test_books_that_fill_up_within_a_run_send_the_next_lead_down_the_line(
    warehouse: Warehouse,
) -> None:
    for number in range(6):
        propose(warehouse, f"L{number}", score=10 - number)
        consider(warehouse, f"L{number}", ANN, POOL, room=1)
        consider(warehouse, f"L{number}", BOB, POOL, room=2)
        consider(warehouse, f"L{number}", LAST, CATCH_ALL, room=0)
    recorded, _ = run(warehouse)
    assert list(recorded.owners.values()) == [ANN, BOB, BOB, LAST, LAST, LAST]
    assert (recorded.mql, recorded.caught, recorded.waiting) == (6, 3, 0)
    rows = given(warehouse)
    assert [row["given_by"] for row in rows] == ["pool"] * 3 + ["catch_all"] * 3
    assert [row["pool"] for row in rows] == ["inbound"] * 3 + [None] * 3
    told = {one["rep"]: one for one in json.loads(rows[2]["candidates"])}
    assert told[ANN]["why_not"] == "full: this run filled its books (1 given)"
    assert told[ANN]["weight"] == 0
    assert told[BOB]["why_not"] is None
    # What Bob is owed from the draw he shared stays owed: alone, he earns each lead he pays.
    assert json.loads(rows[0]["credits_after"]) == {ANN: -ONE_LEAD // 2, BOB: ONE_LEAD // 2}
    assert json.loads(rows[2]["credits_after"]) == {BOB: ONE_LEAD // 2}
    assert rows[3]["credits_after"] is None


def test_a_pool_asked_in_spite_of_full_books_draws_by_the_weights_of_that_place(
    warehouse: Warehouse,
) -> None:
    for number in range(2):
        propose(warehouse, f"L{number}", score=10 - number)
        consider(warehouse, f"L{number}", ANN, SPITE, room=1)
        consider(warehouse, f"L{number}", BOB, SPITE, room=0)
    recorded, _ = run(warehouse)
    assert next(iter(recorded.owners.values())) == ANN
    first, second = given(warehouse)
    assert [one["weight"] for one in json.loads(first["candidates"])] == [1, 0]
    assert [one["weight"] for one in json.loads(second["candidates"])] == [3, 3]
    assert sum(json.loads(second["credits_after"]).values()) == 0


def test_a_second_run_gives_nothing_twice_and_carries_the_credits(warehouse: Warehouse) -> None:
    for lead in ("L1", "L2"):
        propose(warehouse, lead)
        consider(warehouse, lead, ANN, POOL)
        consider(warehouse, lead, BOB, POOL)
    warehouse.execute("update routing.lead_routes set decision = 'wait' where lead_key = 'L2'")
    recorded, _ = run(warehouse)
    assert (recorded.mql, recorded.waiting, list(recorded.owners)) == (1, 1, ["L1"])
    warehouse.execute("update routing.lead_routes set decision = 'mql'")
    recorded, ledger = run(warehouse, hours=1)
    assert recorded.owners == {"L2": BOB}
    assert ledger.credits() == {ANN: 0, BOB: 0}
    assert run(warehouse, hours=2)[0] == Recorded()


def test_a_lead_given_back_and_come_again_is_handed_over_once_more(warehouse: Warehouse) -> None:
    propose(warehouse, "L1")
    consider(warehouse, "L1", ANN, POOL)
    run(warehouse)
    warehouse.execute("update routing.lead_routes set decision_key = 'L1:mql:2'")
    assert run(warehouse, hours=1)[0].mql == 1
    assert [row["assignment_key"] for row in given(warehouse)] == ["L1:mql", "L1:mql:2"]


def test_who_left_is_followed_by_a_draw_under_a_new_clock_before_any_hand_over(
    warehouse: Warehouse,
) -> None:
    propose(warehouse, "L1", score=10)
    propose(
        warehouse,
        "L2",
        decision="reroute",
        cause="owner_inactive",
        previous_owner_id="005X",
        clock_started_at=MAY_1,
        previous_due_at=MAY_2,
    )
    for lead in ("L1", "L2"):
        consider(warehouse, lead, ANN, POOL)
        consider(warehouse, lead, BOB, POOL)
    recorded, ledger = run(warehouse)
    assert (recorded.owners, recorded.rerouted) == ({"L1": BOB}, {"L2": ANN})
    again, first = given(warehouse)
    assert (again["assignment_key"], again["cause"]) == ("L2:owner_inactive:1", "owner_inactive")
    assert (again["previous_owner_id"], again["given_by"]) == ("005X", "pool")
    assert (again["sla_due_at"], again["clock_since"]) == (DUE, ledger.as_of)
    assert (first["cause"], first["clock_since"]) == ("handover", ledger.as_of)
    assert json.loads(again["credits_after"]) == {ANN: -ONE_LEAD // 2, BOB: ONE_LEAD // 2}
    assert warehouse.value("select count(*) from ledger.ops.decisions") == 1


def test_who_is_given_a_lead_by_hand_goes_on_with_its_clock_rep_or_not(
    warehouse: Warehouse,
) -> None:
    promise = {"clock_started_at": MAY_1, "previous_due_at": MAY_2}
    before = {"previous_calendar_id": "paris", "previous_backup_id": "005Y"}
    for number, (owner, clock) in enumerate(((ANN, "keep"), ("005S", "restart"))):
        propose(
            warehouse,
            f"L{number}",
            decision="reroute",
            cause="by_hand",
            clock=clock,
            routing_rule=None,
            fixed_owner_id=owner,
            given_by="crm_owner",
            **promise,
            **before,
        )
        consider(warehouse, f"L{number}", ANN, [], room=0)
    recorded, _ = run(warehouse)
    assert recorded.rerouted == {"L0": ANN, "L1": "005S"}
    rows = given(warehouse)
    assert {row["sla_due_at"] for row in rows} == {promise["previous_due_at"]}
    assert {row["clock_since"] for row in rows} == {promise["clock_started_at"]}
    assert {row["calendar_id"] for row in rows} == {"paris"}
    assert [row["backup_owner_id"] for row in rows] == [LAST, "005Y"]
    assert [row["credits_after"] for row in rows] == [None, None]
    # The same lead may change hands again; the same run gives it once.
    again = run(warehouse, hours=1)[0]
    assert again.rerouted == recorded.rerouted
    assert given(warehouse)[2]["assignment_key"] == "L0:by_hand:2"


def test_a_lead_nobody_can_take_waits_in_sight(warehouse: Warehouse) -> None:
    propose(warehouse, "L1")
    consider(warehouse, "L1", ANN, [])
    recorded, _ = run(warehouse)
    assert (recorded.mql, recorded.waiting, given(warehouse)) == (0, 1, [])
