"""Salesforce's field lists, session and calls; the one place that holds its token."""

from __future__ import annotations

import re
import threading
import time
from typing import Any
from urllib.parse import urlsplit

import httpx

from flows.connectors.base import Stream
from flows.connectors.http import Answer, Http, Patience
from flows.errors import SchemaChanged, Unauthorised, VendorError

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
    *("Status", "Rating", "LeadSource", "Description", "OwnerId", "HasOptedOutOfEmail"),
    *("IsConverted", "ConvertedDate", "ConvertedAccountId", "ConvertedContactId"),
    *("ConvertedOpportunityId", "DisqualificationReason__c", "LastActivityDate"),
    *("MasterRecordId", "IsDeleted", "CreatedById", *_AUDIT, *_CUSTOM),
)
CONTACT_FIELDS = (
    *("Id", "AccountId", "FirstName", "LastName", "Name", "Email", "Phone", "Title"),
    *("Department", "LeadSource", "OwnerId", "HasOptedOutOfEmail", "MasterRecordId"),
    *("IsDeleted", *_AUDIT),
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


def _stream(name: str, sobject: str, fields: tuple[str, ...]) -> Stream:
    return Stream(name, path=sobject, key="Id", stamp="SystemModstamp", fields=fields)


STREAMS = (
    Stream("identity", key="user_id"),
    _stream("users", "User", USER_FIELDS),
    _stream("leads", "Lead", LEAD_FIELDS),
    _stream("contacts", "Contact", CONTACT_FIELDS),
    _stream("accounts", "Account", ACCOUNT_FIELDS),
    _stream("opportunities", "Opportunity", OPPORTUNITY_FIELDS),
    _stream("opportunity_contact_roles", "OpportunityContactRole", ROLE_FIELDS),
    _stream("tasks", "Task", TASK_FIELDS),
    _stream("events", "Event", EVENT_FIELDS),
)
# The lifetime of a session is the org's choice and not in the answer; two hours is the default.
TOKEN_SECONDS = 25 * 60
_USAGE = re.compile(r"api-usage=(\d+)/(\d+)")


class Wire:
    """HTTP to one org: a token minted when needed, and calls that survive its end."""

    def __init__(
        self,
        *,
        login_url: str,
        client_id: str,
        client_secret: str,
        api_version: str,
        timeout: float,
        client: httpx.Client | None,
        patience: Patience | None,
    ) -> None:
        self.root = f"/services/data/v{api_version.removeprefix('v')}"
        self.usage: tuple[int, int] | None = None
        self._client_id, self._client_secret = client_id, client_secret
        self._token, self._instance, self._identity = "", "", ""
        self._minted_at: float | None = None
        self._minting = threading.Lock()
        self._http = Http(
            "salesforce",
            login_url,
            timeout=timeout,
            client=client,
            secrets=lambda: (client_secret, self._token),
            patience=patience,
        )
        self.close = self._http.close

    def call(
        self,
        method: str,
        path: str,
        doing: str,
        *,
        params: Any = None,
        body: Any = None,
        headers: dict[str, str] | None = None,
    ) -> Answer:
        """Call the org. A dead session is renewed once, and only once.

        All of ours may be repeated: reads, updates by id and upserts by external id.
        """
        for renewed in (False, True):
            token = self._session()
            try:
                answer = self._http.call(
                    method,
                    self._instance + path,
                    doing=doing,
                    repeatable=True,
                    headers={"Authorization": f"Bearer {token}", **(headers or {})},
                    params=params,
                    json_body=body,
                )
            except Unauthorised:
                if renewed:
                    raise
                self._forget(token)
                continue
            # Not anchored: "; per-app-api-usage=17/250(appName=x)" may follow.
            used = _USAGE.search(answer.headers.get("sforce-limit-info", ""))
            self.usage = (int(used[1]), int(used[2])) if used else self.usage
            return answer
        raise AssertionError("unreachable")

    def identity(self) -> tuple[str, str]:
        """Return user id and organization id, which stand at the end of the token's ``id``."""
        self._session()
        parts = [part for part in urlsplit(self._identity).path.split("/") if part]
        if len(parts) < 2 or not parts[-1].startswith("005"):
            raise self.strange("the token answer names no user")
        return parts[-1], parts[-2]

    @property
    def instance(self) -> str:
        """Address of the org's own host, where people open records too."""
        self._session()
        return self._instance

    def strange(self, what: str) -> SchemaChanged:
        """Name an answer whose shape we do not know."""
        error: SchemaChanged = self._http.error(SchemaChanged, what)
        return error

    def _session(self) -> str:
        with self._minting:
            if self._minted_at is None or time.monotonic() - self._minted_at > TOKEN_SECONDS:
                self._mint()
            return self._token

    def _forget(self, token: str) -> None:
        # Another thread may have renewed it already; that token is not the dead one.
        with self._minting:
            if token == self._token:
                self._minted_at = None

    def _mint(self) -> None:
        form = {"grant_type": "client_credentials", "client_id": self._client_id}
        try:
            answer = self._http.call(
                "POST",
                "/services/oauth2/token",
                doing="asking for a token",
                repeatable=True,
                form={**form, "client_secret": self._client_secret},
            )
        except VendorError as error:
            if error.status != 400:
                raise
            # Wrong credentials answer 400 here, and 401 everywhere else.
            raise self._http.error(
                Unauthorised,
                "status 400 while asking for a token",
                status=400,
                code=error.code,
                answer=error.answer,
            ) from None
        body = answer.body if isinstance(answer.body, dict) else {}
        token, instance = body.get("access_token"), body.get("instance_url")
        if not isinstance(token, str) or not isinstance(instance, str):
            raise self.strange("a token answer without access_token or instance_url")
        self._token, self._instance = token, instance.rstrip("/")
        self._identity, self._minted_at = str(body.get("id") or ""), time.monotonic()
