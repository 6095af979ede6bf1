"""Lumenfold, the invented company whose systems these are: its reps, forms, pages, campaigns.

``furnish`` puts them into the stores; every population (seeded, golden, Olist) stands on it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from sys import intern
from typing import NamedTuple
from uuid import NAMESPACE_URL, uuid5

from sandbox.world import World

SITE = "https://www.lumenfold.example"
PORTAL_ID = 4310077
INTEGRATION_USER = "00500000000000zAAA"
CATCH_ALL = "005000000000008AAA"
MAIL_DOMAIN = "lumenfold.example"


class Rep(NamedTuple):
    """One person of the sales team, as each system knows them."""

    number: int
    first: str
    last: str
    zone: str
    is_active: bool = True
    has_slack: bool = True

    @property
    def user_id(self) -> str:
        return intern(f"00500000000000{self.number}AAA")

    @property
    def owner_id(self) -> str:
        return intern(str(7000 + self.number))

    @property
    def email(self) -> str:
        return f"{self.first}.{self.last}@{MAIL_DOMAIN}".lower()


REPS = (
    Rep(1, "Ava", "Morgan", "America/New_York"),
    Rep(2, "Ben", "Ortiz", "America/Chicago"),
    Rep(3, "Chloe", "Durand", "Europe/Paris"),
    Rep(4, "Dmitri", "Keller", "Europe/Berlin"),
    Rep(5, "Emi", "Tanaka", "Asia/Tokyo"),
    Rep(6, "Farah", "Haddad", "America/New_York"),
    Rep(7, "George", "Patel", "America/Los_Angeles", has_slack=False),
    Rep(8, "Hana", "Lindqvist", "Europe/Stockholm"),
    # Ivan left the firm; old leads still carry his name.
    Rep(9, "Ivan", "Petrov", "America/New_York", is_active=False, has_slack=False),
)
OWNER_OF_USER = {rep.user_id: rep.owner_id for rep in REPS}


@dataclass(frozen=True)
class Form:
    """One HubSpot form: what it is called, where it stands, and what it asks for."""

    key: str
    name: str
    path: str
    asks: tuple[str, ...]
    weight: int

    @cached_property
    def guid(self) -> str:
        return str(uuid5(NAMESPACE_URL, self.url))

    @cached_property
    def url(self) -> str:
        return SITE + self.path


_SHORT = ("email", "firstname")
_TRIAL = ("email", "firstname", "lastname", "jobtitle", "company", "numemployees", "industry")
_CONTACT = ("email", "firstname", "lastname", "jobtitle", "company", "country")
_DEMO = (*_TRIAL, "country", "phone")
FORMS = (
    Form("demo", "Request a demo", "/demo", _DEMO, 9),
    Form("trial", "Start a free trial", "/trial", _TRIAL, 12),
    Form("contact", "Contact sales", "/contact", _CONTACT, 6),
    Form(
        "checklist",
        "Download: Sales Handoff Checklist",
        "/resources/sales-handoff-checklist",
        _SHORT,
        20,
    ),
    Form(
        "benchmark",
        "Download: Revenue Operations Benchmark",
        "/resources/revops-benchmark",
        ("email", "firstname", "lastname", "company"),
        14,
    ),
    Form("webinar", "Webinar: Fixing the MQL handoff", "/webinars/mql-handoff", _SHORT, 19),
    Form("newsletter", "Newsletter", "/newsletter", _SHORT, 20),
)
FORM = {form.key: form for form in FORMS}

PAGES = (
    ("/pricing", "Pricing"),
    ("/features/routing", "Lead routing"),
    ("/features/scoring", "Lead scoring"),
    ("/features/integrations", "Integrations"),
    ("/customers/northwind", "How Northwind halved its response time"),
    ("/customers/tallgrass", "Tallgrass: one queue, no orphans"),
    ("/blog/what-is-an-mql", "What is an MQL, really?"),
    ("/blog/speed-to-lead", "Speed to lead without the panic"),
    ("/blog/first-touch-attribution", "First-touch attribution, honestly"),
    ("/docs/getting-started", "Getting started"),
    ("/docs/api", "API reference"),
    ("/careers", "Careers"),
)
PAGE_TITLE = dict(PAGES)

CAMPAIGNS = (
    (5101, "Nurture 1: the handoff", "Why good leads go cold on a Friday"),
    (5102, "Nurture 2: scoring", "A score your reps will believe"),
    (5103, "Nurture 3: routing", "No lead without a person"),
    (5104, "Webinar invitation", "Fixing the MQL handoff: join us live"),
    (5105, "Webinar follow-up", "The recording, and the checklist"),
    (5106, "Newsletter spring", "Lumenfold letter: spring"),
    (5107, "Newsletter summer", "Lumenfold letter: summer"),
    (5108, "Newsletter autumn", "Lumenfold letter: autumn"),
    (5109, "Trial day 3", "Three things to try before the weekend"),
)


def furnish(world: World, *, since: datetime) -> None:
    """Put users, owners, forms, campaigns, Slack users and the assignment rule in place.

    ``since`` is when all of it was created, before the first lead.
    """
    hubspot, salesforce, slack = world.hubspot, world.salesforce, world.slack
    for rep in REPS:
        salesforce.insert("User", user_fields(rep), at=since, id=rep.user_id)
        hubspot.add_owner(
            rep.owner_id, rep.email, rep.first, rep.last, 4000 + rep.number, not rep.is_active
        )
        if rep.has_slack:
            slack.add_user(
                f"U{rep.number:010d}",
                rep.email,
                f"{rep.first} {rep.last}",
                f"D{rep.number:010d}",
                zone=rep.zone,
            )
    salesforce.insert(
        "User",
        {
            "FirstName": "Baton",
            "LastName": "Integration",
            "Name": "Baton Integration",
            "Email": f"integration@{MAIL_DOMAIN}",
            "Username": f"integration@{MAIL_DOMAIN}",
            "IsActive": True,
            "TimeZoneSidKey": "UTC",
            "UserType": "Standard",
        },
        at=since,
        id=INTEGRATION_USER,
    )
    salesforce.set_assignment_rule(CATCH_ALL)
    for form in FORMS:
        hubspot.add_form(form.guid, form.name, created_at=since)
    for campaign_id, name, subject in CAMPAIGNS:
        hubspot.add_campaign(campaign_id, name, subject)


def user_fields(rep: Rep) -> dict[str, object]:
    """Return the Salesforce User of a rep."""
    return {
        "FirstName": rep.first,
        "LastName": rep.last,
        "Name": f"{rep.first} {rep.last}",
        "Email": rep.email,
        "Username": rep.email,
        "IsActive": rep.is_active,
        "TimeZoneSidKey": rep.zone,
        "UserType": "Standard",
        "ManagerId": None if rep.user_id == CATCH_ALL else CATCH_ALL,
    }
