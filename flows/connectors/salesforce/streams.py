"""What is read from Salesforce: one stream per object, with the fields we ask for."""

from __future__ import annotations

from flows.connectors.base import Stream

_AUDIT = ("CreatedDate", "LastModifiedDate", "LastModifiedById", "SystemModstamp")
_CUSTOM = (
    *("baton_lead_key__c", "baton_score__c", "baton_score_reasons__c", "baton_trigger__c"),
    *("baton_trigger_at__c", "baton_sla_due_at__c", "baton_context_gaps__c"),
    "baton_policy_version__c",
)
USER_FIELDS = (
    *("Id", "Username", "Email", "FirstName", "LastName", "Name", "IsActive", "UserType"),
    *("TimeZoneSidKey", "ManagerId", "CreatedDate", "LastModifiedDate", "SystemModstamp"),
)
LEAD_FIELDS = (
    *("Id", "FirstName", "LastName", "Email", "Phone", "Title", "Company", "Website"),
    *("Industry", "NumberOfEmployees", "AnnualRevenue", "Country", "State", "City", "PostalCode"),
    *(
        "Status",
        "Rating",
        "LeadSource",
        "Description",
        "OwnerId",
        "HasOptedOutOfEmail",
        "DoNotCall",
    ),
    *("IsConverted", "ConvertedDate", "ConvertedAccountId", "ConvertedContactId"),
    *("ConvertedOpportunityId", "DisqualificationReason__c", "LastActivityDate"),
    *("MasterRecordId", "IsDeleted", "CreatedById", *_AUDIT, *_CUSTOM),
)
CONTACT_FIELDS = (
    *("Id", "AccountId", "FirstName", "LastName", "Name", "Email", "Phone", "Title"),
    *("Department", "LeadSource", "OwnerId", "HasOptedOutOfEmail", "DoNotCall", "MasterRecordId"),
    *("MailingCountry", "IsDeleted", *_AUDIT),
)
ACCOUNT_FIELDS = (
    *("Id", "Name", "Website", "Industry", "NumberOfEmployees", "AnnualRevenue"),
    *("BillingCountry", "Type", "ParentId", "OwnerId", "MasterRecordId", "IsDeleted", *_AUDIT),
)
OPPORTUNITY_FIELDS = (
    *("Id", "Name", "AccountId", "StageName", "Amount", "Probability", "CloseDate", "IsClosed"),
    *("IsWon", "ForecastCategory", "LeadSource", "CampaignId", "OwnerId", "IsDeleted", *_AUDIT),
)
ROLE_FIELDS = ("Id", "OpportunityId", "ContactId", "Role", "IsPrimary", "IsDeleted", *_AUDIT)
TASK_FIELDS = (
    *("Id", "WhoId", "WhatId", "OwnerId", "Subject", "Status", "Priority", "ActivityDate"),
    *("Description", "Type", "TaskSubtype", "CallType", "IsClosed", "CompletedDateTime"),
    *("CreatedById", "IsDeleted", *_AUDIT, "baton_task_key__c"),
)
EVENT_FIELDS = (
    *("Id", "WhoId", "WhatId", "OwnerId", "Subject", "StartDateTime", "EndDateTime"),
    *("ActivityDateTime", "CreatedById", "IsDeleted", *_AUDIT),
)


def _stream(
    name: str, sobject: str, fields: tuple[str, ...], *, is_optional: bool = False
) -> Stream:
    return Stream(name, sobject, "Id", "SystemModstamp", fields, is_optional=is_optional)


STREAMS = (
    Stream("identity", key="user_id"),
    _stream("users", "User", USER_FIELDS),
    _stream("leads", "Lead", LEAD_FIELDS),
    _stream("contacts", "Contact", CONTACT_FIELDS),
    _stream("accounts", "Account", ACCOUNT_FIELDS),
    # Of these, leads are handed over without; the run says what it did not read.
    _stream("opportunities", "Opportunity", OPPORTUNITY_FIELDS, is_optional=True),
    _stream("opportunity_contact_roles", "OpportunityContactRole", ROLE_FIELDS, is_optional=True),
    _stream("tasks", "Task", TASK_FIELDS),
    _stream("events", "Event", EVENT_FIELDS, is_optional=True),
)


def sobject(object_name: str) -> str:
    """Return Salesforce's name of what a ``sync_`` view calls ``lead`` or ``campaign_member``."""
    return "".join(part.capitalize() for part in object_name.split("_"))
