"""Edits of the policy in an open home, and the runs that follow them.

Each edit gives one row a cell of another row of its table, so that what it says then always means
something, takes a row away, or adds one that speaks of the world's own.
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
    "absences": (),
    "business_hours": ("closes",),
    "buying_group_rules": ("min_people", "min_coverage_percent", "min_fit_points", "reason"),
    "buying_roles": ("is_required",),
    "channels": ("channel", "source", "source_detail"),
    "competitor_domains": (),
    "consent_rules": ("may_be_called", "accepted_bases"),
    "country_languages": ("language",),
    "country_names": ("region", "country"),
    "crm_creation": ("wait_minutes",),
    "definition_examples": ("job_title",),
    "dispositions": ("outcome", "needs_reason", "next_step"),
    "employee_ranges": ("employee_count",),
    "enrichment_fields": ("kind",),
    "enrichment_providers": ("found_days",),
    "field_ownership": ("owner",),
    "field_precedence": ("rank",),
    "first_contact_actions": ("opening", "mention"),
    "free_mail_domains": (),
    "holidays": ("calendar_id",),
    "industry_names": ("industry",),
    "lead_statuses": ("lead_status", "lifecycle_stage", "disposition"),
    "named_accounts": (),
    "personas": ("pattern", "persona", "buying_role"),
    "policy_owners": ("owner",),
    "pool_members": ("weight",),
    "pools": ("must_work_now", "skill"),
    "products": ("pattern", "product"),
    "reengagement_rules": ("after_days",),
    "rep_skills": ("value",),
    "reps": ("calendar_id", "role", "most_open_leads"),
    "reroute_rules": ("clock",),
    "routing_rules": ("country", "industry", "min_icp_score", "segment"),
    "score_bands": ("is_mql",),
    "score_caps": ("max_points",),
    "score_exceptions": ("attribute", "effect"),
    "scoring_rules": ("attribute", "operator", "value", "points", "half_life_days", "reason"),
    "segments": ("segment",),
    "seniorities": ("pattern", "seniority"),
    "shared_mailboxes": (),
    "sla_tiers": ("minutes", "channels", "most_touches"),
    "territories": ("country", "territory"),
    "touch_types": ("pattern", "label", "is_content"),
}
# An edit of these touches everybody, so nothing could be left as it was.
FOR_EVERYBODY = ("activity_types", "constants", "lifecycle_stages", "machine_users")
# A table of one row has no other to take its cell from.
ALONE = {
    ("consent_rules", "may_be_called"): "not may_be_called",
    ("consent_rules", "accepted_bases"): "'Legitimate interest'",
    ("crm_creation", "wait_minutes"): "wait_minutes + 60",
}
# What is added to a table, in the order of its columns.
ADDED = {
    "absences": "select 'added', owner_id, sla_due_at - to_days(1), sla_due_at, 'added'",
    "competitor_domains": "select company_domain, 'added'",
    "free_mail_domains": "select company_domain, 'added'",
    "named_accounts": "select company_domain, company_domain, null, 'emea', 'added'",
    "shared_mailboxes": "select split_part(email, '@', 1), 'added'",
}

# Of these a row may go: nothing else of the policy needs it.
DELETED = (
    "business_hours",
    "buying_group_rules",
    "channels",
    "competitor_domains",
    "country_languages",
    "country_names",
    "employee_ranges",
    "first_contact_actions",
    "free_mail_domains",
    "holidays",
    "industry_names",
    "lead_statuses",
    "personas",
    "pool_members",
    "products",
    "reengagement_rules",
    "rep_skills",
    "score_exceptions",
    "scoring_rules",
    "segments",
    "seniorities",
    "shared_mailboxes",
    "territories",
    "touch_types",
)
EVERY_EDIT = [
    *((table, column) for table, columns in CELLS.items() for column in columns),
    *((table, "a row more") for table in ADDED),
    *((table, "a row less") for table in DELETED),
]


class Edited:
    """An open home whose policy tables are changed in place, as loading edited files would."""

    def __init__(self, warehouse: Warehouse, now: datetime, seed: int = 0) -> None:
        self.warehouse, self.now = warehouse, now
        self.choose = random.Random(seed)

    def column(self, query: str) -> list[Any]:
        return [next(iter(row.values())) for row in self.warehouse.rows(query)]

    def edit(self, table: str, what: str) -> str:
        """Change one row of a table; returns what was done, for a failing test to say."""
        if what == "a row more":
            return self._add(table)
        key = self.column(f"select column_name from (describe policy.{table})")[0]
        keys = self.column(f"select {key} from policy.{table} order by {key}")
        if len(keys) < 2 and (table, what) not in ALONE:
            return f"{table}: its one row stays as it is"
        if what == "a row less":
            gone = self.choose.choice(keys)
            self.warehouse.execute(f"delete from policy.{table} where {key} = ?", [gone])
            return f"{table}: {gone} is gone"
        if alone := ALONE.get((table, what)):
            self.warehouse.execute(f"update policy.{table} set {what} = {alone}")
            return f"{table}.{what}: {alone}"
        to, of = self.choose.sample(keys, 2)
        self.warehouse.execute(
            f"update policy.{table} set {what} = "
            f"(select {what} from policy.{table} where {key} = ?) where {key} = ?",
            [of, to],
        )
        return f"{table}.{what}: {to} says what {of} does"

    def _add(self, table: str) -> str:
        room = "lifecycle.lead_lifecycle" if table == "absences" else "people.lead_profiles"
        leads = self.column(
            f"select lead_key from {room} where company_domain is not null and email is not null "
            + ("and sla_due_at is not null " if table == "absences" else "")
            + "order by lead_key"
        )
        lead = self.choose.choice(leads)
        self.warehouse.execute(
            f"insert into policy.{table} {ADDED[table]} from {room} where lead_key = ?", [lead]
        )
        return f"{table} of {lead}"

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
