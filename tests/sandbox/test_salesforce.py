"""The Salesforce sandbox over real HTTP, against what the vendor documents and recordings show."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from threading import RLock
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from sandbox.clock import Clock
from sandbox.salesforce import SalesforceStore, salesforce_app
from sandbox.server import Server

NOW = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
STAMP = "2026-11-02T09:00:00.000+0000"
LONG_AGO = NOW - timedelta(days=30)
ROOT = "/services/data/v62.0"
MANY = f"{ROOT}/composite/sobjects"
AVA, BEN, GONE = "005000000000001AAA", "005000000000002AAA", "005000000000009AAA"
ROBOT = "00500000000000zAAA"
NOBODY = "005000000000777AAA"
KEEP_OWNER = {"Sforce-Auto-Assign": "FALSE"}


@dataclass
class Org:
    """A store, the client that speaks to it, and shorthands for the tests."""

    store: SalesforceStore
    http: httpx.Client
    clock: Clock

    def lead(self, last: str = "Lovelace", at: datetime = LONG_AGO, **fields: Any) -> str:
        given = {"LastName": last, "Company": "Engines", "OwnerId": AVA, **fields}
        return self.store.insert("Lead", given, at=at)

    def query(self, soql: str, *, call: str = "query", **headers: str) -> dict[str, Any]:
        answer = self.http.get(f"{ROOT}/{call}", params={"q": soql}, headers=headers)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def names(self, where: str, fields: str = "LastName") -> list[str]:
        found = self.query(f"SELECT {fields} FROM Lead {where}")
        return [record["LastName"] for record in found["records"]]

    def refusal(self, soql: str) -> dict[str, Any]:
        answer = self.http.get(f"{ROOT}/query", params={"q": soql})
        assert answer.status_code == 400, answer.text
        (error,) = answer.json()
        return error

    def row(self, id_: str, name: str = "Lead") -> dict[str, Any]:
        found = self.store.get(name, id_)
        assert found is not None
        return found

    def patch(self, *records: dict[str, Any], **body: Any) -> list[dict[str, Any]]:
        typed = [{"attributes": {"type": "Lead"}, **record} for record in records]
        answer = self.http.patch(MANY, json={"records": typed, **body}, headers=KEEP_OWNER)
        assert answer.status_code == 200, answer.text
        return answer.json()


def codes(results: list[dict[str, Any]]) -> list[str]:
    return ["ok" if made["success"] else made["errors"][0]["statusCode"] for made in results]


def sign_in(http: httpx.Client, **changes: str) -> httpx.Response:
    form = {"grant_type": "client_credentials", "client_id": "key", "client_secret": "shh"}
    return http.post("/services/oauth2/token", data=form | changes)


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[httpx.Client, SimpleNamespace]]:
    world = SimpleNamespace(lock=RLock(), salesforce=fresh_store(Clock(NOW, frozen=True)))
    served = Server("salesforce", salesforce_app(world), 0)
    served.start()
    with httpx.Client(base_url=served.url) as http:
        yield http, world
    served.stop()


def fresh_store(clock: Clock, **options: Any) -> SalesforceStore:
    store = SalesforceStore(clock, "key", "shh", ROBOT, **options)
    for id_, first, active in ((AVA, "Ava", True), (BEN, "Ben", True), (GONE, "Ivan", False)):
        fields = {"FirstName": first, "LastName": "Rep", "IsActive": active}
        store.insert("User", fields, id=id_, at=LONG_AGO)
    store.insert("User", {"LastName": "Robot", "Username": "robot@x.example"}, id=ROBOT)
    return store


@pytest.fixture
def org(server: tuple[httpx.Client, SimpleNamespace]) -> Org:
    http, world = server
    clock = Clock(NOW, frozen=True)
    world.salesforce = fresh_store(clock)
    http.headers["Authorization"] = f"Bearer {sign_in(http).json()['access_token']}"
    return Org(world.salesforce, http, clock)


# --- signing in --------------------------------------------------------------------------------


def test_the_token_answer_names_this_server_and_the_integration_user(org: Org) -> None:
    answer = sign_in(org.http).json()
    assert answer["instance_url"] == str(org.http.base_url).rstrip("/")
    assert answer["id"].endswith(f"/{ROBOT}")
    assert answer["token_type"] == "Bearer"
    assert "expires_in" not in answer


def test_credentials_may_come_as_basic_authorization(org: Org) -> None:
    answer = org.http.post(
        "/services/oauth2/token", data={"grant_type": "client_credentials"}, auth=("key", "shh")
    )
    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"client_secret": "wrong"}, "invalid_client"),
        ({"client_id": "wrong"}, "invalid_client_id"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
    ],
)
def test_wrong_credentials_answer_400_with_an_object(org: Org, changes: Any, error: str) -> None:
    answer = sign_in(org.http, **changes)
    assert answer.status_code == 400
    assert answer.json()["error"] == error


def test_an_inactive_integration_user_cannot_sign_in(org: Org) -> None:
    org.store.update("User", ROBOT, {"IsActive": False})
    assert sign_in(org.http).json()["error"] == "inactive_user"


def test_an_unknown_session_answers_401_with_an_array(org: Org) -> None:
    answer = org.http.get(f"{ROOT}/limits", headers={"Authorization": "Bearer nonsense"})
    assert answer.status_code == 401
    assert answer.json() == [
        {"message": "Session expired or invalid", "errorCode": "INVALID_SESSION_ID"}
    ]


def test_a_session_ends_when_idle_and_lives_on_when_used(org: Org) -> None:
    for _ in range(3):
        org.clock.advance(5000)
        assert org.http.get(f"{ROOT}/limits").status_code == 200
    org.clock.advance(7201)
    assert org.http.get(f"{ROOT}/limits").status_code == 401


def test_another_scheme_is_an_invalid_auth_header(org: Org) -> None:
    answer = org.http.get(f"{ROOT}/limits", auth=("key", "shh"))
    assert (answer.status_code, answer.json()[0]["errorCode"]) == (401, "INVALID_AUTH_HEADER")


def test_versions_are_listed_without_a_session_and_retired_ones_are_gone(org: Org) -> None:
    del org.http.headers["Authorization"]
    listed = org.http.get("/services/data").json()
    assert org.http.get(f"{ROOT}/limits").status_code == 401
    org.http.headers["Authorization"] = f"Bearer {sign_in(org.http).json()['access_token']}"
    assert {"label": "Winter '25", "url": ROOT, "version": "62.0"} in listed
    assert org.http.get("/services/data/v29.0/limits").status_code == 410
    assert org.http.get("/services/data/v99.0/limits").status_code == 404


def test_userinfo_tells_who_the_client_runs_as(org: Org) -> None:
    told = org.http.get("/services/oauth2/userinfo").json()
    assert (told["user_id"], told["preferred_username"]) == (ROBOT, "robot@x.example")
    answer = org.http.get("/services/oauth2/userinfo", headers={"Authorization": "Bearer no"})
    assert (answer.status_code, answer.text) == (403, "Bad_OAuth_Token")


# --- limits ------------------------------------------------------------------------------------


def test_every_answer_counts_and_tells_the_usage(org: Org) -> None:
    first = org.http.get(f"{ROOT}/limits").headers["Sforce-Limit-Info"]
    second = org.http.get(f"{ROOT}/query").headers["Sforce-Limit-Info"]
    assert (first, second) == ("api-usage=1/100000", "api-usage=2/100000")
    remaining = org.http.get(f"{ROOT}/limits").json()["DailyApiRequests"]
    assert remaining == {"Max": 100_000, "Remaining": 99_997}


def test_the_daily_limit_answers_403_until_a_day_has_gone_by(org: Org) -> None:
    org.store.daily_limit = 2
    for _ in range(2):
        org.http.get(f"{ROOT}/limits")
    answer = org.http.get(f"{ROOT}/limits")
    assert answer.status_code == 403
    assert answer.json()[0]["errorCode"] == "REQUEST_LIMIT_EXCEEDED"
    org.clock.advance(86_400)
    org.http.headers["Authorization"] = f"Bearer {sign_in(org.http).json()['access_token']}"
    assert org.http.get(f"{ROOT}/limits").status_code == 200


def test_an_address_over_16_kib_answers_414(org: Org) -> None:
    answer = org.http.get(f"{ROOT}/query", params={"q": "SELECT Id FROM Lead" + " " * 17_000})
    assert answer.status_code == 414


# --- queries -----------------------------------------------------------------------------------


def test_a_record_carries_its_attributes_and_only_what_was_selected(org: Org) -> None:
    id_ = org.lead(FirstName="Ada", Email="ada@engines.example", baton_score__c=9)
    found = org.query("SELECT id, email, Owner.Name, baton_score__c, Title FROM Lead")
    assert (found["totalSize"], found["done"]) == (1, True)
    assert "nextRecordsUrl" not in found
    (record,) = found["records"]
    assert record["attributes"] == {"type": "Lead", "url": f"{ROOT}/sobjects/Lead/{id_}"}
    assert record["Id"] == id_
    assert record["Owner"]["attributes"]["type"] == "Name"
    assert record["Owner"]["Name"] == "Ava Rep"
    assert (record["baton_score__c"], record["Title"]) == (9.0, None)
    assert "LastName" not in record


def test_times_are_whole_seconds_in_utc(org: Org) -> None:
    org.lead(at=datetime(2026, 1, 5, 10, 0, 0, 999_000, tzinfo=UTC))
    (record,) = org.query("SELECT SystemModstamp, CreatedDate FROM Lead")["records"]
    assert record["SystemModstamp"] == "2026-01-05T10:00:00.000+0000"
    assert record["CreatedDate"] == record["SystemModstamp"]


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("LastName = 'o\\'hara'", ["O'Hara"]),
        ("LastName LIKE '%A%' AND LastName != 'Abel'", ["O'Hara"]),
        ("LastName LIKE '_bel'", ["Abel"]),
        ("Email = null", ["O'Hara"]),
        ("Email != null", ["Abel", "Cole"]),
        ("LastName IN ('abel', 'cole')", ["Abel", "Cole"]),
        ("Email NOT IN ('abel@x.example')", ["Cole", "O'Hara"]),
        ("baton_score__c >= 7 AND HasOptedOutOfEmail = false", ["Abel"]),
        ("baton_score__c < 7", ["O'Hara"]),
        ("(LastName = 'Abel' OR LastName = 'Cole') AND NOT HasOptedOutOfEmail = true", ["Abel"]),
        ("SystemModstamp > 2026-10-03T09:00:00Z", ["Abel", "Cole"]),
        ("SystemModstamp >= 2026-10-03T10:00:00+01:00", ["Abel", "Cole", "O'Hara"]),
        ("SystemModstamp = 2026-10-03T09:00:00Z", ["O'Hara"]),
        ("CreatedDate = LAST_N_DAYS:29", ["Abel", "Cole"]),
        ("Owner.Name = 'ben rep'", ["Cole"]),
    ],
)
def test_conditions_select_what_soql_says(org: Org, where: str, expected: list[str]) -> None:
    later = LONG_AGO + timedelta(days=1)
    org.lead("O'Hara", baton_score__c=3)
    org.lead("Abel", later, Email="Abel@x.example", baton_score__c=9)
    org.lead("Cole", later, Email="c@x.example", HasOptedOutOfEmail=True, OwnerId=BEN,
             baton_score__c=8)  # fmt: skip
    assert org.names(f"WHERE {where} ORDER BY LastName") == expected


def test_order_limit_and_offset(org: Org) -> None:
    for last, score in (("a", 2), ("b", None), ("c", 2), ("d", 9)):
        org.lead(last, baton_score__c=score)
    order = "ORDER BY baton_score__c DESC NULLS LAST, LastName DESC"
    assert org.names(order) == ["d", "c", "a", "b"]
    assert org.names("ORDER BY baton_score__c, LastName") == ["b", "a", "c", "d"]
    assert org.names("ORDER BY baton_score__c DESC, LastName") == ["b", "d", "a", "c"]
    assert org.names(f"{order} LIMIT 2 OFFSET 1") == ["c", "a"]


def test_counting_needs_no_records(org: Org) -> None:
    for number in range(3):
        org.lead(Email="x@x.example" if number else None)
    assert org.query("SELECT COUNT() FROM Lead") == {"totalSize": 3, "done": True, "records": []}
    assert org.query("SELECT COUNT(Email) FROM Lead")["records"][0]["expr0"] == 2


def test_a_parent_that_is_not_there_is_null(org: Org) -> None:
    org.store.insert("Contact", {"LastName": "Alone"})
    (record,) = org.query("SELECT Account.Name, Account.Owner.Email FROM Contact")["records"]
    assert record["Account"] is None


def test_who_of_a_task_answers_as_a_name_with_its_type(org: Org) -> None:
    lead = org.lead(FirstName="Ada")
    org.store.insert("Task", {"WhoId": lead, "Subject": "Call", "OwnerId": AVA})
    (record,) = org.query("SELECT Who.Name, Who.Type FROM Task WHERE Who.Type = 'Lead'")["records"]
    assert record["Who"]["Name"] == "Ada Lovelace"
    assert (record["Who"]["Type"], record["Who"]["attributes"]["type"]) == ("Lead", "Name")


@pytest.mark.parametrize(
    ("soql", "code", "words"),
    [
        ("SELECT Id FRM Lead", "MALFORMED_QUERY", "unexpected token: 'FRM'"),
        ("SELECT Id FROM Lead WHERE", "MALFORMED_QUERY", "unexpected token: '<EOF>'"),
        ("", "MALFORMED_QUERY", "A query string has to be specified"),
        ("SELECT Id FROM Leed", "INVALID_TYPE", "sObject type 'Leed' is not supported."),
        ("SELECT Nope__c FROM Lead", "INVALID_FIELD", "No such column 'Nope__c' on entity 'Lead'."),
        ("SELECT IsDeleted FROM User", "INVALID_FIELD", "No such column 'IsDeleted'"),
        ("SELECT Boss.Name FROM Lead", "INVALID_FIELD", "Didn't understand relationship 'Boss'"),
        (
            "SELECT Id FROM Lead WHERE SystemModstamp > '2026-01-05T10:00:00Z'",
            "INVALID_FIELD",
            "'SystemModstamp' must be of type dateTime and should not be enclosed in quotes",
        ),
        ("SELECT Id FROM Lead WHERE Email = 5", "INVALID_FIELD", "should be enclosed in quotes"),
        (
            "SELECT Id FROM Lead WHERE Description = 'x'",
            "INVALID_FIELD",
            "field 'Description' can not be filtered in a query call",
        ),
        (
            "SELECT Id FROM Lead WHERE Title = 'a' AND City = 'b' OR City = 'c'",
            "MALFORMED_QUERY",
            "unexpected token: 'OR'",
        ),
        ("SELECT Id FROM Lead WHERE Title = 'it's'", "MALFORMED_QUERY", "ERROR at Row:1:Column:"),
        ("SELECT Id, Id FROM Lead", "MALFORMED_QUERY", "duplicate field selected: Id"),
        ("SELECT Id FROM Lead OFFSET 2001", "NUMBER_OUTSIDE_VALID_RANGE", "2000"),
        ("SELECT Id FROM Lead WHERE Id LIKE '0%'", "INVALID_QUERY_FILTER_OPERATOR", "operator"),
    ],
)
def test_a_bad_query_is_refused_in_salesforces_words(
    org: Org, soql: str, code: str, words: str
) -> None:
    error = org.refusal(soql)
    assert error["errorCode"] == code
    assert words in error["message"]


def test_the_error_shows_row_and_column(org: Org) -> None:
    message = org.refusal("SELECT Id, Nope FROM Lead")["message"]
    assert "\n           ^\nERROR at Row:1:Column:12\n" in message


def test_an_id_of_15_letters_is_the_same_record(org: Org) -> None:
    id_ = org.lead()
    assert org.query(f"SELECT Id FROM Lead WHERE Id = '{id_[:15]}'")["totalSize"] == 1


def test_query_hides_deleted_rows_and_query_all_shows_them(org: Org) -> None:
    org.store.delete("Lead", org.lead(), at=NOW)
    soql = "SELECT Id, IsDeleted FROM Lead"
    assert org.query(soql)["totalSize"] == 0
    (record,) = org.query(soql, call="queryAll")["records"]
    assert record["IsDeleted"] is True


# --- pages -------------------------------------------------------------------------------------


def pages(org: Org, soql: str, **headers: str) -> Iterator[dict[str, Any]]:
    page = org.query(soql, **headers)
    yield page
    while not page["done"]:
        page = org.http.get(page["nextRecordsUrl"]).json()
        yield page


def test_pages_of_2000_follow_the_locator_to_the_end(org: Org) -> None:
    for number in range(4100):
        org.lead(f"n{number}", LONG_AGO + timedelta(seconds=number % 7))
    found = list(pages(org, "SELECT Id, SystemModstamp FROM Lead ORDER BY SystemModstamp, Id"))
    assert [len(page["records"]) for page in found] == [2000, 2000, 100]
    assert [page["done"] for page in found] == [False, False, True]
    assert {page["totalSize"] for page in found} == {4100}
    assert found[0]["nextRecordsUrl"].startswith(f"{ROOT}/query/0r8")
    assert found[0]["nextRecordsUrl"].endswith("-2000")
    rows = [(r["SystemModstamp"], r["Id"]) for page in found for r in page["records"]]
    assert rows == sorted(set(rows))


def test_the_batch_size_is_a_hint_not_below_200(org: Org) -> None:
    for number in range(450):
        org.lead(f"n{number}")
    found = list(pages(org, "SELECT Id FROM Lead", **{"Sforce-Query-Options": "batchSize=5"}))
    assert [len(page["records"]) for page in found] == [200, 200, 50]


def test_a_page_can_be_asked_for_twice(org: Org) -> None:
    org.store.page_size = 2
    for number in range(5):
        org.lead(f"n{number}")
    address = org.query("SELECT Id FROM Lead")["nextRecordsUrl"]
    assert org.http.get(address).json() == org.http.get(address).json()


def test_an_idle_locator_expires(org: Org) -> None:
    org.store.page_size = 2
    for number in range(5):
        org.lead(f"n{number}")
    address = org.query("SELECT Id FROM Lead")["nextRecordsUrl"]
    org.clock.advance(16 * 60)
    answer = org.http.get(address)
    assert answer.status_code == 400
    assert answer.json()[0]["errorCode"] == "INVALID_QUERY_LOCATOR"


def test_the_order_by_stamp_follows_every_change(org: Org) -> None:
    # The index behind this order is kept by hand: creates, updates, deletes and undone writes.
    ids = [org.lead(f"n{n}", LONG_AGO + timedelta(minutes=n)) for n in range(20)]
    org.query("SELECT Id FROM Lead ORDER BY SystemModstamp")
    org.store.update("Lead", ids[3], {"Title": "CEO"}, at=NOW)
    org.store.update("Lead", ids[3], {"Title": "CTO"}, at=NOW)
    org.store.delete("Lead", ids[4], at=NOW - timedelta(days=1))
    bad = {"attributes": {"type": "Lead"}, "id": ids[5], "Email": "nonsense"}
    good = {"attributes": {"type": "Lead"}, "id": ids[6], "Title": "COO"}
    org.http.patch(MANY, json={"allOrNone": True, "records": [good, bad]})
    soql = "SELECT Id FROM Lead WHERE SystemModstamp >= 2026-10-01T00:00:00Z"
    found = org.query(f"{soql} ORDER BY SystemModstamp ASC, Id ASC", call="queryAll")["records"]
    expected = [*ids[:3], *ids[5:], ids[4], ids[3]]
    assert [record["Id"] for record in found] == expected


def test_a_late_commit_appears_later_with_its_older_stamp(org: Org) -> None:
    id_ = org.lead(at=NOW - timedelta(seconds=2))
    org.store.hide_until(id_, NOW + timedelta(seconds=30))
    assert org.names("") == []
    org.clock.advance(31)
    (record,) = org.query("SELECT SystemModstamp FROM Lead")["records"]
    assert record["SystemModstamp"] < STAMP


@pytest.mark.timeout(60)
def test_the_first_page_of_a_large_org_comes_quickly(org: Org) -> None:
    for number in range(20_000):
        org.lead(f"n{number}", LONG_AGO + timedelta(seconds=number * 7919 % 90_000))
    org.store.settle()
    soql = "SELECT Id, LastName, SystemModstamp FROM Lead WHERE SystemModstamp >= "
    began = time.perf_counter()
    page = org.query(soql + "2026-01-01T00:00:00Z ORDER BY SystemModstamp, Id")
    middle = time.perf_counter()
    org.http.get(page["nextRecordsUrl"])
    assert page["totalSize"] == 20_000
    # Generous: the machine is shared. Without the index this takes several times as long.
    assert middle - began < 1.0
    assert time.perf_counter() - middle < 0.5


# --- single rows -------------------------------------------------------------------------------


def test_create_read_update_and_delete_one_row(org: Org) -> None:
    body = {"LastName": " Hopper ", "Company": "Navy", "Email": "g@navy.example", "Title": ""}
    made = org.http.post(f"{ROOT}/sobjects/Lead", json=body)
    assert made.status_code == 201
    id_ = made.json()["id"]
    address = f"{ROOT}/sobjects/Lead/{id_}"
    assert org.http.patch(address, json={"Title": "Admiral"}).status_code == 204
    row = org.http.get(address, params={"fields": "LastName,Title,CreatedById"}).json()
    assert (row["LastName"], row["Title"], row["CreatedById"]) == ("Hopper", "Admiral", ROBOT)
    assert org.http.delete(address).status_code == 204
    gone = org.http.get(address)
    assert (gone.status_code, gone.json()[0]["errorCode"]) == (404, "ENTITY_IS_DELETED")
    actions = [effect["action"] for effect in org.store.effects]
    assert actions == ["create", "update", "delete"]
    assert all(effect["by"] == ROBOT for effect in org.store.effects)


def test_a_write_moves_the_stamp_and_names_the_integration_user(org: Org) -> None:
    id_ = org.lead()
    assert org.row(id_)["LastModifiedById"] == AVA
    org.patch({"id": id_, "Title": "CEO"})
    row = org.row(id_)
    assert (row["SystemModstamp"], row["LastModifiedDate"]) == (STAMP, STAMP)
    assert (row["LastModifiedById"], row["CreatedById"]) == (ROBOT, AVA)


@pytest.mark.parametrize(
    ("body", "code", "words"),
    [
        ({"Company": "X"}, "REQUIRED_FIELD_MISSING", "Required fields are missing: [LastName]"),
        ({"LastName": " ", "Company": None}, "REQUIRED_FIELD_MISSING", "[LastName, Company]"),
        ({"Email": "not an address"}, "INVALID_EMAIL_ADDRESS", "Email: invalid email address: not"),
        ({"LastName": "x" * 81}, "STRING_TOO_LONG", "(max length=80)"),
        ({"nope": 1}, "INVALID_FIELD", "No such column 'nope' on sobject of type Lead"),
        ({"IsConverted": True}, "INVALID_FIELD_FOR_INSERT_UPDATE", "fields: IsConverted."),
        ({"SystemModstamp": STAMP}, "INVALID_FIELD_FOR_INSERT_UPDATE", "SystemModstamp"),
        ({"OwnerId": GONE}, "INACTIVE_OWNER_OR_USER", "inactive user [005000000000009]"),
        ({"OwnerId": NOBODY}, "INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id"),
        ({"OwnerId": "ava"}, "MALFORMED_ID", "Owner ID: id value of incorrect type: ava"),
        ({"OwnerId": "00Q000000000001AAA"}, "MALFORMED_ID", "incorrect type"),
        ({"NumberOfEmployees": 10**9}, "NUMBER_OUTSIDE_VALID_RANGE", "outside of valid range"),
        ({"NumberOfEmployees": "many"}, "JSON_PARSER_ERROR", "Cannot deserialize instance of int"),
        ({"baton_trigger_at__c": "soon"}, "JSON_PARSER_ERROR", "instance of datetime"),
    ],
)
def test_a_record_that_breaks_a_rule_is_refused(
    org: Org, body: dict[str, Any], code: str, words: str
) -> None:
    whole = body if "Company" in body else {"LastName": "L", "Company": "C", **body}
    answer = org.http.post(f"{ROOT}/sobjects/Lead", json=whole)
    assert answer.status_code == 400
    (error,) = answer.json()
    assert error["errorCode"] == code
    assert words in error["message"]
    assert org.store.effects == []


def test_other_objects_have_their_own_required_fields(org: Org) -> None:
    answer = org.http.post(f"{ROOT}/sobjects/Opportunity", json={"Name": "Deal"})
    assert answer.json()[0]["fields"] == ["StageName", "CloseDate"]
    refused = org.http.post(f"{ROOT}/sobjects/User", json={"LastName": "New"})
    assert refused.json()[0]["errorCode"] == "INVALID_TYPE_FOR_OPERATION"


def test_a_converted_lead_can_neither_be_written_nor_referred_to(org: Org) -> None:
    lead, account, contact = org.lead(), *(
        org.store.insert(name, {"Name" if name == "Account" else "LastName": "N"})
        for name in ("Account", "Contact")
    )  # fmt: skip
    org.store.convert(lead, account, contact, at=NOW - timedelta(days=1))
    assert codes(org.patch({"id": lead, "Title": "CEO"})) == ["CANNOT_UPDATE_CONVERTED_LEAD"]
    answer = org.http.post(f"{ROOT}/sobjects/Task", json={"WhoId": lead})
    assert answer.json()[0]["errorCode"] == "CANNOT_UPDATE_CONVERTED_LEAD"


def test_an_inactive_owner_may_stay_but_not_come(org: Org) -> None:
    id_ = org.lead(OwnerId=GONE)
    assert codes(org.patch({"id": id_, "OwnerId": GONE, "Title": "x"})) == ["ok"]
    other = org.lead()
    assert codes(org.patch({"id": other, "OwnerId": GONE})) == ["INACTIVE_OWNER_OR_USER"]


def test_a_body_that_is_no_json_is_refused(org: Org) -> None:
    headers = {"Content-Type": "application/json"}
    answer = org.http.post(f"{ROOT}/sobjects/Lead", content=b"{", headers=headers)
    assert (answer.status_code, answer.json()[0]["errorCode"]) == (400, "JSON_PARSER_ERROR")
    answer = org.http.post(f"{ROOT}/sobjects/Lead", content=b"<a/>")
    assert (answer.status_code, answer.json()[0]["errorCode"]) == (415, "UNSUPPORTED_MEDIA_TYPE")


@pytest.mark.parametrize("path", ["sobjects/Nothing", "sobjects/Lead/00Q00000000ZZZZ", "nowhere"])
def test_what_is_not_there_answers_404(org: Org, path: str) -> None:
    answer = org.http.get(f"{ROOT}/{path}")
    assert (answer.status_code, answer.json()[0]["errorCode"]) == (404, "NOT_FOUND")


# --- upserts by external id --------------------------------------------------------------------


def test_an_upsert_creates_then_updates(org: Org) -> None:
    address = f"{ROOT}/sobjects/Lead/baton_lead_key__c/lead-1"
    first = org.http.patch(address, json={"LastName": "L", "Company": "C"})
    again = org.http.patch(address, json={"Title": "CEO"})
    assert (first.status_code, first.json()["created"]) == (201, True)
    assert (again.status_code, again.json()["created"]) == (200, False)
    assert first.json()["id"] == again.json()["id"]
    assert org.http.get(address).json()["Title"] == "CEO"


def test_update_only_never_creates(org: Org) -> None:
    address = f"{ROOT}/sobjects/Lead/baton_lead_key__c/lead-1"
    body = {"LastName": "L", "Company": "C"}
    answer = org.http.patch(address, json=body, params={"updateOnly": "true"})
    assert answer.status_code == 404
    assert org.store.all("Lead") == []


def test_an_ambiguous_external_id_answers_300_with_the_rows(org: Org) -> None:
    ids = [org.lead(baton_lead_key__c="twice"), org.lead(baton_lead_key__c="TWICE")]
    answer = org.http.patch(f"{ROOT}/sobjects/Lead/baton_lead_key__c/twice", json={"Title": "x"})
    assert answer.status_code == 300
    assert answer.json() == [f"{ROOT}/sobjects/Lead/{id_}" for id_ in ids]


def test_the_external_id_must_not_stand_in_the_body_and_must_be_one(org: Org) -> None:
    address = f"{ROOT}/sobjects/Lead/baton_lead_key__c/k"
    answer = org.http.patch(address, json={"baton_lead_key__c": "k"})
    assert answer.json()[0]["errorCode"] == "INVALID_FIELD"
    answer = org.http.patch(f"{ROOT}/sobjects/Lead/Company/k", json={})
    assert (answer.status_code, answer.json()[0]["errorCode"]) == (404, "NOT_FOUND")


def test_a_deleted_record_does_not_hold_its_external_id(org: Org) -> None:
    org.store.delete("Lead", org.lead(baton_lead_key__c="k"))
    body = {"LastName": "L", "Company": "C"}
    answer = org.http.patch(f"{ROOT}/sobjects/Lead/baton_lead_key__c/k", json=body)
    assert answer.status_code == 201
    found = org.query("SELECT Id FROM Lead WHERE baton_lead_key__c = 'k'", call="queryAll")
    assert found["totalSize"] == 2


# --- collections -------------------------------------------------------------------------------


def test_a_collection_answers_200_in_order_with_failures_inside(org: Org) -> None:
    good, gone = org.lead(), org.lead()
    org.store.delete("Lead", gone)
    results = org.patch(
        {"id": good, "Title": "CEO"},
        {"Title": "no id"},
        {"id": "00Q00000000ZZZZ", "Title": "unknown"},
        {"id": gone, "Title": "deleted"},
        {"id": good, "Title": "twice"},
        {"id": AVA, "Title": "a user"},
        {"id": org.lead(), "Nope__c": 1},
        {"id": org.lead(), "Email": "bad"},
    )
    assert codes(results) == [
        "ok",
        "MISSING_ARGUMENT",
        "INVALID_CROSS_REFERENCE_KEY",
        "ENTITY_IS_DELETED",
        "DUPLICATE_VALUE",
        "MALFORMED_ID",
        "INVALID_FIELD",
        "INVALID_EMAIL_ADDRESS",
    ]
    assert results[0] == {"id": good, "success": True, "errors": []}
    assert results[1]["errors"] == [
        {
            "statusCode": "MISSING_ARGUMENT",
            "message": "Id not specified in an update call",
            "fields": [],
        }
    ]
    assert org.row(good)["Title"] == "CEO"


def test_all_or_none_rolls_everything_back(org: Org) -> None:
    id_ = org.lead(Title="before")
    made = [
        {"attributes": {"type": "Lead"}, "LastName": "New", "Company": "C"},
        {"attributes": {"type": "Lead"}, "LastName": "New"},
    ]
    answer = org.http.post(MANY, json={"allOrNone": True, "records": made})
    assert codes(answer.json()) == ["ALL_OR_NONE_OPERATION_ROLLED_BACK", "REQUIRED_FIELD_MISSING"]
    results = org.patch({"id": id_, "Title": "after"}, {"Title": "no id"}, allOrNone=True)
    assert codes(results) == ["ALL_OR_NONE_OPERATION_ROLLED_BACK", "MISSING_ARGUMENT"]
    assert org.row(id_)["Title"] == "before"
    assert [row["Id"] for row in org.store.all("Lead")] == [id_]
    assert org.store.effects == []


def test_a_collection_upserts_by_external_id(org: Org) -> None:
    known = org.lead(baton_lead_key__c="k1")
    kind = {"attributes": {"type": "Lead"}}
    records = [
        {**kind, "baton_lead_key__c": "k1", "Title": "CEO"},
        {**kind, "baton_lead_key__c": "k2", "LastName": "L", "Company": "C"},
        {**kind, "baton_lead_key__c": "k3", "LastName": "L"},
        {**kind, "LastName": "L", "Company": "C"},
        {**kind, "baton_lead_key__c": "k4", "LastName": "L", "Company": "C"},
        {**kind, "baton_lead_key__c": "K4", "LastName": "L", "Company": "C"},
    ]
    results = org.http.patch(f"{MANY}/Lead/baton_lead_key__c", json={"records": records}).json()
    assert codes(results) == [
        "ok",
        "ok",
        "REQUIRED_FIELD_MISSING",
        "MISSING_ARGUMENT",
        "DUPLICATE_VALUE",
        "DUPLICATE_VALUE",
    ]
    assert (results[0]["id"], results[0]["created"], results[1]["created"]) == (known, False, True)


def test_a_unique_value_cannot_be_given_to_two_records(org: Org) -> None:
    org.lead(baton_lead_key__c="k1")
    (result,) = org.patch({"id": org.lead(), "baton_lead_key__c": "K1"})
    assert result["errors"][0]["statusCode"] == "DUPLICATE_VALUE"
    assert "baton_lead_key__c duplicates value on record with id:" in result["errors"][0]["message"]


def test_a_locked_row_fails_once_and_then_goes_through(org: Org) -> None:
    locked, free = org.lead(), org.lead()
    org.store.lock_row(locked)
    records = ({"id": locked, "Title": "a"}, {"id": free, "Title": "b"})
    assert codes(org.patch(*records)) == ["UNABLE_TO_LOCK_ROW", "ok"]
    assert codes(org.patch(*records)) == ["ok", "ok"]


def test_a_collection_takes_200_records_and_ten_chunks(org: Org) -> None:
    record = {"attributes": {"type": "Lead"}, "LastName": "L", "Company": "C"}
    answer = org.http.post(MANY, json={"records": [record] * 201})
    assert (answer.status_code, answer.json()[0]["errorCode"]) == (400, "EXCEEDED_ID_LIMIT")
    task = {"attributes": {"type": "Task"}}
    answer = org.http.post(MANY, json={"records": [record, task] * 6})
    assert (answer.status_code, answer.json()[0]["errorCode"]) == (400, "LIMIT_EXCEEDED")


def test_a_value_of_the_wrong_type_stops_the_whole_request(org: Org) -> None:
    first, second = org.lead(), org.lead()
    kind = {"attributes": {"type": "Lead"}}
    records = [{**kind, "id": first, "Title": "x"}, {**kind, "id": second, "baton_score__c": "x"}]
    answer = org.http.patch(MANY, json={"records": records})
    assert (answer.status_code, answer.json()[0]["errorCode"]) == (400, "JSON_PARSER_ERROR")
    assert org.row(first)["Title"] is None


def test_collections_delete_and_retrieve(org: Org) -> None:
    first, second = org.lead("First"), org.lead("Second")
    found = org.http.get(f"{MANY}/Lead", params={"ids": f"{second},{first}", "fields": "LastName"})
    assert [row["LastName"] for row in found.json()] == ["Second", "First"]
    results = org.http.delete(MANY, params={"ids": f"{first},nonsense"}).json()
    assert codes(results) == ["ok", "MALFORMED_ID"]
    asked = {"ids": [first, second], "fields": ["LastName"]}
    left = org.http.post(f"{MANY}/Lead", json=asked).json()
    assert left[0] is None
    assert left[1]["Id"] == second


# --- the assignment rule -----------------------------------------------------------------------


def test_the_assignment_rule_takes_the_owner_unless_told_not_to(org: Org) -> None:
    org.store.set_assignment_rule(BEN)
    id_ = org.lead()
    body = {"records": [{"attributes": {"type": "Lead"}, "id": id_, "OwnerId": AVA}]}
    org.http.patch(MANY, json=body)
    assert org.row(id_)["OwnerId"] == BEN
    org.http.patch(MANY, json=body, headers=KEEP_OWNER)
    assert org.row(id_)["OwnerId"] == AVA
    assert [effect["fields"]["OwnerId"] for effect in org.store.effects] == [BEN, AVA]


def test_the_assignment_rule_leaves_people_and_other_objects_alone(org: Org) -> None:
    org.store.set_assignment_rule(BEN)
    id_ = org.lead()
    org.store.update("Lead", id_, {"Title": "CEO"}, by=AVA)
    assert org.row(id_)["OwnerId"] == AVA
    made = org.http.post(f"{ROOT}/sobjects/Task", json={"OwnerId": AVA}).json()["id"]
    assert org.row(made, "Task")["OwnerId"] == AVA


# --- what people do ----------------------------------------------------------------------------


def test_a_merge_marks_the_loser_and_moves_its_tasks(org: Org) -> None:
    winner, loser = org.lead("Winner"), org.lead("Loser")
    task = org.store.insert("Task", {"WhoId": loser}, at=LONG_AGO)
    org.store.merge("Lead", winner, loser, at=NOW)
    soql = "SELECT Id, MasterRecordId FROM Lead WHERE IsDeleted = true AND MasterRecordId != null"
    (record,) = org.query(soql, call="queryAll")["records"]
    assert (record["Id"], record["MasterRecordId"]) == (loser, winner)
    moved = org.row(task, "Task")
    assert (moved["WhoId"], moved["SystemModstamp"]) == (winner, STAMP)


def test_a_conversion_points_forward_and_moves_activities(org: Org) -> None:
    lead = org.lead()
    task = org.store.insert("Task", {"WhoId": lead}, at=LONG_AGO)
    account = org.store.insert("Account", {"Name": "A"})
    contact = org.store.insert("Contact", {"LastName": "C", "AccountId": account})
    deal = {"Name": "D", "StageName": "Closed Won", "CloseDate": "2026-11-20"}
    opportunity = org.store.insert("Opportunity", deal)
    org.store.convert(lead, account, contact, opportunity, at=NOW)
    row = org.row(lead)
    assert (row["IsConverted"], row["ConvertedDate"]) == (True, "2026-11-02")
    assert row["ConvertedOpportunityId"] == opportunity
    assert org.row(task, "Task")["WhoId"] == contact
    won = org.row(opportunity, "Opportunity")
    assert (won["IsClosed"], won["IsWon"], won["FiscalQuarter"]) == (True, True, 4)


def test_a_completed_task_is_closed_and_dates_the_persons_last_activity(org: Org) -> None:
    lead = org.lead()
    call = {"WhoId": lead, "Subject": "Call", "TaskSubtype": "Call", "OwnerId": AVA}
    task = org.store.insert("Task", call, by=AVA)
    assert org.row(task, "Task")["IsClosed"] is False
    org.store.update("Task", task, {"Status": "Completed"}, at=NOW, by=AVA)
    row = org.row(task, "Task")
    assert (row["IsClosed"], row["CompletedDateTime"], row["CreatedById"]) == (True, STAMP, AVA)
    assert org.row(lead)["LastActivityDate"] == "2026-11-02"
    assert org.row(lead)["SystemModstamp"] != STAMP


def test_an_event_knows_when_it_ends(org: Org) -> None:
    body = {"Subject": "Demo", "StartDateTime": "2026-11-03T10:00:00Z", "DurationInMinutes": 30}
    made = org.http.post(f"{ROOT}/sobjects/Event", json=body).json()["id"]
    row = org.row(made, "Event")
    assert row["EndDateTime"] == "2026-11-03T10:30:00.000+0000"
    assert row["ActivityDate"] == "2026-11-03"
    answer = org.http.post(f"{ROOT}/sobjects/Event", json={"Subject": "Demo"})
    assert answer.json()[0]["fields"] == ["ActivityDateTime", "DurationInMinutes"]


def test_what_people_do_is_no_effect(org: Org) -> None:
    id_ = org.lead()
    org.store.update("Lead", id_, {"Status": "Working - Contacted"})
    org.store.delete("Lead", id_)
    assert org.store.effects == []


def test_the_population_cannot_misspell_a_field(org: Org) -> None:
    with pytest.raises(ValueError, match="has no field 'LastNam'"):
        org.store.insert("Lead", {"LastNam": "x"})


# --- describing and deletions ------------------------------------------------------------------


def test_describe_lists_the_custom_fields(org: Org) -> None:
    fields = org.http.get(f"{ROOT}/sobjects/Lead/describe").json()["fields"]
    key = next(field for field in fields if field["name"] == "baton_lead_key__c")
    assert (key["externalId"], key["unique"], key["type"]) == (True, True, "string")
    owner = next(field for field in fields if field["name"] == "OwnerId")
    assert (owner["relationshipName"], owner["referenceTo"]) == ("Owner", ["User", "Group"])
    listed = org.http.get(f"{ROOT}/sobjects").json()["sobjects"]
    assert {"Lead", "Task"} <= {known["name"] for known in listed}


def test_deleted_and_updated_ids_of_a_span(org: Org) -> None:
    gone, changed = org.lead(), org.lead()
    org.store.delete("Lead", gone, at=NOW)
    org.store.update("Lead", changed, {"Title": "x"}, at=NOW)
    span = {"start": "2026-11-02T08:00:00+00:00", "end": "2026-11-02T10:00:00+00:00"}
    answer = org.http.get(f"{ROOT}/sobjects/Lead/deleted/", params=span).json()
    assert answer["deletedRecords"] == [{"id": gone, "deletedDate": STAMP}]
    assert answer["latestDateCovered"] == STAMP
    assert org.http.get(f"{ROOT}/sobjects/Lead/updated/", params=span).json()["ids"] == [changed]
    early = span | {"start": "2026-09-01T08:00:00+00:00"}
    refused = org.http.get(f"{ROOT}/sobjects/Lead/deleted/", params=early)
    assert refused.json()[0]["errorCode"] == "INVALID_REPLICATION_DATE"
