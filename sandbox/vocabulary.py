"""Words the population is made of: names, titles, countries as forms write them, sources."""

from __future__ import annotations

from typing import NamedTuple


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


FIRST_NAMES = _words(
    "Aaron Abena Adele Agnes Aiko Alan Alba Alec Alina Amara Amir Anders Andrea Anika Anton Arjun "
    "Astrid Aya Bastian Beatriz Bianca Bjorn Bruno Camila Carl Cecilia Chiara Clara Conor Dalia "
    "Daniel Daria David Deepa Diego Edith Eduardo Elena Elias Emeka Emil Erika Esther Eva Fatima "
    "Felix Fiona Florian Frida Gabriel Georgia Gita Greta Gustav Hanna Harper Hassan Helen Henrik "
    "Hiro Ida Ines Ingrid Isaac Isla Ivo Jade Jamal Jana Jasper Joana Joel Jonas Julia Kai Karin "
    "Karl Kavya Keiko Kofi Lars Laura Leila Leo Liam Lin Lotte Louis Lucia Maja Malik Marco Maria "
    "Mateo Maya Mei Mikael Milan Mina Nadia Naomi Nico Nils Noor Nora Olga Oliver Omar Otto Paola "
    "Paul Petra Rafael Rania Ravi Rebecca Rosa Ruth Samir Sandra Sara Sean Selma Silas Simone "
    "Sofia Stefan Sunil Tara Theo Tilda Tomas Uma Valerie Vera Victor Wanda Yara Yuki Zoe"
)

LAST_NAMES = _words(
    "Abbott Adeyemi Aguilar Ahmed Alvarez Andersen Arora Bakker Banks Barros Bauer Becker Bell "
    "Bergstrom Bianchi Blake Bose Brandt Brooks Calder Campos Carver Castro Chandra Chen Clarke "
    "Cohen Conti Cruz Dahl Dalton Das Dietrich Doyle Drake Dubois Duarte Eklund Ellis Engel "
    "Eriksen Farrow Ferrari Fischer Flynn Fontaine Foster Frank Fujita Garcia Gibson Gomes Grant "
    "Greene Gruber Gupta Haas Hale Hansen Harlow Hart Hayashi Heller Hoffman Holm Horvat Hughes "
    "Ibrahim Ito Iyer Jansen Jensen Joshi Kaplan Kaur Keane Khan Kimura Klein Kovacs Kruger Kumar "
    "Lambert Lange Larsen Lee Lehmann Lopez Lund Macleod Mahler Marsh Martin Mbeki Meier Mendes "
    "Mori Moreau Murphy Nakamura Navarro Nielsen Novak Nunez Oakley Okafor Olsen Ortega Osei Park "
    "Parker Perez Petit Pohl Popov Quinn Ramos Rao Reyes Richter Rossi Roth Ruiz Sanders Santos "
    "Sato Schmidt Schubert Shah Silva Simmons Singh Sorensen Stone Suzuki Takeda Thorne Tran "
    "Vance Vargas Vidal Vogel Wagner Walsh Weber Winter Wolf Wright Yamada Young Zeller Zhang"
)

COMPANY_HEADS = _words(
    "Amber Apex Arbor Aspen Atlas Aurora Beacon Birch Blue Bolt Boreal Bridge Bright Cedar Cinder "
    "Civic Clear Cobalt Copper Coral Crest Crown Delta Dune Eastern Echo Elm Ember Evergreen "
    "Falcon Fern First Flint Forge Garnet Glacier Golden Granite Grand Green Grove Harbor Haven "
    "Hazel High Hollow Indigo Iron Ivory Jade Juniper Keystone Lake Lantern Laurel Linden Lunar "
    "Maple Marble Meadow Mill Mineral Mosaic Noble North Nova Oak Ocean Olive Onyx Opal Orchid "
    "Pacific Pebble Pine Pioneer Plain Polar Prairie Quartz Quill Rapid Raven Red River Rowan "
    "Saffron Sage Scarlet Sierra Silver Sky Slate Solar South Spruce Sterling Stone Summit Sun "
    "Tidal Timber True Umber Union Valley Velvet Verdant Vista Walnut West Willow Winter Zephyr"
)

COMPANY_TAILS = _words(
    "analytics bank brands capital care clinic cloud commerce components data dynamics energy "
    "engineering finance foods freight fund gear goods group health homes industries insurance "
    "labs learning legal light logistics machines market materials media mobile motors networks "
    "outfitters partners payments pharma point power press retail robotics schools security "
    "services shipping software solutions steel stores studio supply systems tech textiles tools "
    "trade travel trust ventures ware water wear works"
)

# (industry as both vendors' free text writes it, weight)
INDUSTRIES = (
    ("Computer Software", 26),
    ("Information Technology and Services", 12),
    ("Financial Services", 12),
    ("Manufacturing", 10),
    ("Hospital & Health Care", 8),
    ("Retail", 8),
    ("Logistics and Supply Chain", 5),
    ("Consumer Goods", 5),
    ("Higher Education", 3),
    ("Marketing and Advertising", 4),
    ("Insurance", 4),
    ("Non-Profit Organization Management", 3),
)

# (ISO code, the ways forms write it, weight, telephone prefix)
COUNTRIES = (
    (
        "us",
        ("United States", "United States", "USA", "us", "U.S.A.", "United States of America"),
        40,
        "+1",
    ),
    ("gb", ("United Kingdom", "UK", "Great Britain", "England"), 11, "+44"),
    ("de", ("Germany", "Deutschland", "DE", "germany"), 11, "+49"),
    ("at", ("Austria", "Österreich"), 3, "+43"),
    ("ch", ("Switzerland", "Schweiz"), 3, "+41"),
    ("fr", ("France", "FR"), 6, "+33"),
    ("nl", ("Netherlands", "The Netherlands", "NL"), 4, "+31"),
    ("se", ("Sweden", "Sverige"), 3, "+46"),
    ("no", ("Norway",), 2, "+47"),
    ("es", ("Spain", "España"), 3, "+34"),
    ("br", ("Brazil", "Brasil"), 3, "+55"),
    ("ca", ("Canada", "CA"), 5, "+1"),
    ("jp", ("Japan", "JP"), 3, "+81"),
    ("sg", ("Singapore",), 2, "+65"),
    ("au", ("Australia", "AU"), 4, "+61"),
    ("in", ("India",), 3, "+91"),
)

TITLES = (
    ("Chief Revenue Officer", 2),
    ("VP Sales", 4),
    ("VP Operations", 3),
    ("VP Marketing", 3),
    ("Head of Revenue Operations", 4),
    ("Head of Marketing Operations", 3),
    ("Director of Operations", 4),
    ("Director of Sales", 5),
    ("Director of Demand Generation", 4),
    ("Revenue Operations Manager", 8),
    ("Sales Operations Manager", 8),
    ("Marketing Operations Manager", 8),
    ("CRM Administrator", 5),
    ("Salesforce Administrator", 5),
    ("Sales Development Manager", 5),
    ("Account Executive", 6),
    ("Marketing Specialist", 7),
    ("Business Analyst", 6),
    ("Data Analyst", 5),
    ("IT Manager", 4),
    ("Software Engineer", 4),
    ("Founder", 3),
    ("Consultant", 4),
    ("Intern", 2),
)


class Source(NamedTuple):
    """Where a person came from, as either system says it; the Salesforce side with its dirt."""

    analytics_source: str
    details: tuple[str, ...]
    lead_sources: tuple[str, ...]
    weight: int


SOURCES = (
    Source("ORGANIC_SEARCH", ("google", "Google", "bing"), ("Web", "google", "Google"), 28),
    Source("PAID_SEARCH", ("lumenfold", "lead routing"), ("Paid Search", "google ads", "PPC"), 17),
    Source("DIRECT_TRAFFIC", ("www.lumenfold.example/",), ("Web", "Direct", ""), 14),
    Source("SOCIAL_MEDIA", ("LinkedIn", "linkedin"), ("Social", "LinkedIn", "linkedin"), 9),
    Source("PAID_SOCIAL", ("LinkedIn Ads",), ("Paid Social", "LinkedIn"), 6),
    Source("REFERRALS", ("reviews.example", "partners.example"), ("Partner Referral",), 8),
    Source("EMAIL_MARKETING", ("Newsletter spring", "Webinar invitation"), ("Email", "email"), 8),
    Source("OTHER_CAMPAIGNS", ("podcast-spring",), ("Other",), 2),
    Source("OFFLINE", ("IMPORT", "CRM_UI"), ("Trade Show", "Select", "Purchased List", ""), 8),
)

EMPLOYEE_RANGES = (
    (5, "1-5"),
    (25, "5-25"),
    (50, "25-50"),
    (100, "50-100"),
    (500, "100-500"),
    (1000, "500-1000"),
)

DISQUALIFICATION_REASONS = (
    "Bad fit",
    "No response",
    "Wrong role",
    "Duplicate",
    "Not now",
    "No budget",
    "Chose a competitor",
)

ACTIVITY_SUBJECTS = {
    "Call": ("Call: introduction", "Call: left voicemail", "Call: follow-up"),
    "Email": ("Email: thanks for your interest", "Email: the checklist you asked for"),
}


def employee_range(employees: int | None) -> str | None:
    """Return HubSpot's ``numemployees`` option that holds a head count."""
    if employees is None:
        return None
    return next((name for limit, name in EMPLOYEE_RANGES if employees <= limit), "1000+")
