"""What is due of a clock is written down once, and told by its kind to the address it names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from flows.connectors.base import Receipt, Row
from flows.ledger import Ledger
from flows.steps import write_back
from flows.steps.clocks import move_clocks, record_actions
from flows.warehouse import Warehouse
from tests.flows.steps.test_record import ledger_tables

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
DUE = datetime(2026, 6, 1, 11)  # noqa: DTZ001 - the stores hold UTC without saying so


@pytest.fixture
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    """Stores with the lists of what is due, and of what is to be sent."""
    with Warehouse(tmp_path_factory.mktemp("home")) as warehouse:
        for statement in (
            *ledger_tables("runs", "sla_actions", "clock_moves", "receipts", "schema_events"),
            "create schema lifecycle",
            "create schema routing",
            "create schema write_back",
            "create table lifecycle.sla_due_actions (action_key varchar, assignment_key varchar, "
            "lead_key varchar, action varchar, user_id varchar, owner_id varchar, "
            "sla_due_at timestamp, reason varchar, is_known_by_now boolean)",
            "create table routing.int_clocks__moved (move_key varchar, assignment_key varchar, "
            "lead_key varchar, warn_before timestamp, due_before timestamp, "
            "sla_warn_at timestamp, sla_due_at timestamp, reason varchar)",
            "create table write_back.sync_slack__message (message_key varchar, "
            "user_email varchar, text varchar, _kind varchar, _lead_key varchar, _before json)",
        ):
            warehouse.execute(statement)
        yield warehouse


def propose(warehouse: Warehouse, lead: str, action: str, *, known: bool = True) -> None:
    warehouse.execute(
        "insert into lifecycle.sla_due_actions values (?, ?, ?, ?, 'u1', 'u2', ?, 'why', ?)",
        [f"{lead}:mql:{action}", f"{lead}:mql", lead, action, DUE, known],
    )


def begun(warehouse: Warehouse, minutes: int = 0) -> Ledger:
    ledger = Ledger(warehouse)
    ledger.begin(NOW + timedelta(minutes=minutes), None, "sla")
    return ledger


def test_what_is_due_is_recorded_once_and_what_is_not_known_waits(warehouse: Warehouse) -> None:
    propose(warehouse, "L1", "escalate")
    propose(warehouse, "L1", "coach")
    propose(warehouse, "L2", "remind", known=False)
    acted = record_actions(warehouse, begun(warehouse))
    assert (acted.actions, acted.waiting) == ({"escalate": 1, "coach": 1}, 1)
    # Whatever proposes it again: an action has one key.
    again = record_actions(warehouse, begun(warehouse, 5))
    assert (again.actions, again.waiting) == ({}, 1), "what is told is what was recorded"
    rows = warehouse.rows("select * from ledger.ops.sla_actions order by action_key")
    assert [row["action_key"] for row in rows] == ["L1:mql:coach", "L1:mql:escalate"]
    assert {(row["user_id"], row["owner_id"], row["sla_due_at"]) for row in rows} == {
        ("u1", "u2", DUE)
    }


def test_a_moved_clock_is_recorded_with_both_times(warehouse: Warehouse) -> None:
    later = DUE + timedelta(days=1)
    warehouse.execute(
        "insert into routing.int_clocks__moved "
        "values ('L1:mql:1', 'L1:mql', 'L1', ?, ?, ?, ?, 'edited: holidays.csv row fair')",
        [DUE, DUE, later, later],
    )
    ledger = begun(warehouse)
    assert move_clocks(warehouse, ledger) == 1
    (row,) = warehouse.rows("select * from ledger.ops.clock_moves")
    assert (row["due_before"], row["sla_due_at"]) == (DUE, later)
    assert (row["reason"], row["as_of"]) == ("edited: holidays.csv row fair", ledger.as_of)


class Room:
    """Takes messages, and knows of those it was given."""

    system = "slack"
    bulk_writes_from = None

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []

    def check(self) -> None:
        """Is always there."""

    def push(self, _object: str, key: str, rows: Sequence[Row]) -> Iterator[Receipt]:
        for row in rows:
            assert not [name for name in row if name.startswith("_")], "what is ours stays at home"
            yield Receipt(str(row[key]), "accepted", "D1:1")

    def find(self, message_key: str, user_email: str) -> Receipt | None:
        self.asked.append((message_key, user_email))
        return Receipt(message_key, "accepted", "D1:2") if message_key == "sent" else None


def test_only_messages_of_the_kinds_asked_for_are_sent(warehouse: Warehouse) -> None:
    for key, kind in (("m1", "handover"), ("m2", "remind"), ("m3", "coach")):
        warehouse.execute(
            "insert into write_back.sync_slack__message "
            "values (?, 'a@b.example', '', ?, 'L1', '{}')",
            [key, kind],
        )
    connectors: dict[str, Any] = {"slack": Room()}
    written = write_back.Written()
    write_back.send_table(
        warehouse,
        begun(warehouse),
        connectors,
        "sync_slack__message",
        "slack",
        "message",
        written,
        ("remind", "coach"),
    )
    assert written.messages == 2
    told = warehouse.rows("select row_key from ledger.ops.receipts where status = 'accepted'")
    assert sorted(row["row_key"] for row in told) == ["m2", "m3"]


def test_a_message_of_any_kind_is_asked_for_at_the_address_it_was_sent_to(
    warehouse: Warehouse,
) -> None:
    ledger, room = begun(warehouse), Room()
    rows = [
        {"message_key": key, "user_email": f"{key}@b.example", "_lead_key": "L1", "_before": "{}"}
        for key in ("sent", "lost")
    ]
    ledger.intend("slack.message", "message_key", rows)
    mail = {"message_key": "mail", "to_email": "c@b.example", "_lead_key": "L1", "_before": "{}"}
    ledger.intend("smtp.message", "message_key", [mail])
    connectors: dict[str, Any] = {"slack": room, "smtp": object()}
    written = write_back.Written()
    write_back.settle_unknown(warehouse, ledger, connectors, written)
    assert [trouble[:11] for trouble in written.troubles] == ["1 messages "]
    assert sorted(room.asked) == [("lost", "lost@b.example"), ("sent", "sent@b.example")]
    settled = warehouse.rows(
        "select row_key, arg_max(status, receipt_seq) as status from ledger.ops.receipts "
        "group by row_key order by row_key"
    )
    assert settled == [
        {"row_key": "lost", "status": "rejected"},
        {"row_key": "mail", "status": "intent"},
        {"row_key": "sent", "status": "accepted"},
    ]
