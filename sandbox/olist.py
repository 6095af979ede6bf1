"""Loads the public Olist marketing funnel: 8,000 leads and the 842 deals they became.

Each lead becomes one HubSpot contact and one Salesforce Lead with one e-mail; a deal converts
the lead. Origins are kept to the letter, in both systems, so that a report can be recomputed
from the two files. Nothing else is planted: no submissions, no events, no activities.
"""

from __future__ import annotations

import csv
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sandbox.clock import hubspot_time
from sandbox.lumenfold import INTEGRATION_USER, SITE, furnish
from sandbox.vocabulary import FIRST_NAMES, LAST_NAMES
from sandbox.world import World

LEAD_COLUMNS = {"mql_id", "first_contact_date", "landing_page_id", "origin"}
DEAL_COLUMNS = {"mql_id", "sdr_id", "sr_id", "won_date", "declared_monthly_revenue"}
LEADS = "olist_marketing_qualified_leads_dataset.csv"
DEALS = "olist_closed_deals_dataset.csv"

# HubSpot's source is a fixed list; what the file says is kept beside it in data_1.
SOURCES = {
    "organic_search": "ORGANIC_SEARCH",
    "paid_search": "PAID_SEARCH",
    "social": "SOCIAL_MEDIA",
    "email": "EMAIL_MARKETING",
    "direct_traffic": "DIRECT_TRAFFIC",
    "referral": "REFERRALS",
    "display": "OTHER_CAMPAIGNS",
    "other_publicities": "OTHER_CAMPAIGNS",
    "other": "OTHER_CAMPAIGNS",
    "unknown": "OFFLINE",
    "": "OFFLINE",
}


def load_olist(world: World, directory: Path) -> dict[str, int]:
    """Fill an empty world from the two files; return what was made of them.

    Raises: FileNotFoundError if a file is missing, ValueError if it has other columns.
    """
    leads = _rows(directory / LEADS, LEAD_COLUMNS)
    deals = _rows(directory / DEALS, DEAL_COLUMNS)
    deal_of = {deal["mql_id"]: deal for deal in deals}
    first = min(_day(lead["first_contact_date"]) for lead in leads)
    world.truth.now = world.clock.now()
    with world.lock:
        furnish(world, since=first - timedelta(days=200))
        funnel = Funnel(world, _hire(world, deals, first - timedelta(days=100)))
        for lead in sorted(leads, key=lambda lead: lead["first_contact_date"]):
            funnel.insert(lead, deal_of.get(lead["mql_id"]))
    return {
        "olist_leads": len(leads),
        "olist_deals": len(deals),
        "olist_reps": len(funnel.reps),
        "hubspot_contacts": len(leads),
        "salesforce_leads": len(leads),
        "salesforce_contacts": len(deals),
        "opportunities": len(deals),
    }


def _rows(path: Path, columns: set[str]) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    if not rows or not columns <= set(rows[0]):
        raise ValueError(f"{path.name} needs the columns {', '.join(sorted(columns))} and a row.")
    return rows


def _day(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)


def _hire(world: World, deals: list[dict[str, str]], since: datetime) -> dict[str, tuple[str, str]]:
    """Insert the sales people of the deals; return Salesforce user and HubSpot owner by file id."""
    ids = sorted({deal[role] for deal in deals for role in ("sdr_id", "sr_id")} - {""})
    reps: dict[str, tuple[str, str]] = {}
    for number, rep_id in enumerate(ids):
        first = FIRST_NAMES[number * 3 % len(FIRST_NAMES)]
        last = LAST_NAMES[number * 5 % len(LAST_NAMES)]
        email = f"{rep_id}@reps.example"
        user_id = world.salesforce.insert(
            "User",
            {
                "FirstName": first,
                "LastName": last,
                "Name": f"{first} {last}",
                "Email": email,
                "Username": email,
                "IsActive": True,
                "TimeZoneSidKey": "America/Sao_Paulo",
                "UserType": "Standard",
                "FederationIdentifier": rep_id,
            },
            at=since,
        )
        owner_id = str(7101 + number)
        world.hubspot.add_owner(owner_id, email, first, last, 4101 + number, False)
        reps[rep_id] = (user_id, owner_id)
    return reps


class Funnel:
    """Inserts leads and what became of them."""

    def __init__(self, world: World, reps: dict[str, tuple[str, str]]) -> None:
        self.world = world
        self.reps = reps

    def insert(self, lead: dict[str, str], deal: dict[str, str] | None) -> None:
        """Insert one lead in both systems, converted if it has a deal."""
        mql_id, origin = lead["mql_id"], lead["origin"]
        email = f"{mql_id}@lead.example"
        at = _day(lead["first_contact_date"])
        properties: dict[str, str | None] = {
            "email": email,
            "lastname": mql_id[:8],
            "lifecyclestage": "lead",
            "hs_analytics_source": SOURCES.get(origin, "OTHER_CAMPAIGNS"),
            "hs_analytics_first_url": f"{SITE}/landing/{lead['landing_page_id']}",
            "hs_analytics_first_timestamp": hubspot_time(at),
        }
        if origin:
            properties["hs_analytics_source_data_1"] = origin
        contact_id = self.world.hubspot.create("contacts", properties, at=at)
        fields = {
            "LastName": mql_id[:8],
            "Company": f"Seller {mql_id[:8]}",
            "Email": email,
            "LeadSource": origin or None,
            "Status": "Open - Not Contacted",
            "OwnerId": self._user(deal["sdr_id"]) if deal else INTEGRATION_USER,
        }
        lead_id = self.world.salesforce.insert("Lead", fields, at=at)
        person = self.world.truth.add_person(
            email,
            hubspot_contact_ids=[contact_id],
            salesforce_lead_ids=[lead_id],
            missing=["job_title", "employee_count", "industry", "country"],
        )
        if deal is not None:
            person["salesforce_contact_ids"].append(self._win(lead_id, fields, deal, at))
            won: dict[str, str | None] = {"lifecyclestage": "customer"}
            if deal["sr_id"] in self.reps:
                won["hubspot_owner_id"] = self.reps[deal["sr_id"]][1]
            self.world.hubspot.update("contacts", contact_id, won, at=max(at, _won_at(deal)))

    def _win(
        self, lead_id: str, lead: dict[str, Any], deal: dict[str, str], first_contact: datetime
    ) -> str:
        """Convert a lead into the deal of the file; return the new Contact's Id.

        One deal was won before its lead's first contact; it is kept as it stands: its opportunity
        is closed by a day before it was made.
        """
        salesforce, won = self.world.salesforce, _won_at(deal)
        owner = self._user(deal["sr_id"])
        account = {"Name": lead["Company"], "OwnerId": owner}
        account_id = salesforce.insert("Account", account, at=won)
        shared = ("LastName", "Email", "LeadSource")
        contact_id = salesforce.insert(
            "Contact",
            {**{name: lead[name] for name in shared}, "AccountId": account_id, "OwnerId": owner},
            at=won,
        )
        opportunity = {
            "Name": lead["Company"],
            "AccountId": account_id,
            "StageName": "Closed Won",
            "IsWon": True,
            "IsClosed": True,
            "CloseDate": won.date().isoformat(),
            "Amount": float(deal["declared_monthly_revenue"] or 0),
            "Probability": 100.0,
            "LeadSource": lead["LeadSource"],
            "OwnerId": owner,
        }
        opportunity_id = salesforce.insert("Opportunity", opportunity, at=first_contact)
        closed = max(first_contact, won)
        salesforce.update("Opportunity", opportunity_id, {"StageName": "Closed Won"}, at=closed)
        role = {
            "OpportunityId": opportunity_id,
            "ContactId": contact_id,
            "Role": "Decision Maker",
            "IsPrimary": True,
        }
        salesforce.insert("OpportunityContactRole", role, at=won)
        salesforce.convert(lead_id, account_id, contact_id, opportunity_id, at=won)
        return contact_id

    def _user(self, rep_id: str) -> str:
        return self.reps[rep_id][0] if rep_id in self.reps else INTEGRATION_USER


def _won_at(deal: dict[str, str]) -> datetime:
    return datetime.fromisoformat(deal["won_date"]).replace(tzinfo=UTC)
