"""Spoilt records, a few of each kind, as real accounts hold them; the truth keeps their ids."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from sandbox.lumenfold import FORM, REPS, SITE
from sandbox.truth import held_in_hubspot, missing_fields

if TYPE_CHECKING:
    from sandbox.population import Population

IMPOSSIBLE_DATE = "0202-13-45T25:61:61.000Z"
HUGE_NAME = "Lorem" * 8192  # 40 KB
CUSTOM_STAGE = "1184420951"


def plant(population: Population) -> None:
    """Plant every kind of dirt at the end of the history. Grain: two or three records a kind."""
    world, cast = population.world, population.cast
    hubspot, salesforce, truth = world.hubspot, world.salesforce, world.truth
    at = population.now - timedelta(days=5)
    demo, checklist = FORM["demo"], FORM["checklist"]

    for number in range(3):
        person = cast.person()
        properties: dict[str, str | None] = {
            "firstname": person.first,
            "lastname": person.last,
            "lifecyclestage": "lead",
        }
        missing = missing_fields(held_in_hubspot(properties))
        contact_id = hubspot.create("contacts", properties, at=at)
        truth.add_person(hubspot_contact_ids=[contact_id], missing=missing)
        truth.add_dirt("contact_without_email", contact_id)

        # A submission nobody can be asked about, and one that a machine filled in.
        lost = hubspot.submit(
            checklist.guid, {"firstname": person.first}, page_url=checklist.url,
            at=at + timedelta(minutes=number), touch_contact=False,
        )  # fmt: skip
        truth.add_dirt("submission_without_email", lost)

    for _ in range(2):
        person, other = cast.person(), cast.person()
        pair = [
            salesforce.insert(
                "Lead",
                {
                    "FirstName": each.first,
                    "LastName": each.last,
                    "Email": person.email,
                    "Company": person.company.name,
                    "Status": "Open - Not Contacted",
                    "OwnerId": REPS[5].user_id,
                },
                at=at,
            )
            for each in (person, other)
        ]
        truth.add_person(
            person.email,
            salesforce_lead_ids=pair,
            missing=["job_title", "employee_count", "industry", "country"],
        )
        truth.add_dirt("two_leads_one_email", pair)

    someone = [p for p in truth.people if p["emails"] and p["hubspot_contact_ids"]][:6]
    for person_entry in someone[:2]:
        huge = hubspot.submit(
            demo.guid,
            {"email": person_entry["emails"][0], "lastname": HUGE_NAME},
            page_url=demo.url,
            at=at,
            touch_contact=False,
        )
        truth.add_dirt("huge_last_name", huge)
    for person_entry in someone[2:4]:
        event_id = hubspot.add_page_event(
            person_entry["hubspot_contact_ids"][0],
            SITE + "/pricing",
            "Pricing",
            at=IMPOSSIBLE_DATE,
        )
        truth.add_dirt("impossible_page_event_date", event_id)
    long_ago = (datetime(1970, 1, 1, tzinfo=UTC), datetime(1969, 12, 30, tzinfo=UTC))
    for person_entry, moment in zip(someone[4:6], long_ago, strict=False):
        timeless = hubspot.submit(
            checklist.guid,
            {"email": person_entry["emails"][0]},
            page_url=checklist.url,
            at=moment,
            touch_contact=False,
        )
        truth.add_dirt("impossible_submission_date", timeless)

    for _ in range(2):
        person = cast.person()
        known = {name: value for name, value in person.properties().items() if value}
        contact_id = hubspot.create("contacts", {**known, "lifecyclestage": CUSTOM_STAGE}, at=at)
        truth.add_person(
            person.email,
            hubspot_contact_ids=[contact_id],
            missing=missing_fields(held_in_hubspot(known)),
        )
        truth.add_dirt("unknown_lifecyclestage", contact_id)
