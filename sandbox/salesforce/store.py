"""The org as one object: its records, its rules, its sessions, and what reached it by API.

The records' own methods (``insert``, ``update`` …) are the population's and the reps' way in: they
check names only, and leave no effect. What arrives by HTTP is checked in full and is an effect.
Limits: 100,000 calls in 24 hours, 2,000 rows a page, 200 records a collection, 16 KiB of address.
Source: REST API developer guide; object reference for Sales Cloud.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from sandbox.salesforce.access import Access
from sandbox.salesforce.bulk import BulkJobs
from sandbox.salesforce.customize import Customize
from sandbox.salesforce.quota import Quota
from sandbox.salesforce.records import Records
from sandbox.salesforce.rules import Rules
from sandbox.salesforce.values import must_be_id

if TYPE_CHECKING:
    from sandbox.clock import Clock

API_VERSIONS = tuple(f"{number}.0" for number in range(31, 69))
PAGE_SIZE = 2000
DAILY_LIMIT = 100_000
ORGANIZATION_ID = must_be_id("00D000000000001")


class SalesforceStore(Records, Quota):
    """Every record of the org. Callers hold the world's lock.

    ``custom_fields=False`` starts an org that has none of Baton's own fields yet.
    """

    def __init__(
        self,
        clock: Clock,
        client_id: str,
        client_secret: str,
        integration_user_id: str,
        api_versions: Iterable[str] = API_VERSIONS,
        *,
        limits: bool = True,
        daily_limit: int = DAILY_LIMIT,
        token_ttl: float = 7200.0,
        page_size: int = PAGE_SIZE,
        custom_fields: bool = True,
    ) -> None:
        Records.__init__(self, clock, integration_user_id, custom_fields=custom_fields)
        Quota.__init__(
            self,
            clock,
            organization_id=ORGANIZATION_ID,
            limits=limits,
            daily_limit=daily_limit,
            token_ttl=token_ttl,
        )
        self.client_id = client_id
        self.client_secret = client_secret
        self.api_versions = tuple(api_versions)
        self.page_size = page_size
        self.effects: list[dict[str, Any]] = []
        self.rules = Rules(self)
        self.access = Access(self)
        self.customize = Customize(self, self.access)
        self.bulk = BulkJobs(self)
        self.insert("Organization", {"Name": "Lumenfold"}, id=self.organization_id)

    @property
    def assignment_owner_id(self) -> str | None:
        """Who the Lead assignment rule gives every lead to."""
        return self.rules.assignment_owner_id

    def set_assignment_rule(self, default_owner_id: str | None) -> None:
        """Make the Lead assignment rule give every lead to this owner; None switches it off."""
        owner = must_be_id(default_owner_id) if default_owner_id else None
        self.rules.assignment_owner_id = owner

    def script_error(self, id: str, code: str, message: str, times: int = 1) -> None:
        """Refuse the next writes of one record (or of one external id) with this error."""
        self.rules.script(id, code, message, times)

    def lock_row(self, id: str, times: int = 1, *, in_trigger: bool = False) -> None:
        """Let the next writes of one record meet somebody else's lock."""
        self.rules.lock(id, times, in_trigger=in_trigger)
