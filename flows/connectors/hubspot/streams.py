"""What is read from HubSpot: the streams, and of each CRM object the properties asked for.

Properties an account does not have are ignored by HubSpot without a word, so a list may name what
only some accounts know (``hs_v2_…`` came in 2024, ``hs_seniority`` with Breeze).
"""

from __future__ import annotations

from flows.connectors.base import Stream

CONTACT_PROPERTIES = (
    *("hs_object_id", "createdate", "lastmodifieddate"),
    *("hs_merged_object_ids", "hs_calculated_merged_vids", "hs_additional_emails"),
    *("email", "firstname", "lastname", "jobtitle", "phone", "hs_seniority", "hs_role"),
    *("company", "website", "industry", "numemployees", "annualrevenue", "associatedcompanyid"),
    *("country", "state", "city", "web_technologies"),
    *("lifecyclestage", "hs_lead_status", "hubspot_owner_id", "hubspot_owner_assigneddate"),
    *("hs_v2_date_entered_lead", "hs_v2_date_entered_marketingqualifiedlead"),
    *("hs_v2_date_entered_salesqualifiedlead", "hs_v2_date_entered_opportunity"),
    *("hs_v2_date_entered_customer", "hs_lifecyclestage_marketingqualifiedlead_date"),
    "hs_object_source_label",
    *("hs_analytics_source", "hs_analytics_source_data_1", "hs_analytics_source_data_2"),
    *("hs_latest_source", "hs_latest_source_data_1", "hs_latest_source_data_2"),
    *("hs_latest_source_timestamp", "hs_analytics_first_url", "hs_analytics_last_url"),
    *("hs_analytics_first_referrer", "hs_analytics_first_timestamp"),
    *("hs_analytics_last_timestamp", "hs_analytics_num_page_views", "hs_analytics_num_visits"),
    *("first_conversion_event_name", "first_conversion_date", "num_conversion_events"),
    *("recent_conversion_event_name", "recent_conversion_date"),
    *("hs_email_open", "hs_email_click", "hs_email_last_open_date", "hs_email_last_click_date"),
    *("hs_email_optout", "hs_email_bounce", "hs_marketable_status", "hs_legal_basis"),
    *("notes_last_contacted", "hs_last_sales_activity_timestamp"),
    *("baton_lead_key", "baton_score", "baton_score_reasons", "baton_trigger"),
    "baton_context_gaps",
)
COMPANY_PROPERTIES = (
    *("hs_object_id", "createdate", "hs_lastmodifieddate", "hs_merged_object_ids"),
    *("name", "domain", "website", "phone", "country", "state", "city"),
    *("industry", "numberofemployees", "annualrevenue", "hs_parent_company_id"),
    *("lifecyclestage", "hubspot_owner_id", "hs_num_open_deals"),
    *("hs_is_target_account", "hs_ideal_customer_profile"),
)
DEAL_PROPERTIES = (
    *("hs_object_id", "createdate", "hs_lastmodifieddate", "hs_merged_object_ids"),
    *("dealname", "amount", "closedate", "pipeline", "dealstage", "dealtype"),
    *("hubspot_owner_id", "hs_is_closed", "hs_is_closed_won", "hs_deal_stage_probability"),
    *("hs_forecast_amount", "days_to_close"),
)
MEETING_PROPERTIES = (
    *("hs_object_id", "hs_createdate", "hs_lastmodifieddate", "hs_timestamp"),
    *("hs_meeting_title", "hs_meeting_start_time", "hs_meeting_end_time", "hs_meeting_outcome"),
    "hubspot_owner_id",
)

OBJECTS = "/crm/objects/{version}/"


def _object(name: str, fields: tuple[str, ...], *, is_optional: bool) -> Stream:
    # Only contacts have `lastmodifieddate`; a search by the other name answers nothing, silently.
    stamp = "lastmodifieddate" if name == "contacts" else "hs_lastmodifieddate"
    return Stream(name, f"{OBJECTS}{name}", stamp=stamp, fields=fields, is_optional=is_optional)


STREAMS = (
    Stream("owners", path="/crm/owners/{version}", stamp="updatedAt"),
    Stream("forms", path="/marketing/forms/{version}", stamp="updatedAt"),
    # Before contacts, which name their company: what a contact points to is here when it comes.
    _object("companies", COMPANY_PROPERTIES, is_optional=True),
    _object("contacts", CONTACT_PROPERTIES, is_optional=False),
    _object("deals", DEAL_PROPERTIES, is_optional=True),
    _object("meetings", MEETING_PROPERTIES, is_optional=True),
    Stream(
        "form_submissions",
        path="/form-integrations/v1/submissions/forms",
        key="conversionId",
        stamp="submittedAt",
    ),
    Stream(
        "page_events",
        path="/events/event-occurrences/{version}",
        stamp="occurredAt",
        is_optional=True,
    ),
    Stream("email_events", path="/email/public/v1/events", stamp="created", is_optional=True),
    # After email_events, which finds the ids; pulled alone it looks for them itself.
    Stream("email_campaigns", path="/email/public/v1/campaigns", is_optional=True),
)
CRM_OBJECTS = tuple(stream for stream in STREAMS if stream.fields)
PLURALS = {"contact": "contacts", "company": "companies", "deal": "deals", "task": "tasks"}
# Search answers without associations; these are read beside it.
ASSOCIATED = {"deals": ("contacts", "companies"), "meetings": ("contacts", "companies")}


def stream_of(name: str) -> Stream:
    """Return the stream of that name."""
    return next(stream for stream in STREAMS if stream.name == name)
