"""The sandbox's Salesforce answers the recorded questions in the shape of the recorded answers.

The recordings hold objects nobody here has (Whizbang); compared is what surrounds the fields of a
row, and how values of one type are written. List views, search and recent records have no
counterpart, because nothing of ours asks for them. The bodies were recorded without headers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from sandbox.server import Sandbox
from tests.replay.recordings import load, needs_recordings
from tests.replay.shapes import Shape, differences, shape_of

pytestmark = needs_recordings

TOKEN = "/services/oauth2/token"
DATA = "/services/data/v62.0"
AT_THE_TOP = (
    *("auth_success", "reauth_success", "refresh_success", "auth_error", "refresh_error"),
    *("expired_session", "services_data_success"),
)
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.000\+0000")
# Named in today's documents, though no recording of these years holds them.
TOKEN_TODAY = (".token_type", ".scope", ".api_instance_url")
ERROR_TODAY = ("[].fields",)
UPSERT_TODAY = (".created",)


def recorded(name: str) -> Any:
    inside = "" if name in AT_THE_TOP else "sobject/"
    return load("salesforce-restforce", f"{inside}{name}_response.json")


def hull(name: str) -> Any:
    return load("salesforce-hull", f"fixtures__api_responses__{name}.json")


def said(recordings: list[Any], ours: list[Any], documented: tuple[str, ...] = ()) -> list[str]:
    return [*differences(shape_of(recordings), shape_of(ours), documented=documented)]


def around(body: dict[str, Any]) -> dict[str, Any]:
    """A page of a query with the fields of its rows left out: which they are is data."""
    return {**body, "records": [{"attributes": row["attributes"]} for row in body["records"]]}


@pytest.fixture(scope="module")
def session(box: Sandbox) -> httpx.Response:
    form = {
        "grant_type": "client_credentials",
        "client_id": box.env["BATON_SALESFORCE_CLIENT_ID"],
        "client_secret": box.env["BATON_SALESFORCE_CLIENT_SECRET"],
    }
    return httpx.post(f"{box.env['BATON_SALESFORCE_LOGIN_URL']}{TOKEN}", data=form)


@pytest.fixture(scope="module")
def salesforce(session: httpx.Response) -> Iterator[httpx.Client]:
    token = session.json()
    with httpx.Client(
        base_url=token["instance_url"],
        headers={"Authorization": f"Bearer {token['access_token']}"},
    ) as client:
        yield client


def ask(salesforce: httpx.Client, soql: str, method: str = "query") -> httpx.Response:
    options = {"Sforce-Query-Options": "batchSize=200"}
    return salesforce.get(f"{DATA}/{method}", params={"q": soql}, headers=options)


def test_a_token_answer_has_the_recorded_shape(session: httpx.Response) -> None:
    theirs = [recorded("auth_success"), recorded("reauth_success"), recorded("refresh_success")]
    assert session.status_code == 200
    assert said(theirs, [session.json()], TOKEN_TODAY) == []
    assert re.fullmatch(r"\d{13}", session.json()["issued_at"]), "milliseconds, as text"
    assert re.fullmatch(r"00D\w{12,15}![\w.]+", session.json()["access_token"])


def test_a_refused_login_has_the_recorded_shape(box: Sandbox) -> None:
    form = {"grant_type": "client_credentials", "client_id": "nobody", "client_secret": "nothing"}
    answer = httpx.post(f"{box.env['BATON_SALESFORCE_LOGIN_URL']}{TOKEN}", data=form)
    assert answer.status_code in (400, 401)
    assert said([recorded("auth_error"), recorded("refresh_error")], [answer.json()]) == []


def test_a_dead_session_is_told_in_the_recorded_words(salesforce: httpx.Client) -> None:
    answer = salesforce.get(f"{DATA}/query", headers={"Authorization": "Bearer 00D!dead"})
    assert (answer.status_code, answer.json()) == (401, recorded("expired_session"))


def test_the_pages_of_a_query_have_the_recorded_shape(salesforce: httpx.Client) -> None:
    lead = {"attributes": {"type": "Lead"}, "LastName": "Many", "Company": "More than one page"}
    for _ in range(2):
        salesforce.post(f"{DATA}/composite/sobjects", json={"records": [lead] * 120})
    first = ask(salesforce, "SELECT Id FROM Lead")
    assert first.json()["done"] is False, "the world must hold more rows than one page"
    last = first
    while not last.json()["done"]:
        last = salesforce.get(last.json()["nextRecordsUrl"])
    theirs = recorded("query_paginated_first_page"), recorded("query_paginated_last_page")
    for recording, answer in zip(theirs, (first, last), strict=True):
        assert said([around(recording)], [around(answer.json())]) == []
    assert re.fullmatch(r"/services/data/v62\.0/query/\w+-\d+", first.json()["nextRecordsUrl"])
    assert first.json()["totalSize"] == last.json()["totalSize"] > len(first.json()["records"])


def test_an_empty_query_is_the_recorded_one(salesforce: httpx.Client) -> None:
    answer = ask(salesforce, "SELECT Id FROM Lead WHERE Email = 'nobody@nowhere.example'")
    assert answer.json() == recorded("query_empty")


def test_rows_of_a_query_have_the_recorded_shape(salesforce: httpx.Client) -> None:
    answer = ask(
        salesforce, "SELECT Id, Email, IsConverted, ConvertedDate, CreatedDate FROM Lead LIMIT 50"
    )
    theirs = [recorded("query_success"), recorded("org_query"), hull("findleads")]
    # Hull cut totalSize away; every page of every other recording has it.
    theirs = [around({"totalSize": len(body["records"]), **body}) for body in theirs]
    assert said(theirs, [around(answer.json())]) == []
    row = answer.json()["records"][0]
    assert row["attributes"]["url"] == f"{DATA}/sobjects/Lead/{row['Id']}"


def test_values_are_written_as_recorded(salesforce: httpx.Client) -> None:
    theirs = recorded("sobject_find_success")
    assert MOMENT.fullmatch(theirs["DateTime_Label"])
    answer = ask(
        salesforce,
        "SELECT Id, IsConverted, ConvertedDate, CreatedDate, SystemModstamp, AnnualRevenue,"
        " NumberOfEmployees FROM Lead",
        "queryAll",
    )
    rows = answer.json()["records"]
    shape = shape_of(rows)
    assert shape_of([theirs["IsDeleted"]]).types == {"boolean"}
    assert shape.keys["IsConverted"][1].types == {"boolean"}
    for row in rows:
        assert MOMENT.fullmatch(row["CreatedDate"])
        assert MOMENT.fullmatch(row["SystemModstamp"])
        assert row["ConvertedDate"] is None or re.fullmatch(r"[\d-]{10}", row["ConvertedDate"])
    # Numbers of any kind are written with a point, as recorded: 23.0, except whole-number fields.
    assert shape_of([theirs["Number_Label"]]).types == {"number"}
    assert shape.keys["NumberOfEmployees"][1].types <= {"integer", "null"}
    assert shape.keys["AnnualRevenue"][1].types <= {"number", "null"}


def test_what_is_not_set_is_null_not_absent(salesforce: httpx.Client) -> None:
    assert recorded("sobject_find_success")["OtherDateTime_Label"] is None
    rows = ask(salesforce, "SELECT Id, Phone, MasterRecordId FROM Lead LIMIT 50").json()["records"]
    assert all({"Phone", "MasterRecordId"} <= set(row) for row in rows)
    assert any(row["MasterRecordId"] is None for row in rows)


def test_an_aggregate_has_the_recorded_shape(salesforce: httpx.Client) -> None:
    answer = ask(salesforce, "SELECT Status, COUNT(Id) FROM Lead GROUP BY Status")
    assert answer.status_code == 200
    assert said([around(recorded("query_aggregate_success"))], [around(answer.json())]) == []
    assert all({"Status", "expr0"} <= set(row) for row in answer.json()["records"])


@pytest.mark.parametrize(
    ("soql", "code"),
    [
        ("SELECT nothing_like_it FROM Lead", "INVALID_FIELD"),
        ("SELECT Id FROM Whizbang", "INVALID_TYPE"),
        ("SELECT FROM Lead", "MALFORMED_QUERY"),
    ],
)
def test_a_refused_query_has_the_recorded_shape(
    salesforce: httpx.Client, soql: str, code: str
) -> None:
    answer = ask(salesforce, soql)
    assert answer.status_code == 400
    assert answer.json()[0]["errorCode"] == code
    assert said([recorded("query_error")], [answer.json()], ERROR_TODAY) == []


def test_a_created_row_has_the_recorded_shape(salesforce: httpx.Client) -> None:
    lead = {"LastName": "Lovelace", "Company": "Analytical Engines"}
    answer = salesforce.post(f"{DATA}/sobjects/Lead", json=lead)
    assert answer.status_code == 201
    assert said([recorded("create_success")], [answer.json()]) == []


def test_upserts_and_single_rows_have_the_recorded_shape(salesforce: httpx.Client) -> None:
    key = f"{DATA}/sobjects/Lead/baton_lead_key__c/REPLAY-1"
    lead = {"LastName": "Lovelace", "Company": "Analytical Engines"}
    made, again = salesforce.patch(key, json=lead), salesforce.patch(key, json=lead)
    assert (made.status_code, again.status_code) == (201, 200)
    theirs = [recorded("upsert_created_success")]
    assert said(theirs, [made.json(), again.json()], UPSERT_TODAY) == []
    row = salesforce.get(f"{DATA}/sobjects/Lead/{made.json()['id']}").json()
    assert row["attributes"] == {
        "type": "Lead",
        "url": f"{DATA}/sobjects/Lead/{made.json()['id']}",
    }
    one = [{"attributes": recorded("sobject_find_success")["attributes"]}]
    assert said(one, [{"attributes": row["attributes"]}]) == []
    assert {"Id", "OwnerId", "IsDeleted", "Name", "CreatedById", "LastModifiedById"} <= set(row)


def test_refused_writes_have_the_recorded_shape(salesforce: httpx.Client) -> None:
    lead = {"LastName": "Lovelace", "Company": "Analytical Engines"}
    column = salesforce.post(f"{DATA}/sobjects/Lead", json={**lead, "foo": 1})
    assert (column.status_code, column.json()[0]["errorCode"]) == (400, "INVALID_FIELD")
    assert said([recorded("write_error")], [column.json()], ERROR_TODAY) == []
    assert column.json()[0]["message"] == recorded("write_error")[0]["message"].replace(
        "Bar", "Lead"
    )
    key = salesforce.patch(f"{DATA}/sobjects/Lead/Namez/foo", json=lead)
    assert (key.status_code, key.json()[0]["errorCode"]) == (404, "NOT_FOUND")
    assert said([recorded("upsert_error")], [key.json()], ERROR_TODAY) == []
    assert key.json()[0]["message"] == recorded("upsert_error")[0]["message"]
    nobody = salesforce.get(f"{DATA}/sobjects/Lead/00Q000000000000AAA")
    assert (nobody.status_code, nobody.json()[0]["errorCode"]) == (404, "NOT_FOUND")
    theirs = [recorded("sobject_find_error"), recorded("delete_error")]
    assert said(theirs, [nobody.json()], ERROR_TODAY) == []


def test_the_versions_have_the_recorded_shape(salesforce: httpx.Client) -> None:
    answer = salesforce.get("/services/data")
    assert said([recorded("services_data_success")], [answer.json()]) == []
    assert {"version": "62.0", "url": DATA} in [
        {"version": item["version"], "url": item["url"]} for item in answer.json()
    ]


def test_the_list_of_objects_has_every_recorded_key(salesforce: httpx.Client) -> None:
    answer = salesforce.get(f"{DATA}/sobjects")
    assert answer.status_code == 200
    theirs = [recorded("list_sobjects_success"), recorded("describe_sobjects_success")]
    assert said(theirs, [answer.json()]) == []
    names = {item["name"] for item in answer.json()["sobjects"]}
    assert {"Account", "Contact", "Event", "Lead", "Opportunity", "Task", "User"} <= names


def test_a_description_has_every_recorded_key_of_object_and_field(salesforce: httpx.Client) -> None:
    theirs = recorded("sobject_describe_success")
    answer = salesforce.get(f"{DATA}/sobjects/Lead/describe")
    assert answer.status_code == 200
    ours = answer.json()
    assert set(ours) == set(theirs)
    assert [*differences(shape_of(theirs["fields"]), shape_of(ours["fields"]))] == []


def test_values_of_a_picklist_have_the_recorded_keys(salesforce: httpx.Client) -> None:
    theirs = values_of(recorded("sobject_describe_success"))
    ours = values_of(salesforce.get(f"{DATA}/sobjects/Lead/describe").json())
    assert ours.objects > 0
    assert [*differences(theirs, ours)] == []


def values_of(description: dict[str, Any]) -> Shape:
    return shape_of(value for field in description["fields"] for value in field["picklistValues"])


def test_types_of_fields_are_words_the_vendor_uses(salesforce: httpx.Client) -> None:
    # The recorded object has a field of every type that can be made by hand.
    theirs = {field["type"] for field in recorded("sobject_describe_success")["fields"]}
    # Standard objects know more (Field Types, Object Reference).
    known = theirs | {"address", "int", "long", "combobox", "anyType", "location", "base64"}
    ours = salesforce.get(f"{DATA}/sobjects/Lead/describe").json()["fields"]
    assert {field["type"] for field in ours} <= known
    soap = {
        field["type"]: field["soapType"] for field in recorded("sobject_describe_success")["fields"]
    }
    odd = [
        f"{field['name']}: {field['type']} with {field['soapType']}"
        for field in ours
        if field["type"] in soap and field["soapType"] != soap[field["type"]]
    ]
    assert odd == []


def test_an_unknown_object_is_described_with_the_recorded_refusal(salesforce: httpx.Client) -> None:
    answer = salesforce.get(f"{DATA}/sobjects/Whizbang/describe")
    assert answer.status_code == 404
    assert answer.json() == recorded("sobject_describe_error")


def test_deleted_and_updated_have_the_recorded_shape(salesforce: httpx.Client) -> None:
    made = salesforce.post(
        f"{DATA}/sobjects/Lead", json={"LastName": "Gone", "Company": "Soon"}
    ).json()
    gone = salesforce.delete(f"{DATA}/sobjects/Lead/{made['id']}")
    assert (gone.status_code, gone.content) == (204, b"")
    now = datetime.now(UTC)
    # Seconds are ignored: the window reaches into the minutes around it.
    window = {
        "start": (now - timedelta(hours=2)).isoformat(timespec="seconds"),
        "end": (now + timedelta(minutes=2)).isoformat(timespec="seconds"),
    }
    deleted = salesforce.get(f"{DATA}/sobjects/Lead/deleted/", params=window)
    assert deleted.status_code == 200
    assert made["id"] in [row["id"] for row in deleted.json()["deletedRecords"]]
    theirs = [recorded("get_deleted_success"), hull("deletedcontacts")]
    assert said(theirs, [deleted.json()]) == []
    times = [row["deletedDate"] for row in deleted.json()["deletedRecords"]]
    times += [deleted.json()["earliestDateAvailable"], deleted.json()["latestDateCovered"]]
    assert all(MOMENT.fullmatch(moment) for moment in times)
    updated = salesforce.get(f"{DATA}/sobjects/Lead/updated/", params=window)
    assert updated.status_code == 200
    assert updated.json()["ids"] != []
    assert said([recorded("get_updated_success")], [updated.json()]) == []
