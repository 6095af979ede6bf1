"""Which objects the org has and which fields: one line a field, name, type, flags.

``text(40)`` gives the length, ``reference(User,Group)`` the objects pointed at; ``required`` on
create, ``readonly`` for good, ``external`` for a unique external id, ``one_of(…)`` for a picklist
that takes no other value. Source: object reference for Sales Cloud.
"""

from __future__ import annotations

SYSTEM = """
    CreatedDate datetime readonly
    CreatedById reference(User) readonly
    LastModifiedDate datetime readonly
    LastModifiedById reference(User) readonly
    SystemModstamp datetime readonly
"""
DELETABLE = "IsDeleted boolean readonly\n"
FIELDS = {
    "User": """
        FirstName string(40)
        LastName string(80) required
        Name string(121) readonly
        Email email(128) required
        Username string(80) required
        Alias string(8)
        Title string(80)
        Department string(80)
        IsActive boolean
        UserType picklist(40) readonly
        TimeZoneSidKey picklist(40)
        UserRoleId reference(UserRole)
        ProfileId reference(Profile)
        ManagerId reference(User)
        FederationIdentifier string(512)
    """,
    "Group": """
        Name string(40) required
        DeveloperName string(80)
        Type picklist(40) readonly
        Email email(255)
    """,
    "QueueSobject": """
        QueueId reference(Group) readonly
        SobjectType picklist(40) readonly
    """,
    "Profile": """
        Name string(255) readonly
    """,
    "UserRole": """
        Name string(80) required
        ParentRoleId reference(UserRole)
    """,
    "Organization": """
        Name string(80)
        TimeZoneSidKey picklist(40)
        IsSandbox boolean readonly
        OrganizationType picklist(40) readonly
    """,
    "Lead": """
        FirstName string(40)
        LastName string(80) required
        Name string(121) readonly
        Salutation picklist(40)
        Company string(255) required
        Title string(128)
        Email email(80)
        Phone phone(40)
        MobilePhone phone(40)
        Website url(255)
        LeadSource picklist(255)
        Status picklist(255)
        Rating picklist(255)
        Industry picklist(255)
        NumberOfEmployees int
        AnnualRevenue currency
        Street string(255)
        City string(40)
        State string(80)
        PostalCode string(20)
        Country string(80)
        Description textarea(32000)
        OwnerId reference(User,Group)
        HasOptedOutOfEmail boolean
        DoNotCall boolean
        IsConverted boolean readonly
        ConvertedDate date readonly
        ConvertedAccountId reference(Account) readonly
        ConvertedContactId reference(Contact) readonly
        ConvertedOpportunityId reference(Opportunity) readonly
        IsUnreadByOwner boolean
        MasterRecordId reference(Lead) readonly
        LastActivityDate date readonly
        DisqualificationReason__c string(255)
        baton_lead_key__c string(64) external
        baton_score__c double
        baton_score_reasons__c textarea(32768)
        baton_trigger__c string(255)
        baton_trigger_at__c datetime
        baton_sla_due_at__c datetime
        baton_context_gaps__c string(255)
        baton_policy_version__c string(64)
    """,
    "Contact": """
        AccountId reference(Account)
        FirstName string(40)
        LastName string(80) required
        Name string(121) readonly
        Salutation picklist(40)
        Title string(128)
        Department string(80)
        Email email(80)
        Phone phone(40)
        MobilePhone phone(40)
        LeadSource picklist(255)
        MailingStreet string(255)
        MailingCity string(40)
        MailingState string(80)
        MailingPostalCode string(20)
        MailingCountry string(80)
        Description textarea(32000)
        OwnerId reference(User)
        ReportsToId reference(Contact)
        HasOptedOutOfEmail boolean
        DoNotCall boolean
        MasterRecordId reference(Contact) readonly
        LastActivityDate date readonly
    """,
    "Account": """
        Name string(255) required
        Website url(255)
        Phone phone(40)
        Industry picklist(255)
        NumberOfEmployees int
        AnnualRevenue currency
        BillingStreet string(255)
        BillingCity string(40)
        BillingState string(80)
        BillingPostalCode string(20)
        BillingCountry string(80)
        Type picklist(255)
        Rating picklist(255)
        AccountSource picklist(255)
        Description textarea(32000)
        ParentId reference(Account)
        OwnerId reference(User)
        MasterRecordId reference(Account) readonly
        LastActivityDate date readonly
    """,
    "Opportunity": """
        Name string(120) required
        StageName picklist(255) required
        CloseDate date required
        Amount currency
        Probability percent
        AccountId reference(Account)
        OwnerId reference(User)
        CampaignId reference(Campaign)
        Type picklist(255)
        NextStep string(255)
        LeadSource picklist(255)
        ForecastCategory picklist(40) readonly
        ForecastCategoryName picklist(255)
        FiscalQuarter int readonly
        FiscalYear int readonly
        IsClosed boolean readonly
        IsWon boolean readonly
        Description textarea(32000)
        LastActivityDate date readonly
    """,
    "OpportunityContactRole": """
        OpportunityId reference(Opportunity) required
        ContactId reference(Contact) required
        Role picklist(255)
        IsPrimary boolean
    """,
    "Campaign": """
        Name string(80) required
        Type picklist(255)
        Status picklist(255)
        IsActive boolean
        StartDate date
        EndDate date
        OwnerId reference(User)
        ParentId reference(Campaign)
    """,
    "Task": """
        WhoId reference(Lead,Contact)
        WhatId reference(Account,Opportunity,Campaign)
        OwnerId reference(User,Group)
        AccountId reference(Account) readonly
        Subject string(255)
        Status picklist(255)
        Priority picklist(255)
        ActivityDate date
        Type picklist(255)
        TaskSubtype picklist(40) one_of(Task,Email,ListEmail,Cadence,Call,LinkedIn)
        CallType picklist(40) one_of(Internal,Inbound,Outbound)
        CallDurationInSeconds int
        CallDisposition string(255)
        Description textarea(32000)
        IsClosed boolean readonly
        IsHighPriority boolean readonly
        IsArchived boolean readonly
        CompletedDateTime datetime readonly
        ReminderDateTime datetime
        IsReminderSet boolean
        baton_task_key__c string(64) external
    """,
    "Event": """
        WhoId reference(Lead,Contact)
        WhatId reference(Account,Opportunity,Campaign)
        OwnerId reference(User)
        AccountId reference(Account) readonly
        Subject string(255)
        Location string(255)
        Type picklist(255)
        StartDateTime datetime
        EndDateTime datetime
        ActivityDate date
        ActivityDateTime datetime
        DurationInMinutes int
        IsAllDayEvent boolean
        IsArchived boolean readonly
        EventSubtype picklist(40) one_of(Event)
        Description textarea(32000)
    """,
    "LeadHistory": """
        LeadId reference(Lead) readonly
        Field picklist(255) readonly
        OldValue string(255) readonly
        NewValue string(255) readonly
    """,
    "OpportunityFieldHistory": """
        OpportunityId reference(Opportunity) readonly
        Field picklist(255) readonly
        OldValue string(255) readonly
        NewValue string(255) readonly
    """,
    "OpportunityHistory": """
        OpportunityId reference(Opportunity) readonly
        StageName picklist(255) readonly
        Amount currency readonly
        CloseDate date readonly
        Probability percent readonly
        ForecastCategory picklist(40) readonly
    """,
    "PermissionSet": """
        Name string(80) required
        Label string(80) required
        Description string(255)
        IsOwnedByProfile boolean readonly
        ProfileId reference(Profile) readonly
    """,
    "FieldPermissions": """
        ParentId reference(PermissionSet) required
        SobjectType picklist(255) required
        Field picklist(255) required
        PermissionsRead boolean
        PermissionsEdit boolean
    """,
    "PermissionSetAssignment": """
        PermissionSetId reference(PermissionSet) required
        AssigneeId reference(User) required
    """,
}
PREFIXES = {
    "User": "005",
    "Group": "00G",
    "QueueSobject": "03g",
    "Profile": "00e",
    "UserRole": "00E",
    "Organization": "00D",
    "Lead": "00Q",
    "Contact": "003",
    "Account": "001",
    "Opportunity": "006",
    "OpportunityContactRole": "00K",
    "Campaign": "701",
    "Task": "00T",
    "Event": "00U",
    "LeadHistory": "017",
    "OpportunityFieldHistory": "01H",
    "OpportunityHistory": "008",
    "PermissionSet": "0PS",
    "FieldPermissions": "01k",
    "PermissionSetAssignment": "0Pa",
}
# The values a new org offers. Lists that take other values too: Salesforce restricts none of these.
PICKLISTS: dict[tuple[str, str], tuple[str, ...]] = {
    ("Lead", "Status"): (
        "Open - Not Contacted",
        "Working - Contacted",
        "Closed - Converted",
        "Closed - Not Converted",
    ),
    ("Lead", "LeadSource"): ("Web", "Phone Inquiry", "Partner Referral", "Purchased List", "Other"),
    ("Lead", "Rating"): ("Hot", "Warm", "Cold"),
    ("Task", "Status"): (
        "Not Started",
        "In Progress",
        "Completed",
        "Waiting on someone else",
        "Deferred",
    ),
    ("Task", "Priority"): ("High", "Normal", "Low"),
    ("Opportunity", "StageName"): (
        "Prospecting",
        "Qualification",
        "Needs Analysis",
        "Value Proposition",
        "Id. Decision Makers",
        "Perception Analysis",
        "Proposal/Price Quote",
        "Negotiation/Review",
        "Closed Won",
        "Closed Lost",
    ),
}
# These have no IsDeleted in Salesforce: a user or a queue is switched off, never binned.
NEVER_DELETED = frozenset({
    "User", "Group", "QueueSobject", "Profile", "UserRole", "Organization",
    "PermissionSet", "FieldPermissions", "PermissionSetAssignment",
})  # fmt: skip
# A change log carries only the moment it was written.
HISTORIES = frozenset({"LeadHistory", "OpportunityFieldHistory", "OpportunityHistory"})
# Nobody writes these over the API; access is written, and taken away for good.
READ_ONLY = frozenset({
    "User", "Group", "QueueSobject", "Profile", "UserRole", "Organization",
}) | HISTORIES  # fmt: skip
ACCESS = frozenset({"PermissionSet", "FieldPermissions", "PermissionSetAssignment"})
