"""Draws invented companies and people, the same ones for the same random generator."""

from __future__ import annotations

import random
from collections.abc import Collection
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

from sandbox.vocabulary import (
    COMPANY_HEADS,
    COMPANY_TAILS,
    COUNTRIES,
    FIRST_NAMES,
    INDUSTRIES,
    LAST_NAMES,
    TITLES,
    employee_range,
)

FREE_MAIL = "freemail.example"
UNIVERSITIES = ("lakeside-university.example", "northgate-college.example", "tu-altmark.example")
_INDUSTRY_WEIGHTS = list(accumulate(weight for _, weight in INDUSTRIES))
_COUNTRY_WEIGHTS = list(accumulate(country[2] for country in COUNTRIES))
_TITLE_WEIGHTS = list(accumulate(weight for _, weight in TITLES))


@dataclass(slots=True)
class Company:
    """One employer, as it really is."""

    name: str
    domain: str
    employees: int | None
    industry: str
    country: str
    spellings: tuple[str, ...]
    phone_prefix: str
    website: str = field(init=False)

    def __post_init__(self) -> None:
        self.website = f"https://www.{self.domain}"


@dataclass(slots=True)
class Person:
    """One human being and the one way this person writes the country."""

    first: str
    last: str
    email: str
    title: str
    company: Company
    country: str
    phone: str

    def properties(self) -> dict[str, str | None]:
        """Return every HubSpot contact property a form could ask this person for."""
        company = self.company
        return {
            "email": self.email,
            "firstname": self.first,
            "lastname": self.last,
            "jobtitle": self.title,
            "company": company.name,
            "numemployees": employee_range(company.employees),
            "industry": company.industry,
            "country": self.country,
            "phone": self.phone,
            "website": company.website,
        }


class Cast:
    """A pool of companies, and people drawn from it one after the other."""

    def __init__(self, rng: random.Random, companies: int, taken: Collection[str] = ()) -> None:
        self.rng = rng
        self._taken = taken
        self._drawn: set[str] = set()
        self._domains: set[str] = set()
        self.universities = [
            Company(
                domain.split(".")[0].replace("-", " ").title(),
                domain,
                None,
                "Higher Education",
                *self._country(),
            )
            for domain in UNIVERSITIES
        ]
        self.companies = [self._company() for _ in range(max(companies, 5))]

    def person(self) -> Person:
        """Draw one person with an e-mail nobody has yet."""
        rng = self.rng
        kind = rng.random()
        student = kind < 0.01
        company = rng.choice(self.universities if student else self.companies)
        title = "Student" if student else rng.choices(TITLES, cum_weights=_TITLE_WEIGHTS)[0][0]
        domain = FREE_MAIL if 0.01 <= kind < 0.03 else company.domain
        first, last = rng.choice(FIRST_NAMES), rng.choice(LAST_NAMES)
        email = f"{first}.{last}@{domain}".lower()
        number = 2
        while email in self._drawn or email in self._taken:
            email = f"{first}.{last}{number}@{domain}".lower()
            number += 1
        self._drawn.add(email)
        country = rng.choice(company.spellings)
        phone = f"{company.phone_prefix} 555 {rng.randrange(10**6):06d}"
        return Person(first, last, email, title, company, country, phone)

    def _country(self) -> tuple[str, tuple[str, ...], str]:
        code, spellings, _, prefix = self.rng.choices(COUNTRIES, cum_weights=_COUNTRY_WEIGHTS)[0]
        return code, spellings, prefix

    def _company(self) -> Company:
        rng = self.rng
        words = [rng.choice(COMPANY_HEADS), rng.choice(COMPANY_TAILS)]
        # Two words give some seven thousand names; a large population needs a third one.
        while (domain := "".join(words).lower() + ".example") in self._domains:
            words = [
                rng.choice(COMPANY_HEADS),
                rng.choice(COMPANY_HEADS),
                rng.choice(COMPANY_TAILS),
            ]
        self._domains.add(domain)
        # Head counts are spread evenly over orders of magnitude, from 3 to some 12,000.
        employees = int(3 * 10 ** (rng.random() * 3.6))
        industry: Any = rng.choices(INDUSTRIES, cum_weights=_INDUSTRY_WEIGHTS)[0][0]
        return Company(" ".join(words).title(), domain, employees, industry, *self._country())
