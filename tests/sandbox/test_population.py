"""The population: the same for a seed, consistent across systems, true to its answer sheet."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sandbox.clock import Clock
from sandbox.dirt import CUSTOM_STAGE, IMPOSSIBLE_DATE
from sandbox.golden import GOLDEN, insert_golden
from sandbox.lumenfold import FORMS, REPS
from sandbox.population import Population
from sandbox.selling import PLACEHOLDER
from sandbox.server import Sandbox

NOW = datetime(2026, 3, 18, 15, 30, tzinfo=UTC)
LEADS = 1200


def built(**options: Any) -> Sandbox:
    """A population without open ports."""
    return Sandbox(**{"leads": LEADS, "seed": 7, "now": NOW, **options})


@pytest.fixture(scope="module")
def filled() -> Sandbox:
    return built()


@pytest.fixture(scope="module")
def people(filled: Sandbox) -> list[dict[str, Any]]:
    return filled.truth()["people"]


@pytest.fixture(scope="module")
def contacts(filled: Sandbox) -> dict[str, dict[str, Any]]:
    return {row["id"]: row["properties"] for row in filled.world.hubspot.records("contacts")}


@pytest.fixture(scope="module")
def crm(filled: Sandbox) -> dict[str, dict[str, dict[str, Any]]]:
    """Salesforce by object and id."""
    names = ("Lead", "Contact", "Account", "Opportunity", "OpportunityContactRole", "Task", "Event")
    return {name: {row["Id"]: row for row in filled.world.salesforce.all(name)} for name in names}


def submissions(box: Sandbox) -> list[dict[str, Any]]:
    """Every submission of every form, with the form's name."""
    activity = box.world.hubspot.activity
    return [
        {"form": form.name, **row}
        for form in activity.forms.values()
        for row in activity.submissions(form, 0, 10**9)[0]
    ]


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("+0000", "+00:00"))


def test_the_same_seed_gives_the_same_world() -> None:
    first, second, other = built(leads=120), built(leads=120), built(leads=120, seed=8)
    assert first.truth() == second.truth()
    assert first.world.salesforce.all("Lead") == second.world.salesforce.all("Lead")
    contacts = [list(box.world.hubspot.records("contacts")) for box in (first, second)]
    assert contacts[0] == contacts[1]
    assert submissions(first) == submissions(second)
    assert first.truth()["people"] != other.truth()["people"]


def test_people_are_spread_over_the_systems_as_in_a_real_company(
    people: list[dict[str, Any]],
) -> None:
    planted = [person for person in people if not person["golden"]][:LEADS]
    in_hubspot = sum(bool(person["hubspot_contact_ids"]) for person in planted) / LEADS
    converted = sum(
        bool(person["salesforce_contact_ids"] and person["hubspot_contact_ids"])
        for person in planted
    )
    with_lead = sum(
        bool(person["salesforce_lead_ids"] and person["hubspot_contact_ids"]) for person in planted
    )
    assert 0.89 < in_hubspot < 0.95
    assert 0.07 < converted / LEADS < 0.13
    assert 0.40 < (with_lead - converted) / LEADS < 0.50
    assert any(len(person["salesforce_lead_ids"]) == 2 for person in planted)
    assert any(person["emails"][0].endswith("@freemail.example") for person in planted)


def test_every_id_of_the_truth_leads_to_a_record_with_the_persons_email(
    filled: Sandbox,
    people: list[dict[str, Any]],
    contacts: dict[str, dict[str, Any]],
    crm: dict[str, dict[str, dict[str, Any]]],
) -> None:
    for person in people:
        for contact_id in person["hubspot_contact_ids"]:
            email = contacts[contact_id].get("email")
            assert email in person["emails"] or (email is None and not person["emails"])
        for name, key in (("Lead", "salesforce_lead_ids"), ("Contact", "salesforce_contact_ids")):
            for record_id in person[key]:
                assert crm[name][record_id]["Email"].strip().lower() in person["emails"]
    known = {key for person in people for key in person["salesforce_lead_ids"]}
    assert known == set(crm["Lead"])
    assert {key for p in people for key in p["hubspot_contact_ids"]} == set(contacts)


def test_no_two_people_share_an_email(people: list[dict[str, Any]]) -> None:
    counted = Counter(email for person in people for email in person["emails"])
    assert [email for email, number in counted.items() if number > 1] == []


def test_missing_fields_are_those_no_system_holds(
    people: list[dict[str, Any]],
    contacts: dict[str, dict[str, Any]],
    crm: dict[str, dict[str, dict[str, Any]]],
) -> None:
    """Read the answer from the records, by another way than the one that planted it."""
    for person in people:
        held: set[str] = set()
        for contact_id in person["hubspot_contact_ids"]:
            row = contacts[contact_id]
            names = {
                "job_title": row.get("jobtitle"),
                "company_name": row.get("company"),
                "employee_count": row.get("numemployees"),
                "industry": row.get("industry"),
                "country": row.get("country"),
                "full_name": row.get("firstname") or row.get("lastname"),
            }
            held |= {name for name, value in names.items() if value}
        for lead_id in person["salesforce_lead_ids"]:
            row = crm["Lead"][lead_id]
            names = {
                "job_title": row.get("Title"),
                "company_name": row["Company"].replace(PLACEHOLDER, ""),
                "employee_count": row.get("NumberOfEmployees"),
                "industry": row.get("Industry"),
                "country": row.get("Country"),
                "full_name": row["LastName"],
            }
            held |= {name for name, value in names.items() if value}
        for contact_id in person["salesforce_contact_ids"]:
            row = crm["Contact"][contact_id]
            account = crm["Account"][row["AccountId"]]
            held |= {"full_name"} | ({"job_title"} if row.get("Title") else set())
            if not person["hubspot_contact_ids"]:
                company = ("Name", "NumberOfEmployees", "Industry", "BillingCountry")
                words = ("company_name", "employee_count", "industry", "country")
                held |= {
                    word for field, word in zip(company, words, strict=True) if account.get(field)
                }
        everything = {
            "full_name",
            "job_title",
            "company_name",
            "employee_count",
            "industry",
            "country",
        }
        assert set(person["missing"]) == everything - held, person


def test_the_short_forms_ask_for_less_and_leave_gaps(filled: Sandbox) -> None:
    asked = {form.name: set(form.asks) for form in FORMS}
    for row in submissions(filled):
        assert {value["name"] for value in row["values"]} <= asked[row["form"]], row["form"]
    assert asked["Newsletter"] == {"email", "firstname"}
    assert "country" not in asked["Start a free trial"]
    gaps = Counter(name for person in filled.truth()["people"] for name in person["missing"])
    assert min(gaps[name] for name in ("job_title", "country", "industry")) > LEADS / 20


def test_triggers_end_two_days_before_now_and_visits_go_on(
    filled: Sandbox, people: list[dict[str, Any]]
) -> None:
    golden = {email for person in people if person["golden"] for email in person["emails"]}
    quiet = NOW - timedelta(days=2)
    late = set()
    for row in submissions(filled):
        if row["submittedAt"] > quiet.timestamp() * 1000:
            late |= {value["value"] for value in row["values"] if value["name"] == "email"}
    assert late == golden
    activity = filled.world.hubspot.activity
    views, _ = activity.pages(
        contact_id=None,
        event_type="e_visited_page",
        low=int(quiet.timestamp() * 1000),
        high=None,
        newest_first=False,
        after=None,
        limit=500,
        resolve=lambda contact_id: contact_id,
    )
    visitors = {row["objectId"] for row in views}
    assert visitors - {key for p in people if p["golden"] for key in p["hubspot_contact_ids"]}


def test_nothing_happened_in_the_future(
    contacts: dict[str, dict[str, Any]], crm: dict[str, dict[str, dict[str, Any]]]
) -> None:
    for row in contacts.values():
        assert instant(row["createdate"]) <= instant(row["lastmodifieddate"]) <= NOW
    for rows in crm.values():
        for row in rows.values():
            assert instant(row["CreatedDate"]) <= instant(row["SystemModstamp"]) <= NOW


def test_a_converted_lead_points_at_records_that_exist_and_the_stage_agrees(
    people: list[dict[str, Any]],
    contacts: dict[str, dict[str, Any]],
    crm: dict[str, dict[str, dict[str, Any]]],
) -> None:
    roles = {
        (row["OpportunityId"], row["ContactId"]) for row in crm["OpportunityContactRole"].values()
    }
    outcomes = Counter()
    by_lead = {lead_id: person for person in people for lead_id in person["salesforce_lead_ids"]}
    for lead in crm["Lead"].values():
        if not lead.get("IsConverted"):
            continue
        deal = crm["Opportunity"][lead["ConvertedOpportunityId"]]
        assert deal["AccountId"] == lead["ConvertedAccountId"]
        assert (deal["Id"], lead["ConvertedContactId"]) in roles
        stage = contacts[by_lead[lead["Id"]]["hubspot_contact_ids"][0]]["lifecyclestage"]
        assert stage == ("customer" if deal["IsWon"] else "opportunity")
        outcomes["won" if deal["IsWon"] else "lost" if deal["IsClosed"] else "open"] += 1
    assert min(outcomes[name] for name in ("won", "lost", "open")) > 10


def test_reps_worked_some_leads_and_one_of_them_has_left(
    crm: dict[str, dict[str, dict[str, Any]]],
) -> None:
    owners = {row["OwnerId"] for row in crm["Lead"].values()}
    assert {rep.user_id for rep in REPS} <= owners
    assert all(
        row["Status"] == "Completed" and row["CreatedById"] == row["OwnerId"]
        for row in crm["Task"].values()
    )
    reasons = Counter(
        bool(row.get("DisqualificationReason__c"))
        for row in crm["Lead"].values()
        if row["Status"] == "Closed - Not Converted"
    )
    assert reasons[True] > 5 * reasons[False] > 0


def test_the_same_mailbox_is_typed_differently_in_salesforce(
    people: list[dict[str, Any]], crm: dict[str, dict[str, dict[str, Any]]]
) -> None:
    typed = [row["Email"] for row in crm["Lead"].values()]
    assert any(email != email.lower() for email in typed)
    assert any(email != email.strip() for email in typed)
    sources = {row.get("LeadSource") for row in crm["Lead"].values()}
    assert {"google", "Google", "Select", None} <= sources


def test_merged_contacts_answer_under_the_survivors_id(filled: Sandbox) -> None:
    merges = filled.truth()["dirt"]["hubspot_merges"]
    assert merges
    for merge in merges:
        for old in merge["merged"]:
            found = filled.world.hubspot.get("contacts", old)
            assert found is not None
            assert found["id"] == merge["survivor"]


def test_every_kind_of_dirt_is_planted_and_spoilt_as_said(
    filled: Sandbox,
    contacts: dict[str, dict[str, Any]],
    crm: dict[str, dict[str, dict[str, Any]]],
) -> None:
    dirt = filled.truth()["dirt"]
    sent = {row["conversionId"]: row for row in submissions(filled)}

    def answers(conversion_id: str) -> dict[str, str]:
        return {value["name"]: value["value"] for value in sent[conversion_id]["values"]}

    assert all("email" not in contacts[key] for key in dirt["contact_without_email"])
    assert all("email" not in answers(key) for key in dirt["submission_without_email"])
    assert all(len(answers(key)["lastname"]) == 40_960 for key in dirt["huge_last_name"])
    assert all(sent[key]["submittedAt"] <= 0 for key in dirt["impossible_submission_date"])
    assert all(
        contacts[key]["lifecyclestage"] == CUSTOM_STAGE for key in dirt["unknown_lifecyclestage"]
    )
    for pair in dirt["two_leads_one_email"]:
        first, second = (crm["Lead"][key] for key in pair)
        assert first["Email"] == second["Email"]
        assert first["LastName"] != second["LastName"] or first["FirstName"] != second["FirstName"]
    activity = filled.world.hubspot.activity
    times = {
        row["id"]: row["occurredAt"]
        for row in activity.pages(
            contact_id=None,
            event_type="e_visited_page",
            low=None,
            high=None,
            newest_first=False,
            after=None,
            limit=10**6,
            resolve=lambda contact_id: contact_id,
        )[0]
    }
    assert {times[key] for key in dirt["impossible_page_event_date"]} == {IMPOSSIBLE_DATE}
    assert {kind: len(ids) for kind, ids in dirt.items() if len(ids) < 2} == {}


def test_the_golden_leads_are_in_the_truth_with_what_must_follow(
    people: list[dict[str, Any]],
) -> None:
    golden = {person["golden"]: person for person in people if person["golden"]}
    assert set(golden) == {lead.name for lead in GOLDEN}
    assert len(golden) == 12
    assert golden["carla_gomez"]["expected"] == {
        "score": 8,
        "is_mql": True,
        "owner_ids": ["005000000000001AAA", "005000000000002AAA"],
        "rule": "enterprise_us",
    }
    assert golden["spy_sam"]["expected"]["is_mql"] is False
    assert golden["r_nolan"]["missing"] == [
        "job_title",
        "company_name",
        "employee_count",
        "industry",
        "country",
    ]


def test_golden_triggers_happened_in_the_hours_before_now(
    filled: Sandbox, people: list[dict[str, Any]]
) -> None:
    by_email = {p["emails"][0]: p["golden"] for p in people if p["golden"]}
    triggered = {}
    for row in submissions(filled):
        email = next((v["value"] for v in row["values"] if v["name"] == "email"), None)
        if email in by_email:
            assert by_email[email] not in triggered
            triggered[by_email[email]] = row
    for lead in GOLDEN:
        hours = (NOW.timestamp() * 1000 - triggered[lead.name]["submittedAt"]) / 3_600_000
        assert 1 <= hours <= 5
    assert triggered["jane_smith"]["form"] == "Download: Sales Handoff Checklist"


def test_jane_looked_at_pricing_four_times_before_her_trigger(
    filled: Sandbox, people: list[dict[str, Any]]
) -> None:
    jane = next(p for p in people if p["golden"] == "jane_smith")
    rows, _ = filled.world.hubspot.activity.pages(
        contact_id=int(jane["hubspot_contact_ids"][0]),
        event_type="e_visited_page",
        low=None,
        high=None,
        newest_first=False,
        after=None,
        limit=50,
        resolve=lambda contact_id: contact_id,
    )
    paths = Counter(row["properties"]["hs_url"].split(".example")[1] for row in rows)
    assert paths == {"/pricing": 4, "/features/routing": 1, "/features/scoring": 1}
    assert len({row["occurredAt"] for row in rows}) == 6


def test_golden_leads_that_salesforce_knows_have_the_owners_of_the_table(
    people: list[dict[str, Any]], crm: dict[str, dict[str, dict[str, Any]]]
) -> None:
    golden = {person["golden"]: person for person in people if person["golden"]}
    dora = crm["Lead"][golden["double_dora"]["salesforce_lead_ids"][0]]
    assert dora["Email"] == "Dora.Lindgren@Fjordsoft.example"
    assert dora["OwnerId"] == "005000000000003AAA"
    assert NOW - instant(dora["CreatedDate"]) > timedelta(days=59)
    stahlwerk = next(a for a in crm["Account"].values() if a["Name"] == "Stahlwerk Digital")
    assert stahlwerk["Website"] == "https://www.stahlwerk.example"
    assert stahlwerk["OwnerId"] == "005000000000002AAA"
    brightline = next(a for a in crm["Account"].values() if a["Name"] == "Brightline")
    deal = next(d for d in crm["Opportunity"].values() if d["AccountId"] == brightline["Id"])
    assert not deal["IsClosed"]
    assert (brightline["OwnerId"], deal["OwnerId"]) == ("005000000000002AAA", "005000000000001AAA")
    role = next(
        r for r in crm["OpportunityContactRole"].values() if r["OpportunityId"] == deal["Id"]
    )
    assert role["ContactId"] == golden["oscar_open"]["salesforce_contact_ids"][0]


def test_golden_leads_are_inserted_once() -> None:
    bare = built(leads=20, golden=False)
    assert not any(person["golden"] for person in bare.truth()["people"])
    names = insert_golden(bare.world, fresh=True)
    number, sent = len(bare.truth()["people"]), len(submissions(bare))
    assert insert_golden(bare.world, fresh=True) == names
    assert (len(bare.truth()["people"]), len(submissions(bare))) == (number, sent)


def test_an_empty_world_is_a_world() -> None:
    empty = built(leads=0, golden=False)
    assert empty.truth()["people"] == []
    assert len(empty.world.salesforce.all("User")) == len(REPS) + 1


def test_a_large_population_has_a_thinner_trail() -> None:
    world = built(leads=0, golden=False).world
    crowd = Population(world, leads=1000, seed=7, now=NOW, full_trail=100)
    crowd.build()
    assert 0 < crowd.counts["page_events"] < crowd.counts["hubspot_contacts"]
    assert crowd.counts["submissions"] > 900


def test_a_frozen_clock_stands_until_it_is_moved() -> None:
    clock = Clock(NOW, frozen=True)
    assert clock.now() == clock.now() == NOW
    clock.advance(90)
    assert clock.now() == NOW + timedelta(seconds=90)
    clock.frozen = False
    assert clock.now() > NOW + timedelta(seconds=90)


def test_a_running_clock_ticks_from_where_it_was_set() -> None:
    clock = Clock(NOW)
    first = clock.now()
    assert NOW <= first < NOW + timedelta(seconds=5)
    clock.set(datetime(2027, 1, 1))  # noqa: DTZ001 - a naive moment is read as UTC
    assert clock.now() >= datetime(2027, 1, 1, tzinfo=UTC)


# -- companies, deals, meetings --------------------------------------------------------------------


@pytest.fixture(scope="module")
def companies(filled: Sandbox) -> dict[str, dict[str, Any]]:
    return {row["id"]: row for row in filled.world.hubspot.records("companies")}


def test_a_contact_belongs_to_the_company_of_its_mailbox_in_both_directions(
    filled: Sandbox, contacts: dict[str, dict[str, Any]], companies: dict[str, dict[str, Any]]
) -> None:
    links = filled.world.hubspot.links
    joined = {id: held for id, held in contacts.items() if held.get("associatedcompanyid")}
    assert 0.75 * len(contacts) < len(joined) < 0.97 * len(contacts)
    for id, held in joined.items():
        company = companies[held["associatedcompanyid"]]
        assert held["email"].endswith(company["properties"]["domain"])
        forth = links.of("contacts", int(id), "companies")
        assert forth == {int(company["id"]): (1, 279)}
        back = links.of("companies", int(company["id"]), "contacts")
        assert back[int(id)] == (2, 280)


def test_companies_speak_hubspots_enumeration_and_have_gaps_and_duplicates(
    filled: Sandbox, companies: dict[str, dict[str, Any]]
) -> None:
    known = filled.world.hubspot.collection("companies").properties["industry"].values
    held = [row["properties"] for row in companies.values()]
    assert {row["industry"] for row in held if "industry" in row} <= set(known)
    assert any("_" in row.get("industry", "") for row in held)
    for name in ("industry", "numberofemployees", "country"):
        share = sum(name in row for row in held) / len(held)
        assert 0.8 < share < 1, name
    pairs = filled.truth()["dirt"]["duplicate_companies"]
    for one, two in pairs:
        domains = {companies[id]["properties"]["domain"] for id in (one, two)}
        assert len(domains) == 1
    assert len({row["domain"] for row in held}) == len(held) - len(pairs)


def test_deals_stand_in_stages_of_their_pipeline_and_know_who_they_are_about(
    filled: Sandbox, contacts: dict[str, dict[str, Any]], now: datetime
) -> None:
    store = filled.world.hubspot
    deals = list(store.records("deals"))
    stages = store.pipelines["deals"]["default"].stages
    assert {row["properties"]["dealstage"] for row in deals} > {"closedwon", "closedlost"}
    for row in deals:
        held = row["properties"]
        stage = stages[held["dealstage"]]
        assert held["hs_is_closed"] == stage.metadata["isClosed"]
        is_past = instant(held["closedate"]) <= now
        assert is_past == (held["hs_is_closed"] == "true")
        (contact_id,) = store.links.of("deals", int(row["id"]), "contacts")
        stage_of_contact = contacts[str(contact_id)]["lifecyclestage"]
        assert stage_of_contact in ("customer", "opportunity")
        assert (stage_of_contact == "customer") == (held["dealstage"] == "closedwon")


def test_meetings_have_a_time_an_owner_and_a_contact(
    filled: Sandbox, contacts: dict[str, dict[str, Any]], now: datetime
) -> None:
    store = filled.world.hubspot
    meetings = list(store.records("meetings"))
    outcomes = {row["properties"].get("hs_meeting_outcome") for row in meetings}
    assert {"COMPLETED", "SCHEDULED", "NO_SHOW", None} <= outcomes
    for row in meetings:
        held = row["properties"]
        assert int(held["hubspot_owner_id"]) in store.owners
        is_ahead = instant(held["hs_timestamp"]) > now
        assert is_ahead <= (held.get("hs_meeting_outcome") in ("SCHEDULED", None))
        assert instant(row["createdAt"]) <= instant(row["updatedAt"]) <= now
        (contact_id,) = store.links.of("meetings", int(row["id"]), "contacts")
        assert str(contact_id) in contacts


def test_every_object_counts_its_own_ids(filled: Sandbox) -> None:
    store = filled.world.hubspot
    ids = {name: set(store.collection(name).ids()) for name in ("contacts", "companies", "deals")}
    assert min(ids["contacts"]) == 1001
    assert not ids["contacts"] & ids["companies"]
    assert not ids["companies"] & ids["deals"]
