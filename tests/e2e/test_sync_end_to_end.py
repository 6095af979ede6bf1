"""A year of one company, synced by the real flow, judged by what the population planted.

The story is played once; each test reads one page of it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import httpx
import pytest

from flows.story import read_story
from flows.warehouse import published
from sandbox.lumenfold import REPS
from tests.e2e.stage import ROOMS, Stage, fingerprints

FIELDS = ("full_name", "job_title", "company_name", "employee_count", "industry", "country")
OF_THE_ACCOUNT = {
    "company_name": "Name",
    "employee_count": "NumberOfEmployees",
    "industry": "Industry",
    "country": "BillingCountry",
}
OF_THE_MAP_COMPANY = {
    "company_name": "name",
    "employee_count": "numberofemployees",
    "industry": "industry",
    "country": "country",
}
GEORGE = REPS[6]
# The org's lead assignment rule, which would hand every lead to the person who left.
THIEF = REPS[8].user_id
# Names and addresses of the golden leads, none of which may stand in Prefect.
PERSONAL = re.compile(r"@|Smith|Weber|Fischer|Gomez|Sato|Nolan|Lindgren|Brandt|Acme|Stahlwerk")
COUNTS = (
    "extracted", "quarantined", "touched", "checked", "mql", "assigned", "owners",
    "waiting", "written", "messages", "rejected", "unknown",
)  # fmt: skip


@dataclass
class Story:
    """What was told and seen at each sync, and the homes to look into."""

    stage: Stage
    told: dict[str, dict[str, Any]] = field(default_factory=dict)
    writes: dict[str, list[Any]] = field(default_factory=dict)
    messages: dict[str, dict[str, Any]] = field(default_factory=dict)
    files: dict[str, dict[str, str]] = field(default_factory=dict)
    homes: dict[str, Path] = field(default_factory=dict)
    arrived: list[dict[str, Any]] = field(default_factory=list)

    def note(self, page: str, told: dict[str, Any]) -> None:
        stage = self.stage
        self.told[page], self.writes[page] = told, stage.writes()
        self.messages[page] = stage.messages()
        self.files[page] = fingerprints(stage.home)
        stage.forget_requests()


@pytest.fixture(scope="module")
def story(set_up: Callable[..., Stage], prefect_api: str, tmp_path_factory: Any) -> Story:
    stage = set_up(leads=300)
    stage.world.salesforce.set_assignment_rule(THIEF)
    story = Story(stage)

    def keep(page: str) -> None:
        if (stage.home / "warehouse.duckdb").exists():
            story.homes[page] = stage.copy(tmp_path_factory.mktemp(page.replace(" ", "_")))

    story.note("nothing yet", {})
    story.note("first dry run", stage.sync(dry_run=True).as_dict())
    story.note("first", stage.flow())
    keep("first")
    story.note("second", stage.flow())
    keep("second")
    story.arrived = stage.arrive(8, "demo")
    story.note("later dry run", stage.sync(dry_run=True).as_dict())
    keep("later dry run")
    story.note("later", stage.flow())
    keep("later")
    return story


@pytest.fixture(scope="module")
def truth(story: Story) -> dict[str, Any]:
    found: dict[str, Any] = story.stage.control("GET", "/truth")
    return found


@pytest.fixture(scope="module")
def golden(truth: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {one["golden"]: one for one in truth["people"] if one["golden"]}


def handed_over(golden: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {name: one for name, one in golden.items() if one["expected"]["is_mql"]}


# --- who is who ---------------------------------------------------------------------------------


def test_every_person_is_one_lead_and_no_lead_is_two_people(
    story: Story, truth: dict[str, Any]
) -> None:
    held: dict[str, set[str]] = {}
    for row in story.stage.rows("select * from people.people where not is_deleted"):
        held.setdefault(row["lead_key"], set()).add(row["record_key"])
    planted = [
        {f"hubspot:contact:{id}" for id in one["hubspot_contact_ids"]}
        | {f"salesforce:lead:{id}" for id in one["salesforce_lead_ids"]}
        | {f"salesforce:contact:{id}" for id in one["salesforce_contact_ids"]}
        for one in truth["people"]
    ]
    # A lead that Baton made belongs to whoever it was made for; the truth does not know it.
    known = set().union(*planted)
    assert sorted(map(sorted, (keys & known for keys in held.values()))) == sorted(
        map(sorted, planted)
    )
    keys = story.stage.column("select lead_key from lifecycle.lead_lifecycle")
    assert len(keys) == len(set(keys)) == len(truth["people"])


def test_missing_fields_are_exactly_the_planted_ones(story: Story, truth: dict[str, Any]) -> None:
    newest = """
        select lead_key, arg_max(check_id, as_of) as check_id
        from ledger.quality.context_checks group by lead_key
    """
    found: dict[str, set[str]] = {
        row["lead_key"]: set()
        for row in story.stage.rows(
            f"select * from ({newest}) join people.lead_profiles using (lead_key) where is_open"
        )
    }
    for row in story.stage.rows(
        f"select gaps.* from ledger.quality.context_gaps as gaps join ({newest}) using (check_id)"
    ):
        if row["lead_key"] in found and row["field"] in FIELDS:
            found[row["lead_key"]].add(row["field"])
    lead_of = {
        row["record_key"]: row["lead_key"]
        for row in story.stage.rows("select * from people.people")
    }
    contacts, accounts = (
        {
            one["Id"]: one
            for one in story.stage.control("GET", f"/records/salesforce/{name}")["records"]
        }
        for name in ("Contact", "Account")
    )
    domain_of = {
        row["lead_key"]: row["company_domain"]
        for row in story.stage.rows("select lead_key, company_domain from people.lead_profiles")
    }
    of_domain: dict[str, set[str]] = {}
    for one in story.stage.control("GET", "/records/hubspot/companies")["records"]:
        held = one["properties"]
        of_domain.setdefault(held.get("domain") or "", set()).update(
            field for field, name in OF_THE_MAP_COMPANY.items() if held.get(name)
        )
    planted = {}
    for one in truth["people"]:
        first = [f"hubspot:contact:{id}" for id in one["hubspot_contact_ids"]]
        first += [f"salesforce:lead:{id}" for id in one["salesforce_lead_ids"]]
        first += [f"salesforce:contact:{id}" for id in one["salesforce_contact_ids"]]
        # The truth counts what the person's own records hold and what a provider was asked for;
        # a contact's account says more, and so does the MAP's company of the domain.
        known = {
            field
            for contact in one["salesforce_contact_ids"]
            for field, name in OF_THE_ACCOUNT.items()
            if accounts[contacts[contact]["AccountId"]].get(name)
        }
        known |= of_domain.get(domain_of.get(lead_of[first[0]]) or "", set())
        planted[lead_of[first[0]]] = set(one["missing"]) - known
    assert len(found) > 200
    assert found == {key: planted[key] for key in found}


# --- the golden leads ---------------------------------------------------------------------------


def test_golden_leads_get_the_score_owner_and_rule_a_manager_would_give(
    story: Story, golden: dict[str, dict[str, Any]]
) -> None:
    wrong = {}
    for name, one in golden.items():
        lead, expected = story.stage.lead(one["emails"][0]), one["expected"]
        got = (lead["icp_score"], lead["decision"] == "mql")
        if got != (expected["score"], expected["is_mql"]):
            wrong[name] = got
        if expected["is_mql"] and (
            lead["owner_id"] not in expected["owner_ids"]
            or not str(lead["routing_rule"]).startswith(expected["rule"])
        ):
            wrong[name] = (lead["owner_id"], lead["routing_rule"])
    assert not wrong
    assert len(golden) == 12


def test_each_golden_lead_is_told_once_to_its_owner_with_everything_needed(
    story: Story, golden: dict[str, dict[str, Any]]
) -> None:
    messages = story.messages["first"]
    ripe = handed_over(golden)
    wanted = {name for name, one in ripe.items() if not one.get("opted_out")}
    told = {}
    for name, one in ripe.items():
        lead = story.stage.lead(one["emails"][0])
        message = messages.get(f"{lead['lead_key']}:mql")
        if message is None:
            continue
        told[name] = message
        rep = next(rep for rep in REPS if rep.user_id == lead["owner_id"])
        text = message["text"]
        if rep is GEORGE:
            assert message["to"] == [GEORGE.email]
        else:
            assert message["channel"] == f"D000000000{rep.number}"
        assert lead["full_name"] in text
        assert f"Why now: {lead['trigger_asset']} ({lead['trigger_url']})" in text
        assert lead["trigger_url"].startswith("https://www.lumenfold.example/")
        for line in ("What else: ", "Read last: ", "Before: ", "First: ", "Due ", "Routed by rule"):
            assert line in text, (name, line)
        assert f"Score: {lead['icp_score']}/10: " in text
        assert ("Missing: " in text) == bool(lead["context_gaps"])
        assert re.search(r"Record: http\S+/lightning/r/(Lead|Contact)/00[Q3]\w+/view", text)
    assert wanted <= set(told)
    assert len(messages) == len(told)
    jane = told["jane_smith"]["text"]
    assert "Download: Sales Handoff Checklist" in jane
    assert re.search(r"4 \S pricing page view", jane)
    assert "Missing" not in told["lena_fischer"]["text"]
    assert "job_title" in told["r_nolan"]["text"]


def test_salesforce_holds_owner_score_reasons_and_trigger_and_the_rule_stole_nothing(
    story: Story, golden: dict[str, dict[str, Any]]
) -> None:
    records = story.stage.control("GET", "/records/salesforce/Lead")["records"]
    held = {one["baton_lead_key__c"]: one for one in records if one.get("baton_lead_key__c")}
    leads = {name: story.stage.lead(one["emails"][0]) for name, one in handed_over(golden).items()}
    # Oscar is a contact of an open deal: a second record would only make a duplicate of him.
    oscar = leads.pop("oscar_open")
    assert oscar["lead_key"] not in held
    for name, lead in leads.items():
        record = held[lead["lead_key"]]
        assert record["OwnerId"] == lead["owner_id"] != THIEF, name
        assert record["baton_score__c"] == lead["icp_score"]
        assert record["baton_score_reasons__c"] == lead["score_reasons"]
        assert record["baton_trigger__c"] == f"{lead['trigger_type']}: {lead['trigger_asset']}"
        assert record["baton_policy_version__c"] == lead["policy_version"]
        assert record["baton_context_gaps__c"] == (lead["context_gaps"] or "none")
    assert len([one for one in records if one.get("Email") == "jane.smith@acme.example"]) == 1
    tasks = story.stage.control("GET", "/records/salesforce/Task")["records"]
    errands = {one["baton_task_key__c"]: one for one in tasks if one.get("baton_task_key__c")}
    for lead in (*leads.values(), oscar):
        task = errands[f"{lead['lead_key']}:mql"]
        assert task["OwnerId"] == lead["owner_id"]
        assert task["Status"] == "Not Started"


def test_hubspot_carries_the_score_the_stage_and_the_owner(
    story: Story, golden: dict[str, dict[str, Any]]
) -> None:
    owners = {rep.user_id: rep.owner_id for rep in REPS}
    for one in handed_over(golden).values():
        lead = story.stage.lead(one["emails"][0])
        path = f"/records/hubspot/contacts/{one['hubspot_contact_ids'][0]}"
        held = story.stage.control("GET", path)["properties"]
        assert held["baton_lead_key"] == lead["lead_key"]
        assert int(held["baton_score"]) == lead["icp_score"]
        assert held["baton_trigger"] == f"{lead['trigger_type']}: {lead['trigger_asset']}"
        assert held["lifecyclestage"] == "marketingqualifiedlead"
        assert held["hubspot_owner_id"] == owners[lead["owner_id"]]


# --- Prefect ------------------------------------------------------------------------------------


def test_the_run_is_named_by_what_it_did_and_prefect_learns_no_names(
    story: Story, prefect_api: str
) -> None:
    told = story.told["first"]
    name = f"{told['assigned']} handed over, {told['gaps']} gaps, 0 rejected"
    runs = httpx.post(f"{prefect_api}/flow_runs/filter", json={}).json()
    (run,) = [one for one in runs if one["name"] == name]
    assert run["state_type"] == "COMPLETED"
    artifacts = httpx.post(f"{prefect_api}/artifacts/filter", json={"limit": 200}).json()
    (page,) = [one for one in artifacts if one["key"] == "sync" and run["id"] == one["flow_run_id"]]
    assert name in page["data"]
    assert all(key in page["data"] for key in told["handed_over"])
    logs = httpx.post(f"{prefect_api}/logs/filter", json={"limit": 200}).json()
    for said in (page["data"], json.dumps(artifacts), json.dumps(logs), json.dumps(runs)):
        assert not PERSONAL.search(said)


# --- the second sync ----------------------------------------------------------------------------


def test_a_second_sync_writes_nothing_tells_nobody_and_moves_no_door(story: Story) -> None:
    assert story.writes["second"] == []
    assert story.messages["second"] == story.messages["first"]
    told = story.told["second"]
    assert (told["mql"], told["messages"], told["written"]) == (0, 0, {})
    # Its own writes came back in the pull, so rooms know what they did not before: that it stands
    # in the CRM, when it was confirmed and told.
    echoed = {"written_at", "confirmed_at", "notified_at", "salesforce_lead_id", "record_url"}
    columns = "* exclude (" + ", ".join(sorted(echoed)) + ")"
    before = Stage(story.stage.box, story.homes["first"])
    after = Stage(story.stage.box, story.homes["second"])
    door = f"select {columns} from lifecycle.lead_lifecycle order by lead_key"
    changed = [
        (one, other)
        for one, other in zip(before.rows(door), after.rows(door), strict=True)
        if one != other
    ]
    # HubSpot now says itself that the lead is an MQL and who owns it; nothing else moves.
    assert not changed
    rep_doors = "select * from routing.lead_routes"
    assert after.rows(rep_doors) == []


# --- the dry run --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("page", "before", "after"),
    [("first dry run", "nothing yet", "first"), ("later dry run", "second", "later")],
)
def test_a_dry_run_counts_what_the_sync_does_and_changes_no_byte(
    story: Story, page: str, before: str, after: str
) -> None:
    assert story.writes[page] == []
    assert story.messages[page] == story.messages[before]
    assert story.files[page] == story.files[before]
    dry, real = story.told[page], story.told[after]
    assert {name: dry[name] for name in COUNTS} == {name: real[name] for name in COUNTS}
    # It spends nothing, so what a provider would have filled in is missing to it, and the points.
    assert not any(dry["enriched"].values())
    assert dry["adopted"] <= real["adopted"]
    assert dry["gaps"] >= real["gaps"]


def test_new_arrivals_are_handed_over_and_who_has_no_slack_gets_mail(story: Story) -> None:
    told = story.told["later"]
    assert told["mql"] == told["messages"] > 0
    new = story.messages["later"].keys() - story.messages["second"].keys()
    assert len(new) == told["messages"]
    mails = {key: one for key, one in story.messages["later"].items() if "to" in one}
    assert mails
    for key, mail in mails.items():
        lead_key = key.partition(":")[0]
        owner = story.stage.value(
            f"select owner_id from lifecycle.lead_lifecycle where lead_key = '{lead_key}'"
        )
        assert owner == GEORGE.user_id
        assert mail["to"] == [GEORGE.email]
        assert "Record: http" in mail["text"]


def test_the_published_copy_is_the_rooms(story: Story) -> None:
    home = story.stage.home
    current = home / "published" / (home / "published" / "current").read_text().strip()
    with duckdb.connect(str(current), read_only=True) as connection:
        connection.execute("set TimeZone = 'UTC'")
        connection.execute(f"attach '{home / 'ledger.duckdb'}' as ledger (read_only)")
        connection.execute(f"attach '{home / 'warehouse.duckdb'}' as rooms (read_only)")
        tables = connection.execute(
            "select schema_name, table_name from duckdb_tables() "
            f"where database_name = '{current.stem}' and schema_name in {ROOMS}"
        ).fetchall()
        kept = {
            f"{schema}.{table}"
            for schema, table in connection.execute(
                "select schema_name, table_name from duckdb_tables() where database_name = 'rooms'"
            ).fetchall()
        }
        doors = [f"{schema}.{table}" for schema, table in tables if f"{schema}.{table}" in kept]
        assert "lifecycle.lead_lifecycle" in doors
        for door in doors:
            for one, other in ((current.stem, "rooms"), ("rooms", current.stem)):
                query = f"select count(*) from (from {one}.{door} except all from {other}.{door})"
                found = connection.execute(query).fetchone()
                assert found == (0,), door


def test_every_owner_and_due_time_comes_out_the_same_when_done_again(story: Story) -> None:
    with published(story.stage.home) as reader:
        given = reader.rows("select lead_key, owner_id from ops.assignments")
        assert len(given) > 10
        for row in given:
            told = read_story(reader, row["lead_key"], REPS[0].user_id)
            later = read_story(reader, row["lead_key"], None, date(2999, 1, 1))
            assert (later["stages"], later["not_known_yet"]) == (told["stages"], []), row
            (one,) = told["assignments"]
            assert one["clock"]["counted_again"] is True, row
            assert one["draw"] is None or one["draw"]["done_again"] is True, row
            (why,) = told["not_her"]["assignments"]
            assert why["is_owner"] == (row["owner_id"] == REPS[0].user_id)
            assert why["is_owner"] or why["stood"] or why["why_not"], row


def test_who_was_not_handed_over_is_told_what_decided_it(story: Story) -> None:
    first = Stage(story.stage.box, story.homes["first"])
    told = first.rows(
        "select why_not, is_due, coalesce(routes.decision in ('mql', 'wait'), false) as is_taken, "
        "assigned.lead_key is not null as is_given from routing.lead_readiness as readiness "
        "left join routing.lead_routes as routes using (lead_key) "
        "left join ledger.ops.assignments as assigned using (lead_key)"
    )
    assert len({row["why_not"] for row in told}) > 3, "several reasons occur"
    for row in told:
        assert row["is_due"] == row["is_taken"], row
        assert (row["why_not"] is None) == row["is_given"], row
    with published(story.stage.home) as reader:
        (cold,) = reader.rows(
            "select lead_key, why_not from routing.lead_readiness where why_not is not null limit 1"
        )
        assert read_story(reader, cold["lead_key"])["why_no_hand_over"] == cold["why_not"]


# --- adoption -----------------------------------------------------------------------------------


def test_the_first_sync_on_a_crm_with_history_tells_nobody_and_writes_nothing(
    set_up: Callable[..., Stage],
) -> None:
    stage = set_up(leads=150, golden=False, lives=False)
    before = stage.control("GET", "/records/salesforce/Lead")["records"]
    told = stage.sync()
    assert told.adopted > 20
    assert (told.mql, told.assigned, told.messages, told.written) == (0, 0, 0, {})
    assert stage.writes() == []
    assert stage.messages() == {}
    assert stage.control("GET", "/records/salesforce/Lead")["records"] == before
    owned = stage.rows(
        "select * from lifecycle.lead_lifecycle where decision = 'adopted' and owner_id is not null"
    )
    assert owned
    assert not [one for one in owned if one["sla_due_at"] or one["owner_assigned_at"]]
    # And what comes after it is handed over.
    stage.arrive(2, "demo")
    later = stage.sync()
    assert later.mql == later.messages == 2
