"""The Salesforce sandbox over real HTTP, against what the vendor documents and recordings show."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sandbox.salesforce.querying import planned
from sandbox.salesforce.stored import candidates
from tests.sandbox.salesforce_org import (
    AVA,
    BEN,
    LONG_AGO,
    MANY,
    NOW,
    ROBOT,
    ROOT,
    STAMP,
    Org,
    sign_in,
)

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
@pytest.mark.parametrize(
    "where",
    [
        "SystemModstamp >= {0}",
        "SystemModstamp = {0} AND Id > '00Q000000000000AAA'",
        "SystemModstamp > {0} OR (SystemModstamp = {0} AND Id > '00Q000000000000AAA')",
    ],
)
def test_a_query_from_a_stamp_on_looks_at_no_older_row(org: Org, where: str) -> None:
    for number in range(40):
        org.lead(f"n{number}", LONG_AGO + timedelta(minutes=number))
    soql = f"SELECT Id FROM Lead WHERE {where.format('2026-10-03T09:38:00Z')}"
    plan = planned(org.store, f"{soql} ORDER BY SystemModstamp, Id", org.store.access.view)
    looked_at, is_ordered = candidates(org.store.table("Lead"), plan)
    assert {row["LastName"] for row in looked_at} <= {"n38", "n39"}
    assert is_ordered
