"""The golden leads: a dozen people whose score and owner a sales manager would agree on.

One table of data. They are inserted with their visits and triggers in the hours before ``now``
and recorded in the truth under their name, with what the policy must say about them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sandbox.clock import hubspot_time
from sandbox.lumenfold import FORM, PAGE_TITLE, REPS, SITE
from sandbox.truth import missing_fields
from sandbox.vocabulary import employee_range
from sandbox.world import World


@dataclass(frozen=True)
class Golden:
    """One golden lead: who it is, what it did, what Salesforce already holds, what must follow."""

    name: str
    first: str | None
    last: str
    email: str
    title: str | None
    company: str | None
    employees: int | None
    industry: str | None
    country: str | None
    form: str
    hours_ago: int
    score: int
    is_mql: bool
    reps: tuple[int, ...]
    rule: str
    views: tuple[str, ...] = ()
    crm: str | None = None  # account | lead | opportunity
    crm_reps: tuple[int, ...] = ()
    opted_out: bool = False

    @property
    def domain(self) -> str:
        return self.email.split("@")[1]


GOLDEN = (
    Golden(
        "jane_smith", "Jane", "Smith", "jane.smith@acme.example", "Director of Operations",
        "Acme Corp", 200, "Computer Software", "United States",
        "checklist", 2, 9, True, (6,), "hot_inbound",
        views=("/pricing",) * 4 + ("/features/routing", "/features/scoring"),
    ),
    Golden(
        "marcus_weber", "Marcus", "Weber", "marcus.weber@stahlwerk.example", "VP Sales",
        "Stahlwerk Digital", 1200, "Manufacturing", "Germany",
        "demo", 3, 8, True, (2,), "account_owner", crm="account", crm_reps=(2,),
    ),
    Golden(
        "lena_fischer", "Lena", "Fischer", "lena.fischer@wolkenrad.example",
        "Head of Marketing Operations", "Wolkenrad", 350, "Computer Software", "Germany",
        "trial", 4, 9, True, (4,), "dach",
    ),
    Golden(
        "tom_reed", "Tom", "Reed", "tom.reed@hillcrest-university.example", "Student",
        "Hillcrest University", None, "Higher Education", "United States",
        "webinar", 2, 1, False, (), "",
    ),
    Golden(
        "carla_gomez", "Carla", "Gomez", "carla.gomez@meridiantrust.example",
        "Chief Revenue Officer", "Meridian Trust", 5000, "Financial Services", "USA",
        "contact", 1, 8, True, (1, 2), "enterprise_us",
    ),
    Golden(
        "kenji_sato", "Kenji", "Sato", "kenji.sato@hoshiworks.example",
        "Revenue Operations Manager", "Hoshi Works", 80, "Consumer Goods", "Japan",
        "demo", 5, 8, True, (5,), "apac",
    ),
    Golden(
        "r_nolan", None, "Nolan", "rnolan@quietharbor.example", None, None, None, None, None,
        "demo", 1, 6, True, (6, 7), "inbound",
    ),
    Golden(
        "news_reader", "Priya", "Nair", "priya.nair@tidewater.example", "Analyst",
        "Tidewater", 60, "Retail", "United States",
        "newsletter", 3, 3, False, (), "",
    ),
    Golden(
        "double_dora", "Dora", "Lindgren", "dora.lindgren@fjordsoft.example",
        "Sales Operations Manager", "Fjordsoft", 300, "Computer Software", "Norway",
        "demo", 2, 9, True, (3,), "current_owner", crm="lead", crm_reps=(3,),
    ),
    Golden(
        "oscar_open", "Oscar", "Bell", "oscar.bell@brightline.example", "VP Operations",
        "Brightline", 700, "Computer Software", "United States",
        "demo", 4, 10, True, (1,), "opportunity_owner",
        views=("/pricing",), crm="opportunity", crm_reps=(2, 1),
    ),
    Golden(
        "spy_sam", "Sam", "Rival", "sam.rival@rivalsoft.example", "Product Manager",
        "Rivalsoft", 150, "Computer Software", "United States",
        "demo", 5, 1, False, (), "",
    ),
    Golden(
        "opted_olga", "Olga", "Brandt", "olga.brandt@kranich.example", "Director of Sales",
        "Kranich", 220, "Computer Software", "Austria",
        "contact", 3, 9, True, (4,), "dach", opted_out=True,
    ),
)  # fmt: skip


def insert_golden(world: World, *, fresh: bool = False) -> list[str]:
    """Insert the golden leads that are not there yet; return the names of all of them.

    ``fresh``: their triggers happen now, instead of some hours ago. Second run: nothing changes.
    """
    present = {person["golden"] for person in world.truth.people if person["golden"]}
    now = world.clock.now()
    for lead in sorted(GOLDEN, key=lambda lead: -lead.hours_ago):
        if lead.name not in present:
            _insert(world, lead, now - timedelta(0 if fresh else lead.hours_ago / 24))
    return [lead.name for lead in GOLDEN]


def _insert(world: World, lead: Golden, triggered: datetime) -> None:
    values = {
        "full_name": lead.first or lead.last,
        "job_title": lead.title,
        "company_name": lead.company,
        "employee_count": lead.employees,
        "industry": lead.industry,
        "country": lead.country,
    }
    person = world.truth.add_person(
        lead.email,
        golden=lead.name,
        missing=missing_fields(values),
        expected={
            "score": lead.score,
            "is_mql": lead.is_mql,
            "owner_ids": [REPS[number - 1].user_id for number in lead.reps],
            "rule": lead.rule,
        },
    )
    # Someone Salesforce already knows was in HubSpot before the trigger; others the form creates.
    known_before = lead.crm in ("lead", "opportunity")
    first_seen = triggered - timedelta(minutes=50)
    properties = {
        "email": lead.email,
        "firstname": lead.first,
        "lastname": lead.last,
        "jobtitle": lead.title,
        "company": lead.company,
        "website": f"https://www.{lead.domain}" if lead.company else None,
        "numemployees": employee_range(lead.employees),
        "industry": lead.industry,
        "country": lead.country,
        "lifecyclestage": "lead",
        "hs_email_optout": "true" if lead.opted_out else None,
        "hs_analytics_source": "ORGANIC_SEARCH",
        "hs_analytics_source_data_1": "google",
        "hs_analytics_first_url": SITE + (lead.views[0] if lead.views else FORM[lead.form].path),
        "hs_analytics_first_timestamp": hubspot_time(first_seen),
    }
    held = {name: value for name, value in properties.items() if value is not None}
    created = triggered - timedelta(days=60) if known_before else triggered
    contact_id = world.hubspot.create("contacts", {**held}, at=created)
    person["hubspot_contact_ids"].append(contact_id)
    if lead.opted_out:
        person["opted_out"] = True
    for number, path in enumerate(lead.views):
        world.hubspot.add_page_event(
            contact_id, SITE + path, PAGE_TITLE[path], at=first_seen + timedelta(minutes=7 * number)
        )
    form = FORM[lead.form]
    answers = {name: held[name] for name in form.asks if name in held}
    world.hubspot.submit(form.guid, answers, page_url=form.url, at=triggered)
    if lead.crm is not None:
        _known_to_salesforce(world, lead, person, triggered - timedelta(days=60))


def _known_to_salesforce(world: World, lead: Golden, person: dict[str, Any], at: datetime) -> None:
    """Insert what Salesforce held before the trigger: a lead, an account, or an open deal."""
    salesforce = world.salesforce
    owners = [REPS[number - 1].user_id for number in lead.crm_reps]
    if lead.crm == "lead":
        person["salesforce_lead_ids"].append(
            salesforce.insert(
                "Lead",
                {
                    "FirstName": lead.first,
                    "LastName": lead.last,
                    # The same mailbox, as a rep typed it.
                    "Email": lead.email.title().replace(".Example", ".example"),
                    "Company": lead.company,
                    "Title": lead.title,
                    "Country": lead.country,
                    "Industry": lead.industry,
                    "NumberOfEmployees": lead.employees,
                    "LeadSource": "Web",
                    "Status": "Open - Not Contacted",
                    "OwnerId": owners[0],
                },
                at=at,
            )
        )
        return
    account_id = salesforce.insert(
        "Account",
        {
            "Name": lead.company,
            "Website": f"https://www.{lead.domain}",
            "Industry": lead.industry,
            "NumberOfEmployees": lead.employees,
            "BillingCountry": lead.country,
            "Type": "Prospect",
            "OwnerId": owners[0],
        },
        at=at,
    )
    if lead.crm != "opportunity":
        return
    contact_id = salesforce.insert(
        "Contact",
        {
            "FirstName": lead.first,
            "LastName": lead.last,
            "Email": lead.email,
            "Title": lead.title,
            "AccountId": account_id,
            "OwnerId": owners[0],
        },
        at=at,
    )
    opportunity_id = salesforce.insert(
        "Opportunity",
        {
            "Name": f"{lead.company} - Lumenfold",
            "AccountId": account_id,
            "StageName": "Proposal/Price Quote",
            "Amount": 48000.0,
            "CloseDate": (at + timedelta(days=120)).date().isoformat(),
            "IsClosed": False,
            "IsWon": False,
            "Probability": 60.0,
            "OwnerId": owners[1],
        },
        at=at,
    )
    salesforce.insert(
        "OpportunityContactRole",
        {
            "OpportunityId": opportunity_id,
            "ContactId": contact_id,
            "Role": "Decision Maker",
            "IsPrimary": True,
        },
        at=at,
    )
    person["salesforce_contact_ids"].append(contact_id)
