"""Record decisions and draw owners, before anything leaves the house.

SQL has said who is to be handed over or given to another, and who may get it; this gives each
lead to one person and writes that down. What is recorded here is never computed again.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from flows.draw import Candidate, draw
from flows.ledger import Ledger
from flows.warehouse import Warehouse

Row = dict[str, Any]

DECIDED = (
    "icp_score",
    "fit_points",
    "intent_points",
    "score_reasons",
    "trigger_type",
    "trigger_asset",
    "trigger_url",
    "trigger_at",
    "context_status",
    "context_gaps",
    "policy_version",
)


@dataclass(slots=True)
class Recorded:
    """Counts of decisions, and the leads handed over and given again with their owners.

    ``caught`` counts what went to the catch-all person because nobody else could take it.
    """

    adopted: int = 0
    mql: int = 0
    waiting: int = 0
    caught: int = 0
    owners: dict[str, str] = field(default_factory=dict)
    rerouted: dict[str, str] = field(default_factory=dict)

    @property
    def by_owner(self) -> dict[str, int]:
        """Number of leads handed over to each owner."""
        return dict(Counter(self.owners.values()))


class Given(NamedTuple):
    """Who gets a lead, what named them, and what every rep considered had against it."""

    owner_id: str
    given_by: str
    pool: str | None
    rep: Row
    considered: list[Row]
    credits_before: dict[str, int] | None
    credits_after: dict[str, int] | None


class Desk:
    """Gives one lead after another, and remembers what this run has given to whom.

    The tables count what earlier runs gave; a rep whose books fill up within this run is passed
    over like one whose books were full before. Credits are carried from draw to draw.
    """

    def __init__(self, candidates: Mapping[str, Sequence[Row]], credits: dict[str, int]) -> None:
        self._candidates = candidates
        self._credits = credits
        self._given: Counter[str] = Counter()

    def give(self, route: Row) -> Given | None:
        """Give a lead to the person named, else by the first place where anybody can take it.

        Returns None where nobody can. The catch-all person ends every line and the policy's guards
        promise one; should they be wrong, the lead waits visibly.
        """
        considered = self._candidates.get(route["lead_key"], ())
        if route["fixed_owner_id"]:
            return self._take(_named(route, considered))
        places = self._places(considered)
        if not places:
            return None
        open_here = places[min(places)]
        told = [self._told(rep, open_here) for rep in considered]
        if next(iter(open_here.values()))["given_by"] == "catch_all":
            owner, before, after = next(iter(open_here)), None, None
        else:
            drawn = draw(
                [Candidate(rep, one["weight"]) for rep, one in open_here.items()], self._credits
            )
            self._credits.update(drawn.credits_after)
            owner, before, after = drawn.rep_id, drawn.credits_before, drawn.credits_after
        rep = next(one for one in considered if one["user_id"] == owner)
        place = open_here[owner]
        return self._take(Given(owner, place["given_by"], place["pool"], rep, told, before, after))

    def _take(self, given: Given) -> Given:
        self._given[given.owner_id] += 1
        return given

    def _places(self, considered: Sequence[Row]) -> dict[int, dict[str, Row]]:
        """Who can take the lead at which place of its line, counting what this run has given."""
        places: dict[int, dict[str, Row]] = {}
        for rep in considered:
            for place in json.loads(rep["places"]):
                if not (place["has_limit"] and self._is_full(rep)):
                    places.setdefault(place["place"], {})[rep["user_id"]] = place
        return places

    def _is_full(self, rep: Row) -> bool:
        room = rep["room_left"]
        return room is not None and room <= self._given[rep["user_id"]]

    def _told(self, rep: Row, open_here: Mapping[str, Row]) -> Row:
        """Say what a rep had against the lead; nothing where it was in the draw."""
        place = open_here.get(rep["user_id"])
        why_not = rep["why_not"]
        if place is None and why_not is None:
            why_not = f"full: this run filled its books ({self._given[rep['user_id']]} given)"
        return {
            "rep": rep["user_id"],
            "name": rep["full_name"],
            "weight": 0 if place is None else place["weight"],
            "why_not": None if place is not None else why_not,
        }


def record_decisions(warehouse: Warehouse, ledger: Ledger) -> Recorded:
    """Adopt what was there, hand over what is due, give again what its owner cannot keep.

    Second run: nothing; a lead has one hand-over until it is given back, and one owner at a time.
    Who lost an owner is served first, then hot leads, then older ones.
    """
    recorded = Recorded(adopted=ledger.adopt())
    recorded.waiting = int(
        warehouse.value("select count(*) from routing.lead_routes where decision = 'wait'")
    )
    routes = _routes(warehouse)
    if not routes:
        return recorded
    desk = Desk(_candidates(warehouse), ledger.credits())
    decisions, assignments = [], []
    for route in routes:
        given = desk.give(route)
        if given is None:
            recorded.waiting += 1
            continue
        if route["decision"] == "mql":
            decisions.append(_decision(route, ledger))
            recorded.owners[route["lead_key"]] = given.owner_id
        else:
            recorded.rerouted[route["lead_key"]] = given.owner_id
        recorded.caught += given.given_by == "catch_all"
        assignments.append(_assignment(route, given, ledger))
    ledger.hand_over(decisions, assignments)
    recorded.mql = len(decisions)
    return recorded


def _routes(warehouse: Warehouse) -> list[Row]:
    """Return the leads to be given that were not given in this run yet, in order."""
    return warehouse.rows(
        """
        select routes.*, policy.policy_version, coalesce(given.times, 0) as times_given
        from routing.lead_routes as routes
        cross join policy.policy_version as policy
        left join
            (
                select lead_key, cause, count(*) as times
                from ledger.ops.assignments
                group by lead_key, cause
            ) as given
            on routes.lead_key = given.lead_key
            and routes.cause = given.cause
        where
            (
                routes.decision = 'mql'
                and routes.decision_key not in (select decision_key from ledger.ops.decisions)
            )
            or (
                routes.decision = 'reroute'
                and routes.lead_key not in (
                    select lead_key
                    from ledger.ops.assignments
                    where as_of >= (select max(as_of) from ledger.ops.runs)
                )
            )
        order by
            routes.decision desc, routes.icp_score desc, routes.trigger_at, routes.lead_key
        """
    )


def _candidates(warehouse: Warehouse) -> dict[str, list[Row]]:
    candidates: dict[str, list[Row]] = {}
    for row in warehouse.rows(
        "select * from routing.lead_candidates order by lead_key, is_eligible desc, user_id"
    ):
        candidates.setdefault(row["lead_key"], []).append(row)
    return candidates


def _named(route: Row, considered: Sequence[Row]) -> Given:
    """Give the lead to the person a rule or a cause names, who may be no rep of the policy."""
    owner = route["fixed_owner_id"]
    rep = next((one for one in considered if one["user_id"] == owner), {})
    told = [
        {
            "rep": one["user_id"],
            "name": one["full_name"],
            "weight": one["weight"],
            "why_not": one["why_not"],
        }
        for one in considered
    ]
    return Given(owner, route["given_by"], None, rep, told, None, None)


def _decision(route: Row, ledger: Ledger) -> Row:
    return {
        "decision_key": route["decision_key"],
        "lead_key": route["lead_key"],
        "decision": "mql",
        "mql_at": ledger.as_of,
        **{name: route[name] for name in DECIDED},
        "reason": route["exception_reason"] or f"score {route['icp_score']} of 10",
    }


def _assignment(route: Row, given: Given, ledger: Ledger) -> Row:
    """The owner of a lead as the ledger keeps it, with a new clock or the one so far.

    Who is no rep of the policy has no hours a clock could run by, and goes on with the one so far.
    """
    is_reroute = route["decision"] == "reroute"
    cause = route["cause"] if is_reroute else "handover"
    keeps = is_reroute and (route["clock"] == "keep" or not given.rep)
    return {
        "assignment_key": (
            f"{route['lead_key']}:{cause}:{route['times_given'] + 1}"
            if is_reroute
            else route["decision_key"]
        ),
        "lead_key": route["lead_key"],
        "owner_id": given.owner_id,
        "cause": cause,
        "previous_owner_id": route["previous_owner_id"],
        "given_by": given.given_by,
        "account_key": route["account_key"],
        "routing_rule": route["routing_rule"],
        "pool": given.pool,
        "sla_tier": route["sla_tier"],
        "channels": route["channels"],
        **(_clock_so_far(route, given) if keeps else _new_clock(given, ledger)),
        "candidates": json.dumps(given.considered),
        "credits_before": _document(given.credits_before),
        "credits_after": _document(given.credits_after),
    }


def _new_clock(given: Given, ledger: Ledger) -> Row:
    return {
        "sla_warn_at": given.rep["sla_warn_at"],
        "sla_due_at": given.rep["sla_due_at"],
        "calendar_id": given.rep["calendar_id"],
        "backup_owner_id": given.rep["backup_user_id"],
        "clock_since": ledger.as_of,
    }


def _clock_so_far(route: Row, given: Given) -> Row:
    return {
        "sla_warn_at": route["previous_warn_at"],
        "sla_due_at": route["previous_due_at"],
        "calendar_id": route["previous_calendar_id"],
        "backup_owner_id": given.rep.get("backup_user_id") or route["previous_backup_id"],
        "clock_since": route["clock_started_at"],
    }


def _document(credits: Mapping[str, int] | None) -> str | None:
    return None if credits is None else json.dumps(credits)
