"""What the population planted: who is one person, what is missing, which records are spoilt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

# A context field in the words of the gap report, and the HubSpot contact property and the
# Salesforce Lead field that hold it.
CONTEXT = (
    ("job_title", "jobtitle", "Title"),
    ("company_name", "company", "Company"),
    ("employee_count", "numemployees", "NumberOfEmployees"),
    ("industry", "industry", "Industry"),
    ("country", "country", "Country"),
)


@dataclass
class Truth:
    """The answer sheet.

    Grain: one entry in ``people`` per real person, whatever number of records they have.
    ``missing`` counts a field only when no system holds a value for that person; a form that
    asked for the first name alone still leaves a (short) full name.
    """

    seed: int = 0
    now: datetime | None = None
    people: list[dict[str, Any]] = field(default_factory=list)
    dirt: dict[str, list[Any]] = field(default_factory=dict)
    by_email: dict[str, dict[str, Any]] = field(default_factory=dict)
    merged_hubspot_ids: dict[str, str] = field(default_factory=dict)

    def add_person(self, *emails: str, **known: Any) -> dict[str, Any]:
        """Append one person and return the entry, to be completed by the caller."""
        person: dict[str, Any] = {
            "person": f"p{len(self.people) + 1:06d}",
            "emails": list(emails),
            "hubspot_contact_ids": [],
            "salesforce_lead_ids": [],
            "salesforce_contact_ids": [],
            "missing": [],
            "golden": None,
            "expected": None,
        }
        person.update(known)
        self.people.append(person)
        for email in emails:
            self.by_email[email] = person
        return person

    def add_dirt(self, kind: str, entry: Any) -> None:
        """Record one spoilt record under its kind, by its ids."""
        self.dirt.setdefault(kind, []).append(entry)

    def as_dict(self, counts: dict[str, int]) -> dict[str, Any]:
        """Return the document of ``truth.json`` and of ``GET /control/truth``."""
        return {
            "seed": self.seed,
            "now": self.now.isoformat().replace("+00:00", "Z") if self.now else None,
            "people": self.people,
            "dirt": self.dirt,
            "counts": counts,
        }


def held_in_hubspot(properties: Mapping[str, Any]) -> dict[str, Any]:
    """Return the context a HubSpot contact holds, by the words of the gap report."""
    held = {name: properties.get(hubspot_name) for name, hubspot_name, _ in CONTEXT}
    held["full_name"] = properties.get("firstname") or properties.get("lastname")
    return held


def missing_fields(held: Mapping[str, Any]) -> list[str]:
    """Return the context fields that are blank, in a fixed order."""
    names = ("full_name", *(name for name, _, _ in CONTEXT))
    return [name for name in names if held.get(name) in (None, "")]
