"""What an account grants, describes and lets us set up; and how many calls it leaves us."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

from flows.connectors.base import Connector, Field, Finding
from flows.connectors.hubspot import CUSTOM_FIELDS, HubSpot
from flows.errors import Forbidden
from tests.flows.connectors.hubspot_account import OURS, Account, connect, exists, forbidden, prop
from tests.flows.connectors.vendor import QUICK, Call, Reply, Vendor

USAGE = {"name": "private-apps-api-calls-daily", "usageLimit": 1000, "currentUsage": 100}


@pytest.fixture
def hubspot(vendor: Vendor) -> Iterator[HubSpot]:
    """A connector that leaves half of the day's calls to others."""
    with closing(connect(vendor, daily_share=0.5)) as connector:
        yield connector


@pytest.fixture
def account(vendor: Vendor) -> Account:
    held = vendor.script = Account()
    held.before = healthy
    return held


def healthy(call: Call) -> Reply | None:
    """What the account has beside its objects."""
    if call.path.endswith("/details"):
        return Reply({"portalId": 123, "timeZone": "US/Eastern"})
    if "api-usage" in call.path:
        return Reply({"results": [USAGE]})
    if "/email/public/" in call.path:
        return Reply({"events": [], "hasMore": False})
    if call.path.startswith(("/crm/owners/", "/marketing/forms/", "/events/")):
        return Reply({"results": []})
    return None


def instead(part: str, reply: Reply) -> Callable[[Call], Reply | None]:
    return lambda call: reply if part in call.path else healthy(call)


def findings(hubspot: HubSpot) -> dict[str, Finding]:
    found = list(hubspot.examine())
    assert len({f.check for f in found}) == len(found)
    assert all(f.cure for f in found if f.status != "ok")
    return {f.check: f for f in found}


def unwell(hubspot: HubSpot) -> dict[str, str]:
    return {check: f.status for check, f in findings(hubspot).items() if f.status != "ok"}


# -- describe --


def test_the_properties_of_four_objects_are_described(hubspot: HubSpot, account: Account) -> None:
    account.properties["deals"] = [
        prop("pipeline", "enumeration", "b", "a"),
        prop("amount", "number", modificationMetadata={"readOnlyValue": True}),
        prop("hubspot_owner_id", "enumeration", "1", externalOptions=True),
        {"name": "bare"},
        "text",
        {"label": "nameless"},
    ]
    found = hubspot.describe()
    assert list(found) == ["companies", "contacts", "deals", "meetings"]
    assert found["deals"] == [
        Field("amount", "number", "Amount", is_writable=False),
        Field("bare", ""),
        Field("hubspot_owner_id", "enumeration", "Hubspot Owner Id"),
        Field("pipeline", "enumeration", "Pipeline", ("a", "b")),
    ]
    account.properties["deals"].reverse()
    assert hubspot.describe() == found


def test_an_object_that_is_not_granted_is_not_described(hubspot: HubSpot, account: Account) -> None:
    account.before = lambda call: (
        forbidden("crm.schemas.deals.read")
        if "deals" in call.path
        else Reply({"message": "resource not found"}, 404)
        if "meetings" in call.path
        else None
    )
    assert list(hubspot.describe()) == ["companies", "contacts"]
    account.before = lambda call: forbidden("crm.schemas.contacts.read")
    with pytest.raises(Forbidden):
        hubspot.describe()


def test_only_properties_of_ours_are_missed(hubspot: HubSpot, account: Account) -> None:
    hubspot.describe()
    assert hubspot.dropped_fields == {}
    held = account.properties["contacts"]
    account.properties["contacts"] = [p for p in held if p["name"] != "baton_trigger"]
    hubspot.describe()
    assert hubspot.dropped_fields == {"contacts": ["baton_trigger"]}


# -- examine --


def test_a_healthy_account_has_nothing_broken(hubspot: HubSpot, account: Account) -> None:
    found = findings(hubspot)
    assert {f.status for f in found.values()} == {"ok"}
    assert {f"hubspot.field contact.{name}" for name in OURS} <= set(found)
    assert "100 of 1000" in found["hubspot.daily_calls"].detail
    assert "US/Eastern" in found["hubspot.account"].detail
    assert isinstance(hubspot, Connector)


def test_looking_changes_nothing(hubspot: HubSpot, account: Account, vendor: Vendor) -> None:
    findings(hubspot)
    assert {call.method for call in vendor.calls} == {"GET"}


@pytest.mark.parametrize(
    ("category", "cure"),
    [("EXPIRED_AUTHENTICATION", "has expired"), ("INVALID_AUTHENTICATION", "Copy the token")],
)
def test_a_token_that_does_not_work_is_the_only_finding(
    hubspot: HubSpot, vendor: Vendor, category: str, cure: str
) -> None:
    vendor.replies(Reply({"message": "no pat-na1-secret", "category": category}, 401))
    (finding,) = hubspot.examine()
    assert (finding.check, finding.status) == ("hubspot.credential", "broken")
    assert cure in (finding.cure or "")
    assert "secret" not in finding.detail
    assert len(vendor.calls) == 1


@pytest.mark.parametrize(
    ("part", "scope", "check", "status"),
    [
        ("objects/2026-09/contacts", "crm.objects.contacts.read", "stream contacts", "broken"),
        ("owners", "crm.objects.owners.read", "stream owners", "broken"),
        ("forms", "forms", "stream forms", "broken"),
        ("objects/2026-09/deals", "crm.objects.deals.read", "stream deals", "warning"),
        ("objects/2026-09/companies", "crm.objects.companies.read", "stream companies", "warning"),
        ("email/public", "content", "stream email_events", "warning"),
        ("event-occurrences", "business-intelligence", "stream page_events", "warning"),
        ("crm/properties", "crm.schemas.contacts.read", "fields contact", "broken"),
    ],
)
def test_a_missing_scope_is_named_and_hides_nothing_else(
    hubspot: HubSpot, account: Account, part: str, scope: str, check: str, status: str
) -> None:
    account.before = instead(part, forbidden(scope))
    found = findings(hubspot)
    assert unwell(hubspot) == {f"hubspot.{check}": status}
    assert f"Grant {scope} to" in (found[f"hubspot.{check}"].cure or "")


def test_a_version_that_is_gone_is_told_with_one_that_is_there(
    hubspot: HubSpot, account: Account
) -> None:
    account.version = "2026-03"
    found = findings(hubspot)
    assert unwell(hubspot) == {"hubspot.api_version": "broken"}
    assert "BATON_HUBSPOT_API_VERSION=2026-03" in (found["hubspot.api_version"].cure or "")
    account.before = instead("objects/2026-03/contacts", forbidden("crm.objects.contacts.read"))
    assert unwell(hubspot) == {
        "hubspot.api_version": "broken",
        "hubspot.stream contacts": "broken",
    }
    account.before = lambda call: Reply({"message": "resource not found"}, 404)
    assert unwell(hubspot) == {"hubspot.api_version": "broken"}


def test_properties_of_ours_are_looked_at_one_by_one(hubspot: HubSpot, account: Account) -> None:
    locked = prop("baton_trigger", modificationMetadata={"readOnlyValue": True})
    account.properties["contacts"] = [
        prop("baton_lead_key"),
        prop("baton_score", "string"),
        locked,
        prop("baton_context_gaps", "string", "a"),
        prop("hubspot_owner_id", "enumeration", modificationMetadata={"readOnlyValue": True}),
        prop("lifecyclestage", "enumeration", "lead", "customer", "4711"),
    ]
    found = findings(hubspot)
    assert unwell(hubspot) == {
        "hubspot.field contact.baton_score": "broken",
        "hubspot.field contact.baton_score_reasons": "broken",
        "hubspot.field contact.baton_trigger": "broken",
        "hubspot.field contact.baton_context_gaps": "broken",
        "hubspot.field contact.hubspot_owner_id": "broken",
        "hubspot.field contact.lifecyclestage": "warning",
    }
    assert "baton setup-crm" in (found["hubspot.field contact.baton_score_reasons"].cure or "")
    assert "must be a number" in found["hubspot.field contact.baton_score"].detail
    assert "marketingqualifiedlead" in found["hubspot.field contact.lifecyclestage"].detail


def test_a_day_that_is_nearly_used_up_is_a_warning(hubspot: HubSpot, account: Account) -> None:
    account.before = instead("api-usage", Reply({"results": [USAGE | {"currentUsage": 801}]}))
    assert unwell(hubspot) == {"hubspot.daily_calls": "warning"}
    account.before = instead("api-usage", Reply({"results": [{"usageLimit": None}]}))
    assert unwell(hubspot) == {}


@pytest.mark.parametrize(
    "reply",
    [
        Reply({"results": "none"}),
        Reply([]),
        Reply({"results": [None, 7]}),
        Reply(b"<html>"),
        Reply({"message": "broken"}, 500),
        Reply(drop=True),
    ],
)
def test_whatever_is_answered_no_finding_hides_another(
    hubspot: HubSpot, account: Account, reply: Reply
) -> None:
    account.before = instead("api-usage", reply)
    assert unwell(hubspot) == {"hubspot.daily_calls": "broken"}


def test_an_address_nobody_answers_at_is_one_finding() -> None:
    hubspot = HubSpot(base_url="http://127.0.0.1:1", token="x", timeout=1, patience=QUICK)
    (finding,) = hubspot.examine()
    hubspot.close()
    assert (finding.check, finding.status) == ("hubspot.credential", "broken")


# -- set up --


def changes(hubspot: HubSpot) -> dict[str, str]:
    return {change.what: change.status for change in hubspot.set_up()}


def test_what_is_missing_is_made_and_a_second_run_sends_nothing(
    hubspot: HubSpot, account: Account, vendor: Vendor
) -> None:
    account.properties["contacts"] = [prop("email"), prop("baton_trigger")]
    made = changes(hubspot)
    names = {f"hubspot.field contact.{name}" for name in OURS}
    assert made.pop("hubspot.field contact.baton_trigger") == "present"
    assert set(made) == {*names, "hubspot.group contacts.baton"} - {
        "hubspot.field contact.baton_trigger"
    }
    assert set(made.values()) == {"created"}
    sent = next(call.json for call in vendor.calls if call.path.endswith("batch/create"))
    kinds = {item["name"]: (item["type"], item["fieldType"]) for item in sent["inputs"]}
    assert kinds["baton_score"] == ("number", "number")
    assert kinds["baton_score_reasons"] == ("string", "textarea")
    assert {item["groupName"] for item in sent["inputs"]} == {"baton"}
    vendor.calls.clear()
    assert set(changes(hubspot).values()) == {"present"}
    assert {call.method for call in vendor.calls} == {"GET"}
    assert unwell(hubspot) == {
        "hubspot.field contact.hubspot_owner_id": "broken",
        "hubspot.field contact.lifecyclestage": "broken",
    }


def test_a_property_of_another_type_is_refused_and_left_alone(
    hubspot: HubSpot, account: Account, vendor: Vendor
) -> None:
    account.properties["contacts"] += [prop("x")]
    score = next(p for p in account.properties["contacts"] if p["name"] == "baton_score")
    score["type"] = "string"
    refused = [change for change in hubspot.set_up() if change.status == "refused"]
    assert [change.what for change in refused] == ["hubspot.field contact.baton_score"]
    assert "must be a number" in refused[0].detail
    assert "run baton setup-crm again" in refused[0].detail
    assert {call.method for call in vendor.calls} == {"GET"}


def test_a_property_somebody_made_in_between_is_compared(
    hubspot: HubSpot, account: Account
) -> None:
    later = account.properties["contacts"]
    account.properties["contacts"] = []

    def race(call: Call) -> Reply | None:
        if call.path.endswith("/groups") and call.method == "POST":
            account.properties["contacts"] = [p for p in later if p["name"] != "baton_trigger"]
            return Reply({"message": "exists", "category": "OBJECT_ALREADY_EXISTS"}, 409)
        if call.path.endswith("batch/create"):
            account.groups.append("baton")
        return None

    account.before = race
    made = changes(hubspot)
    assert made.pop("hubspot.field contact.baton_trigger") == "created"
    assert set(made.values()) == {"present"}


def test_a_name_an_archived_property_holds_is_refused_with_the_cure(
    hubspot: HubSpot, account: Account
) -> None:
    account.properties["contacts"] = []
    taken = {"category": "OBJECT_ALREADY_EXISTS", "message": "A property already exists."}
    account.before = lambda call: Reply(taken, 409) if call.path.endswith("batch/create") else None
    refused = {c.what: c.detail for c in hubspot.set_up() if c.status == "refused"}
    assert len(refused) == len(CUSTOM_FIELDS)
    assert all("restore it in HubSpot" in words for words in refused.values())


def test_an_account_that_falls_silent_after_a_batch_is_no_crash(
    hubspot: HubSpot, account: Account, vendor: Vendor
) -> None:
    account.properties["contacts"] = []

    def silent(call: Call) -> Reply | None:
        if call.path.endswith("batch/create"):
            made = [{"name": "baton_score"}]
            return Reply({"results": made, "errors": [exists("baton_trigger"), "text"]}, 207)
        is_second = len([c for c in vendor.calls if c.path.endswith("batch/create")]) == 1
        return Reply({"message": "broken"}, 404) if is_second else None

    account.before = silent
    made = {change.what: change for change in hubspot.set_up() if ".field " in change.what}
    assert made.pop("hubspot.field contact.baton_score").status == "created"
    assert {change.status for change in made.values()} == {"refused"}
    assert "status 404" in made["hubspot.field contact.baton_lead_key"].detail


@pytest.mark.parametrize("part", ["crm/properties/2026-09/contacts", "groups", "batch/create"])
def test_a_missing_right_refuses_and_never_raises(
    hubspot: HubSpot, account: Account, part: str
) -> None:
    account.properties["contacts"] = []
    account.before = lambda call: (
        forbidden("crm.schemas.contacts.write") if part in call.path else None
    )
    made = list(hubspot.set_up())
    fields = [change for change in made if ".field " in change.what]
    assert len(fields) == len(CUSTOM_FIELDS)
    assert {change.status for change in fields} == {"refused"}
    assert "Grant crm.schemas.contacts.write" in " ".join(change.detail for change in made)
