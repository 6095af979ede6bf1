"""The properties of a standard account, and those Baton's own set-up adds.

One line per property: name, type, then flags (ro = read-only, unique, owner = external options,
external = options nobody lists, as:… = the field type where it is not the usual one) or the options
of an enumeration after "=", ~ standing for a blank. Sources: HubSpot developer documentation,
"Properties".
"""

from __future__ import annotations

from sandbox.hubspot.schema import STAGES, ObjectType, Property, options

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
    "LEGAL_SERVICES LOGISTICS_AND_SUPPLY_CHAIN MACHINERY MANAGEMENT_CONSULTING "
    "MARKETING_AND_ADVERTISING MEDICAL_DEVICES NON_PROFIT_ORGANIZATION_MANAGEMENT OIL_ENERGY "
    "PHARMACEUTICALS PROFESSIONAL_TRAINING_COACHING REAL_ESTATE RESEARCH RETAIL "
    "STAFFING_AND_RECRUITING TELECOMMUNICATIONS TRANSPORTATION_TRUCKING_RAILROAD UTILITIES "
    "VENTURE_CAPITAL_PRIVATE_EQUITY WHOLESALE"
)
_LANGUAGES = "da de en en-gb en-us es fi fr it ja nl no pl pt pt-br sv"
_ZONES = "us_slash_eastern us_slash_pacific europe_slash_london europe_slash_berlin"
_BUYING_ROLES = (
    "BLOCKER BUDGET_HOLDER CHAMPION DECISION_MAKER END_USER EXECUTIVE_SPONSOR INFLUENCER "
    "LEGAL_AND_COMPLIANCE OTHER"
)
_LEGAL_BASES = (
    "Legitimate~interest~\u2013~prospect/lead Legitimate~interest~\u2013~existing~customer "
    "Legitimate~interest~-~other Performance~of~a~contract Freely~given~consent~from~contact "
    "Not~applicable"
)
_BOUNCES = "CONTENT MAILBOX_FULL OTHER POLICY SPAM UNKNOWN_USER"
# A few of some four hundred.
_TECHNOLOGIES = (
    "adroll cloud_flare google_apps hubspot magento marketo sendgrid squarespace wordpress"
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

LEAD_STAGES = (
    # (id, label, state): a lead in the last two is closed. The ids differ between accounts.
    ("new-stage-id", "New", "NEW"),
    ("attempting-stage-id", "Attempting", "IN_PROGRESS"),
    ("connected-stage-id", "Connected", "IN_PROGRESS"),
    ("qualified-stage-id", "Qualified", "QUALIFIED"),
    ("unqualified-stage-id", "Disqualified", "UNQUALIFIED"),
)

_EVERYWHERE = f"""
hs_object_id number ro
createdate datetime ro
hs_createdate datetime ro
lastmodifieddate datetime ro
hs_lastmodifieddate datetime ro
hs_merged_object_ids enumeration ro as:checkbox
hs_object_source string ro
hs_object_source_label string ro
hs_object_source_detail_1 string ro
hs_object_source_id string ro
hubspot_owner_id enumeration owner
hubspot_owner_assigneddate datetime ro
hubspot_team_id enumeration ro external
hs_created_by_user_id number ro
hs_updated_by_user_id number ro
hs_all_owner_ids enumeration ro external
hs_was_imported bool ro
hs_analytics_source enumeration = {_SOURCES}
hs_analytics_source_data_1 string ro
hs_analytics_source_data_2 string ro
hs_latest_source enumeration = {_SOURCES}
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
message string as:textarea
hs_language enumeration = {_LANGUAGES}
hs_timezone enumeration = {_ZONES}
hs_linkedin_url string
hs_email_domain string ro
hs_additional_emails enumeration ro
work_email string
numemployees enumeration = {_SIZES}
annualrevenue string
lifecyclestage enumeration as:radio = {" ".join(STAGES)}
hs_lead_status enumeration as:radio = {_LEAD_STATUS}
hs_persona enumeration
hs_buying_role enumeration as:checkbox = {_BUYING_ROLES}
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
hs_legal_basis enumeration as:checkbox = {_LEGAL_BASES}
hs_email_quarantined bool ro
hs_email_hard_bounce_reason_enum enumeration ro as:radio = {_BOUNCES}
hs_marketable_status bool ro
hubspotscore number ro as:calculation_score
hs_time_to_first_engagement number ro
hs_sa_first_engagement_date datetime ro
hs_is_unworked bool ro as:calculation_equation
hs_calculated_merged_vids enumeration ro
closedate datetime
hs_all_contact_vids enumeration ro
associatedcompanyid number
num_associated_deals number ro
first_deal_created_date datetime ro
hs_google_click_id string
web_technologies string
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
description string as:textarea
founded_year string
type enumeration as:radio = PROSPECT PARTNER RESELLER VENDOR OTHER
lifecyclestage enumeration as:radio = {" ".join(STAGES)}
hs_lead_status enumeration as:radio = {_LEAD_STATUS}
hs_is_target_account bool
hs_ideal_customer_profile enumeration = tier_1 tier_2 tier_3
hs_num_open_deals number ro
num_associated_contacts number ro
num_associated_deals number ro
web_technologies enumeration as:checkbox = {_TECHNOLOGIES}
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
    "leads": f"""
hs_lead_name string
hs_lead_type string
hs_lead_label enumeration = HOT WARM COLD
hs_pipeline enumeration = lead-pipeline-id
hs_pipeline_stage enumeration = {" ".join(stage for stage, _, _ in LEAD_STAGES)}
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
""",
}
# The groups of a standard account, by how a contact property's name begins.
_GROUPS = (
    ("hs_email_", "emailinformation"),
    ("hs_analytics_", "analyticsinformation"),
    ("hs_latest_source", "analyticsinformation"),
    ("recent_conversion_", "conversioninformation"),
    ("first_conversion_", "conversioninformation"),
    ("num_conversion_", "conversioninformation"),
    ("num_unique_conversion_", "conversioninformation"),
)
_STAGE_LABELS = [
    "Subscriber",
    "Lead",
    "Marketing Qualified Lead",
    "Sales Qualified Lead",
    "Opportunity",
    "Customer",
    "Evangelist",
    "Other",
]
_FIELD_TYPES = {
    "number": "number",
    "datetime": "date",
    "date": "date",
    "bool": "booleancheckbox",
    "enumeration": "select",
}


def _parse(line: str, group: str, custom: bool) -> Property:
    words, _, listed = line.partition(" = ")
    name, kind, *flags = words.split()
    shown = next((flag[3:] for flag in flags if flag.startswith("as:")), None)
    values = ["true", "false"] if kind == "bool" else listed.split()
    values = [value.replace("~", " ") for value in values]
    return Property(
        name,
        kind,
        shown or _FIELD_TYPES.get(kind, "text"),
        label=name.removeprefix("hs_").replace("_", " ").capitalize(),
        group=group if custom else _group(name, group),
        read_only="ro" in flags,
        unique="unique" in flags,
        external="owner" in flags or "external" in flags,
        custom=custom,
        options=options(values, _STAGE_LABELS if values == STAGES else None),
    )


def _group(name: str, default: str) -> str:
    if default != "contactinformation":
        return default
    return next((group for start, group in _GROUPS if name.startswith(start)), default)


def standard_properties(kind: ObjectType, custom_fields: bool = True) -> dict[str, Property]:
    """Fresh definitions of one object, so that a store may add to its own."""
    found = {}
    group = f"{kind.singular}information"
    for text, custom in (
        (_EVERYWHERE, False),
        (_PROPERTIES[kind.name], False),
        (_CUSTOM.get(kind.name, "") if custom_fields else "", True),
    ):
        for line in text.strip().splitlines():
            if line.strip():
                prop = _parse(line, "baton" if custom else group, custom)
                found[prop.name] = prop
    return found
