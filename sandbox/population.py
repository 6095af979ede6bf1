"""Twelve months of one invented company's leads, planted consistently across the systems.

From a seed come people, what each system happens to know of them, what they did, and what reps
did with them; the truth keeps who is who and what is missing. History ends two days before
``now``: later there are page views and e-mail events only, so that a sync that goes live a day
before ``now`` finds no trigger but the golden leads and what arrives.
"""

from __future__ import annotations

import gc
import random
from collections import Counter
from datetime import datetime, timedelta
from itertools import accumulate
from sys import intern
from typing import Any
from zlib import crc32

from sandbox import dirt
from sandbox.cast import Cast, Person
from sandbox.clock import hubspot_time
from sandbox.firms import Firms
from sandbox.lumenfold import CAMPAIGNS, FORM, FORMS, PAGES, SITE, Form, furnish
from sandbox.selling import STATUSES, Dealt, Selling
from sandbox.truth import held_in_hubspot, missing_fields
from sandbox.vocabulary import SOURCES, Source
from sandbox.world import World

YEAR = timedelta(days=365)
QUIET = timedelta(days=2)
# Up to this many people everybody has a full trail of visits; beyond it the trail gets thinner.
FULL_TRAIL = 20_000

_FORM_WEIGHTS = list(accumulate(form.weight for form in FORMS))
LEGAL_BASES = (
    *("Freely given consent from contact", "Performance of a contract", "Not applicable"),
    *("Freely given consent from contact;Performance of a contract", None, None, None),
)
_SOURCE_WEIGHTS = list(accumulate(source.weight for source in SOURCES))
_PAGE_WEIGHTS = list(accumulate([5, 3, 3, 2, 2, 2, 4, 4, 3, 3, 2, 1]))


class Population:
    """Fills a furnished world. One instance, one pass: ``build`` is called once."""

    def __init__(
        self,
        world: World,
        *,
        leads: int,
        seed: int,
        now: datetime,
        full_trail: int = FULL_TRAIL,
    ) -> None:
        self.world = world
        self.leads = leads
        self.now = now
        self.end = now - QUIET
        self.rng = random.Random(seed)
        self.cast = Cast(self.rng, round(leads / 3.5), world.truth.by_email)
        self.counts: Counter[str] = Counter()
        self.trail = min(1.0, full_trail / leads) if leads else 1.0
        busy = self.trail == 1.0
        self.selling = Selling(world, self.rng, self.counts, end=self.end, busy=busy)
        self.firms = Firms(world, seed, self.counts, end=self.end, busy=busy)

    def build(self) -> None:
        """Plant people, target accounts, and the spoilt records."""
        rng = self.rng
        # Oldest first, so that the stores receive their records about in order of time.
        span = (YEAR - QUIET).total_seconds()
        ages = sorted((rng.random() * span for _ in range(self.leads)), reverse=True)
        for age in ages:
            created = self._in_the_day(self.end - timedelta(seconds=age))
            person, kind = self.cast.person(), rng.random()
            entry = self.world.truth.add_person(person.email)
            if kind < 0.08:
                held = self.selling.stranger(person, entry, created)
            else:
                held = self._in_hubspot(person, entry, created, kind < 0.53, kind >= 0.90)
            entry["missing"] = missing_fields(held)
        for company in self.cast.companies:
            if rng.random() < 0.05:
                self.selling.account(company, self.end - timedelta(days=rng.randrange(30, 300)))
        if self.leads:
            dirt.plant(self)

    def _in_hubspot(
        self,
        person: Person,
        entry: dict[str, Any],
        created: datetime,
        has_lead: bool,
        is_converted: bool,
    ) -> dict[str, Any]:
        """Plant a HubSpot contact, with a Salesforce side or none; return what is known."""
        rng, selling = self.rng, self.selling
        forms = self._forms()
        known = self._known(person, forms)
        source = rng.choices(SOURCES, cum_weights=_SOURCE_WEIGHTS)[0] if forms else SOURCES[-1]
        owner = selling.rep(person.company)
        status = selling.status() if has_lead else None
        deal = rng.choices(("won", "lost", "open"), (4, 3, 3))[0] if is_converted else None
        stage, moment = _stage(forms, status, deal), hubspot_time(created)
        properties: dict[str, str | None] = {
            **known,
            **self._origin(source, created, forms),
            "lifecyclestage": stage,
            f"hs_v2_date_entered_{stage}": moment,
        }
        if (has_lead or is_converted) and rng.random() < 0.7:
            properties["hubspot_owner_id"] = owner.owner_id
            properties["hubspot_owner_assigneddate"] = moment
        if rng.random() < 0.02:
            properties["hs_email_optout"] = "true"
            entry["opted_out"] = True
        # Drawn apart, so that the rest of the population is what it was without it.
        stated = LEGAL_BASES[crc32(person.email.encode()) % len(LEGAL_BASES)]
        if stated is not None:
            properties["hs_legal_basis"] = stated
        company_id = self.firms.company_of(person, created)
        if company_id is not None:
            properties["associatedcompanyid"] = company_id
        contact_id = self.world.hubspot.create("contacts", properties, at=created)
        self.counts["hubspot_contacts"] += 1
        self._submissions(person, known, forms, created)
        if rng.random() < 0.01:
            contact_id = self._merge(person, contact_id, created, entry)
        entry["hubspot_contact_ids"].append(contact_id)
        self.firms.join(contact_id, company_id)
        if deal is not None:
            self.firms.deal(deal, person, owner, contact_id, company_id, created)
        if has_lead or is_converted:
            self.firms.meeting(owner, contact_id, company_id, created)
        self._visits(person, contact_id, created)
        held = held_in_hubspot(known)
        if has_lead or is_converted:
            selling.lead(Dealt(person, entry, held, owner, source), created, status, deal)
        return held

    def _forms(self) -> list[Form]:
        """Return the forms a person filled in, first one first; imported people have none."""
        if self.rng.random() < 0.12:
            return []
        number = 2 if self.rng.random() < 0.25 else 1
        return self.rng.choices(FORMS, cum_weights=_FORM_WEIGHTS, k=number)

    def _known(self, person: Person, forms: list[Form]) -> dict[str, Any]:
        """Return what HubSpot holds: what the forms asked, or all after an earlier enrichment."""
        rng = self.rng
        is_enriched = not forms or rng.random() < 0.5
        asked = {name for form in forms for name in form.asks}
        return {
            name: value
            for name, value in person.properties().items()
            if value is not None
            and (name == "email" or ((is_enriched or name in asked) and rng.random() >= 0.03))
        }

    def _origin(self, source: Source, at: datetime, forms: list[Form]) -> dict[str, str]:
        origin = {
            "hs_analytics_source": source.analytics_source,
            "hs_analytics_source_data_1": self.rng.choice(source.details),
        }
        if not forms:
            return {**origin, "hs_object_source": "IMPORT"}
        landed_on = self.rng.choices(PAGES, cum_weights=_PAGE_WEIGHTS)[0][0]
        landed_at = at - timedelta(minutes=self.rng.randrange(1, 90))
        return {
            **origin,
            "hs_analytics_first_url": intern(SITE + landed_on),
            "hs_analytics_first_timestamp": hubspot_time(landed_at),
            "hs_object_source": "FORM",
        }

    def _submissions(
        self, person: Person, known: dict[str, Any], forms: list[Form], created: datetime
    ) -> None:
        at = created
        for form in forms:
            values = {name: known[name] for name in form.asks if name in known}
            values["email"] = person.email
            self.world.hubspot.submit(form.guid, values, page_url=form.url, at=at)
            self.counts["submissions"] += 1
            at = self.selling.later(created, 60)

    def _merge(
        self, person: Person, contact_id: str, created: datetime, entry: dict[str, Any]
    ) -> str:
        """Give the person a second HubSpot contact, and merge the two."""
        hubspot, truth = self.world.hubspot, self.world.truth
        name, domain = person.email.split("@")
        alias = f"{name}.private@{domain}"
        other_at = self.selling.later(created, 20)
        # It adds no knowledge: what the truth calls missing stays missing.
        other = hubspot.create("contacts", {"email": alias, "lifecyclestage": "lead"}, at=other_at)
        survivor = hubspot.merge(contact_id, other, at=self.selling.later(other_at, 60))
        entry["emails"].append(alias)
        truth.by_email[alias] = entry
        truth.add_dirt("hubspot_merges", {"survivor": survivor, "merged": [contact_id, other]})
        return survivor

    def _visits(self, person: Person, contact_id: str, created: datetime) -> None:
        rng, hubspot, later = self.rng, self.world.hubspot, self.selling.later
        views = [
            later(created - timedelta(days=2), 40)
            for _ in range(self._thinned(rng.randrange(1, 8)))
        ]
        mails = [later(created, 90) for _ in range(self._thinned(rng.randrange(0, 4)))]
        if rng.random() < 0.03 * self.trail:
            views.append(self.now - QUIET * rng.random())
            mails.append(self.now - QUIET * rng.random())
        for at in views:
            path, title = rng.choices(PAGES, cum_weights=_PAGE_WEIGHTS)[0]
            hubspot.add_page_event(contact_id, SITE + path, title, at=at)
        for at in mails:
            is_click = rng.random() < 0.25
            hubspot.add_email_event(
                "CLICK" if is_click else "OPEN",
                person.email,
                at=at,
                campaign_id=rng.choice(CAMPAIGNS)[0],
                url=f"{SITE}/pricing" if is_click else None,
                filtered=rng.random() < 0.12,
            )
        self.counts["page_events"] += len(views)
        self.counts["email_events"] += len(mails)

    def _in_the_day(self, moment: datetime) -> datetime:
        """Move a moment into the busy hours of its day, inside the history."""
        return min(moment.replace(hour=6 + int(self.rng.random() * 15)), self.end)

    def _thinned(self, number: int) -> int:
        exact = number * self.trail
        return int(exact) + (self.rng.random() < exact % 1)


def _stage(forms: list[Form], status: str | None, deal: str | None) -> str:
    """Return the HubSpot lifecycle stage that goes with what sales did."""
    if deal is not None:
        return "customer" if deal == "won" else "opportunity"
    if status is not None:
        return STATUSES[status][0]
    only_reads = bool(forms) and all(form is FORM["newsletter"] for form in forms)
    return "subscriber" if only_reads else "lead"


def populate(world: World, *, leads: int, seed: int) -> Population:
    """Furnish the world and fill it; ``now`` is the clock's present moment."""
    now = world.clock.now()
    world.truth.seed, world.truth.now = seed, now
    # Millions of records stay: searching them for garbage again and again would double the time.
    gc.disable()
    history = world.hubspot.history
    history.is_kept = leads <= FULL_TRAIL
    try:
        with world.lock:
            furnish(world, since=now - YEAR - timedelta(days=200))
            population = Population(world, leads=leads, seed=seed, now=now)
            population.build()
            world.hubspot.settle()
    finally:
        history.is_kept = True
        gc.enable()
    return population
