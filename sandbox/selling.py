"""The Salesforce side of the population: leads, accounts, deals, and what reps did with them."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zlib import crc32

from sandbox.cast import Company, Person
from sandbox.clock import salesforce_time
from sandbox.lumenfold import REPS, Rep
from sandbox.truth import CONTEXT
from sandbox.vocabulary import ACTIVITY_SUBJECTS, DISQUALIFICATION_REASONS, SOURCES, Source
from sandbox.world import World

PLACEHOLDER = "[not provided]"
OPEN_STAGES = ("Qualification", "Proposal/Price Quote", "Negotiation/Review")
# Salesforce lead status, the HubSpot lifecycle stage that goes with it, and how common it is.
STATUSES = {
    "Open - Not Contacted": ("lead", 25),
    "Working - Contacted": ("marketingqualifiedlead", 35),
    "Qualified": ("salesqualifiedlead", 8),
    "Closed - Not Converted": ("other", 32),
}
_STATUS_WEIGHTS = [weight for _, weight in STATUSES.values()]
EMEA = {"gb", "fr", "nl", "se", "no", "es"}


@dataclass
class Dealt:
    """One person in the hands of sales: who it is, what is known, whose it is."""

    person: Person
    entry: dict[str, Any]
    held: dict[str, Any]
    owner: Rep
    source: Source


class Selling:
    """Inserts the Salesforce records of people; all of it happened before ``end``."""

    def __init__(
        self, world: World, rng: random.Random, counts: Counter[str], *, end: datetime, busy: bool
    ) -> None:
        self.world = world
        self.rng = rng
        self.counts = counts
        self.end = end
        self.busy = busy
        self._accounts: dict[str, tuple[str, Rep]] = {}

    def lead(self, dealt: Dealt, created: datetime, status: str | None, deal: str | None) -> None:
        """Insert a person's lead (and a duplicate now and then), worked or converted."""
        rng, owner = self.rng, dealt.owner
        fields = self._lead_fields(dealt)
        opted_out = bool(dealt.entry.get("opted_out")) and rng.random() < 0.5
        # One in forty wants no calls; not drawn, so that the rest is what it was without it.
        declined = crc32(dealt.person.email.encode()) % 40 == 0
        fields |= {"OwnerId": owner.user_id, "HasOptedOutOfEmail": opted_out}
        fields["DoNotCall"] = declined
        at = min(created + timedelta(minutes=rng.randrange(1, 3000)), self.end)
        lead_id = self._insert_lead(dealt, {**fields, "Status": "Open - Not Contacted"}, at)
        if deal is not None:
            self._convert(lead_id, dealt, fields, deal, at)
        elif status is not None:
            self._work(lead_id, owner, status, at)
        if rng.random() < 0.03:
            again = {**fields, "LeadSource": "Purchased List", "Status": "Open - Not Contacted"}
            again["OwnerId"] = rng.choice(REPS[5:7]).user_id
            twin = self._insert_lead(dealt, again, self.later(at, 90))
            self.world.truth.add_dirt("duplicate_leads", [lead_id, twin])

    def stranger(self, person: Person, entry: dict[str, Any], created: datetime) -> dict[str, Any]:
        """Insert someone marketing never met; return the context Salesforce holds.

        Half of them are leads of a purchased list, half are contacts of an account.
        """
        held: dict[str, Any] = dict.fromkeys(name for name, _, _ in CONTEXT)
        dealt = Dealt(person, entry, held, self.rep(person.company), SOURCES[-1])
        fields = self._lead_fields(dealt)
        if self.rng.random() < 0.5:
            fields |= {"OwnerId": dealt.owner.user_id, "Status": "Open - Not Contacted"}
            lead_id = self._insert_lead(dealt, fields, created)
            self._work(lead_id, dealt.owner, self.status(), created)
            return held
        account_id, dealt.owner = self.account(person.company, created, dealt.owner)
        self._contact(dealt, account_id, created, fields)
        # The account answers for the company; a contact has a country only through it.
        company = person.company
        return held | {
            "company_name": company.name,
            "employee_count": company.employees,
            "industry": company.industry,
            "country": company.country,
        }

    def account(self, company: Company, at: datetime, owner: Rep | None = None) -> tuple[str, Rep]:
        """Return the company's account and its owner, inserting it at first use."""
        if company.domain not in self._accounts:
            rep = owner or self.rep(company)
            spellings = (company.website, company.domain, f"http://{company.domain}/en")
            account_id = self.world.salesforce.insert(
                "Account",
                {
                    "Name": company.name,
                    "Website": self.rng.choice(spellings),
                    "Industry": company.industry,
                    "NumberOfEmployees": company.employees,
                    "BillingCountry": company.spellings[0],
                    "Type": "Prospect",
                    "OwnerId": rep.user_id,
                },
                at=at,
                by=rep.user_id,
            )
            self._accounts[company.domain] = (account_id, rep)
            self.counts["accounts"] += 1
        return self._accounts[company.domain]

    def rep(self, company: Company) -> Rep:
        """Return who owns such a lead by the habits of the past year, not by today's policy."""
        habit = self.rng.random()
        if habit < 0.05:
            return REPS[8]
        if habit < 0.06:
            return REPS[7]
        if company.country in ("de", "at", "ch"):
            return REPS[3]
        if company.country in EMEA:
            return REPS[2]
        if company.country in ("jp", "sg", "au", "in"):
            return REPS[4]
        return self.rng.choice(REPS[:2] if (company.employees or 0) >= 1000 else REPS[5:7])

    def status(self) -> str:
        """Draw the status of a lead that was not converted."""
        return self.rng.choices(tuple(STATUSES), _STATUS_WEIGHTS)[0]

    def later(self, moment: datetime, days: int) -> datetime:
        """Return a moment up to ``days`` later, never past the end of the history."""
        return min(moment + timedelta(seconds=self.rng.random() * days * 86_400), self.end)

    def _insert_lead(self, dealt: Dealt, fields: dict[str, Any], at: datetime) -> str:
        lead_id = self.world.salesforce.insert("Lead", fields, at=at)
        dealt.entry["salesforce_lead_ids"].append(lead_id)
        self.counts["salesforce_leads"] += 1
        if fields["Company"] == PLACEHOLDER:
            self.world.truth.add_dirt("placeholder_company", lead_id)
        return lead_id

    def _lead_fields(self, dealt: Dealt) -> dict[str, Any]:
        """Return a lead as synchronised from HubSpot, with gaps a rep filled by hand."""
        rng, person, company, held = self.rng, dealt.person, dealt.person.company, dealt.held
        real = {
            "job_title": person.title,
            "company_name": company.name,
            "employee_count": company.employees,
            "industry": company.industry,
            "country": person.country,
        }
        fields: dict[str, Any] = {
            "FirstName": person.first,
            "LastName": person.last,
            "Email": self._retyped(person.email),
            "Phone": person.phone if rng.random() < 0.6 else None,
            "LeadSource": rng.choice(dealt.source.lead_sources) or None,
            "Website": company.website if rng.random() < 0.5 else None,
        }
        held["full_name"] = person.last
        for name, _, salesforce_name in CONTEXT:
            filled_by_hand = 0.97 if name == "company_name" else 0.35
            if held[name] is None and rng.random() < filled_by_hand:
                held[name] = real[name]
            fields[salesforce_name] = None if held[name] is None else real[name]
        # Salesforce insists on a company; connectors write this when they have none.
        fields["Company"] = fields["Company"] or PLACEHOLDER
        return fields

    def _work(self, lead_id: str, owner: Rep, status: str, at: datetime) -> None:
        """Bring an open lead to its status: activities, and a reason where it was given up."""
        if status == "Open - Not Contacted":
            return
        worked = self._activities(lead_id, owner, at)
        changes: dict[str, Any] = {"Status": status}
        if status == "Closed - Not Converted" and self.rng.random() >= 0.06:
            changes["DisqualificationReason__c"] = self.rng.choice(DISQUALIFICATION_REASONS)
        self.world.salesforce.update("Lead", lead_id, changes, at=worked, by=owner.user_id)

    def _convert(
        self, lead_id: str, dealt: Dealt, fields: dict[str, Any], deal: str, at: datetime
    ) -> None:
        salesforce, owner = self.world.salesforce, dealt.owner
        worked = self._activities(lead_id, owner, at, meeting=True)
        account_id, _ = self.account(dealt.person.company, worked, owner)
        contact_id = self._contact(dealt, account_id, worked, fields)
        won, is_closed = deal == "won", deal != "open"
        closed = self.later(worked, 90)
        due = closed if is_closed else self.end + timedelta(days=self.rng.randrange(7, 120))
        opportunity_id = salesforce.insert(
            "Opportunity",
            {
                "Name": f"{dealt.person.company.name} - Lumenfold",
                "AccountId": account_id,
                "StageName": self.rng.choice(OPEN_STAGES),
                "Amount": float(self.rng.randrange(4, 200) * 500),
                "CloseDate": due.date().isoformat(),
                "IsClosed": False,
                "IsWon": False,
                "Probability": 40.0,
                "LeadSource": fields["LeadSource"],
                "OwnerId": owner.user_id,
            },
            at=worked,
            by=owner.user_id,
        )
        salesforce.insert(
            "OpportunityContactRole",
            {
                "OpportunityId": opportunity_id,
                "ContactId": contact_id,
                "Role": "Decision Maker",
                "IsPrimary": True,
            },
            at=worked,
            by=owner.user_id,
        )
        salesforce.convert(lead_id, account_id, contact_id, opportunity_id, at=worked)
        if is_closed:
            outcome = {
                "StageName": "Closed Won" if won else "Closed Lost",
                "IsClosed": True,
                "IsWon": won,
                "Probability": 100.0 if won else 0.0,
            }
            salesforce.update("Opportunity", opportunity_id, outcome, at=closed, by=owner.user_id)
        self.counts["opportunities"] += 1

    def _contact(self, dealt: Dealt, account_id: str, at: datetime, fields: dict[str, Any]) -> str:
        shared = ("FirstName", "LastName", "Email", "Title", "Phone", "LeadSource")
        owner = dealt.owner.user_id
        contact_id = self.world.salesforce.insert(
            "Contact",
            {**{name: fields[name] for name in shared}, "AccountId": account_id, "OwnerId": owner},
            at=at,
            by=owner,
        )
        dealt.entry["salesforce_contact_ids"].append(contact_id)
        self.counts["salesforce_contacts"] += 1
        return contact_id

    def _activities(
        self, lead_id: str, rep: Rep, start: datetime, *, meeting: bool = False
    ) -> datetime:
        """Insert what the rep did with a lead; return when the last of it was done."""
        rng = self.rng
        at = start
        for _ in range(rng.randrange(1, 4) if self.busy else 1):
            at = min(at + timedelta(minutes=rng.randrange(10, 6000)), self.end)
            completed_activity(self.world, lead_id, rep, at, rng)
            self.counts["tasks"] += 1
        if meeting and rng.random() < 0.8:
            at = min(at + timedelta(hours=rng.randrange(20, 120)), self.end)
            held_meeting(self.world, lead_id, rep, at)
            self.counts["events"] += 1
        return at

    def _retyped(self, email: str) -> str:
        """Return the e-mail as a rep or an import typed it into Salesforce."""
        habit = self.rng.random()
        if habit < 0.12:
            return email.title()
        if habit < 0.15:
            return email.upper()
        return f" {email} " if habit < 0.18 else email


def completed_activity(
    world: World, who_id: str, rep: Rep, at: datetime, rng: random.Random
) -> str:
    """Insert a completed call or e-mail of a rep; return the Task's Id."""
    kind = rng.choice(tuple(ACTIVITY_SUBJECTS))
    return world.salesforce.insert(
        "Task",
        {
            "Subject": rng.choice(ACTIVITY_SUBJECTS[kind]),
            "Status": "Completed",
            "Priority": "Normal",
            "Type": kind,
            "TaskSubtype": kind,
            "WhoId": who_id,
            "OwnerId": rep.user_id,
            "ActivityDate": at.date().isoformat(),
            "CompletedDateTime": salesforce_time(at),
        },
        at=at,
        by=rep.user_id,
    )


def held_meeting(world: World, who_id: str, rep: Rep, at: datetime) -> str:
    """Insert a half-hour meeting that ended at ``at``; return the Event's Id."""
    start = at - timedelta(minutes=30)
    return world.salesforce.insert(
        "Event",
        {
            "Subject": "Meeting: discovery",
            "WhoId": who_id,
            "OwnerId": rep.user_id,
            "StartDateTime": salesforce_time(start),
            "EndDateTime": salesforce_time(at),
            "ActivityDateTime": salesforce_time(start),
        },
        at=at,
        by=rep.user_id,
    )
