"""Salesforce on loopback: the records, their rules, and the APIs in front of them.

Speaks OAuth (client credentials, JWT bearer), REST with SOQL, collections and composites, Bulk
API 2.0 and the Tooling API's custom fields, written from the vendor's documents. What integrations
trip over is in here on purpose: sessions end, ``allOrNone:false`` answers 200 with failed rows
inside, converted leads cannot be written, an assignment rule takes the owner away unless told not
to, and a field made over the API is invisible until somebody grants it.
"""

from sandbox.salesforce.app import salesforce_app
from sandbox.salesforce.errors import SalesforceError
from sandbox.salesforce.store import SalesforceStore

__all__ = ["SalesforceError", "SalesforceStore", "salesforce_app"]
