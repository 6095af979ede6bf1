"""Send what the ``sync_`` tables list, row by row acknowledged.

The order is always intent, send, outcome: whatever dies in between leaves a row that says so. The
tables are read one after another in the order they depend on each other, so an errand follows its
record and a message follows both.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from flows.connectors.base import Connector, Receipt, Row
from flows.errors import PipelineError, SourceError, mask
from flows.ledger import Ledger
from flows.running import Do
from flows.warehouse import Warehouse

BATCH = 200
# Of a load of thousands (a new policy, a first handover of many): one job, not a call per 200.
BULK_BATCH = 10_000
MESSAGES = ("slack.message", "smtp.message")
FALL_BACK = "users_not_found"


@dataclass(slots=True)
class Written:
    """Counts of rows by target, and the sentences a person should read."""

    accepted: dict[str, int] = field(default_factory=dict)
    messages: int = 0
    rejected: int = 0
    unknown: int = 0
    troubles: list[str] = field(default_factory=list)

    def trouble(self, error: PipelineError) -> None:
        """Tell of something that went wrong, once however often it did."""
        if str(error) not in self.troubles:
            self.troubles.append(str(error))


class Finds(Protocol):
    """A connector that can say whether a message was sent."""

    def find(self, message_key: str, user_email: str) -> Receipt | None:
        """Return the receipt of a message, or None where there is none."""


Push = Callable[[Connector, str, str, Sequence[Row]], Iterator[Receipt]]


def push(
    connector: Connector, object_name: str, key: str, rows: Sequence[Row]
) -> Iterator[Receipt]:
    """Send rows through their connector."""
    return connector.push(object_name, key, rows)


def pretend(
    connector: Connector, object_name: str, key: str, rows: Sequence[Row]
) -> Iterator[Receipt]:
    """Send nothing and accept everything: a dry run, on copies of the stores."""
    for row in rows:
        yield Receipt(str(row[key]), "accepted", vendor_id=row.get("Id") or f"00Qdry{row[key]}")


def targets(warehouse: Warehouse) -> list[tuple[str, str, str]]:
    """Name every ``sync_<system>__<object>``: table, system and object, in the order to send."""
    found = []
    for node in warehouse.nodes("write_back"):
        if node["name"].startswith("sync_"):
            system, _, object_name = node["name"].removeprefix("sync_").partition("__")
            found.append((node["name"], system, object_name))
    return found


def settle_unknown(
    warehouse: Warehouse, ledger: Ledger, connectors: dict[str, Connector], written: Written
) -> None:
    """Ask the vendor about messages whose end is not known, and tell of those that stay unknown.

    Writes to records need no asking: sent again they change nothing. A mail server cannot be asked.
    Whoever does not answer is asked again by the next run; the others are asked in this one.
    """
    open_ones, silent = 0, set()
    for receipt in ledger.unsettled(MESSAGES):
        system = receipt["target"].partition(".")[0]
        find = getattr(connectors[system], "find", None)
        # Whom it was sent to stands in the receipt, whatever it was about.
        address = json.loads(receipt["sent"] or "{}").get("user_email")
        if find is None or address is None:
            open_ones += 1
        elif system not in silent:
            try:
                found = find(receipt["row_key"], address)
            except SourceError as error:
                silent.add(system)
                written.trouble(error)
                continue
            lost = Receipt(receipt["row_key"], "rejected", reason="was never sent")
            ledger.settle(receipt, found or lost)
    if open_ones:
        written.troubles.append(
            f"{open_ones} messages may or may not have been sent and their server cannot be "
            "asked. They are not sent again; look at the leads with `baton status`."
        )


async def send_tables(
    connectors: dict[str, Connector],
    warehouse: Warehouse,
    ledger: Ledger,
    do: Do,
    *,
    only: Sequence[str] = (),
    kinds: Sequence[str] = (),
    send: Push = push,
) -> Written:
    """Send every ``sync_`` table in its order, after asking what became of what was sent before.

    ``only`` limits it to some targets (``slack.message``), ``kinds`` to rows of some kinds.
    Second run: what was accepted is not sent again. Nothing raises for a row; see ``send_table``.
    """
    written = Written()
    if send is not pretend:
        await do("unsettled", settle_unknown, warehouse, ledger, connectors, written)
    for table, system, object_name in targets(warehouse):
        address = f"{system}.{object_name}"
        if only and address not in only:
            continue
        # Tests of crashes put their own way to send in its place, so it comes last.
        stores = (warehouse, ledger, connectors)
        to_send = (table, system, object_name, written, kinds, send)
        await do(address, send_table, *stores, *to_send)
    return written


def send_table(
    warehouse: Warehouse,
    ledger: Ledger,
    connectors: dict[str, Connector],
    table: str,
    system: str,
    object_name: str,
    written: Written,
    kinds: Sequence[str] = (),
    send: Push = push,
) -> None:
    """Send the rows of one ``sync_`` table and record what became of each.

    ``kinds`` limits it to rows of some kinds, where the table has a ``_kind``. Messages whose
    system does not answer are left for the next run, and the other systems' are sent.

    Second run: the table no longer lists what was accepted. Nothing raises for a row; what the
    vendor refused is counted and told, and the other rows go on.
    """
    which, given = ("where list_contains(?, _kind)", [list(kinds)]) if kinds else ("", [])
    rows = warehouse.rows(f"select * from write_back.{table} {which}", given)
    if not rows or not _answers(connectors[system], f"{system}.{object_name}", written):
        return
    key, target = next(iter(rows[0])), f"{system}.{object_name}"
    bulk_from = connectors[system].bulk_writes_from
    size = BULK_BATCH if bulk_from is not None and len(rows) >= bulk_from else BATCH
    for start in range(0, len(rows), size):
        batch = {str(row[key]): row for row in rows[start : start + size]}
        ledger.intend(target, key, list(batch.values()))
        outcomes: dict[str, Receipt] = {}
        try:
            for receipt in send(connectors[system], object_name, key, _outward(batch)):
                outcomes[receipt.key] = receipt
        except SourceError as error:
            written.trouble(error)
        except BaseException:
            # Being stopped is no reason to forget what the vendor acknowledged.
            ledger.outcome(target, batch, outcomes.values())
            raise
        for missing in batch.keys() - outcomes.keys():
            outcomes[missing] = Receipt(missing, "unknown", reason="no answer for this row")
        ledger.outcome(target, batch, outcomes.values())
        ledger.values_refused(target, batch, outcomes.values())
        _count(target, outcomes.values(), written)


def _answers(connector: Connector, target: str, written: Written) -> bool:
    """Ask before a message is said to be on its way: one whose end is unknown is not sent again."""
    if target not in MESSAGES:
        return True
    try:
        connector.check()
    except SourceError as error:
        written.trouble(error)
        return False
    return True


def _outward(batch: dict[str, dict[str, Any]]) -> list[Row]:
    """Leave at home what is ours: columns that begin with an underscore."""
    return [
        {name: value for name, value in row.items() if not name.startswith("_")}
        for row in batch.values()
    ]


def _count(target: str, outcomes: Sequence[Receipt] | Any, written: Written) -> None:
    rejected = []
    for outcome in outcomes:
        if outcome.status == "accepted":
            written.accepted[target] = written.accepted.get(target, 0) + 1
            written.messages += target in MESSAGES
        elif outcome.status == "unknown":
            written.unknown += 1
        elif outcome.reason != FALL_BACK:
            rejected.append(outcome)
    written.rejected += len(rejected)
    if rejected:
        first = rejected[0]
        written.troubles.append(
            f"{target}: {len(rejected)} rows rejected (first: {mask(first.key)}, "
            f'"{mask(first.reason or "no reason")[:200]}"). The others were written; these are '
            "tried again in every run until they are accepted."
        )
