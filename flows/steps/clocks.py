"""Record what becomes of first-touch clocks: which were moved, and who is told about which.

SQL says both; what is written down here happened, and is never proposed again.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from flows.ledger import Ledger
from flows.warehouse import Warehouse


@dataclass(slots=True)
class Acted:
    """What was recorded, by action, and how many actions wait for a newer reading of the CRM."""

    actions: dict[str, int] = field(default_factory=dict)
    waiting: int = 0


def move_clocks(warehouse: Warehouse, ledger: Ledger) -> int:
    """Record the running clocks that an edit of the policy moves; returns how many there are.

    Second run: none, a clock stands where it was moved to.
    """
    return ledger.move_clocks(
        warehouse.rows("select * from routing.int_clocks__moved order by move_key")
    )


def record_actions(warehouse: Warehouse, ledger: Ledger, is_read: bool = True) -> Acted:
    """Record the reminders, escalations and notes that are due, before anybody is told.

    All of them wait where this run could not read to the end what sales did (``is_read``).
    Second run: none, each is given once for a clock. Whoever dies after this leaves them to be
    told by the next run, of either flow.
    """
    due = warehouse.rows("select * from lifecycle.sla_due_actions order by action_key")
    known = [row for row in due if row.pop("is_known_by_now") and is_read]
    recorded = ledger.act(known)
    return Acted(dict(Counter(row["action"] for row in recorded)), len(due) - len(known))
