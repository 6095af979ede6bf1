"""HubSpot's companies, deals and meetings: the firms behind the people, and what sales logged.

Draws from generators of its own: people stay the same for a seed, whatever is added here.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta

from sandbox.cast import Company, Person
from sandbox.clock import hubspot_time
from sandbox.lumenfold import REPS, Rep
from sandbox.world import World

OPEN_STAGES = (
    "appointmentscheduled",
    "qualifiedtobuy",
    "presentationscheduled",
    "decisionmakerboughtin",
    "contractsent",
)
OUTCOMES = (("COMPLETED", 70), ("NO_SHOW", 12), ("CANCELED", 8), ("RESCHEDULED", 4))
_LEFT = 100 - sum(weight for _, weight in OUTCOMES)
_WEIGHTS = [*(weight for _, weight in OUTCOMES), _LEFT]
_NAMES = [*(name for name, _ in OUTCOMES), "SCHEDULED"]
PRIMARY_COMPANY, PRIMARY_OF_DEAL = 1, 5


@dataclass(slots=True)
class Firm:
    """The HubSpot records of one company: its own, and now and then a duplicate."""

    id: str
    twin_id: str | None


class Firms:
    """Inserts companies, deals and meetings of one population. ``busy``: more than a few."""

    def __init__(
        self, world: World, seed: int, counts: Counter[str], *, end: datetime, busy: bool
    ) -> None:
        self.world = world
        self.counts = counts
        self.end = end
        self.busy = busy
        self._company_rng = random.Random(f"{seed}/companies")
        self._deal_rng = random.Random(f"{seed}/deals")
        self._meeting_rng = random.Random(f"{seed}/meetings")
        self._firms: dict[str, Firm] = {}

    def company_of(self, person: Person, at: datetime) -> str | None:
        """Return the company a contact belongs to, inserted at first use; None for a tenth.

        HubSpot joins contacts to companies by the domain of the e-mail: a free mailbox has none.
        """
        rng, company = self._company_rng, person.company
        chance, twin_chance = rng.random(), rng.random()
        if chance < 0.08 or not person.email.endswith(company.domain):
            return None
        firm = self._firms.get(company.domain)
        if firm is None:
            firm = self._firms[company.domain] = self._inserted(company, at)
        return firm.twin_id if firm.twin_id and twin_chance < 0.4 else firm.id

    def join(self, contact_id: str, company_id: str | None) -> None:
        """Associate a contact with its company, as the primary one."""
        if company_id is not None:
            self.world.hubspot.associate(
                "contacts", contact_id, "companies", company_id, (PRIMARY_COMPANY,)
            )

    def deal(
        self,
        outcome: str,
        person: Person,
        owner: Rep,
        contact_id: str,
        company_id: str | None,
        at: datetime,
    ) -> None:
        """Insert the deal of a converted person; one in five is in Salesforce only."""
        rng, hubspot = self._deal_rng, self.world.hubspot
        draw = rng.random()
        created = min(at + timedelta(hours=rng.randrange(5, 700)), self.end)
        closed = min(created + timedelta(days=rng.randrange(3, 90)), self.end)
        stage = {"won": "closedwon", "lost": "closedlost"}.get(outcome) or rng.choice(OPEN_STAGES)
        amount, due = rng.randrange(4, 200) * 500, self.end + timedelta(days=rng.randrange(5, 120))
        if draw < 0.2:
            return
        is_open = outcome == "open"
        deal_id = hubspot.create(
            "deals",
            {
                "dealname": f"{person.company.name} - Lumenfold",
                "amount": None if draw > 0.95 else str(amount),
                "pipeline": "default",
                "dealstage": stage,
                "dealtype": "newbusiness",
                "closedate": hubspot_time(due if is_open else closed),
                "hubspot_owner_id": owner.owner_id,
                "closed_lost_reason": "No budget" if outcome == "lost" and draw < 0.6 else None,
                "hs_lastmodifieddate": hubspot_time(created if is_open else closed),
            },
            at=created,
        )
        hubspot.associate("deals", deal_id, "contacts", contact_id)
        if company_id is not None:
            hubspot.associate("deals", deal_id, "companies", company_id, (PRIMARY_OF_DEAL,))
        self.counts["hubspot_deals"] += 1

    def meeting(self, owner: Rep, contact_id: str, company_id: str | None, at: datetime) -> None:
        """Insert a meeting a rep logged in HubSpot, for some of the people sales works on."""
        rng, hubspot = self._meeting_rng, self.world.hubspot
        draw, hours = rng.random(), rng.randrange(2, 900)
        outcome = rng.choices(_NAMES, _WEIGHTS)[0]
        if draw >= (0.18 if self.busy else 0.05):
            return
        booked = min(at + timedelta(hours=hours), self.end - timedelta(hours=1))
        booked = max(booked, at)
        start = min(booked + timedelta(hours=hours % 90), self.end)
        if outcome == "SCHEDULED":
            start = self.end + timedelta(days=3, hours=hours % 300)
        meeting_id = hubspot.create(
            "meetings",
            {
                "hs_timestamp": hubspot_time(start),
                "hs_meeting_title": "Discovery call",
                "hs_meeting_start_time": hubspot_time(start),
                "hs_meeting_end_time": hubspot_time(start + timedelta(minutes=30)),
                "hs_meeting_outcome": outcome if draw < 0.17 else None,
                "hubspot_owner_id": owner.owner_id,
                "hs_lastmodifieddate": hubspot_time(booked if outcome == "SCHEDULED" else start),
            },
            at=booked,
        )
        hubspot.associate("meetings", meeting_id, "contacts", contact_id)
        if company_id is not None:
            hubspot.associate("meetings", meeting_id, "companies", company_id)
        self.counts["hubspot_meetings"] += 1

    def _inserted(self, company: Company, at: datetime) -> Firm:
        rng = self._company_rng
        id = self._insert(company, company.name, at)
        twin_id = None
        if rng.random() < 0.03:
            # Domains are not unique: an import brought the firm a second time.
            twin_id = self._insert(company, f"{company.name} Inc.", at)
            self.world.truth.add_dirt("duplicate_companies", [id, twin_id])
        return Firm(id, twin_id)

    def _insert(self, company: Company, name: str, at: datetime) -> str:
        rng = self._company_rng
        gaps, owned, owner = rng.random(), rng.random() < 0.4, rng.choice(REPS)
        self.counts["hubspot_companies"] += 1
        known: dict[str, str | None] = {
            "name": name,
            "domain": company.domain,
            "website": company.domain,
            "industry": _upper_snake(company.industry) if gaps >= 0.08 else None,
            "numberofemployees": (
                None if company.employees is None or gaps > 0.93 else str(company.employees)
            ),
            "country": company.spellings[0] if not 0.05 < gaps < 0.12 else None,
            "hubspot_owner_id": owner.owner_id if owned else None,
            "lifecyclestage": "lead",
        }
        properties = {name: value for name, value in known.items() if value is not None}
        return self.world.hubspot.create("companies", properties, at=at)


def _upper_snake(industry: str) -> str:
    """Return an industry as HubSpot's enumeration spells it."""
    # The list has many kinds of manufacturing and no word for all of them.
    name = "Machinery" if industry == "Manufacturing" else industry
    return re.sub(r"[^A-Z]+", "_", name.upper())
