"""Edits of the policy in an open home, and the runs that follow them.

Each edit gives one row a cell of another row of its table, so that what it says then always means
something; tables of domains are given one of the world's own.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

from flows.ledger import Ledger
from flows.steps import transform

if TYPE_CHECKING:
    from datetime import datetime

    from flows.warehouse import Warehouse

# What of each table may be changed alone. Keys, orders and ranges that must fit each other are not
# here: a policy that contradicts itself is refused before anything is built with it.
CELLS = {
    "business_hours": ("closes",),
    "channels": ("channel",),
    "competitor_domains": ("domain",),
    "country_names": ("region",),
    "employee_ranges": ("employee_count",),
    "field_ownership": ("owner",),
    "first_contact_actions": ("opening", "mention"),
    "free_mail_domains": ("domain",),
    "industry_names": ("industry",),
    "lead_statuses": ("lead_status", "lifecycle_stage", "disposition"),
    "named_accounts": ("domain",),
    "personas": ("pattern", "persona", "buying_role"),
    "pool_members": ("weight",),
    "products": ("pattern", "product"),
    "reps": ("calendar_id",),
    "routing_rules": ("country", "min_icp_score"),
    "score_exceptions": ("attribute", "effect"),
    "scoring_rules": ("attribute", "operator", "value", "points", "half_life_days", "reason"),
    "seniorities": ("pattern", "seniority"),
    "shared_mailboxes": ("local_part",),
    "sla_tiers": ("minutes",),
    "territories": ("country", "territory"),
    "touch_types": ("pattern", "label", "is_content"),
}
EVERY_CELL = [(table, column) for table, columns in CELLS.items() for column in columns]
# What is added to a table of domains or mailboxes, in the order of its columns.
ADDED = {
    "competitor_domains": "select company_domain, 'added'",
    "free_mail_domains": "select company_domain, 'added'",
    "named_accounts": "select company_domain, company_domain, null, 'emea', 'added'",
    "shared_mailboxes": "select split_part(email, '@', 1), 'added'",
}


class Edited:
    """An open home whose policy tables are changed in place, as loading edited files would."""

    def __init__(self, warehouse: Warehouse, now: datetime, seed: int = 0) -> None:
        self.warehouse, self.now = warehouse, now
        self.choose = random.Random(seed)

    def column(self, query: str) -> list[Any]:
        return [next(iter(row.values())) for row in self.warehouse.rows(query)]

    def edit(self, table: str, column: str) -> str:
        """Change one row of a table; returns what was done, for a failing test to say."""
        if table in ADDED:
            leads = self.column(
                "select lead_key from people.lead_profiles "
                "where company_domain is not null and email is not null order by lead_key"
            )
            lead = self.choose.choice(leads)
            self.warehouse.execute(
                f"insert into policy.{table} {ADDED[table]} "
                "from people.lead_profiles where lead_key = ?",
                [lead],
            )
            return f"{table} of {lead}"
        key = self.column(f"select column_name from (describe policy.{table})")[0]
        keys = self.column(f"select {key} from policy.{table} order by {key}")
        to, of = self.choose.sample(keys, 2)
        self.warehouse.execute(
            f"update policy.{table} set {column} = "
            f"(select {column} from policy.{table} where {key} = ?) where {key} = ?",
            [of, to],
        )
        return f"{table}.{column}: {to} says what {of} does"

    def find(self) -> dict[str, set[str]]:
        """Begin a run and find whom it touches; returns the leads by the cause."""
        self.ledger = Ledger(self.warehouse)
        self.warehouse.dbt("run", "--select", "policy_version")
        self.ledger.begin(self.now, None)
        self.ledger.keep_policy(transform.policy_tables())
        transform.find_touched(self.warehouse)
        touched: dict[str, set[str]] = {}
        for row in self.warehouse.rows("select lead_key, cause from people.leads_touched"):
            for cause in row["cause"].split(", "):
                touched.setdefault(cause, set()).add(row["lead_key"])
        return touched

    def build(self) -> None:
        """Build the rooms for those, and end the run."""
        transform.build_facts(self.warehouse)
        transform.build_proposals(self.warehouse)
        transform.build_published(self.warehouse)
        self.warehouse.mark_built(self.ledger.run_id, self.ledger.as_of, "")
