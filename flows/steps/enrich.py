"""Ask providers about people and companies of whom something is missing, within a budget.

SQL has said who is worth a call and in which order; this spends the month's credits on them. Each
call is in the ledger before it is made and again with its answer: afterwards nobody is asked for
twice in a month, and a call that a crash cut off is known and counted. A provider that does not
answer is left alone for a while; it never stops a sync.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from flows.connectors.clearbit import Clearbit
from flows.connectors.enrichment import FREE, Answer, Provider
from flows.errors import SettingsError
from flows.ledger import Ledger
from flows.settings import Settings
from flows.warehouse import Warehouse

# A sync has leads to hand over: what is not asked in this time is asked in the next run.
MOST_SECONDS = 45.0
# So many calls in a row without an answer, and the provider is left alone.
MOST_LOSSES = 3
LISTS = 2
LONGEST_REST = timedelta(days=1)
# A refusal costs nothing, and whoever mends the key does not want to wait for a day.
LONGEST_REST_REFUSED = timedelta(hours=1)


@dataclass(slots=True)
class Enriched:
    """What was asked, in lookups; ``spent`` in credits. ``troubles`` are for a person."""

    found: int = 0
    missing: int = 0
    pending: int = 0
    spent: int = 0
    troubles: list[str] = field(default_factory=list)

    def counts(self) -> dict[str, int]:
        """Return the numbers alone."""
        return {name: value for name, value in asdict(self).items() if name != "troubles"}


def open_providers(settings: Settings) -> tuple[list[Provider], list[str]]:
    """Open the providers that have a key, and say why one with a key stays closed."""
    if settings.clearbit_key is None:
        return [], []
    try:
        clearbit = Clearbit(
            key=settings.clearbit_key.get_secret_value(),
            person_base_url=settings.clearbit_person_base_url,
            company_base_url=settings.clearbit_company_base_url,
            timeout=settings.clearbit_timeout,
        )
    except SettingsError as missing:
        return [], [str(missing)]
    return [clearbit], []


def enrich(
    warehouse: Warehouse,
    ledger: Ledger,
    providers: Sequence[Provider],
    candidates: Callable[[], None],
) -> Enriched:
    """Spend what is left of the month on who is hottest; ``candidates`` builds their table.

    Second run: nobody again; only what was queued is asked for once more, for the same credit.
    """
    enriched = Enriched()
    opened = {provider.system: provider for provider in providers}
    rows = warehouse.rows("select * from policy.enrichment_providers order by priority")
    asked: set[tuple[str, str]] = set()
    for policy in rows:
        provider = opened.get(policy["provider"])
        if provider is None or policy["monthly_budget"] <= 0:
            continue
        round_ = _Round(ledger, provider, policy, enriched, asked)
        round_.settle()
        if round_.rests():
            continue
        round_.ask_pending()
        # Whoever is not known by name may be by company: that is for the list made after it.
        for _ in range(LISTS):
            missing = enriched.missing
            if round_.left > 0 and not round_.is_over:
                candidates()
                round_.ask_candidates(warehouse)
            if enriched.missing == missing:
                break
    return enriched


class _Round:
    """One provider in one run."""

    def __init__(
        self,
        ledger: Ledger,
        provider: Provider,
        policy: dict[str, Any],
        enriched: Enriched,
        asked: set[tuple[str, str]],
    ) -> None:
        self._ledger, self._provider, self._policy = ledger, provider, policy
        self._enriched, self._asked = enriched, asked
        self._period = f"{ledger.as_of:%Y-%m}"
        self._calls = {row["call_id"]: row for row in ledger.last_calls(provider.system)}
        self._losses = _losses_in_a_row(list(self._calls.values()))
        self._deadline = time.monotonic() + MOST_SECONDS
        self._is_stopped = False

    @property
    def left(self) -> int:
        """Credits left of the month, in calls."""
        spent: int = sum(
            call["period"] == self._period and call["status"] not in FREE
            for call in self._calls.values()
        )
        calls: int = self._policy["monthly_budget"] // max(1, self._policy["cost"])
        return calls - spent

    @property
    def is_over(self) -> bool:
        """Whether this run asks no more: it was refused, is not answered, or took its time."""
        return self._is_stopped or time.monotonic() > self._deadline

    def settle(self) -> None:
        """Write down what became of calls that a crash cut off: nobody knows, so they count."""
        cut_off = [call for call in self._calls.values() if call["status"] == "intent"]
        for call in cut_off:
            self._record(call, Answer("unknown", reason="the run ended before the answer"))
        if cut_off:
            self._losses = _losses_in_a_row(list(self._calls.values()))
            self._enriched.troubles.append(
                f"{self._provider.system}: {len(cut_off)} lookups were cut off by a crash. They "
                "count against the month's budget and are not made again in it; nothing is to do."
            )

    def rests(self) -> bool:
        """Whether the provider is left alone, because it last refused or did not answer."""
        if not self._calls:
            return False
        last = max(self._calls.values(), key=lambda call: int(call["call_seq"]))
        if last["status"] == "throttled":
            return bool(last["ask_again_at"] and last["ask_again_at"] > self._ledger.as_of)
        pause = timedelta(minutes=self._policy["ask_again_minutes"])
        if last["status"] == "refused":
            rest = min(pause * 2 ** min(self._losses - 1, 10), LONGEST_REST_REFUSED)
        elif self._losses >= MOST_LOSSES:
            rest = min(pause * 2 ** min(self._losses - MOST_LOSSES, 20), LONGEST_REST)
        else:
            return False
        return bool(last["as_of"] + rest > self._ledger.as_of)

    def ask_pending(self) -> None:
        """Ask again for what was queued and is due. It was paid for."""
        now = self._ledger.as_of
        due = [
            call
            for call in self._calls.values()
            if call["status"] == "pending" and (call["ask_again_at"] or now) <= now
        ]
        for call in due:
            if self.is_over:
                return
            self._ask({**call, "attempt": call["attempt"] + 1})

    def ask_candidates(self, warehouse: Warehouse) -> None:
        """Ask for new people and companies, the hottest first, until the budget is spent."""
        rows = warehouse.rows(
            "select kind, lookup, lead_key from people.enrichment_candidates "
            "where provider = ? order by place",
            [self._provider.system],
        )
        for row in rows:
            if self.left <= 0 or self.is_over:
                return
            if (row["kind"], row["lookup"]) in self._asked:
                continue
            name = ":".join((self._provider.system, row["kind"], row["lookup"], self._period))
            before = self._calls.get(name)
            self._ask(
                {
                    **row,
                    "call_id": name,
                    "provider": self._provider.system,
                    "period": self._period,
                    "attempt": 1 if before is None else before["attempt"] + 1,
                }
            )

    def _ask(self, call: dict[str, Any]) -> None:
        is_new = call["call_id"] not in self._calls or (
            self._calls[call["call_id"]]["status"] in FREE
        )
        self._ledger.intend_call(call)
        answer = self._provider.look_up(call["kind"], call["lookup"])
        if answer.status == "pending" and call["attempt"] >= self._policy["most_asks"]:
            answer = Answer("missing", reason=f"still queued after {call['attempt']} asks")
        self._record(call, answer)
        if is_new and answer.status not in FREE:
            self._enriched.spent += int(self._policy["cost"])
        self._count(call, answer)

    def _record(self, call: dict[str, Any], answer: Answer) -> None:
        again_at = None if answer.again_at is None else _naive(answer.again_at)
        if answer.status == "pending":
            pause = timedelta(minutes=self._policy["ask_again_minutes"])
            again_at = again_at or self._ledger.as_of + pause
        self._ledger.call_outcome(
            call, answer.status, body=answer.body, reason=answer.reason, ask_again_at=again_at
        )
        self._calls[call["call_id"]] = {
            **call,
            "status": answer.status,
            "ask_again_at": again_at,
            "as_of": self._ledger.as_of,
            "call_seq": 1 + max((int(one["call_seq"]) for one in self._calls.values()), default=0),
        }

    def _count(self, call: dict[str, Any], answer: Answer) -> None:
        if answer.status in ("found", "missing", "pending"):
            setattr(self._enriched, answer.status, getattr(self._enriched, answer.status) + 1)
        if answer.status == "found":
            self._asked.add((call["kind"], call["lookup"]))
            if call["kind"] == "person" and (answer.body or {}).get("company"):
                # Its company came with it, for everyone who works there.
                self._asked.add(("company", call["lookup"].rpartition("@")[2]))
        if answer.status in (*FREE, "unknown"):
            self._losses += 1
            self._is_stopped = (
                answer.status in ("refused", "throttled") or self._losses >= MOST_LOSSES
            )
        else:
            self._losses = 0
        if answer.status == "refused":
            self._enriched.troubles.append(
                f"{self._provider.system} looks nobody up ({answer.reason}); leads go on without. "
                "Mend its key, plan or address in the settings, or unset its key to do without."
            )


def _losses_in_a_row(calls: list[dict[str, Any]]) -> int:
    """Count the newest tries that brought no answer, back to the last one that did."""
    losses = 0
    for call in sorted(calls, key=lambda call: int(call["call_seq"]), reverse=True):
        if call["status"] not in (*FREE, "unknown"):
            break
        # A call that bought nothing is made again under its name: each of its tries was one.
        losses += int(call["attempt"]) if call["status"] in FREE else 1
    return losses


def _naive(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(tzinfo=None)
