"""What the sandbox's Clearbit knows: what the systems hold of a person or company, and a rest.

Where any record of the sandbox holds a value, the answer agrees with it; what no record holds is
made up from a hash, the same for the same person or company. Golden people are unknown here:
what was left out of them on purpose stays out.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from sandbox.cast import FREE_MAIL
from sandbox.vocabulary import COUNTRIES, EMPLOYEE_RANGES, INDUSTRIES, TITLES

if TYPE_CHECKING:
    from sandbox.world import World

MAIL_HOSTS = frozenset((FREE_MAIL, "lead.example", "gmail.com", "outlook.com", "yahoo.com"))
INDEXED_AT = "2026-01-01T00:00:00.000Z"
COUNTRY_NAMES = {code: spellings[0] for code, spellings, _, _ in COUNTRIES}
COUNTRY_CODES = {
    spelling.lower(): code for code, spellings, _, _ in COUNTRIES for spelling in (*spellings, code)
}
# Clearbit's buckets, by their upper end.
BUCKETS = (
    (10, "1-10"), (50, "11-50"), (250, "51-250"), (1000, "251-1K"), (5000, "1K-5K"),
    (10_000, "5K-10K"), (50_000, "10K-50K"), (100_000, "50K-100K"),
)  # fmt: skip
# Our industries in GICS: sector, industry group, industry, sub-industry, code.
GICS: dict[str, tuple[str | None, str | None, str | None, str | None, str | None]] = {
    "Computer Software": (
        "Information Technology", "Software & Services", "Software", "Application Software",
        "45103010",
    ),
    "Information Technology and Services": (
        "Information Technology", "Software & Services", "IT Services",
        "IT Consulting & Other Services", "45102010",
    ),
    "Financial Services": (
        "Financials", "Diversified Financials", "Diversified Financial Services",
        "Other Diversified Financial Services", "40201020",
    ),
    "Manufacturing": (
        "Industrials", "Capital Goods", "Machinery", "Industrial Machinery", "20106020",
    ),
    "Hospital & Health Care": (
        "Health Care", "Health Care Equipment & Services", "Health Care Providers & Services",
        "Health Care Services", "35102015",
    ),
    "Retail": (
        "Consumer Discretionary", "Retailing", "Specialty Retail", "Specialty Stores", "25504040",
    ),
    "Logistics and Supply Chain": (
        "Industrials", "Transportation", "Air Freight & Logistics", "Air Freight & Logistics",
        "20301010",
    ),
    "Consumer Goods": (
        "Consumer Staples", "Household & Personal Products", "Household Products",
        "Household Products", "30301010",
    ),
    "Higher Education": (
        "Consumer Discretionary", "Consumer Services", "Diversified Consumer Services",
        "Education Services", "25302010",
    ),
    "Marketing and Advertising": (
        "Communication Services", "Media & Entertainment", "Media", "Advertising", "50201010",
    ),
    "Insurance": ("Financials", "Insurance", "Insurance", "Multi-line Insurance", "40301030"),
    "Non-Profit Organization Management": (None, None, None, None, None),
}  # fmt: skip
TECHNOLOGIES = (
    "google_analytics", "hubspot", "salesforce", "marketo", "segment", "aws_ec2", "cloud_flare",
    "zendesk", "intercom", "stripe", "snowflake", "slack",
)  # fmt: skip


def domain_of(email: str) -> str:
    """Return the part after the at."""
    return email.rpartition("@")[2].lower()


def host_of(website: str | None) -> str:
    """Return the host of a website without www, empty where there is none."""
    if not website:
        return ""
    return (urlsplit(website if "//" in website else f"//{website}").hostname or "").removeprefix(
        "www."
    )


def number(text: str) -> int:
    """Return a number that depends on nothing but the text."""
    return int(hashlib.sha256(text.encode()).hexdigest()[:12], 16)


class Facts:
    """The records of one world, by e-mail and by domain. Callers hold the world's lock."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._read_at: tuple[int, ...] = ()
        self._people: dict[str, dict[str, Any]] = {}
        self._companies: dict[str, dict[str, Any]] = {}
        self._golden: set[str] = set()
        self._colleagues: dict[str, list[dict[str, Any]]] = {}

    def knows(self, kind: str, lookup: str) -> bool:
        """Return whether there is anybody behind an e-mail address or a domain."""
        self._read()
        if lookup in self._golden or domain_of(lookup) in self._golden:
            return False
        if kind == "company":
            return lookup in self._companies or lookup in MAIL_HOSTS
        return lookup in self._people

    def person(self, email: str) -> dict[str, Any] | None:
        """Return the person behind an address, as Clearbit shows one."""
        self._read()
        held = self._people.get(email)
        if held is None or domain_of(email) in self._golden:
            return None
        title = held.get("title") or TITLES[number(f"title/{email}") % len(TITLES)][0]
        country = COUNTRY_CODES.get(str(held.get("country") or "").strip().lower())
        company = self._companies.get(held["domain"], {})
        country = country or self._country(held["domain"], company)
        full_name = " ".join(filter(None, (held.get("first"), held.get("last")))) or None
        return {
            "id": _uuid(f"person/{email}"),
            "name": {
                "fullName": full_name,
                "givenName": held.get("first"),
                "familyName": held.get("last"),
            },
            "email": email,
            "gender": None,
            "location": COUNTRY_NAMES[country],
            "timeZone": None,
            "utcOffset": None,
            "geo": _geo(country),
            "bio": None,
            "site": None,
            "avatar": None,
            "employment": {
                "domain": held["domain"] or None,
                "name": held.get("company") or company.get("name"),
                "title": title,
                "role": _role(title),
                "subRole": None,
                "seniority": _seniority(title),
            },
            **_person_networks(),
            "fuzzy": False,
            "emailProvider": domain_of(email) in MAIL_HOSTS,
            "indexedAt": INDEXED_AT,
            "phone": None,
            "activeAt": None,
            "inactiveAt": None,
        }

    def company(self, domain: str) -> dict[str, Any] | None:
        """Return the company behind a domain, as Clearbit shows one.

        Behind a mail host it is the provider: a company like others but for ``emailProvider``.
        """
        self._read()
        held = {} if domain in MAIL_HOSTS else self._companies.get(domain)
        if held is None or domain in self._golden:
            return None
        name = held.get("name") or domain.partition(".")[0].title()
        industry = held.get("industry") or INDUSTRIES[number(f"i/{domain}") % len(INDUSTRIES)][0]
        employees = self._employees(domain, held)
        sector, group, gics_industry, sub_industry, code = GICS.get(industry, (None,) * 5)
        return {
            "id": _uuid(f"company/{domain}"),
            "name": name,
            "legalName": None,
            "domain": domain,
            "domainAliases": [],
            "url": None,
            "site": {
                **dict.fromkeys(("url", "title", "h1", "metaDescription", "metaAuthor")),
                "phoneNumbers": [],
                "emailAddresses": [],
            },
            "category": {
                "sector": sector,
                "industryGroup": group,
                "industry": gics_industry,
                "subIndustry": sub_industry,
                "gicsCode": code,
                "sicCode": None,
                "naicsCode": None,
            },
            "tags": ["B2B"] if number(f"tag/{domain}") % 2 else [],
            "description": None,
            "foundedYear": 1980 + number(f"year/{domain}") % 45,
            "location": COUNTRY_NAMES[self._country(domain, held)],
            "timeZone": None,
            "utcOffset": None,
            "geo": _place(self._country(domain, held)),
            "logo": None,
            **_company_networks(),
            "emailProvider": domain in MAIL_HOSTS,
            "type": "nonprofit" if code is None else "private",
            "ticker": None,
            "identifiers": {"usEIN": None},
            "phone": None,
            "metrics": _metrics(domain, employees),
            "indexedAt": INDEXED_AT,
            "tech": sorted(
                {TECHNOLOGIES[number(f"t{n}/{domain}") % len(TECHNOLOGIES)] for n in range(3)}
            ),
            "techCategories": [],
            "parent": {"domain": None},
            "ultimateParent": {"domain": None},
        }

    def told(self, kind: str, lookup: str, found: dict[str, Any]) -> None:
        """Take over into the truth what is no longer missing, now that this was answered."""
        person = found.get("person") if kind == "combined" else found if kind == "person" else None
        company = found.get("company") if kind == "combined" else None
        company = found if kind == "company" else company
        if company and company["emailProvider"]:
            # It is nobody's company, so nobody's is known by it.
            company = None
        domain = lookup if kind == "company" else domain_of(lookup)
        themselves = self.world.truth.by_email.get(lookup)
        if person and themselves:
            _no_longer(
                themselves,
                job_title=person["employment"]["title"],
                company_name=person["employment"]["name"],
                country=person["geo"]["countryCode"],
            )
        if company:
            colleagues = self._colleagues.get(domain, [])
            for one in [themselves, *colleagues] if themselves else colleagues:
                _no_longer(
                    one,
                    company_name=company["name"],
                    employee_count=company["metrics"]["employeesRange"],
                    industry=company["category"]["industry"],
                    country=company["geo"]["countryCode"],
                )

    # --- reading the world ----------------------------------------------------------------------

    def _works_at(self, one: dict[str, Any]) -> set[str]:
        """Return the domains of a person: of the work addresses, else of the website."""
        domains = {domain_of(email) for email in one["emails"]} - MAIL_HOSTS
        return domains or {self._people.get(email, {}).get("domain", "") for email in one["emails"]}

    def _employees(self, domain: str, held: dict[str, Any]) -> int | None:
        if held.get("employees") is not None:
            return int(held["employees"])
        spread = number(f"e/{domain}")
        if held.get("range"):
            low = 0
            for high, name in (*EMPLOYEE_RANGES, (5000, "1000+")):
                if name == held["range"]:
                    return low + 1 + spread % (high - low)
                low = high
        if domain.endswith(("-university.example", "-college.example")):
            return None
        return int(3 * 10 ** (spread % 3600 / 1000))

    def _country(self, domain: str, held: dict[str, Any]) -> str:
        known = COUNTRY_CODES.get(str(held.get("country") or "").strip().lower())
        return known or COUNTRIES[number(f"c/{domain}") % len(COUNTRIES)][0]

    def _read(self) -> None:
        """Read the records again when there are other ones than last time."""
        hubspot, salesforce = self.world.hubspot, self.world.salesforce
        state = (
            len(self.world.truth.people),
            len(hubspot.effects),
            len(salesforce.effects),
        )
        if state == self._read_at:
            return
        self._read_at = state
        self._people, self._companies = {}, {}
        self._golden = {
            name
            for one in self.world.truth.people
            if one["golden"]
            for email in one["emails"]
            for name in (email, domain_of(email))
        }
        for row in salesforce.all("Account"):
            self._company(
                host_of(row.get("Website")), row.get("Name"), row.get("Industry"),
                row.get("BillingCountry"), employees=row.get("NumberOfEmployees"),
            )  # fmt: skip
        for row in (*salesforce.all("Contact"), *salesforce.all("Lead")):
            self._person(
                row.get("Email"), row.get("FirstName"), row.get("LastName"), row.get("Title"),
                row.get("Company"), row.get("Country") or row.get("MailingCountry"),
                row.get("Website"), row.get("Industry"), employees=row.get("NumberOfEmployees"),
            )  # fmt: skip
        for record in hubspot.records("contacts"):
            held = record["properties"]
            self._person(
                held.get("email"), held.get("firstname"), held.get("lastname"),
                held.get("jobtitle"), held.get("company"), held.get("country"),
                held.get("website"), held.get("industry"), range_=held.get("numemployees"),
            )  # fmt: skip

        self._colleagues = {}
        for one in self.world.truth.people:
            for domain in self._works_at(one):
                self._colleagues.setdefault(domain, []).append(one)

    def _person(
        self,
        email: str | None,
        first: str | None,
        last: str | None,
        title: str | None,
        company: str | None,
        country: str | None,
        website: str | None,
        industry: str | None,
        employees: Any = None,
        range_: str | None = None,
    ) -> None:
        if not email or "@" not in email:
            return
        email = email.strip().lower()
        own = domain_of(email)
        domain = own if own not in MAIL_HOSTS else host_of(website)
        _fill(
            self._people.setdefault(email, {"domain": ""}),
            first=first, last=last, title=title, company=company, country=country, domain=domain,
        )  # fmt: skip
        self._company(domain, company, industry, country, employees=employees, range_=range_)

    def _company(
        self,
        domain: str,
        name: str | None,
        industry: str | None,
        country: str | None,
        *,
        employees: Any = None,
        range_: str | None = None,
    ) -> None:
        if domain:
            _fill(
                self._companies.setdefault(domain, {}),
                name=name, industry=industry, country=country, employees=employees, range=range_,
            )  # fmt: skip


def _fill(held: dict[str, Any], **values: Any) -> None:
    for name, value in values.items():
        if value not in (None, "", "Select", "[not provided]") and not held.get(name):
            held[name] = value


def _no_longer(one: dict[str, Any], **values: Any) -> None:
    told = {name for name, value in values.items() if value not in (None, "")}
    one["missing"] = [name for name in one["missing"] if name not in told]


def _uuid(text: str) -> str:
    digest = hashlib.sha256(text.encode()).hexdigest()
    return f"{digest[:8]}-{digest[8:12]}-4{digest[13:16]}-8{digest[17:20]}-{digest[20:32]}"


def _geo(country: str) -> dict[str, Any]:
    return {
        "city": None,
        "state": None,
        "stateCode": None,
        "country": COUNTRY_NAMES[country],
        "countryCode": country.upper(),
        "lat": None,
        "lng": None,
    }


def _place(country: str) -> dict[str, Any]:
    street = {"streetNumber": None, "streetName": None, "subPremise": None, "postalCode": None}
    return {**street, **_geo(country)}


def _seniority(title: str) -> str | None:
    words = title.lower()
    if any(word in words for word in ("chief", "vp", "founder")):
        return "executive"
    if any(word in words for word in ("director", "head")):
        return "director"
    return "manager" if "manager" in words else None


def _role(title: str) -> str | None:
    words = title.lower()
    for word, role in (
        ("operations", "operations"), ("sales", "sales"), ("marketing", "marketing"),
        ("revenue", "sales"), ("engineer", "engineering"), ("founder", "leadership"),
    ):  # fmt: skip
        if word in words:
            return role
    return None


def _person_networks() -> dict[str, Any]:
    return {
        "facebook": {"handle": None},
        "github": dict.fromkeys(
            ("handle", "id", "avatar", "company", "blog", "followers", "following")
        ),
        "twitter": dict.fromkeys(
            ("handle", "id", "bio", "followers", "following", "statuses", "favorites", "location",
             "site", "avatar")
        ),
        "linkedin": {"handle": None},
        "googleplus": {"handle": None},
        "angellist": dict.fromkeys(("handle", "bio", "blog", "site", "followers", "avatar")),
        "aboutme": {"handle": None, "bio": None, "avatar": None},
        "gravatar": {"handle": None, "urls": [], "avatar": None, "avatars": []},
    }  # fmt: skip


def _company_networks() -> dict[str, Any]:
    return {
        "facebook": {"handle": None, "likes": None},
        "linkedin": {"handle": None},
        "twitter": dict.fromkeys(
            ("handle", "id", "bio", "followers", "following", "location", "site", "avatar")
        ),
        "crunchbase": {"handle": None},
    }


def _metrics(domain: str, employees: int | None) -> dict[str, Any]:
    bucket = None
    if employees is not None:
        bucket = next((name for limit, name in BUCKETS if employees <= limit), "100K+")
    return {
        "alexaUsRank": None,
        "alexaGlobalRank": None,
        "googleRank": None,
        "trafficRank": None,
        # Now and then only the range is known.
        "employees": None if number(f"r/{domain}") % 8 == 0 else employees,
        "employeesRange": bucket,
        "marketCap": None,
        "raised": None,
        "annualRevenue": None,
        "estimatedAnnualRevenue": None,
        "fiscalYearEnd": None,
    }
