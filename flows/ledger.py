"""The door to the ledger: facts that cannot be recomputed, appended and never changed.

Each fact has a key under which a second attempt adds nothing. What leaves the house is two rows:
the intent before, the outcome after; the last row of a receipt counts.
"""

from __future__ import annotations

import contextlib
import json
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from flows.connectors.base import Field, Receipt, Reject
from flows.connectors.budget import Budget
from flows.errors import mask
from flows.landing import Landed
from flows.warehouse import Warehouse

PERSON_TABLES = {
    "hubspot__contacts": "hubspot:contact",
    "salesforce__leads": "salesforce:lead",
    "salesforce__contacts": "salesforce:contact",
}


APPENDED_ROWS = 10_000
# What an attempt is, whatever became of it.
_ATTEMPT = ("receipt_id", "target", "row_key", "lead_key", "sent", "before")
# What a call to an enrichment provider is, whatever became of it.
_CALL = ("call_id", "provider", "kind", "lookup", "lead_key", "period", "attempt")


@dataclass(frozen=True, slots=True)
class SchemaEvent:
    """One change of one field; ``needs_a_person`` where we read or write that field."""

    address: str
    field: str
    change: str
    before: str | None
    after: str | None
    needs_a_person: bool
    cure: str


class Ledger:
    """The ledger of an open warehouse, for one run."""

    def __init__(self, warehouse: Warehouse) -> None:
        self._warehouse = warehouse
        self.run_id = ""
        self.as_of = datetime(1970, 1, 1, tzinfo=UTC).replace(tzinfo=None)

    # --- runs ---------------------------------------------------------------------------------

    def begin(self, now: datetime, go_live_at: datetime | None, flow: str = "sync") -> None:
        """Fix the run's now and record that it began, and in which flow.

        The run's now is later than that of every run before it, whatever the clock says: rows of
        two runs are told apart by it. The first run's ``go_live_at`` counts for good.
        """
        last = self._warehouse.value("select max(as_of) from ledger.ops.runs")
        as_of = now.astimezone(UTC).replace(tzinfo=None)
        if last is not None and as_of <= last:
            as_of = last + timedelta(microseconds=1)
        live = as_of if go_live_at is None else go_live_at.astimezone(UTC).replace(tzinfo=None)
        self.as_of = as_of
        self.run_id = f"{as_of:%Y%m%dT%H%M%S}-{uuid.uuid4().hex[:6]}"
        self._run("begun", live, {"flow": flow})

    def end(self, phase: str, summary: dict[str, Any]) -> None:
        """Record how the run ended."""
        self._run(phase, None, summary)

    def _run(self, phase: str, live: datetime | None, summary: dict[str, Any] | None) -> None:
        self._warehouse.execute(
            "insert into ledger.ops.runs values (?, ?, ?, ?, ?, ?)",
            [
                self.run_id,
                phase,
                self.as_of,
                live,
                None if summary is None else json.dumps(summary, default=str),
                _clock(),
            ],
        )

    # --- facts of one run ---------------------------------------------------------------------

    def mint_lead_keys(self) -> int:
        """Give a key to every person record seen for the first time; returns how many.

        Second run: none, a record has its key for good. The number in a key is the order of
        minting and says nothing about the person.
        """
        union = " union all ".join(
            f"select '{name}:' || _key as record_key, min(_seq) as seq from raw.{table} "
            "where _seq > (select coalesce(max(seq), 0) from raw.builds) group by _key"
            for table, name in PERSON_TABLES.items()
        )
        before = self._count("ops.lead_keys")
        self._warehouse.execute(
            f"""
            insert into ledger.ops.lead_keys
            with
                last as (select coalesce(max(minted_seq), 0) as seq from ledger.ops.lead_keys),
                unknown as (
                    from ({union}) as seen
                    anti join ledger.ops.lead_keys as known using (record_key)
                ),
                numbered as (
                    select record_key, last.seq + row_number() over (order by unknown.seq) as number
                    from unknown, last
                )
            select record_key, printf('L%08d', number), number, $1::timestamp, $2
            from numbered
            """,
            [self.as_of, self.run_id],
        )
        return self._count("ops.lead_keys") - before

    def keep_memberships(self) -> int:
        """Record which lead each record belongs to, where that is new; returns how many.

        Read are the records whose person may have changed in this run, and no others. Second run:
        none, a record that belongs where it belonged is not recorded again.
        """
        before = self._count("ops.memberships")
        self._warehouse.execute(
            """
            insert into ledger.ops.memberships by name
            with
                affected as (select record_key from people.int_people__affected),
                held as (
                    select record_key, arg_max(lead_key, as_of) as lead_key
                    from ledger.ops.memberships
                    where record_key in (from affected)
                    group by record_key
                )
            select people.record_key, people.lead_key, $1::timestamp as as_of, $2 as run_id
            from people.people as people
            left join held using (record_key)
            where people.record_key in (from affected)
                and people.lead_key is distinct from held.lead_key
            """,
            [self.as_of, self.run_id],
        )
        return self._count("ops.memberships") - before

    def count_stream(self, address: str, landed: Landed, seconds: float) -> int:
        """Record what a pull brought, set aside the unreadable; returns what of that is new."""
        set_aside = self.quarantine(address, landed.rejects)
        self._append(
            "ops.stream_counts",
            [
                {
                    "address": address,
                    "pulled": landed.pulled,
                    "landed": landed.landed,
                    "quarantined": set_aside,
                    "seconds": seconds,
                }
            ],
        )
        return set_aside

    def fields_of(self, address: str) -> list[Field]:
        """Return the fields a stream had when it was last described."""
        rows = self._warehouse.rows(
            "select * from ledger.ops.stream_fields where address = ? "
            "qualify row_number() over (partition by field order by as_of desc) = 1 and is_present",
            [address],
        )
        return [
            Field(
                row["field"],
                row["kind"],
                row["label"],
                tuple(json.loads(row["options"])),
                row["is_writable"],
            )
            for row in rows
        ]

    def describe(self, address: str, changed: Sequence[Field], gone: Sequence[Field]) -> None:
        """Record fields whose description is new or other than the one held, and those gone."""
        self._append(
            "ops.stream_fields",
            [
                {
                    "address": address,
                    "field": field.name,
                    "kind": field.kind,
                    "label": field.label,
                    "options": json.dumps(field.options),
                    "is_writable": field.is_writable,
                    "is_present": is_present,
                }
                for fields, is_present in ((changed, True), (gone, False))
                for field in fields
            ],
        )

    def schema_changed(self, events: Iterable[SchemaEvent]) -> None:
        """Record schema events (see ``steps.describe``), each once per run."""
        self._append(
            "ops.schema_events",
            [
                {
                    "event_key": _event_key(event, self.run_id),
                    **asdict(event),
                }
                for event in events
            ],
        )

    def values_refused(
        self, target: str, rows: Mapping[str, Any], refused: Iterable[Receipt]
    ) -> int:
        """Record values a vendor does not take, each field and value once; returns the new ones."""
        known = {
            (row["field"], row["after"])
            for row in self._warehouse.rows(
                "select field, after from ledger.ops.schema_events "
                "where address = ? and change = 'value refused'",
                [target],
            )
        }
        found: dict[tuple[str, str], SchemaEvent] = {}
        for receipt in refused:
            name = receipt.refused_field
            value = None if name is None else rows[receipt.key].get(name)
            if name is None or value is None or (name, str(value)) in known:
                continue
            cure = (
                f"Add it to the values {name} takes at {target.split('.')[0]}, or mend the policy "
                "row it comes from"
            )
            event = SchemaEvent(target, name, "value refused", None, str(value), True, cure)
            found[name, str(value)] = event
        self.schema_changed(found.values())
        return len(found)

    def count_calls(self, system: str, budget: Budget) -> None:
        """Record what a run asked of a system, by class of call, and what is left of its day."""
        usage = budget.usage
        self._append(
            "ops.quotas",
            [
                {
                    "system": system,
                    "lane": lane or "call",
                    "calls": calls,
                    "used": None if usage is None else usage.used,
                    "allowed": None if usage is None else usage.allowed,
                }
                for lane, calls in sorted(budget.spent.items())
            ],
        )

    def quarantine(self, address: str, rejects: Iterable[Reject]) -> int:
        """Keep records that could not be read, once per record and reason; returns the new ones."""
        known = {
            (row["record_key"], row["reason"])
            for row in self._warehouse.rows(
                "select record_key, reason from ledger.ops.quarantine where address = ?", [address]
            )
        }
        fresh = {
            (reject.key, reject.reason): reject
            for reject in rejects
            if (reject.key, reject.reason) not in known
        }
        return self._append(
            "ops.quarantine",
            [
                {
                    "address": address,
                    "record_key": key,
                    "reason": reason,
                    "payload": reject.payload.decode("utf-8", "replace"),
                }
                for (key, reason), reject in fresh.items()
            ],
        )

    def checks(
        self, checks: Sequence[dict[str, Any]], gaps: Sequence[dict[str, Any]], suite: str
    ) -> int:
        """Record checks whose answer is not the one already held; returns their gaps, info aside.

        Second run: none, a lead that lacks what it lacked is not recorded again.
        """
        held = {
            row["lead_key"]: (row["status"], row["gaps"], row["suite_hash"])
            for row in self._warehouse.rows(
                "select lead_key, arg_max(status, as_of) as status, "
                "arg_max_null(gaps, as_of) as gaps, arg_max(suite_hash, as_of) as suite_hash "
                "from ledger.quality.context_checks "
                "where lead_key in (select unnest(?::varchar[])) group by lead_key",
                [[check["lead_key"] for check in checks]],
            )
        }
        fields: dict[str, list[str]] = {}
        for gap in gaps:
            if gap["severity"] != "info":
                fields.setdefault(gap["lead_key"], []).append(gap["field"])
        fresh: dict[str, str] = {}
        rows = []
        for check in checks:
            key = check["lead_key"]
            listed = ", ".join(fields.get(key, ())) or None
            if held.get(key) == (check["status"], listed, suite):
                continue
            fresh[key] = f"{key}@{self.run_id}"
            rows.append(
                {
                    "check_id": fresh[key],
                    "lead_key": key,
                    "status": check["status"],
                    "gaps": listed,
                    "suite_hash": suite,
                }
            )
        self._append("quality.context_checks", rows)
        self._append(
            "quality.context_gaps",
            [
                {"check_id": fresh[gap["lead_key"]], **gap}
                for gap in gaps
                if gap["lead_key"] in fresh
            ],
        )
        return sum(len(fields.get(key, ())) for key in fresh)

    def adopt(self) -> int:
        """Record what was ripe before go-live or stood in the CRM: as it is, and nobody is told.

        Second run: none, a lead is adopted once.
        """
        before = self._count("ops.decisions")
        self._warehouse.execute(
            """
            insert into ledger.ops.decisions
            select
                lead_key || ':adopted', lead_key, 'adopted',
                case when is_mql_in_crm then mql_in_crm_at end,
                icp_score, fit_points, intent_points, score_reasons,
                trigger_type, trigger_asset, trigger_url, trigger_at,
                context_status, context_gaps, 'adopted', policy_version,
                $1::timestamp, $2, $3::timestamp
            from routing.lead_routes, policy.policy_version
            where
                decision = 'adopted'
                and lead_key || ':adopted' not in (select decision_key from ledger.ops.decisions)
            """,
            [self.as_of, self.run_id, _clock()],
        )
        return self._count("ops.decisions") - before

    def credits(self) -> dict[str, int]:
        """Return every rep's fair-draw credit as the last draw left it."""
        return {
            row["rep_id"]: int(row["credit"])
            for row in self._warehouse.rows(
                """
                select entry.key as rep_id, arg_max(entry.value, draw_number)::bigint as credit
                from ledger.ops.assignments, json_each(credits_after) as entry
                where credits_after is not null
                group by entry.key
                """
            )
        }

    def hand_over(
        self, decisions: Sequence[dict[str, Any]], assignments: Sequence[dict[str, Any]]
    ) -> None:
        """Record decisions and their owners in one transaction, before anything leaves."""
        number = int(
            self._warehouse.value(
                "select coalesce(max(draw_number), 0) from ledger.ops.assignments"
            )
        )
        stamp = {"recorded_at": _clock()}
        with self._together():
            self._append("ops.decisions", [{**row, **stamp} for row in decisions])
            self._append(
                "ops.assignments",
                [
                    {**row, **stamp, "draw_number": number + at}
                    for at, row in enumerate(assignments, 1)
                ],
            )

    def hand_over_accounts(self, handovers: Sequence[dict[str, Any]]) -> int:
        """Record accounts handed over as buying groups; returns how many are new.

        Second run: none, an account is handed over once.
        """
        known = {
            row["handover_key"]
            for row in self._warehouse.rows("select handover_key from ledger.ops.account_handovers")
        }
        stamp = {"recorded_at": _clock()}
        return self._append(
            "ops.account_handovers",
            [{**row, **stamp} for row in handovers if row["handover_key"] not in known],
        )

    def keep_policy(self, tables: Sequence[str]) -> None:
        """Keep the rows of a policy version, and record since when it is in force.

        Grain: rows once per version, in force once per change, so a version that came back is
        there twice. Second run: nothing. One transaction: a version in force is kept whole.
        """
        version = self._warehouse.value("select policy_version from policy.policy_version")
        in_force = "from ledger.ops.policies_in_force"
        if version == self._warehouse.value(f"select arg_max(policy_version, as_of) {in_force}"):
            return
        with self._together():
            if not self._warehouse.value(f"{in_force} where policy_version = ?", [version]):
                self._keep_rows(version, tables)
            self._append("ops.policies_in_force", [{"policy_version": version}])

    def _keep_rows(self, version: str, tables: Sequence[str]) -> None:
        """Keep the rows of those tables that are not held: a run cut off may have left some."""
        held = self._warehouse.rows(
            "select distinct policy_table as name from ledger.ops.policy_versions "
            "where policy_version = ?",
            [version],
        )
        # A policy that was refused may have brought a table that is not there without it.
        there = self._warehouse.rows(
            "select distinct table_name as name from duckdb_columns() "
            "where database_name = current_database() and schema_name = 'policy'"
        )
        kept, known = ({row["name"] for row in rows} for rows in (held, there))
        for table in sorted(known.intersection(tables) - kept):
            self._warehouse.execute(
                f"insert into ledger.ops.policy_versions "
                f"select ?, ?, to_json({table}), ?::timestamp, ? from policy.{table} as {table}",
                [version, table, self.as_of, self.run_id],
            )

    # --- clocks -------------------------------------------------------------------------------

    def move_clocks(self, moves: Sequence[dict[str, Any]]) -> int:
        """Record clocks that were moved (rows of ``int_clocks__moved``); returns how many."""
        return self._append("ops.clock_moves", [{**row, "recorded_at": _clock()} for row in moves])

    def act(self, actions: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """Record who is to be told of a clock (rows of ``sla_due_actions``); returns the new ones.

        Second run: none, an action has one key.
        """
        held = {
            row["action_key"]
            for row in self._warehouse.rows(
                "select action_key from ledger.ops.sla_actions "
                "where action_key in (select unnest(?::varchar[]))",
                [[row["action_key"] for row in actions]],
            )
        }
        fresh = [row for row in actions if row["action_key"] not in held]
        self._append("ops.sla_actions", [{**row, "recorded_at": _clock()} for row in fresh])
        return fresh

    # --- receipts -----------------------------------------------------------------------------

    def intend(self, target: str, key: str, rows: Sequence[dict[str, Any]]) -> dict[str, str]:
        """Record what is about to be sent; returns the receipt of each row by its key."""
        receipts = {str(row[key]): f"{target}:{row[key]}@{self.run_id}" for row in rows}
        self._receipts(
            {
                "receipt_id": receipts[str(row[key])],
                "target": target,
                "row_key": str(row[key]),
                "lead_key": row["_lead_key"],
                "status": "intent",
                "sent": json.dumps(_sent(row), default=str),
                "before": row["_before"],
                "vendor_id": None,
                "reason": None,
            }
            for row in rows
        )
        return receipts

    def outcome(
        self, target: str, rows: dict[str, dict[str, Any]], outcomes: Iterable[Receipt]
    ) -> None:
        """Record what became of rows: the vendor's words, never more than it acknowledged."""
        self._receipts(
            {
                "receipt_id": f"{target}:{outcome.key}@{self.run_id}",
                "target": target,
                "row_key": outcome.key,
                "lead_key": rows[outcome.key]["_lead_key"],
                "status": outcome.status,
                "sent": json.dumps(_sent(rows[outcome.key]), default=str),
                "before": rows[outcome.key]["_before"],
                "vendor_id": outcome.vendor_id,
                "reason": None if outcome.reason is None else mask(outcome.reason)[:500],
            }
            for outcome in outcomes
        )

    def settle(self, receipt: dict[str, Any], outcome: Receipt) -> None:
        """Record what was found out later about an attempt whose end was not known."""
        self._receipts(
            [
                {
                    **{name: receipt[name] for name in _ATTEMPT},
                    "status": outcome.status,
                    "vendor_id": outcome.vendor_id,
                    "reason": outcome.reason,
                }
            ]
        )

    def unsettled(self, targets: Sequence[str]) -> list[dict[str, Any]]:
        """Return the last row of every receipt whose end is not known."""
        return self._warehouse.rows(
            """
            select * from ledger.ops.receipts
            where target in (select unnest(?::varchar[]))
            qualify row_number() over (partition by target, row_key order by receipt_seq desc) = 1
                and status in ('intent', 'unknown')
            """,
            [list(targets)],
        )

    def _receipts(self, rows: Iterable[dict[str, Any]]) -> None:
        last = int(
            self._warehouse.value("select coalesce(max(receipt_seq), 0) from ledger.ops.receipts")
        )
        self._append(
            "ops.receipts",
            [
                {"receipt_seq": last + at, **row, "recorded_at": _clock()}
                for at, row in enumerate(rows, 1)
            ],
        )

    # --- enrichment ---------------------------------------------------------------------------

    def intend_call(self, call: dict[str, Any]) -> None:
        """Record a call to an enrichment provider before it is made, so that a crash is known.

        ``call`` names ``call_id, provider, kind, lookup, lead_key, period`` and ``attempt``.
        """
        self.call_outcome(call, "intent")

    def call_outcome(
        self,
        call: dict[str, Any],
        status: str,
        *,
        body: Any = None,
        reason: str | None = None,
        ask_again_at: datetime | None = None,
    ) -> None:
        """Record what became of a call, with the answer whole."""
        last = self._warehouse.value(
            "select coalesce(max(call_seq), 0) from ledger.ops.enrichment_calls"
        )
        self._append(
            "ops.enrichment_calls",
            [
                {
                    "call_seq": int(last) + 1,
                    **{name: call[name] for name in _CALL},
                    "status": status,
                    "ask_again_at": ask_again_at,
                    "body": None if body is None else json.dumps(body),
                    "reason": None if reason is None else mask(reason)[:500],
                    "recorded_at": _clock(),
                }
            ],
        )

    def last_calls(self, provider: str) -> list[dict[str, Any]]:
        """Return the last row of every call to a provider, without its body, oldest first."""
        return self._warehouse.rows(
            """
            select * exclude (body) from ledger.ops.enrichment_calls
            where provider = ?
            qualify row_number() over (partition by call_id order by call_seq desc) = 1
            order by call_seq
            """,
            [provider],
        )

    # --- appending ----------------------------------------------------------------------------

    @contextlib.contextmanager
    def _together(self) -> Iterator[None]:
        """Append all of what follows, or nothing of it."""
        self._warehouse.execute("begin")
        try:
            yield
            self._warehouse.execute("commit")
        except BaseException:
            self._warehouse.execute("rollback")
            raise

    def _count(self, table: str) -> int:
        return int(self._warehouse.value(f"select count(*) from ledger.{table}"))

    def _append(self, table: str, rows: Sequence[dict[str, Any]]) -> int:
        """Insert rows by column name, stamped with the run; many rows travel as one document."""
        if not rows:
            return 0
        names = [*rows[0], "as_of", "run_id"]
        described = {
            row["column_name"]: row["data_type"]
            for row in self._warehouse.rows(
                "select column_name, data_type from duckdb_columns() "
                "where database_name = 'ledger' and schema_name || '.' || table_name = ?",
                [table],
            )
        }
        # Text of a JSON column is a document, not a string that looks like one.
        documents = [name for name in names if described[name] == "JSON"]
        shape = json.dumps([{name: described[name] for name in names}])
        for start in range(0, len(rows), APPENDED_ROWS):
            stamped = [
                {**row, "as_of": self.as_of, "run_id": self.run_id}
                for row in rows[start : start + APPENDED_ROWS]
            ]
            for row in stamped:
                row.update(
                    {name: json.loads(row[name]) for name in documents if _is_text(row[name])}
                )
            self._warehouse.execute(
                f"insert into ledger.{table} by name "
                f"select unnest(from_json(?::json, '{shape}'), recursive := true)",
                [json.dumps(stamped, default=str)],
            )
        return len(rows)


def _event_key(event: SchemaEvent, run_id: str) -> str:
    value = f" {event.after}" if event.change == "value refused" else ""
    return f"{event.address}.{event.field} {event.change}{value}@{run_id}"


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _sent(row: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value for name, value in row.items() if value is not None and not name.startswith("_")
    }


def _clock() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)
