"""HubSpot's objects and properties: what exists, what may be written, how values look.

The names and types are those of a standard account plus the custom properties Baton writes.
Sources: HubSpot developer documentation, "Properties" and "CRM objects"; the official OpenAPI.
"""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import orjson

EMAIL = re.compile(r"^[^@\s]+@[^@\s]+\.[^@\s]+$")
STAGES = [
    "subscriber",
    "lead",
    "marketingqualifiedlead",
    "salesqualifiedlead",
    "opportunity",
    "customer",
    "evangelist",
    "other",
]
PROPERTY_NAME = re.compile(r"^[a-z][a-z0-9_]*$")


class ApiError(Exception):
    """An answer that is not a success, in HubSpot's envelope; every field but two is optional."""

    def __init__(
        self,
        status: int,
        message: str,
        category: str | None = None,
        headers: dict[str, str] | None = None,
        **extra: Any,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers or {}
        self.body: dict[str, Any] = {
            "status": "error",
            "message": message,
            "correlationId": str(uuid.uuid4()),
        }
        if category:
            self.body["category"] = category
        self.body.update(extra)


def not_found() -> ApiError:
    return ApiError(404, "resource not found")


def bad_request(message: str, **extra: Any) -> ApiError:
    return ApiError(400, message, "VALIDATION_ERROR", **extra)


@lru_cache(maxsize=65_536)
def iso(ms: int) -> str:
    """Epoch milliseconds as HubSpot prints them: milliseconds are left out when they are zero."""
    seconds, rest = divmod(ms, 1000)
    text = datetime.fromtimestamp(seconds, UTC).isoformat()[:19]
    return f"{text}.{rest:03d}Z" if rest else f"{text}Z"


def to_ms(moment: datetime) -> int:
    """A moment as whole milliseconds; a naive one is taken as UTC."""
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    delta = aware - datetime(1970, 1, 1, tzinfo=UTC)
    return (delta.days * 86_400 + delta.seconds) * 1000 + delta.microseconds // 1000


@lru_cache(maxsize=65_536)
def parse_ms(text: str) -> int | None:
    """Epoch milliseconds from the two spellings HubSpot accepts (digits, ISO 8601), else None."""
    value = text.strip()
    if value.lstrip("-").isdigit():
        return int(value)
    try:
        return to_ms(datetime.fromisoformat(value))
    except ValueError:
        return None


@dataclass(slots=True)
class Property:
    """One property definition. ``external`` options live elsewhere (owners)."""

    name: str
    type: str = "string"
    field_type: str = "text"
    label: str = ""
    group: str = ""
    description: str = ""
    read_only: bool = False
    unique: bool = False
    external: bool = False
    custom: bool = False
    options: list[dict[str, Any]] = field(default_factory=list)

    @property
    def values(self) -> list[str]:
        ordered = sorted(self.options, key=lambda option: option.get("displayOrder", 0))
        return [option["value"] for option in ordered]

    def as_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "label": self.label,
            "type": self.type,
            "fieldType": self.field_type,
            "description": self.description,
            "groupName": self.group,
            "options": self.options,
            "displayOrder": -1,
            "calculated": self.field_type.startswith("calculation"),
            "externalOptions": self.external,
            "hasUniqueValue": self.unique,
            "hidden": False,
            "hubspotDefined": not self.custom,
            "formField": not self.read_only,
            **({"referencedObjectType": "OWNER"} if self.external else {}),
            "modificationMetadata": {
                "archivable": self.custom,
                "readOnlyDefinition": not self.custom,
                "readOnlyValue": self.read_only,
            },
        }

    def clean(self, value: Any) -> str | None:
        """The stored form of a written value; ``""`` clears. Raises: InvalidValueError."""
        text = as_text(value)
        if text == "":
            return None
        if self.name == "email":
            text = text.strip().lower()
            if not EMAIL.match(text):
                raise InvalidValueError("INVALID_EMAIL", f"Email address {text} is invalid")
        elif self.type == "number":
            try:
                float(text)
            except ValueError:
                raise InvalidValueError(
                    "INVALID_INTEGER", f"{text} was not a valid number."
                ) from None
        elif self.type in ("date", "datetime"):
            text = self._clean_time(text)
        elif self.options and self.type in ("enumeration", "bool"):
            allowed = self.values
            parts = text.split(";") if self.field_type == "checkbox" else [text]
            if any(part not in allowed for part in parts if part):
                listed = ", ".join(allowed)
                raise InvalidValueError(
                    "INVALID_OPTION", f"{text} was not one of the allowed options: [{listed}]"
                )
        elif len(text) > 65_536:
            raise InvalidValueError("INVALID_LENGTH", "Property value exceeds 65536 characters.")
        return text

    def _clean_time(self, text: str) -> str:
        ms = parse_ms(text)
        if ms is None:
            raise InvalidValueError("INVALID_DATE", f"{text} was not a valid timestamp.")
        try:
            printed = iso(ms)
        except (OverflowError, ValueError, OSError):
            raise InvalidValueError("INVALID_DATE", f"{text} was not a valid timestamp.") from None
        if self.type == "datetime":
            return printed
        if ms % 86_400_000:
            raise InvalidValueError("INVALID_DATE", f"{text} is not at midnight UTC.")
        return printed[:10]


class InvalidValueError(Exception):
    """A written value breaks the property's definition."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def as_text(value: Any) -> str:
    # Clients send numbers and booleans; HubSpot keeps and returns strings only.
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value
    return orjson.dumps(value).decode()


def invalid_properties(problems: list[tuple[str, str, str]]) -> ApiError:
    """One 400 for all refused values of a request; ``message`` embeds a JSON list as text."""
    listed = [
        {"isValid": False, "message": message, "error": code, "name": name}
        for name, code, message in problems
    ]
    return bad_request(
        f"Property values were not valid: {orjson.dumps(listed).decode()}",
        context={"propertyName": [name for name, _, _ in problems]},
        errors=[
            {"message": message, "code": code, "in": None, "context": {"propertyName": [name]}}
            for name, code, message in problems
        ],
    )


@dataclass(frozen=True, slots=True)
class ObjectType:
    """One CRM object. Only contacts are searched by ``lastmodifieddate``: every other object has
    ``hs_lastmodifieddate``, and the wrong one matches nothing, silently."""

    name: str
    type_id: str
    singular: str
    modified: str = "hs_lastmodifieddate"
    created: str = "createdate"
    shown: tuple[str, ...] = ()
    searched: tuple[str, ...] = ()
    required: tuple[str, ...] = ()
    mergeable: bool = False

    @property
    def defaults(self) -> tuple[str, ...]:
        return (*self.shown, self.created, self.modified, "hs_object_id")


OBJECT_TYPES = {
    kind.name: kind
    for kind in (
        ObjectType(
            "contacts",
            "0-1",
            "contact",
            modified="lastmodifieddate",
            shown=("email", "firstname", "lastname"),
            searched=("firstname", "lastname", "email", "phone", "company"),
            mergeable=True,
        ),
        ObjectType(
            "companies",
            "0-2",
            "company",
            shown=("name", "domain"),
            searched=("name", "domain", "website", "phone"),
            mergeable=True,
        ),
        ObjectType(
            "deals",
            "0-3",
            "deal",
            shown=("dealname", "amount", "closedate", "pipeline", "dealstage"),
            searched=("dealname",),
            mergeable=True,
        ),
        ObjectType(
            "tickets", "0-5", "ticket", shown=("subject",), searched=("subject",), mergeable=True
        ),
        ObjectType(
            "tasks",
            "0-27",
            "task",
            created="hs_createdate",
            searched=("hs_task_subject",),
            required=("hs_timestamp",),
        ),
        ObjectType(
            "notes",
            "0-46",
            "note",
            created="hs_createdate",
            searched=("hs_note_body",),
            required=("hs_timestamp",),
        ),
        ObjectType("meetings", "0-47", "meeting", created="hs_createdate"),
        ObjectType("calls", "0-48", "call", created="hs_createdate"),
        ObjectType("emails", "0-49", "email", created="hs_createdate"),
        ObjectType("leads", "0-136", "lead", shown=("hs_lead_name",), created="hs_createdate"),
    )
}
_SPELLINGS = {
    spelling: kind
    for kind in OBJECT_TYPES.values()
    for spelling in (kind.name, kind.singular, kind.type_id)
}


def object_type(spelling: str) -> ObjectType:
    """The object a path names, in any of its three spellings. Raises: ApiError 400."""
    try:
        return _SPELLINGS[spelling.lower()]
    except KeyError:
        raise bad_request(f"Unable to infer object type from: {spelling}") from None


_SOURCES = (
    "ORGANIC_SEARCH PAID_SEARCH EMAIL_MARKETING SOCIAL_MEDIA REFERRALS OTHER_CAMPAIGNS "
    "DIRECT_TRAFFIC OFFLINE PAID_SOCIAL AI_REFERRALS"
)
_LEAD_STATUS = (
    "NEW OPEN IN_PROGRESS OPEN_DEAL UNQUALIFIED ATTEMPTED_TO_CONTACT CONNECTED BAD_TIMING"
)
_SIZES = "1-5 5-25 25-50 50-100 100-500 500-1000 1000+"
_INDUSTRIES = (
    "ACCOUNTING AIRLINES_AVIATION APPAREL_FASHION AUTOMOTIVE BANKING BIOTECHNOLOGY "
    "BUILDING_MATERIALS CHEMICALS CIVIL_ENGINEERING COMPUTER_HARDWARE COMPUTER_NETWORK_SECURITY "
    "COMPUTER_SOFTWARE CONSTRUCTION CONSUMER_ELECTRONICS CONSUMER_GOODS CONSUMER_SERVICES "
    "EDUCATION_MANAGEMENT E_LEARNING ELECTRICAL_ELECTRONIC_MANUFACTURING ENTERTAINMENT "
    "FINANCIAL_SERVICES FOOD_BEVERAGES GOVERNMENT_ADMINISTRATION HIGHER_EDUCATION "
    "HOSPITAL_HEALTH_CARE HOSPITALITY HUMAN_RESOURCES INDUSTRIAL_AUTOMATION "
    "INFORMATION_TECHNOLOGY_AND_SERVICES INSURANCE INTERNET INVESTMENT_MANAGEMENT LAW_PRACTICE "
    "LEGAL_SERVICES LOGISTICS_AND_SUPPLY_CHAIN MACHINERY MANAGEMENT_CONSULTING MANUFACTURING "
    "MARKETING_AND_ADVERTISING MEDICAL_DEVICES NON_PROFIT_ORGANIZATION_MANAGEMENT OIL_ENERGY "
    "PHARMACEUTICALS PROFESSIONAL_TRAINING_COACHING REAL_ESTATE RESEARCH RETAIL "
    "STAFFING_AND_RECRUITING TELECOMMUNICATIONS TRANSPORTATION_TRUCKING_RAILROAD UTILITIES "
    "VENTURE_CAPITAL_PRIVATE_EQUITY WHOLESALE"
)
DEAL_STAGES = (
    ("appointmentscheduled", "Appointment Scheduled", "0.2"),
    ("qualifiedtobuy", "Qualified To Buy", "0.4"),
    ("presentationscheduled", "Presentation Scheduled", "0.6"),
    ("decisionmakerboughtin", "Decision Maker Bought-In", "0.8"),
    ("contractsent", "Contract Sent", "0.9"),
    ("closedwon", "Closed Won", "1.0"),
    ("closedlost", "Closed Lost", "0.0"),
)

# One line per property: name, type, then flags (ro = read-only, unique, owner = external options)
# or the options of an enumeration after "=".
_EVERYWHERE = f"""
hs_object_id number ro
createdate datetime ro
hs_createdate datetime ro
lastmodifieddate datetime ro
hs_lastmodifieddate datetime ro
hs_merged_object_ids enumeration ro
hs_object_source string ro
hs_object_source_label string ro
hs_object_source_detail_1 string ro
hs_object_source_id string ro
hubspot_owner_id enumeration owner
hubspot_owner_assigneddate datetime ro
hubspot_team_id enumeration ro
hs_created_by_user_id number ro
hs_updated_by_user_id number ro
hs_all_owner_ids enumeration ro
hs_was_imported bool ro
hs_analytics_source enumeration = {_SOURCES}
hs_analytics_source_data_1 string ro
hs_analytics_source_data_2 string ro
hs_latest_source enumeration ro = {_SOURCES}
hs_latest_source_data_1 string ro
hs_latest_source_data_2 string ro
hs_latest_source_timestamp datetime ro
notes_last_contacted datetime ro
notes_last_updated datetime ro
notes_next_activity_date datetime ro
num_notes number ro
num_contacted_notes number ro
hs_last_sales_activity_timestamp datetime ro
"""
_STAGE_DATES = "\n".join(
    f"hs_v2_date_{way}_{stage} datetime ro" for stage in STAGES for way in ("entered", "exited")
)
_STAGE_DATES += "\n" + "\n".join(f"hs_lifecyclestage_{stage}_date datetime ro" for stage in STAGES)
_PLACE = """
country string
hs_country_region_code string
state string
city string
zip string
address string
phone string
website string
"""
_PROPERTIES = {
    "contacts": f"""
email string unique
firstname string
lastname string
jobtitle string
company string
mobilephone string
industry string
salutation string
message string
hs_language string
hs_timezone string
hs_linkedin_url string
hs_email_domain string ro
hs_additional_emails enumeration ro
work_email string
numemployees enumeration = {_SIZES}
annualrevenue string
lifecyclestage enumeration = {" ".join(STAGES)}
hs_lead_status enumeration = {_LEAD_STATUS}
hs_persona enumeration
hs_buying_role enumeration
hs_seniority enumeration = vp director entry executive manager owner partner senior employee
hs_role string
hs_analytics_first_url string ro
hs_analytics_last_url string ro
hs_analytics_first_referrer string ro
hs_analytics_last_referrer string ro
hs_analytics_first_timestamp datetime ro
hs_analytics_last_timestamp datetime ro
hs_analytics_first_visit_timestamp datetime ro
hs_analytics_last_visit_timestamp datetime ro
hs_analytics_num_page_views number ro
hs_analytics_num_visits number ro
hs_analytics_num_event_completions number ro
hs_analytics_first_touch_converting_campaign string ro
hs_analytics_last_touch_converting_campaign string ro
recent_conversion_event_name string ro
recent_conversion_date datetime ro
first_conversion_event_name string ro
first_conversion_date datetime ro
num_conversion_events number ro
num_unique_conversion_events number ro
hs_email_open number ro
hs_email_click number ro
hs_email_delivered number ro
hs_email_bounce number ro
hs_email_last_open_date datetime ro
hs_email_last_click_date datetime ro
hs_email_last_send_date datetime ro
hs_email_optout bool ro
hs_email_quarantined bool ro
hs_email_hard_bounce_reason_enum enumeration ro
hs_marketable_status bool ro
hubspotscore number ro
hs_time_to_first_engagement number ro
hs_sa_first_engagement_date datetime ro
hs_is_unworked bool ro
hs_calculated_merged_vids enumeration ro
hs_all_contact_vids enumeration ro
associatedcompanyid number
num_associated_deals number ro
first_deal_created_date datetime ro
hs_google_click_id string
utm_source string
utm_medium string
utm_campaign string
{_PLACE}{_STAGE_DATES}
""",
    "companies": f"""
name string
domain string
industry enumeration = {_INDUSTRIES}
numberofemployees number
annualrevenue number
description string
founded_year string
type enumeration = PROSPECT PARTNER RESELLER VENDOR OTHER
lifecyclestage enumeration = {" ".join(STAGES)}
hs_lead_status enumeration = {_LEAD_STATUS}
hs_is_target_account bool
hs_ideal_customer_profile enumeration = tier_1 tier_2 tier_3
hs_num_open_deals number ro
num_associated_contacts number ro
num_associated_deals number ro
web_technologies string
{_PLACE}{_STAGE_DATES}
""",
    "deals": f"""
dealname string
amount number
closedate datetime
pipeline enumeration = default
dealstage enumeration = {" ".join(stage for stage, _, _ in DEAL_STAGES)}
dealtype enumeration = newbusiness existingbusiness
description string
closed_lost_reason string
closed_won_reason string
hs_is_closed bool ro
hs_is_closed_won bool ro
hs_deal_stage_probability number ro
hs_forecast_amount number ro
days_to_close number ro
num_associated_contacts number ro
""",
    "tickets": """
subject string
content string
hs_pipeline string
hs_pipeline_stage string
hs_ticket_priority enumeration = LOW MEDIUM HIGH URGENT
""",
    "tasks": """
hs_timestamp datetime
hs_task_subject string
hs_task_body string
hs_task_status enumeration = NOT_STARTED IN_PROGRESS COMPLETED WAITING DEFERRED
hs_task_priority enumeration = NONE LOW MEDIUM HIGH
hs_task_type enumeration = TODO CALL EMAIL LINKED_IN LINKED_IN_CONNECT LINKED_IN_MESSAGE
hs_task_reminders string
hs_task_completion_date datetime ro
""",
    "notes": "hs_timestamp datetime\nhs_note_body string\nhs_attachment_ids string",
    "meetings": """
hs_timestamp datetime
hs_meeting_title string
hs_meeting_body string
hs_meeting_start_time datetime
hs_meeting_end_time datetime
hs_meeting_outcome enumeration = SCHEDULED COMPLETED RESCHEDULED NO_SHOW CANCELED
""",
    "calls": """
hs_timestamp datetime
hs_call_title string
hs_call_body string
hs_call_direction enumeration = INBOUND OUTBOUND
hs_call_duration number
hs_call_status string
hs_call_disposition string
""",
    "emails": """
hs_timestamp datetime
hs_email_subject string
hs_email_text string
hs_email_direction enumeration = EMAIL INCOMING_EMAIL FORWARDED_EMAIL
hs_email_status enumeration = BOUNCED FAILED SCHEDULED SENDING SENT
""",
    "leads": """
hs_lead_name string
hs_lead_type string
hs_lead_label enumeration = HOT WARM COLD
hs_pipeline string
hs_pipeline_stage string
""",
}
# What Baton's own set-up would have created in the account.
_CUSTOM = {
    "contacts": """
baton_lead_key string
baton_score number
baton_score_reasons string
baton_trigger string
baton_context_gaps string
baton_policy_version string
web_technologies string
""",
}
_FIELD_TYPES = {
    "number": "number",
    "datetime": "date",
    "date": "date",
    "bool": "booleancheckbox",
    "enumeration": "select",
}


def options(values: list[str], labels: list[str] | None = None) -> list[dict[str, Any]]:
    return [
        {"label": label, "value": value, "displayOrder": order, "hidden": False}
        for order, (value, label) in enumerate(zip(values, labels or values, strict=True))
    ]


def _parse(line: str, group: str, custom: bool) -> Property:
    words, _, listed = line.partition(" = ")
    name, kind, *flags = words.split()
    values = ["true", "false"] if kind == "bool" else listed.split()
    return Property(
        name,
        kind,
        _FIELD_TYPES.get(kind, "text"),
        label=name.removeprefix("hs_").replace("_", " ").capitalize(),
        group=group,
        read_only="ro" in flags,
        unique="unique" in flags,
        external="owner" in flags,
        custom=custom,
        options=options(values),
    )


def standard_properties(kind: ObjectType) -> dict[str, Property]:
    """Fresh definitions of one object, so that a store may add to its own."""
    found = {}
    group = f"{kind.singular}information"
    for text, custom in (
        (_EVERYWHERE, False),
        (_PROPERTIES[kind.name], False),
        (_CUSTOM.get(kind.name, ""), True),
    ):
        for line in text.strip().splitlines():
            if line.strip():
                prop = _parse(line, "baton" if custom else group, custom)
                found[prop.name] = prop
    return found
